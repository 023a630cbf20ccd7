//! A flat index: every vector, one after the other.

use std::borrow::Cow;
use std::collections::HashMap;
use std::fmt;

use heatseek_cpu::{Scan, in_parallel, threads};

use crate::error::check_finite;
use crate::query::Query;
use crate::signs::Signs;
use crate::storage::{BLOCK, Rows, Vectors};
use crate::{Scored, SearchError, Storage, TopK};

/// How vectors are compared. Higher scores are better.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Metric {
    /// The cosine of the angle between them, −1 to 1. A zero vector scores 0 with everything.
    #[default]
    Cosine,
    /// The dot product.
    Dot,
    /// The Euclidean distance, negated: 0 for what is equal. As `SimilarityFunction.EUCLIDEAN` of sentence-transformers
    /// has it; of the distance `−score`, others show its square, or `1 / (1 + distance)`.
    Euclidean,
}

impl Metric {
    /// The metric of this name: `cosine`, `dot` or `euclidean`.
    pub fn named(name: &str) -> Option<Self> {
        [Self::Cosine, Self::Dot, Self::Euclidean].into_iter().find(|metric| metric.name() == name)
    }

    fn name(self) -> &'static str {
        match self {
            Self::Cosine => "cosine",
            Self::Dot => "dot",
            Self::Euclidean => "euclidean",
        }
    }
}

impl fmt::Display for Metric {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// What a search is to look at.
#[derive(Clone, Copy)]
pub struct SearchOptions<'a> {
    /// How many candidates for each result are found by their signs and scored from the copy, where vectors are stored as
    /// [`Storage::Binary`]; 0 is as 1. With 4 of them, which is the default, 96 of the best 100 vectors of sentences were
    /// found.
    pub oversampling: usize,
    /// Which ids may be found; `None` is all. Asked once for each vector, on this thread and before any is compared: there
    /// are `k` results if so many are allowed.
    pub allow: Option<&'a dyn Fn(u64) -> bool>,
}

impl Default for SearchOptions<'_> {
    fn default() -> Self {
        Self { oversampling: 4, allow: None }
    }
}

impl fmt::Debug for SearchOptions<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let allow = self.allow.map(|_| "…");
        f.debug_struct("SearchOptions")
            .field("oversampling", &self.oversampling)
            .field("allow", &allow)
            .finish()
    }
}

/// Bytes of vectors that are worth handing to a thread: some 10 µs of reading.
const MIN_BYTES_OF_TASK: usize = 1 << 18;
/// Tasks for each thread, so that none waits long for the last.
const TASKS_OF_THREAD: usize = 4;

/// Vectors by id, found by comparison with all of them.
///
/// ```
/// use heatseek_search::{FlatIndex, Metric, SearchOptions, Storage};
/// let mut index = FlatIndex::new(2, Metric::Euclidean, Storage::F32);
/// index.add(7, &[3.0, 4.0])?;
/// index.add(8, &[0.0, 1.0])?;
/// let found = index.search(&[0.0, 0.0], 5, &SearchOptions { allow: Some(&|id| id != 8), ..Default::default() })?;
/// assert_eq!((found.len(), found[0].id, found[0].score), (1, 7, -5.0));
/// # Ok::<(), heatseek_search::SearchError>(())
/// ```
#[derive(Clone, Debug)]
pub struct FlatIndex {
    dim: usize,
    metric: Metric,
    storage: Storage,
    scan: Scan,
    ids: Vec<u64>,
    places: HashMap<u64, u32>,
    rows: Rows,
    /// Of the rows as they are stored.
    signs: Option<Signs>,
}

impl FlatIndex {
    /// An empty index of vectors of `dim` elements.
    pub fn new(dim: usize, metric: Metric, storage: Storage) -> Self {
        let rows = Rows::new(storage);
        Self::of(dim, metric, storage, rows)
    }

    fn of(dim: usize, metric: Metric, storage: Storage, rows: Rows) -> Self {
        let signs = storage.has_signs().then(Signs::default);
        let scan = Scan::new();
        Self { dim, metric, storage, scan, ids: Vec::new(), places: HashMap::new(), rows, signs }
    }

