//! Energies of the additive attention, with parameters of each source or of all (row 116).

use crate::math::dot;
use crate::matrix::{Matrix, columns};
use crate::{Params, PoolError};

/// `v_k · tanh(s W_k + x U_k)` of source k.
pub(crate) struct Additive {
    query: Vec<Matrix>,
    key: Vec<Matrix>,
    score: Vec<Vec<f32>>,
}

/// The one of source `k`, or the one there is for all.
pub(crate) fn of_source<T>(list: &[T], k: usize) -> &T {
    &list[if list.len() == 1 { 0 } else { k }]
}

impl Additive {
    /// Tensors named `w` and `u` `[D, a]` and `v` `[a]`, each with a first dimension K where sources have their own.
    pub(crate) fn read(params: &Params, [w, u, v]: [&str; 3], width: usize) -> Result<Self, PoolError> {
        let inner = columns(params, w, width)?;
        let score = match params.get(v) {
            Some((&[sources, _], _)) => params.require(v, &[sources.max(1), inner])?,
            _ => params.require(v, &[inner])?,
        };
        Ok(Self {
            query: Matrix::several(params, w, "", [width, inner])?,
            key: Matrix::several(params, u, "", [width, inner])?,
            score: score.chunks_exact(inner).map(<[f32]>::to_vec).collect(),
        })
    }

    /// How many sources each list is for that is not for all.
    pub(crate) fn sources(&self) -> impl Iterator<Item = usize> {
        [self.query.len(), self.key.len(), self.score.len()].into_iter().filter(|sources| *sources > 1)
    }

    pub(crate) fn energy(&self, source: usize, query: &[f64], x: &[f64]) -> f64 {
        let query = of_source(&self.query, source).apply(query);
        let sum = query.into_iter().zip(of_source(&self.key, source).apply(x));
        let score: &Vec<f32> = of_source(&self.score, source);
        dot(&sum.map(|(q, k)| (q + k).tanh()).collect::<Vec<_>>(), score)
    }
}
