//! A flat index: every vector, one after the other.

use std::collections::HashMap;

use thiserror::Error;

use crate::{Scored, TopK};

/// How vectors are compared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// The cosine of the angle between them, −1 to 1. A zero vector scores 0 with everything.
    #[default]
    Cosine,
    /// The dot product.
    Dot,
}

/// Why a vector cannot be indexed or searched for.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum SearchError {
    /// The vector has another width than the index.
    #[error("{what} has {got} elements, but this index holds vectors of {expected}")]
    Dimension {
        /// Which vector.
        what: String,
        /// Width of the index.
        expected: usize,
        /// Width that came.
        got: usize,
    },
    /// The vector holds a NaN or an infinity.
    #[error("{what} is not finite at element {index}")]
    NotFinite {
        /// Which vector.
        what: String,
        /// The first such element.
        index: usize,
    },
    /// What should be several vectors does not divide into them.
    #[error("{what} has {got} elements, which is no whole number of vectors of {width}")]
    Rows {
        /// Which vectors.
        what: String,
        /// Width of one.
        width: usize,
        /// Elements that came.
        got: usize,
    },
    /// Too few vectors to take ranges of.
    #[error("there are {vectors} vectors to take ranges of; give ranges, or two vectors or more")]
    Ranges {
        /// How many came.
        vectors: usize,
    },
    /// There is no precision of this name.
    #[error("precision is `{got}`; expected float32, int8, uint8, binary or ubinary")]
    Precision {
        /// The name.
        got: String,
    },
}

/// Vectors by id, found by exact comparison with all of them.
#[derive(Clone, Debug)]
pub struct FlatIndex {
    dim: usize,
    metric: Metric,
    ids: Vec<u64>,
    places: HashMap<u64, usize>,
    // `ids.len() · dim`, row-major; of unit length under the cosine.
    vectors: Vec<f32>,
}

impl FlatIndex {
    /// An empty index of vectors of `dim` elements.
    pub fn new(dim: usize, metric: Metric) -> Self {
        Self { dim, metric, ids: Vec::new(), places: HashMap::new(), vectors: Vec::new() }
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// Vectors held.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// The vector that has this id, as it is compared: of unit length under the cosine.
    pub fn vector(&self, id: u64) -> Option<&[f32]> {
        self.places.get(&id).map(|place| &self.vectors[place * self.dim..][..self.dim])
    }

    /// `vector` as it would be compared.
    pub fn compared(&self, vector: &[f32]) -> Vec<f32> {
        let mut vector = vector.to_vec();
        if self.metric == Metric::Cosine {
            scale_to_unit(&mut vector);
        }
        vector
    }

    /// Adds `vector [dim]`, or replaces the one that has this id.
    ///
    /// # Errors
    /// [`SearchError`] if its width is wrong or it is not finite; the index is unchanged then.
    pub fn add(&mut self, id: u64, vector: &[f32]) -> Result<(), SearchError> {
        self.check(&format!("vector {id}"), vector)?;
        let place = *self.places.entry(id).or_insert_with(|| {
            self.ids.push(id);
            self.vectors.resize(self.vectors.len() + self.dim, 0.0);
            self.ids.len() - 1
        });
        let vector = self.compared(vector);
        self.vectors[place * self.dim..][..self.dim].copy_from_slice(&vector);
        Ok(())
    }

    /// Removes the vector that has this id; `false` if there is none. The last vector takes its place.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(place) = self.places.remove(&id) else { return false };
        self.ids.swap_remove(place);
        let last = self.ids.len() * self.dim;
        self.vectors.copy_within(last.., place * self.dim);
        self.vectors.truncate(last);
        if let Some(&moved) = self.ids.get(place) {
            self.places.insert(moved, place);
        }
        true
    }

    /// The best `k` for `query [dim]`, best first, ties by ascending id; fewer if there are fewer.
    /// Costs one pass over all vectors. Scores are f32 sums of products: their error is at most
    /// `dim · 2⁻²⁴` of the product of the lengths.
    ///
    /// # Errors
    /// [`SearchError`] if the query's width is wrong or it is not finite.
    pub fn search(&self, query: &[f32], k: usize) -> Result<Vec<Scored>, SearchError> {
        self.check("the query", query)?;
        let query = self.compared(query);
        let mut top = TopK::new(k);
        for (id, row) in self.ids.iter().zip(self.vectors.chunks_exact(self.dim.max(1))) {
            top.offer(Scored { id: *id, score: dot(&query, row) });
        }
        Ok(top.into_sorted())
    }

    fn check(&self, what: &str, vector: &[f32]) -> Result<(), SearchError> {
        if vector.len() != self.dim {
            let (what, expected, got) = (what.to_owned(), self.dim, vector.len());
            return Err(SearchError::Dimension { what, expected, got });
        }
        check_finite(what, vector)
    }
}

