//! Hits that say different things.

use crate::{RankingError, Scored};

/// Chooses `k` of `hits` one by one, each time the one with the highest
/// `lambda · score − (1 − lambda) · highest cosine with one chosen before` (maximal marginal relevance: Carbonell &
/// Goldstein, "The Use of MMR, Diversity-Based Reranking for Reordering Documents and Producing Summaries", 1998). They
/// come in the order they were chosen, with the scores they had; ties by the better score, then by ascending id.
///
/// `lambda` is 0 to 1: at 1 only the score counts, at 0 after the first only the difference. Scores are weighed against
/// cosines, so they should be cosines, or scaled to 0 to 1. `vectors[i]` is that of `hits[i]`, of any length; a zero
/// vector is like nothing. Costs `k · hits` dot products.
///
/// # Errors
/// [`RankingError`] if `lambda` is out of range, there is not one vector for each hit, or their widths differ.
pub fn diversify(
    hits: &[Scored],
    vectors: &[&[f32]],
    lambda: f32,
    k: usize,
) -> Result<Vec<Scored>, RankingError> {
    RankingError::check("lambda", lambda, 1.0, "a number from 0 to 1")?;
    if hits.len() != vectors.len() {
        return Err(RankingError::Vectors { expected: hits.len(), got: vectors.len() });
    }
    let lambda = f64::from(lambda);
    let width = vectors.first().map_or(0, |first| first.len());
    let mut left = Vec::with_capacity(hits.len());
    for (hit, vector) in hits.iter().zip(vectors) {
        if vector.len() != width {
            return Err(RankingError::Width { id: hit.id, expected: width, got: vector.len() });
        }
        left.push(Candidate { hit: *hit, vector, length: dot(vector, vector).sqrt(), nearest: None });
    }
    let mut chosen = Vec::with_capacity(k.min(left.len()));
    while chosen.len() < k && !left.is_empty() {
        let mut best = (0, f64::NEG_INFINITY);
        for (at, candidate) in left.iter().enumerate() {
            let near = candidate.nearest.unwrap_or(0.0);
            let worth = lambda * f64::from(candidate.hit.score) - (1.0 - lambda) * near;
            // Of equals the first of the ranking is taken.
            if worth > best.1 || worth == best.1 && candidate.hit < left[best.0].hit {
                best = (at, worth);
            }
        }
        let next = left.swap_remove(best.0);
        for candidate in &mut left {
            let lengths = candidate.length * next.length;
            let near = if lengths > 0.0 { dot(candidate.vector, next.vector) / lengths } else { 0.0 };
            candidate.nearest = Some(candidate.nearest.map_or(near, |nearest| nearest.max(near)));
        }
        chosen.push(next.hit);
    }
    Ok(chosen)
}

struct Candidate<'a> {
    hit: Scored,
    vector: &'a [f32],
    length: f64,
    /// Its highest cosine with one that was chosen.
    nearest: Option<f64>,
}

fn dot(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::{cosine, values};

    use super::*;

    /// By the definition, every cosine anew.
    fn plain(hits: &[Scored], vectors: &[&[f32]], lambda: f64, k: usize) -> Vec<u64> {
        let (mut chosen, mut left) = (Vec::<usize>::new(), (0..hits.len()).collect::<Vec<_>>());
        while chosen.len() < k && !left.is_empty() {
            let worth = |&at: &usize| {
                let near = chosen.iter().map(|&other| cosine(vectors[at], vectors[other])).reduce(f64::max);
                lambda * f64::from(hits[at].score) - (1.0 - lambda) * near.unwrap_or(0.0)
            };
            // The last of equals is taken.
            left.sort_by(|&a, &b| hits[b].cmp(&hits[a]));
            let best = *left.iter().max_by(|a, b| worth(a).partial_cmp(&worth(b)).unwrap()).unwrap();
            chosen.push(best);
            left.retain(|&at| at != best);
        }
        chosen.into_iter().map(|at| hits[at].id).collect()
    }

    #[test]
    fn chooses_what_the_definition_does() {
        for (seed, n, width) in [(1, 1, 3), (2, 2, 1), (3, 12, 4), (4, 40, 19)] {
            let all = values(seed, n * width, 3.0);
            let vectors: Vec<&[f32]> = all.chunks(width).collect();
            let scores = values(seed + 50, n, 1.0);
            let hits: Vec<Scored> =
                scores.iter().zip(0..).map(|(&score, at)| Scored { id: (at * 37) % 101, score }).collect();
            for (lambda, k) in [(0.0, n), (0.3, n), (0.5, 7), (0.9, n + 3), (1.0, n), (0.5, 0)] {
                let found = diversify(&hits, &vectors, lambda, k).unwrap();
                let ids: Vec<u64> = found.iter().map(|hit| hit.id).collect();
                assert_eq!(
                    ids,
                    plain(&hits, &vectors, f64::from(lambda), k),
                    "seed {seed} lambda {lambda} k {k}"
                );
                assert!(found.iter().all(|hit| hits.contains(hit)));
            }
        }
    }

    #[test]
    fn the_same_again_comes_last() {
        let vectors: [&[f32]; 4] = [&[1.0, 0.0], &[9.0, 0.0], &[0.0, 1.0], &[0.0, 0.0]];
        let hits: Vec<Scored> = [(4, 0.9), (3, 0.9), (2, 0.5), (1, 0.1)]
            .iter()
            .map(|&(id, score)| Scored { id, score })
            .collect();
        let ids = |lambda, k| -> Vec<u64> {
            diversify(&hits, &vectors, lambda, k).unwrap().iter().map(|hit| hit.id).collect()
        };
        // 3 and 4 point the same way and score the same: the smaller id comes first, the other last.
        assert_eq!(ids(0.5, 4), [3, 2, 1, 4]);
        assert_eq!(ids(1.0, 4), [3, 4, 2, 1]);
        assert_eq!(ids(0.5, 2), [3, 2]);
        assert!(diversify(&[], &[], 0.5, 4).unwrap().is_empty());
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let hits = [Scored { id: 8, score: 1.0 }, Scored { id: 5, score: 0.5 }];
        let said = |vectors: &[&[f32]], lambda| diversify(&hits, vectors, lambda, 1).unwrap_err().to_string();
        assert_eq!(said(&[&[1.0], &[1.0]], 1.5), "`lambda` is 1.5; expected a number from 0 to 1");
        assert_eq!(said(&[&[1.0]], 0.5), "there are 2 hits, but 1 vectors");
        assert_eq!(said(&[&[1.0], &[]], 0.5), "vector 5 has 0 elements, but the first one has 1");
    }
}
