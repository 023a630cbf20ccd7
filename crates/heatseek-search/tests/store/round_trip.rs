//! What goes in comes out.

use heatseek_search::store::{
    Batch, Check, CompactionPolicy, Opened, Segment, SegmentVectors, StoreError, StoredChunk, StoredDocument,
    VectorDtype,
};
use serde_json::{Value, json};

use crate::corpus::{Holdings, Operation, identity, operation};
use crate::disk::Disk;

const DTYPES: [VectorDtype; 4] = [VectorDtype::F32, VectorDtype::F16, VectorDtype::I8, VectorDtype::Bits];

#[test]
fn every_state_is_read_as_it_was_written() {
    for (seed, dtype) in DTYPES.into_iter().enumerate() {
        let (identity, seed) = (identity(dtype, 11), seed as u64);
        let (mut disk, mut holdings) = (Disk::default(), Holdings::default());
        let mut store = disk.writer(&identity);
        for k in 1..=60 {
            let operation = operation(&identity, seed, k);
            disk.apply(&mut store, &operation);
            holdings.apply(&operation);
            let opened = disk.open(Some(&identity), Check::Full).unwrap();
            assert!(Holdings::of(&opened.segments) == holdings, "{dtype}, operation {k}");
            assert_eq!(opened.skipped, []);
            assert_eq!(opened.tidy.remove, Vec::<String>::new(), "{dtype}, operation {k}");
            assert_eq!(store.documents(), holdings.0.len());
            // Now and then by another writer.
            if k % 7 == 0 {
                store = disk.writer(&identity);
            }
        }
        disk.apply(&mut store, &Operation::Compact(CompactionPolicy::thorough()));
        assert!(store.segments() <= 1, "{} segments", store.segments());
        assert!(Holdings::of(&disk.open(None, Check::Full).unwrap().segments) == holdings);
    }
}

#[test]
fn a_document_comes_back_with_every_bit() {
    let identity = identity(VectorDtype::I8, 3);
    let mut add = Segment::new(VectorDtype::I8, 3);
    let metadata =
        json!({ "a": 0.1 + 0.2, "b": 1.7976931348623157e308, "c": u64::MAX, "d": -0.0, "é": [null] });
    add.documents.push(StoredDocument { id: "\u{0}\"".into(), text: "蜂\r\n\u{2028}".into(), metadata });
    add.vectors = SegmentVectors {
        dtype: VectorDtype::I8,
        width: 3,
        data: vec![1, 255, 128, 0, 5, 6],
        scales: vec![f32::MIN_POSITIVE, 0.1],
    };
    add.chunks = vec![
        StoredChunk { document: 0, start: 0, end: 3, first_row: 0, rows: 2 },
        StoredChunk { document: 0, start: 3, end: 3, first_row: 1, rows: 1 },
    ];
    let mut disk = Disk::default();
    let mut store = disk.writer(&identity);
    disk.apply(&mut store, &Operation::Commit(Batch { add: add.clone(), remove: Vec::new() }));
    let Opened { segments, .. } = disk.open(None, Check::Full).unwrap();
    assert_eq!(segments, [add]);
}

#[test]
fn batches_that_do_not_fit_are_refused_and_change_nothing() {
    let identity = identity(VectorDtype::I8, 3);
    let mut disk = Disk::default();
    let mut store = disk.writer(&identity);
    let good = {
        let mut add = Segment::new(VectorDtype::I8, 3);
        add.documents.push(StoredDocument { id: "a".into(), text: "é".into(), metadata: Value::Null });
        add.vectors.data = vec![1, 2, 3];
        add.vectors.scales = vec![1.0];
        add.chunks.push(StoredChunk { document: 0, start: 0, end: 2, first_row: 0, rows: 1 });
        add
    };
    let mut nested = Value::Null;
    (0..200).for_each(|_| nested = json!([nested]));
    type Spoil<'a> = &'a dyn Fn(&mut Segment);
    let spoil: [(&str, Spoil); 11] = [
        ("width", &|add| add.vectors.width = 1),
        ("dtype", &|add| add.vectors.dtype = VectorDtype::Bits),
        ("half a vector", &|add| add.vectors.data.push(1)),
        ("no scale", &|add| add.vectors.scales.clear()),
        ("scale", &|add| add.vectors.scales[0] = f32::NAN),
        ("twice", &|add| add.documents.push(add.documents[0].clone())),
        ("deep metadata", &|add| add.documents[0].metadata = nested.clone()),
        ("document", &|add| add.chunks[0].document = 1),
        ("half a character", &|add| add.chunks[0].end = 1),
        ("end before start", &|add| (add.chunks[0].start, add.chunks[0].end) = (2, 0)),
        ("rows", &|add| add.chunks[0].first_row = u32::MAX),
    ];
    let before = disk.clone();
    for (name, spoil) in spoil {
        let mut add = good.clone();
        spoil(&mut add);
        let refused = store.commit(&Batch { add, remove: Vec::new() });
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{name}: {refused:?}");
    }
    assert_eq!(disk, before);
    disk.apply(&mut store, &Operation::Commit(Batch { add: good, remove: Vec::new() }));
    assert!(store.contains("a") && !store.contains("b"));
}