    /// The index whose [`ids`](Self::ids) and [`vectors`](Self::vectors) these are; it finds the same with the same
    /// scores. Costs a pass over all vectors.
    ///
    /// # Errors
    /// [`SearchError::Parts`] if an id is there twice, or the vectors are not as many, as wide or stored otherwise;
    /// [`SearchError::NotFinite`]; [`SearchError::Full`].
    pub fn from_parts(
        dim: usize,
        metric: Metric,
        storage: Storage,
        ids: Vec<u64>,
        vectors: Vectors<'_>,
    ) -> Result<Self, SearchError> {
        let count = u32::try_from(ids.len()).map_err(|_| SearchError::Full)?;
        let rows = Rows::from_vectors(vectors, (ids.len(), dim), (metric, storage))?;
        let mut index = Self::of(dim, metric, storage, rows);
        index.places = places_of(&ids);
        if index.places.len() < ids.len() {
            let twice = ids.iter().zip(0..).find(|(id, place)| index.places[id] != *place);
            return Err(SearchError::Parts {
                expected: format!("{count} vectors"),
                got: format!("ids of which {} is there twice", twice.map_or(0, |(id, _)| *id)),
            });
        }
        if let Some(signs) = &mut index.signs {
            signs.reserve(ids.len(), dim, metric);
            (0..ids.len()).for_each(|place| signs.set(place, &index.rows.row(place, dim), metric));
        }
        index.ids = ids;
        Ok(index)
    }

    /// Elements of a vector.
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// How vectors are compared.
    pub fn metric(&self) -> Metric {
        self.metric
    }

    /// What vectors are stored as.
    pub fn storage(&self) -> Storage {
        self.storage
    }

    /// Vectors held.
    pub fn len(&self) -> usize {
        self.ids.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.ids.is_empty()
    }

    /// Bytes of memory that it takes: of the vectors, what goes with them, and ids, with room that is kept for more.
    pub fn bytes(&self) -> usize {
        // The standard library's table has a byte beside each entry, and room for an eighth more.
        let of_places = self.places.capacity() * (size_of::<(u64, u32)>() + 1) / 7 * 8;
        let of_signs = self.signs.as_ref().map_or(0, Signs::bytes);
        self.rows.bytes() + of_signs + 8 * self.ids.capacity() + of_places
    }

    /// Ids, in the order of [`vectors`](Self::vectors).
    pub fn ids(&self) -> &[u64] {
        &self.ids
    }

