//! Everything that vectors can be stored as, by every metric, against the definition in f64 over what is stored.

use heatseek_search::{FlatIndex, Metric, Rescore, Scored, SearchError, SearchOptions, Storage, Vectors};
use heatseek_testkit::{random, values};

const METRICS: [Metric; 3] = [Metric::Cosine, Metric::Dot, Metric::Euclidean];
const STORAGES: [Storage; 6] = [
    Storage::F32,
    Storage::F16,
    Storage::Int8,
    Storage::Binary { rescore: Rescore::F32 },
    Storage::Binary { rescore: Rescore::F16 },
    Storage::Binary { rescore: Rescore::Int8 },
];
/// So many candidates that signs exclude nothing.
const ALL: usize = 1 << 20;

/// What a search should give: of the rows as they are stored, in f64.
fn expected(index: &FlatIndex, query: &[f32], allow: impl Fn(u64) -> bool) -> Vec<(u64, f64)> {
    let query = index.compared(query);
    let score = |id: u64| {
        let row = index.vector(id).unwrap();
        let pairs = row.iter().zip(&query).map(|(&r, &q)| (f64::from(r), f64::from(q)));
        match index.metric() {
            Metric::Cosine | Metric::Dot => pairs.map(|(r, q)| r * q).sum::<f64>(),
            Metric::Euclidean => -pairs.map(|(r, q)| (r - q) * (r - q)).sum::<f64>().sqrt(),
        }
    };
    let mut all: Vec<(u64, f64)> =
        index.ids().iter().filter(|id| allow(**id)).map(|&id| (id, score(id))).collect();
    all.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    all
}

/// How far scores may be off: a query in 16 bits by half a step of each element, sums in f32 by their rounding.
fn close(index: &FlatIndex, query: &[f32]) -> f64 {
    let largest = |values: &[f32]| values.iter().fold(0.0f64, |most, v| most.max(f64::from(v.abs())));
    let step = largest(&index.compared(query)) / f64::from(i16::MAX);
    let of_row = index.ids().iter().map(|&id| largest(&index.vector(id).unwrap())).fold(1.0, f64::max);
    index.dim() as f64 * of_row * (step / 2.0 + 2f64.powi(-22))
}

/// The same scores at the same ranks, each that of its id, better ones first and ties by ascending id.
fn assert_found(found: &[Scored], expected: &[(u64, f64)], close: f64, what: &str) {
    assert_eq!(found.len(), expected.len(), "{what}");
    for (got, (_, score)) in found.iter().zip(expected) {
        assert!((f64::from(got.score) - score).abs() <= close, "{what}: {got:?} for {score}");
        let own = expected.iter().find(|(id, _)| *id == got.id).unwrap_or_else(|| panic!("{what}: {got:?}"));
        assert!((f64::from(got.score) - own.1).abs() <= close, "{what}: {got:?} is {own:?}");
    }
    let in_order = |w: &[Scored]| w[0].score > w[1].score || w[0].score == w[1].score && w[0].id < w[1].id;
    assert!(found.windows(2).all(in_order), "{what}: order and ties");
}

/// Vectors of which every fifth is the copy of one before it, added, replaced and removed in some order.
fn filled(dim: usize, metric: Metric, storage: Storage) -> FlatIndex {
    let mut index = FlatIndex::new(dim, metric, storage);
    for (i, r) in random(7, 400).into_iter().enumerate() {
        let vector = values(if i % 5 == 4 { r % 9 } else { i as u64 + 100 }, dim, 1.0 + (r % 4) as f32);
        index.add((r >> 8) % 300, &vector).unwrap();
        if r % 7 == 0 {
            let id = index.ids()[(r >> 16) as usize % index.len()];
            assert!(index.remove(id) && !index.remove(id) && index.vector(id).is_none());
        }
    }
    index
}

