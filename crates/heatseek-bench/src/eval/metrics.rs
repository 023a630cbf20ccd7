//! How good a ranking is, as trec_eval measures it.

use super::beir::Judgements;

/// Normalised discounted cumulative gain of the first `k`, the gain of a document being its grade: the sum of
/// `grade / log2(rank + 1)`, over that of the best ranking there could be. 0 where nothing is relevant.
pub fn ndcg(ranking: &[usize], judgements: &Judgements, k: usize) -> f64 {
    let discounted = |grades: &mut dyn Iterator<Item = u32>| -> f64 {
        grades.take(k).enumerate().map(|(at, grade)| f64::from(grade) / ((at + 2) as f64).log2()).sum()
    };
    let mut best: Vec<u32> = judgements.iter().map(|(_, grade)| *grade).collect();
    best.sort_unstable_by(|a, b| b.cmp(a));
    let ideal = discounted(&mut best.into_iter());
    if ideal == 0.0 {
        return 0.0;
    }
    discounted(&mut ranking.iter().map(|document| grade(judgements, *document))) / ideal
}

/// The share of the relevant documents that is among the first `k`. 0 where nothing is relevant.
pub fn recall(ranking: &[usize], judgements: &Judgements, k: usize) -> f64 {
    let found = ranking.iter().take(k).filter(|document| grade(judgements, **document) > 0).count();
    found as f64 / judgements.len().max(1) as f64
}

/// One over the rank of the first relevant document, 0 where it is behind `k`.
pub fn reciprocal_rank(ranking: &[usize], judgements: &Judgements, k: usize) -> f64 {
    let first = ranking.iter().take(k).position(|document| grade(judgements, *document) > 0);
    first.map_or(0.0, |at| 1.0 / (at + 1) as f64)
}

fn grade(judgements: &Judgements, document: usize) -> u32 {
    judgements.iter().find(|(other, _)| *other == document).map_or(0, |(_, grade)| *grade)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::eval::golden::golden;

    #[test]
    fn by_hand() {
        let (ranking, judgements) = (vec![7, 3, 5, 1], vec![(3, 1), (1, 3), (9, 2)]);
        let gained = 1.0 / 3f64.log2() + 3.0 / 5f64.log2();
        let ideal = 3.0 + 2.0 / 3f64.log2() + 1.0 / 2.0;
        assert!((ndcg(&ranking, &judgements, 10) - gained / ideal).abs() < 1e-15);
        assert!(
            (ndcg(&ranking, &judgements, 2) - (1.0 / 3f64.log2()) / (3.0 + 2.0 / 3f64.log2())).abs() < 1e-15
        );
        assert_eq!([1, 2, 4].map(|k| recall(&ranking, &judgements, k)), [0.0, 1.0 / 3.0, 2.0 / 3.0]);
        assert_eq!([1, 2, 9].map(|k| reciprocal_rank(&ranking, &judgements, k)), [0.0, 0.5, 0.5]);
        assert_eq!(ndcg(&[3, 1], &vec![(3, 2), (1, 2)], 10), 1.0);
    }

    #[test]
    fn nothing_found_and_nothing_to_find() {
        for measure in [ndcg, recall, reciprocal_rank] {
            assert_eq!(measure(&[1, 2], &vec![(3, 1)], 10), 0.0);
            assert_eq!(measure(&[], &vec![(3, 1)], 10), 0.0);
            assert_eq!(measure(&[1], &vec![], 10), 0.0);
        }
    }

    #[test]
    fn as_trec_eval_has_it() {
        let golden = golden();
        assert!(golden.queries.len() >= 20);
        for (at, query) in golden.queries.iter().enumerate() {
            let (ranking, judgements) = (&query.ranking, &query.judgements);
            let near = |got: f64, expected: f64, what: &str| {
                assert!((got - expected).abs() < 1e-12, "query {at}, {what}: {got}, expected {expected}");
            };
            near(ndcg(ranking, judgements, 10), query.ndcg_10, "ndcg");
            near(reciprocal_rank(ranking, judgements, 10), query.mrr_10, "mrr");
            for (k, expected) in &query.recall {
                near(recall(ranking, judgements, k.parse().unwrap()), *expected, "recall");
            }
        }
    }
}
