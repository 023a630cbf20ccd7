//! An index of texts of several vectors each.

use std::collections::HashMap;

use crate::error::check_finite;
use crate::flat::scale_to_unit;
use crate::max_sim::{check_rows, sum_of_best};
use crate::{Metric, Scored, SearchError, SearchOptions, TopK};

/// Several vectors by id, found by exact comparison with all of them: [`max_sim`](crate::max_sim), of vectors of unit
/// length under the cosine; of Euclidean distances, the sum of those to the nearest, negated.
#[derive(Clone, Debug)]
pub struct MultiIndex {
    dim: usize,
    metric: Metric,
    /// Their vectors `[n, dim]`.
    entries: HashMap<u64, Vec<f32>>,
}

impl MultiIndex {
    /// An empty index of vectors of `dim` elements.
    pub fn new(dim: usize, metric: Metric) -> Self {
        Self { dim, metric, entries: HashMap::new() }
    }

    /// Ids held.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The vectors `[n, dim]` of this id, as they are compared: of unit length under the cosine.
    pub fn vectors(&self, id: u64) -> Option<&[f32]> {
        self.entries.get(&id).map(|vectors| &vectors[..])
    }

    /// Adds `vectors [n, dim]`, or replaces those that have this id. Those of no vectors match nothing: they score
    /// 0, or −∞ by distance.
    ///
    /// # Errors
    /// [`SearchError`] if they are no whole number of vectors or not finite; the index is unchanged then.
    pub fn add(&mut self, id: u64, vectors: &[f32]) -> Result<(), SearchError> {
        let vectors = self.accept(&format!("the vectors of {id}"), vectors)?;
        self.entries.insert(id, vectors);
        Ok(())
    }

    /// Adds `vectors [n, dim]` as [`vectors`](Self::vectors) gave them, or replaces those that have this id.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn add_stored(&mut self, id: u64, vectors: Vec<f32>) -> Result<(), SearchError> {
        let what = format!("the vectors of {id}");
        check_rows(&what, &vectors, self.dim)?;
        check_finite(&what, &vectors)?;
        self.entries.insert(id, vectors);
        Ok(())
    }

    /// Removes what has this id; `false` if there is nothing.
    pub fn remove(&mut self, id: u64) -> bool {
        self.entries.remove(&id).is_some()
    }

    /// Gives the vectors of each id the id that `of` says for it; no two may get the same.
    pub fn renumber(&mut self, of: &dyn Fn(u64) -> u64) {
        for (id, vectors) in std::mem::take(&mut self.entries) {
            self.entries.insert(of(id), vectors);
        }
    }

    /// The best `k` for `query [m, dim]` of those that are allowed, best first, ties by ascending id; fewer if there are
    /// fewer. Costs one pass over all vectors for each of the query. There is nothing to sample: `oversampling` is ignored.
    ///
    /// # Errors
    /// [`SearchError`] if the query is no whole number of vectors or not finite.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Scored>, SearchError> {
        let query = self.accept("the query", query)?;
        let mut top = TopK::new(k);
        for (&id, vectors) in &self.entries {
            if options.allow.is_none_or(|allow| allow(id)) {
                top.offer(Scored { id, score: sum_of_best(&query, vectors, self.dim, self.metric) });
            }
        }
        Ok(top.into_sorted())
    }

    /// `vectors [n, dim]` as they would be compared, if [`add`](Self::add) would take them; `what` names them where not.
    ///
    /// # Errors
    /// As [`add`](Self::add).
    pub fn accept(&self, what: &str, vectors: &[f32]) -> Result<Vec<f32>, SearchError> {
        check_rows(what, vectors, self.dim)?;
        check_finite(&what, vectors)?;
        let mut vectors = vectors.to_vec();
        if self.metric == Metric::Cosine {
            vectors.chunks_exact_mut(self.dim).for_each(scale_to_unit);
        }
        Ok(vectors)
    }
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::{cosine, values};

    use super::*;

    #[test]
    fn finds_what_brute_force_finds() {
        let of = |seed: u64, n: usize| values(seed, n * 5, 1.0);
        let counts = [3, 1, 7, 2, 4];
        let mut index = MultiIndex::new(5, Metric::Cosine);
        for (id, &n) in counts.iter().enumerate() {
            index.add(id as u64, &of(id as u64, n)).unwrap();
        }
        let query = of(99, 3);
        let score = |id: usize| -> f64 {
            let document = of(id as u64, counts[id]);
            let best = |q: &[f32]| document.chunks(5).map(|d| cosine(q, d)).fold(f64::NEG_INFINITY, f64::max);
            query.chunks(5).map(best).sum()
        };
        let mut order: Vec<usize> = (0..counts.len()).collect();
        order.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        let found = index.search(&query, 9, &SearchOptions::default()).unwrap();
        assert_eq!(found.iter().map(|s| s.id as usize).collect::<Vec<_>>(), order);
        found.iter().for_each(|s| assert!((f64::from(s.score) - score(s.id as usize)).abs() < 1e-5));
        assert!(index.remove(order[0] as u64) && !index.remove(99));
        let all = SearchOptions::default();
        assert_eq!(index.search(&query, 1, &all).unwrap()[0].id as usize, order[1]);
        let but = order[1] as u64;
        let allowed = SearchOptions { allow: Some(&|id| id != but), ..all };
        assert_eq!(index.search(&query, 1, &allowed).unwrap()[0].id as usize, order[2]);
        index.add(order[1] as u64, &of(7, 1)).unwrap();
        assert_eq!(index.len(), 4);
        assert!(index.add(8, &[1.0; 4]).is_err() && index.search(&[f32::NAN; 5], 1, &all).is_err());
    }

    #[test]
    fn of_distances_it_sums_those_to_the_nearest_and_nothing_is_farthest() {
        let mut index = MultiIndex::new(2, Metric::Euclidean);
        index.add(1, &[3.0, 4.0, 100.0, 0.0]).unwrap();
        index.add(2, &[]).unwrap();
        index.add(3, &[100.0, 1.0]).unwrap();
        let found = index.search(&[0.0, 0.0, 100.0, 1.0], 3, &SearchOptions::default()).unwrap();
        assert_eq!(found.iter().map(|s| s.id).collect::<Vec<_>>(), [1, 3, 2]);
        assert_eq!((found[0].score, found[2].score), (-5.0 - 1.0, f32::NEG_INFINITY));
    }
}