#[test]
fn every_storage_and_metric_is_as_defined_filtered_or_not() {
    for dim in [1, 5, 64, 100] {
        for (metric, storage) in METRICS.iter().flat_map(|&m| STORAGES.map(|s| (m, s))) {
            let index = filled(dim, metric, storage);
            let what = format!("{storage} by {metric:?} of {dim}");
            assert!(index.len() > 100, "{what}");
            for seed in 0..4 {
                // One of them is stored itself: the closest there is.
                let query = if seed == 0 { values(3, dim, 1.0) } else { values(900 + seed, dim, 2.0) };
                let all = SearchOptions { oversampling: ALL, allow: None };
                let (truth, close) = (expected(&index, &query, |_| true), close(&index, &query));
                let found = index.search(&query, index.len() + 9, &all).unwrap();
                assert_found(&found, &truth, close, &what);
                for k in [0, 1, 7] {
                    assert_eq!(index.search(&query, k, &all).unwrap(), found[..k], "{what}");
                }
                // The worst are allowed: who ranks first and filters then finds none of them.
                let worst: Vec<u64> = truth.iter().rev().take(9).map(|(id, _)| *id).collect();
                let allow = |id: u64| worst.contains(&id) || id > 1000;
                for oversampling in [0, 1, ALL] {
                    let options = SearchOptions { oversampling, allow: Some(&allow) };
                    let found = index.search(&query, 12, &options).unwrap();
                    assert_found(
                        &found,
                        &expected(&index, &query, allow),
                        close,
                        &format!("{what}, filtered"),
                    );
                }
                let none = SearchOptions { allow: Some(&|_| false), ..SearchOptions::default() };
                assert_eq!(index.search(&query, 3, &none).unwrap(), []);
            }
        }
    }
}

/// Enough for several tasks of several blocks, with copies in all of them.
#[test]
fn tasks_together_find_what_one_finds() {
    let (dim, count) = (32, 20_001);
    for storage in [Storage::F32, Storage::Int8] {
        let mut index = FlatIndex::new(dim, Metric::Dot, storage);
        for id in 0..count {
            // Ids fall as places rise, so that ties are not broken by the order of places.
            index.add(count - id, &values(id % 5000, dim, 1.0)).unwrap();
        }
        let query = values(77_777, dim, 1.0);
        let close = close(&index, &query);
        let found = index.search(&query, 50, &SearchOptions::default()).unwrap();
        assert_found(&found, &expected(&index, &query, |_| true)[..50], close, &storage.to_string());
        let fours = found.chunk_by(|a, b| a.score == b.score).filter(|ties| ties.len() >= 4).count();
        assert!(fours >= 11, "copies tie: {fours}");
        let odd = |id: u64| id % 2 == 1;
        let options = SearchOptions { allow: Some(&odd), ..SearchOptions::default() };
        let found = index.search(&query, 50, &options).unwrap();
        assert_found(&found, &expected(&index, &query, odd)[..50], close, &storage.to_string());
    }
}

/// Sums of a few of many directions, as neighbourhoods of embeddings are.
fn neighbourhoods(seed: u64, count: usize, dim: usize) -> Vec<f32> {
    let sources = values(11, 600 * dim, 1.0);
    let row = |three: &[u64; 3]| -> Vec<f32> {
        let [a, b, c] = three.map(|r| &sources[(r % 600) as usize * dim..][..dim]);
        (0..dim).map(|i| a[i] + 0.7 * b[i] + 0.4 * c[i]).collect()
    };
    random(seed, 3 * count).as_chunks().0.iter().flat_map(row).collect()
}

#[test]
fn fewer_bits_find_nearly_the_same() {
    let (dim, count, queries) = (384, 6_000, 100);
    let (vectors, queries) = (neighbourhoods(1, count, dim), neighbourhoods(2, queries, dim));
    let search = |storage, oversampling| -> Vec<Vec<u64>> {
        let mut index = FlatIndex::new(dim, Metric::Cosine, storage);
        for (id, vector) in vectors.chunks_exact(dim).enumerate() {
            index.add(id as u64, vector).unwrap();
        }
        let options = SearchOptions { oversampling, ..SearchOptions::default() };
        let found = queries.chunks_exact(dim).map(|query| index.search(query, 10, &options).unwrap());
        found.map(|found| found.iter().map(|scored| scored.id).collect()).collect()
    };
    let truth = search(Storage::F32, 1);
    let recall = |found: Vec<Vec<u64>>| {
        let hits = found.iter().zip(&truth).map(|(f, t)| t.iter().filter(|id| f.contains(id)).count());
        hits.sum::<usize>() as f64 / (10 * truth.len()) as f64
    };
    let binary = Storage::Binary { rescore: Rescore::Int8 };
    let [f16, int8] = [Storage::F16, Storage::Int8].map(|storage| recall(search(storage, 1)));
    let [once, four] = [1, 4].map(|oversampling| recall(search(binary, oversampling)));
    println!("f16 {f16}, int8 {int8}, binary {once}, of four times as many {four}");
    assert!(f16 >= 0.998 && int8 >= 0.99 && four >= 0.95, "f16 {f16}, int8 {int8}, binary {four}");
    assert!(once < four, "candidates beyond the first are what finds more: {once}, {four}");
}