    /// All vectors as they are stored. With the ids, what [`from_parts`](Self::from_parts) makes the index of.
    pub fn vectors(&self) -> Vectors<'_> {
        self.rows.vectors()
    }

    /// Of [`Storage::Binary`], the vectors' signs, a bit an element and each in whole words, the first in the lowest bit, and
    /// what a sign stands for in each vector: what a device scans for candidates, which [`among`](Self::among) then scores.
    pub fn signs(&self) -> Option<(&[u64], &[f32])> {
        self.signs.as_ref().map(Signs::parts)
    }

    /// The vector that has this id, as it is stored: of unit length under the cosine.
    pub fn vector(&self, id: u64) -> Option<Cow<'_, [f32]>> {
        self.places.get(&id).map(|&place| self.rows.row(place as usize, self.dim))
    }

    /// The vectors of `ids` as they are stored, in that order; `None` if one is not there.
    pub fn stored(&self, ids: &[u64]) -> Option<Vectors<'static>> {
        let places: Option<Vec<u32>> = ids.iter().map(|id| self.places.get(id).copied()).collect();
        Some(self.rows.select(&places?, self.dim))
    }

    /// `vector` as it would be compared.
    pub fn compared(&self, vector: &[f32]) -> Vec<f32> {
        let mut vector = vector.to_vec();
        if self.metric == Metric::Cosine {
            scale_to_unit(&mut vector);
        }
        vector
    }

    /// Makes room for `more` vectors, so that adding them takes no more memory than they need.
    pub fn reserve(&mut self, more: usize) {
        self.ids.reserve_exact(more);
        self.places.reserve(more);
        self.rows.reserve(more, self.dim, self.metric);
        if let Some(signs) = &mut self.signs {
            signs.reserve(more, self.dim, self.metric);
        }
    }

    /// Adds `vector [dim]`, or replaces the one that has this id.
    ///
    /// # Errors
    /// [`SearchError`] if its width is wrong, it is not finite, it is too large for what it is stored as, or no more fit;
    /// the index is unchanged then.
    pub fn add(&mut self, id: u64, vector: &[f32]) -> Result<(), SearchError> {
        let vector = self.accept(&format_args!("vector {id}"), vector)?;
        let place = self.place(id)?;
        self.rows.set(place, &vector, self.metric);
        self.set_signs(place);
        Ok(())
    }

    /// `vector` as it would be compared, if [`add`](Self::add) would take it; `what` names it where not.
    ///
    /// # Errors
    /// As [`add`](Self::add), but that no more fit.
    pub fn accept(&self, what: &dyn fmt::Display, vector: &[f32]) -> Result<Vec<f32>, SearchError> {
        self.check(what, vector)?;
        let vector = self.compared(vector);
        self.rows.check(what, &vector)?;
        Ok(vector)
    }

    /// Adds a vector as [`stored`](Self::stored) gave it, or replaces the one that has this id: it has the same scores.
    ///
    /// # Errors
    /// As [`from_parts`](Self::from_parts); the index is unchanged then.
    pub fn add_stored(&mut self, id: u64, vector: Vectors<'_>) -> Result<(), SearchError> {
        let row = Rows::from_vectors(vector, (1, self.dim), (self.metric, self.storage))?;
        let place = self.place(id)?;
        self.rows.copy(place, &row, self.dim);
        self.set_signs(place);
        Ok(())
    }

    /// Where the vector of this id is, or is to be.
    fn place(&mut self, id: u64) -> Result<usize, SearchError> {
        if let Some(&place) = self.places.get(&id) {
            return Ok(place as usize);
        }
        let next = u32::try_from(self.ids.len()).ok().filter(|&next| next < u32::MAX);
        let next = next.ok_or(SearchError::Full)?;
        self.places.insert(id, next);
        self.ids.push(id);
        Ok(next as usize)
    }

    fn set_signs(&mut self, place: usize) {
        if let Some(signs) = &mut self.signs {
            signs.set(place, &self.rows.row(place, self.dim), self.metric);
        }
    }

    /// Removes the vector that has this id; `false` if there is none. The last vector takes its place.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(place) = self.places.remove(&id) else { return false };
        self.ids.swap_remove(place as usize);
        self.rows.swap_remove(place as usize, self.dim);
        if let Some(signs) = &mut self.signs {
            signs.swap_remove(place as usize, self.dim);
        }
        if let Some(&moved) = self.ids.get(place as usize) {
            self.places.insert(moved, place);
        }
        true
    }

    /// Gives each vector the id that `of` says for its own; no two may get the same. Costs a pass over all ids.
    pub fn renumber(&mut self, of: &dyn Fn(u64) -> u64) {
        self.ids.iter_mut().for_each(|id| *id = of(*id));
        self.places = places_of(&self.ids);
    }

    /// The best `k` for `query [dim]` of those that are allowed, best first, ties by ascending id; fewer if there are
    /// fewer. Costs one pass over all that are allowed, on all threads.
    ///
    /// Scores are those of the vectors as they are stored. Of floats they are f32 sums, whose error is at most
    /// `dim · 2⁻²⁴` of the product of the lengths; of int8 they are exact, the query rounded to 16 bits. Of
    /// [`Storage::Binary`] a result may be missing, see [`SearchOptions::oversampling`]: scores are those of the copy.
    ///
    /// # Errors
    /// [`SearchError`] if the query's width is wrong or it is not finite.
    pub fn search(
        &self,
        query: &[f32],
        k: usize,
        options: &SearchOptions<'_>,
    ) -> Result<Vec<Scored>, SearchError> {
        self.check(&"the query", query)?;
        let query = Query::new(self.compared(query), self.metric);
        let mut places = options.allow.map(|allow| -> Vec<u32> {
            self.ids.iter().zip(0..).filter(|(id, _)| allow(**id)).map(|(_, place)| place).collect()
        });
        if let Some(signs) = &self.signs {
            let planes = query.planes();
            let candidates = self.best(
                k.saturating_mul(options.oversampling.max(1)),
                places.as_deref(),
                self.dim.div_ceil(8),
                &|places, out| signs.estimate(self.scan, self.dim, &planes, places, out),
            );
            places = Some(candidates.iter().map(|candidate| self.places[&candidate.id]).collect());
        }
        Ok(self.exact(&query, k, places.as_deref()))
    }

    /// The best `k` of the vectors that have these `ids`, as [`search`](Self::search) scores them; those that are not there
    /// are none.
    ///
    /// # Errors
    /// As [`search`](Self::search).
    pub fn among(&self, query: &[f32], k: usize, ids: &[u64]) -> Result<Vec<Scored>, SearchError> {
        self.check(&"the query", query)?;
        let query = Query::new(self.compared(query), self.metric);
        let places: Vec<u32> = ids.iter().filter_map(|id| self.places.get(id).copied()).collect();
        Ok(self.exact(&query, k, Some(&places)))
    }

    /// The best `k` of `places`, or of all, from the vectors as they are stored.
    fn exact(&self, query: &Query, k: usize, places: Option<&[u32]>) -> Vec<Scored> {
        let bytes = self.rows.bytes() / self.ids.len().max(1);
        let score = |places: &[u32], out: &mut [f32]| self.rows.score(self.scan, query, places, out);
        self.best(k, places, bytes, &score)
    }

    /// The best `k` of `places`, or of all, by what `score` gives blocks of them; a row is of so many bytes.
    fn best(
        &self,
        k: usize,
        places: Option<&[u32]>,
        row_bytes: usize,
        score: &(dyn Fn(&[u32], &mut [f32]) + Sync),
    ) -> Vec<Scored> {
        let count = places.map_or(self.ids.len(), <[u32]>::len);
        let of_task = count.div_ceil(TASKS_OF_THREAD * threads());
        let of_task = of_task.max(MIN_BYTES_OF_TASK / row_bytes.max(1)).next_multiple_of(BLOCK);
        let mut tops: Vec<TopK> = (0..count.div_ceil(of_task)).map(|_| TopK::with_room(k, of_task)).collect();
        in_parallel(&mut tops, |task, top| {
            let mut block = [0u32; BLOCK];
            let mut scores = [0.0f32; BLOCK];
            let end = count.min((task + 1) * of_task);
            for first in (task * of_task..end).step_by(BLOCK) {
                let range = first..end.min(first + BLOCK);
                let scores = &mut scores[..range.len()];
                let places = match places {
                    Some(places) => &places[range],
                    None => {
                        let block = &mut block[..range.len()];
                        block.iter_mut().zip(range).for_each(|(to, place)| *to = place as u32);
                        &*block
                    }
                };
                score(places, scores);
                let mut bar = top.bar();
                for (&place, &score) in places.iter().zip(&*scores) {
                    // A NaN, of products that overflow, is no better than the bar.
                    if score >= bar {
                        top.offer(Scored { id: self.ids[place as usize], score });
                        bar = top.bar();
                    }
                }
            }
        });
        let all = tops.into_iter().reduce(|mut all, top| {
            top.into_sorted().into_iter().for_each(|scored| all.offer(scored));
            all
        });
        all.map_or_else(Vec::new, TopK::into_sorted)
    }

    fn check(&self, what: &dyn fmt::Display, vector: &[f32]) -> Result<(), SearchError> {
        if vector.len() != self.dim {
            let (what, expected, got) = (what.to_string(), self.dim, vector.len());
            return Err(SearchError::Dimension { what, expected, got });
        }
        check_finite(what, vector)
    }
}

