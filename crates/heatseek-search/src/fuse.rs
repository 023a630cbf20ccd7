//! One ranking from several.

use std::collections::HashMap;

use crate::{RankingError, Scored, TopK};

/// How ranked lists become one.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fusion {
    /// `Σ weight / (k + rank)` over the lists that have an id, ranks from 1 (Cormack, Clarke & Büttcher, "Reciprocal Rank
    /// Fusion Outperforms Condorcet and Individual Rank Learning Methods", 2009). Scores do not count, so their scales
    /// need not agree.
    ReciprocalRank {
        /// The higher, the less the first places count before the others; 60 in the paper. 0 or more.
        k: f32,
    },
    /// `Σ weight · (score − lowest) / (highest − lowest)`, the lowest and the highest of each list (Lee, "Analyses of
    /// Multiple Evidence Combination", 1997). All of a list that has but one score, so also an only hit, count as its
    /// highest: 1. A list that does not have an id gives it 0, as to its own last hit.
    ScoreSum,
}

impl Default for Fusion {
    /// Reciprocal ranks with the paper's 60.
    fn default() -> Self {
        Fusion::ReciprocalRank { k: 60.0 }
    }
}

/// Fuses lists, each best first and with what it weighs: the best `k` of the ids of all lists, best first, ties by
/// ascending id. Where a list has an id twice, its better place counts. A list that weighs 0 adds its ids and nothing to
/// their scores.
///
/// # Errors
/// [`RankingError::Setting`] if a weight or `k` is negative or not finite.
pub fn fuse(lists: &[(&[Scored], f32)], fusion: Fusion, k: usize) -> Result<Vec<Scored>, RankingError> {
    // Of each id the sum, and the last list that added to it.
    let (mut sums, mut places) = (Vec::<(u64, f64, usize)>::new(), HashMap::<u64, usize>::new());
    for (nth, &(hits, weight)) in lists.iter().enumerate() {
        RankingError::check("weight", weight, f32::MAX, "a number of 0 or more")?;
        let of = scale(hits, fusion)?;
        for (at, hit) in hits.iter().enumerate() {
            let added = f64::from(weight) * of(at, hit.score);
            let place = *places.entry(hit.id).or_insert(sums.len());
            match sums.get_mut(place) {
                None => sums.push((hit.id, added, nth)),
                Some((_, sum, last)) if *last < nth => (*sum, *last) = (*sum + added, nth),
                Some(_) => {}
            }
        }
    }
    let mut top = TopK::new(k);
    for (id, sum, _) in sums {
        top.offer(Scored { id, score: sum as f32 });
    }
    Ok(top.into_sorted())
}

/// What a place, from 0, and a score of `hits` count.
fn scale(hits: &[Scored], fusion: Fusion) -> Result<impl Fn(usize, f32) -> f64, RankingError> {
    if let Fusion::ReciprocalRank { k } = fusion {
        RankingError::check("k", k, f32::MAX, "a number of 0 or more")?;
    }
    let scores = hits.iter().map(|hit| f64::from(hit.score));
    let (lowest, highest) = scores
        .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), score| (low.min(score), high.max(score)));
    Ok(move |at: usize, score: f32| match fusion {
        Fusion::ReciprocalRank { k } => 1.0 / (f64::from(k) + at as f64 + 1.0),
        Fusion::ScoreSum if highest > lowest => (f64::from(score) - lowest) / (highest - lowest),
        Fusion::ScoreSum => 1.0,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hits(all: &[(u64, f32)]) -> Vec<Scored> {
        all.iter().map(|&(id, score)| Scored { id, score }).collect()
    }

    fn fused(lists: &[(&[(u64, f32)], f32)], fusion: Fusion) -> Vec<(u64, f32)> {
        let lists: Vec<(Vec<Scored>, f32)> = lists.iter().map(|&(all, weight)| (hits(all), weight)).collect();
        let lists: Vec<(&[Scored], f32)> = lists.iter().map(|(all, weight)| (&all[..], *weight)).collect();
        fuse(&lists, fusion, 9).unwrap().iter().map(|hit| (hit.id, hit.score)).collect()
    }

    const RANKS: Fusion = Fusion::ReciprocalRank { k: 60.0 };

    #[test]
    fn reciprocal_ranks_are_added_up() {
        assert_eq!(Fusion::default(), RANKS);
        let (a, b): (&[_], &[_]) = (&[(1, 9.0), (2, 8.0), (3, 7.0)], &[(3, 0.5), (4, 0.4), (2, 0.3)]);
        let rank = |at: f64| 1.0 / (60.0 + at);
        let expected = [
            (3, (rank(3.0) + rank(1.0)) as f32),
            (2, (rank(2.0) + rank(3.0)) as f32),
            (1, rank(1.0) as f32),
            (4, rank(2.0) as f32),
        ];
        assert_eq!(fused(&[(a, 1.0), (b, 1.0)], RANKS), expected);
        // Ties by id, whichever list has it.
        let ids: Vec<u64> = fused(&[(&[(9, 1.0), (2, 0.0)], 1.0), (&[(5, 1.0), (1, 0.0)], 1.0)], RANKS)
            .iter()
            .map(|(id, _)| *id)
            .collect();
        assert_eq!(ids, [5, 9, 1, 2]);
        let weighted = fused(&[(a, 0.0), (b, 2.0)], Fusion::ReciprocalRank { k: 0.0 });
        assert_eq!(weighted, [(3, 2.0), (4, 1.0), (2, 2.0 / 3.0), (1, 0.0)]);
    }

    #[test]
    fn scores_are_scaled_to_their_range_and_added_up() {
        let (a, b): (&[_], &[_]) = (&[(1, 10.0), (2, 6.0), (3, 2.0)], &[(4, 0.5), (2, -0.5)]);
        let expected = [(1, 0.75), (2, 0.375), (4, 0.25), (3, 0.0)];
        assert_eq!(fused(&[(a, 0.75), (b, 0.25)], Fusion::ScoreSum), expected);
        // One hit, and hits of one score, count as the highest.
        assert_eq!(fused(&[(&[(7, -3.0)], 0.5)], Fusion::ScoreSum), [(7, 0.5)]);
        assert_eq!(
            fused(&[(&[(7, 2.0), (8, 2.0)], 1.0), (&[], 1.0)], Fusion::ScoreSum),
            [(7, 1.0), (8, 1.0)]
        );
        assert!(fused(&[], Fusion::ScoreSum).is_empty());
        let hits = hits(a);
        assert_eq!(
            fuse(&[(&hits, 1.0)], Fusion::ScoreSum, 2).unwrap(),
            [hits[0], hits[1]].map(|hit| Scored { score: (hit.score - 2.0) / 8.0, ..hit })
        );
    }

    #[test]
    fn an_id_counts_once_in_a_list() {
        let twice: &[(u64, f32)] = &[(1, 1.0), (1, 0.5), (2, 0.0)];
        assert_eq!(fused(&[(twice, 1.0), (twice, 1.0)], Fusion::ScoreSum), [(1, 2.0), (2, 0.0)]);
    }

    #[test]
    fn settings_out_of_range_are_named() {
        let with = |weight: f32, k: f32| fuse(&[(&[], weight)], Fusion::ReciprocalRank { k }, 9);
        assert!(with(0.0, 0.0).is_ok());
        assert_eq!(
            with(-0.5, 1.0).unwrap_err().to_string(),
            "`weight` is -0.5; expected a number of 0 or more"
        );
        assert!(
            with(f32::INFINITY, 1.0).is_err() && with(1.0, f32::NAN).is_err() && with(1.0, -1.0).is_err()
        );
    }
}