/// Fails if a value is a NaN or an infinity.
pub(crate) fn check_finite(what: &str, values: &[f32]) -> Result<(), SearchError> {
    match values.iter().position(|v| !v.is_finite()) {
        Some(index) => Err(SearchError::NotFinite { what: what.to_owned(), index }),
        None => Ok(()),
    }
}

/// Scales a finite vector to unit length; a zero vector stays. Summed in f64, so that lengths whose squares
/// overflow f32 are right, too.
pub(crate) fn scale_to_unit(vector: &mut [f32]) {
    let norm = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
}

/// A dot product in sixteen running sums, which the compiler keeps in vector registers.
pub(crate) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let ((a_main, a_tail), (b_main, b_tail)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a_main.iter().zip(b_main) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::{cosine, lengths, random, values};

    use super::*;

    fn filled(dim: usize, count: usize, metric: Metric, seed: u64) -> (FlatIndex, Vec<Vec<f32>>) {
        let mut index = FlatIndex::new(dim, metric);
        // Every fourth vector is a copy, so that there are exact ties.
        let vectors: Vec<Vec<f32>> = (0..count)
            .map(|i| values(seed + (i - i % 4) as u64 + if i % 4 == 3 { 0 } else { i as u64 }, dim, 1.0))
            .collect();
        for (id, vector) in vectors.iter().enumerate() {
            assert_eq!(index.add(id as u64, vector), Ok(()));
        }
        (index, vectors)
    }

    /// Scores in f64 by the definition.
    fn brute_force(vectors: &[Vec<f32>], query: &[f32], metric: Metric) -> Vec<f64> {
        let dot = |a: &[f32]| a.iter().zip(query).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum::<f64>();
        vectors.iter().map(|v| if metric == Metric::Cosine { cosine(v, query) } else { dot(v) }).collect()
    }

    #[test]
    fn equals_brute_force() {
        for (seed, &count) in lengths(5, 12, 1, 300).iter().enumerate() {
            for (dim, metric) in [(3, Metric::Cosine), (17, Metric::Dot), (384, Metric::Cosine)] {
                let (index, vectors) = filled(dim, count, metric, seed as u64);
                let query = values(seed as u64 + 999, dim, 1.0);
                let truth = brute_force(&vectors, &query, metric);
                let found = index.search(&query, count + 5).unwrap();
                assert_eq!(found.len(), count);
                for scored in &found {
                    assert!((f64::from(scored.score) - truth[scored.id as usize]).abs() < 1e-5);
                }
                assert!(
                    found.windows(2).all(|w| (w[1].score, w[0].id) < (w[0].score, w[1].id)),
                    "order and ties"
                );
                assert_eq!(index.search(&query, 3).unwrap(), found[..3.min(count)]);
                assert_eq!(index.search(&query, 0).unwrap(), []);
            }
        }
    }

    #[test]
    fn replacing_and_removing_keep_the_rest() {
        let (mut index, vectors) = filled(5, 20, Metric::Dot, 1);
        for id in random(2, 10).iter().map(|r| r % 20) {
            let had = index.search(&vectors[0], 20).unwrap().iter().any(|s| s.id == id);
            assert_eq!(index.remove(id), had);
        }
        let before = index.len();
        let survivor = index.search(&vectors[0], 1).unwrap()[0].id;
        index.add(survivor, &[9.0; 5]).unwrap();
        assert_eq!(index.len(), before);
        assert_eq!(index.search(&[1.0; 5], 1).unwrap()[0], Scored { id: survivor, score: 45.0 });
        for scored in index.search(&vectors[0], 20).unwrap().iter().filter(|s| s.id != survivor) {
            let truth = brute_force(&vectors, &vectors[0], Metric::Dot)[scored.id as usize];
            assert!((f64::from(scored.score) - truth).abs() < 1e-5);
        }
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let mut index = FlatIndex::new(2, Metric::Cosine);
        let error = index.add(7, &[1.0]).unwrap_err();
        assert_eq!(error.to_string(), "vector 7 has 1 elements, but this index holds vectors of 2");
        let error = index.add(8, &[0.0, f32::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "vector 8 is not finite at element 1");
        assert!(index.search(&[f32::INFINITY, 0.0], 1).is_err());
        assert!(index.is_empty());
    }

    #[test]
    fn zero_and_huge_vectors_have_a_cosine() {
        let mut index = FlatIndex::new(2, Metric::Cosine);
        index.add(1, &[0.0, 0.0]).unwrap();
        index.add(2, &[1e30, 1e30]).unwrap();
        let found = index.search(&[1.0, 1.0], 2).unwrap();
        assert!((found[0].score - 1.0).abs() < 1e-6 && found[0].id == 2);
        assert_eq!(found[1], Scored { id: 1, score: 0.0 });
    }
}