#[test]
fn a_commit_that_failed_is_taken_back_and_its_names_are_not_used_again() {
    let identity = identity(VectorDtype::F32, 2);
    let (mut disk, mut holdings) = (Disk::default(), Holdings::default());
    let mut store = disk.writer(&identity);
    let add = |disk: &Disk, store: &mut heatseek_search::store::Store, id: &str| {
        let mut add = Segment::new(VectorDtype::F32, 2);
        add.documents.push(StoredDocument { id: id.into(), text: String::new(), metadata: Value::Null });
        let batch = Operation::Commit(Batch { add, remove: Vec::new() });
        (disk.prepare(store, &batch).unwrap(), batch)
    };
    let (first, operation) = add(&disk, &mut store, "first");
    disk.carry_out(&mut store, first);
    holdings.apply(&operation);

    // Everything was written, but the host was told that it was not.
    let (failed, _) = add(&disk, &mut store, "failed");
    let Ok(()) = failed.perform(&mut disk);
    let names: Vec<String> = failed.files.iter().map(|(name, _)| name.clone()).collect();
    assert_eq!(store.abandon(failed), names);

    let (second, operation) = add(&disk, &mut store, "second");
    assert!(second.files.iter().all(|(name, _)| !names.contains(name)));
    assert!(names.iter().all(|name| second.remove.contains(name)), "what failed is removed");
    disk.carry_out(&mut store, second);
    holdings.apply(&operation);
    let opened = disk.open(None, Check::Full).unwrap();
    assert!(Holdings::of(&opened.segments) == holdings);
    assert!(names.iter().all(|name| !disk.0.contains_key(name)));
}

#[test]
fn commits_of_an_older_state_are_refused() {
    let identity = identity(VectorDtype::F32, 2);
    let mut disk = Disk::default();
    let Opened { mut store, tidy, .. } = disk.open(Some(&identity), Check::Full).unwrap();
    let mut add = Segment::new(VectorDtype::F32, 2);
    add.documents.push(StoredDocument { id: "a".into(), text: String::new(), metadata: Value::Null });
    let batch = Batch { add, remove: Vec::new() };
    assert!(matches!(store.commit(&batch), Err(StoreError::Invalid { .. })), "before the index is made");
    disk.carry_out(&mut store, tidy);
    let (one, other) = (store.commit(&batch).unwrap(), store.commit(&batch).unwrap());
    disk.carry_out(&mut store, one);
    assert!(matches!(store.finish(other), Err(StoreError::Stale { base: 1, current: 2 })));
    assert_eq!(store.generation(), 2);
}

#[test]
fn segments_stay_few_and_bytes_are_not_written_over_and_over() {
    let identity = identity(VectorDtype::F32, 32);
    let mut disk = Disk::default();
    let mut store = disk.writer(&identity);
    let policy = CompactionPolicy::default();
    let (mut written, commits) = (0, 400);
    let mut most = 0;
    for k in 0..commits {
        let mut add = Segment::new(VectorDtype::F32, 32);
        add.documents.push(StoredDocument {
            id: k.to_string(),
            text: "x".repeat(900),
            metadata: Value::Null,
        });
        add.vectors.data = vec![0; 128];
        add.chunks.push(StoredChunk { document: 0, start: 0, end: 900, first_row: 0, rows: 1 });
        let mut next = disk.prepare(&mut store, &Operation::Commit(Batch { add, remove: Vec::new() }));
        while let Some(commit) = next {
            written += commit.files.iter().map(|(_, bytes)| bytes.len()).sum::<usize>();
            disk.carry_out(&mut store, commit);
            next = disk.prepare(&mut store, &Operation::Compact(policy));
        }
        most = most.max(store.segments());
    }
    // log2(400) is below 9, and once as the commit itself.
    assert!(written < 10 * store.bytes() as usize, "{written} bytes written for {}", store.bytes());
    assert!(most <= 24, "{most} segments");
}