#[test]
fn an_index_is_made_again_of_its_parts() {
    for (metric, storage) in METRICS.iter().flat_map(|&m| STORAGES.map(|s| (m, s))) {
        let index = filled(70, metric, storage);
        let (ids, vectors) = (index.ids().to_vec(), index.vectors());
        let again = FlatIndex::from_parts(70, metric, storage, ids, vectors).unwrap();
        let query = values(5, 70, 1.0);
        let search = |index: &FlatIndex| index.search(&query, 20, &SearchOptions::default()).unwrap();
        assert_eq!(search(&again), search(&index), "{storage} by {metric:?}");
        assert_eq!((again.vectors(), again.storage()), (index.vectors(), storage));
        let mut changed = again;
        changed.add(12_345, &query).unwrap();
        assert!(search(&changed).iter().any(|scored| scored.id == 12_345), "{storage} by {metric:?}");
        assert!(changed.remove(12_345));
        assert_eq!(search(&changed), search(&index));
    }
}

#[test]
fn parts_that_do_not_fit_are_refused() {
    let made = |storage, ids: &[u64], vectors: Vectors<'_>| {
        FlatIndex::from_parts(2, Metric::Dot, storage, ids.to_vec(), vectors).map(|_| ())
    };
    let three = || Vectors::F32(vec![1.0, 2.0, 3.0].into());
    let error = made(Storage::F32, &[1, 2], three()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "an index of 2 vectors of 2 elements, stored as f32 cannot be made of 3 elements of f32"
    );
    let four = || Vectors::F32(vec![1.0, 2.0, 3.0, 4.0].into());
    assert_eq!(made(Storage::F32, &[1, 2], four()), Ok(()));
    assert!(matches!(made(Storage::F16, &[1, 2], four()), Err(SearchError::Parts { .. })));
    let error = made(Storage::F32, &[9, 9], four()).unwrap_err().to_string();
    assert!(error.ends_with("ids of which 9 is there twice"), "{error}");
    let nan = Vectors::F32(vec![1.0, f32::NAN].into());
    assert!(matches!(made(Storage::F32, &[1], nan), Err(SearchError::NotFinite { index: 1, .. })));
    let infinite = Vectors::F16(vec![0x3c00, 0x7c00].into());
    assert!(matches!(made(Storage::F16, &[1], infinite), Err(SearchError::NotFinite { index: 1, .. })));
    let int8 =
        |scales: &[f32]| Vectors::Int8 { integers: vec![1, -128].into(), scales: scales.to_vec().into() };
    assert_eq!(made(Storage::Int8, &[1], int8(&[0.5])), Ok(()));
    assert!(made(Storage::Int8, &[1], int8(&[])).is_err());
    assert!(made(Storage::Int8, &[1], int8(&[f32::INFINITY])).is_err());
}

#[test]
fn what_16_bits_cannot_hold_is_refused_unless_only_its_direction_counts() {
    let mut index = FlatIndex::new(2, Metric::Dot, Storage::F16);
    let error = index.add(4, &[0.0, -7e4]).unwrap_err().to_string();
    assert!(error.starts_with("vector 4 is -70000 at element 1, and 16-bit floats end at 65504"), "{error}");
    assert!(index.is_empty());
    let mut index = FlatIndex::new(2, Metric::Cosine, Storage::F16);
    index.add(4, &[0.0, -7e4]).unwrap();
    assert_eq!(index.vector(4).unwrap()[..], [0.0, -1.0]);
}

#[test]
fn a_vector_takes_as_many_bytes_as_are_said() {
    let of_vectors = |storage| {
        let mut index = FlatIndex::new(384, Metric::Cosine, storage);
        index.reserve(1000);
        (0..1000).for_each(|id| index.add(id, &values(id, 384, 1.0)).unwrap());
        // Beside the vectors: ids, and where each is found, some 50 bytes.
        index.bytes() as f64 / 1000.0
    };
    let sizes = STORAGES.map(of_vectors);
    for (size, own) in sizes.iter().zip([1536.0, 768.0, 388.0, 1588.0, 820.0, 440.0]) {
        assert!((own + 8.0..own + 64.0).contains(size), "{size} for {own}");
    }
}
