//! What trec_eval and numpy make of random rankings; `tests/golden/make_retrieval_metrics.py` wrote it.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::beir::Judgements;

#[derive(Deserialize)]
pub struct Golden {
    pub queries: Vec<Query>,
    pub bootstrap: Bootstrap,
}

#[derive(Deserialize)]
pub struct Query {
    pub ranking: Vec<usize>,
    pub judgements: Judgements,
    pub ndcg_10: f64,
    pub mrr_10: f64,
    pub recall: BTreeMap<String, f64>,
}

/// Estimates are mean, low and high; the difference is that of `mrr_10` from `ndcg_10`.
#[derive(Deserialize)]
pub struct Bootstrap {
    pub seed: u64,
    pub resamples: usize,
    pub ndcg_10: [f64; 3],
    pub difference: [f64; 3],
    pub p: f64,
}

pub fn golden() -> Golden {
    serde_json::from_str(include_str!("../../../../tests/golden/retrieval_metrics.json")).unwrap()
}