/// Where each id is; of one that is there twice, the last.
fn places_of(ids: &[u64]) -> HashMap<u64, u32> {
    ids.iter().copied().zip(0..).collect()
}

/// Scales a finite vector to unit length; a zero vector stays. Summed in f64, so that lengths whose squares
/// overflow f32 are right, too.
pub(crate) fn scale_to_unit(vector: &mut [f32]) {
    let norm = vector.iter().map(|&v| f64::from(v) * f64::from(v)).sum::<f64>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|v| *v = (f64::from(*v) / norm) as f32);
    }
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::{cosine, lengths, random, values};

    use super::*;

    fn filled(dim: usize, count: usize, metric: Metric, seed: u64) -> (FlatIndex, Vec<Vec<f32>>) {
        let mut index = FlatIndex::new(dim, metric, Storage::F32);
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
                let found = index.search(&query, count + 5, &SearchOptions::default()).unwrap();
                assert_eq!(found.len(), count);
                for scored in &found {
                    assert!((f64::from(scored.score) - truth[scored.id as usize]).abs() < 1e-5);
                }
                assert!(
                    found.windows(2).all(|w| (w[1].score, w[0].id) < (w[0].score, w[1].id)),
                    "order and ties"
                );
                assert_eq!(
                    index.search(&query, 3, &SearchOptions::default()).unwrap(),
                    found[..3.min(count)]
                );
                assert_eq!(index.search(&query, 0, &SearchOptions::default()).unwrap(), []);
            }
        }
    }

    #[test]
    fn replacing_and_removing_keep_the_rest() {
        let (mut index, vectors) = filled(5, 20, Metric::Dot, 1);
        for id in random(2, 10).iter().map(|r| r % 20) {
            let had =
                index.search(&vectors[0], 20, &SearchOptions::default()).unwrap().iter().any(|s| s.id == id);
            assert_eq!(index.remove(id), had);
        }
        let before = index.len();
        let survivor = index.search(&vectors[0], 1, &SearchOptions::default()).unwrap()[0].id;
        index.add(survivor, &[9.0; 5]).unwrap();
        assert_eq!(index.len(), before);
        assert_eq!(
            index.search(&[1.0; 5], 1, &SearchOptions::default()).unwrap()[0],
            Scored { id: survivor, score: 45.0 }
        );
        for scored in index
            .search(&vectors[0], 20, &SearchOptions::default())
            .unwrap()
            .iter()
            .filter(|s| s.id != survivor)
        {
            let truth = brute_force(&vectors, &vectors[0], Metric::Dot)[scored.id as usize];
            assert!((f64::from(scored.score) - truth).abs() < 1e-5);
        }
    }

    #[test]
    fn vectors_of_some_ids_are_those_that_all_have() {
        for storage in
            [Storage::F32, Storage::F16, Storage::Int8, Storage::Binary { rescore: crate::Rescore::Int8 }]
        {
            let mut index = FlatIndex::new(5, Metric::Cosine, storage);
            (0..9).for_each(|id| index.add(id, &values(id, 5, 1.0)).unwrap());
            index.remove(2);
            let ids: Vec<u64> = [8, 0, 5].to_vec();
            let some =
                FlatIndex::from_parts(5, Metric::Cosine, storage, ids.clone(), index.stored(&ids).unwrap());
            let some = some.unwrap();
            ids.iter().for_each(|&id| assert_eq!(some.vector(id), index.vector(id)));
            assert_eq!(index.stored(index.ids()).unwrap(), index.vectors());
            assert_eq!(index.stored(&[0, 2]), None);
            let query = values(5, 5, 1.0);
            let all = index.search(&query, 9, &SearchOptions { oversampling: 9, allow: None }).unwrap();
            let wanted: Vec<Scored> = all.into_iter().filter(|hit| [8, 0, 5].contains(&hit.id)).collect();
            assert_eq!(index.among(&query, 9, &[5, 2, 0, 8]).unwrap(), wanted);
            assert_eq!(index.among(&query, 2, &[5, 2, 0, 8]).unwrap(), wanted[..2]);
            let copy = index.stored(&[5]).unwrap();
            index.add_stored(77, copy).unwrap();
            let found = index.search(&values(5, 5, 1.0), 2, &SearchOptions::default()).unwrap();
            assert_eq!((found[0].id, found[1].id, found[0].score), (5, 77, found[1].score));
            assert!(
                index.add_stored(78, index.stored(&[5, 77]).unwrap()).is_err() && index.vector(78).is_none()
            );
        }
    }

    #[test]
    fn nonsense_is_refused_and_changes_nothing() {
        let mut index = FlatIndex::new(2, Metric::Cosine, Storage::F32);
        let error = index.add(7, &[1.0]).unwrap_err();
        assert_eq!(error.to_string(), "vector 7 has 1 elements, but this index holds vectors of 2");
        let error = index.add(8, &[0.0, f32::NAN]).unwrap_err();
        assert_eq!(error.to_string(), "vector 8 is not finite at element 1");
        assert!(index.search(&[f32::INFINITY, 0.0], 1, &SearchOptions::default()).is_err());
        assert!(index.is_empty());
    }

    #[test]
    fn zero_and_huge_vectors_have_a_cosine() {
        let mut index = FlatIndex::new(2, Metric::Cosine, Storage::F32);
        index.add(1, &[0.0, 0.0]).unwrap();
        index.add(2, &[1e30, 1e30]).unwrap();
        let found = index.search(&[1.0, 1.0], 2, &SearchOptions::default()).unwrap();
        assert!((found[0].score - 1.0).abs() < 1e-6 && found[0].id == 2);
        assert_eq!(found[1], Scored { id: 1, score: 0.0 });
    }
}
