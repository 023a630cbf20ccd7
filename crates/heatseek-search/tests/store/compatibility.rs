//! Indexes that earlier versions wrote, in the folders beside this file, are read for ever.

use std::fs;
use std::path::{Path, PathBuf};

use heatseek_search::store::{
    Batch, Check, FORMAT_VERSION, FolderStore, Identity, Segment, SegmentVectors, StoredChunk,
    StoredDocument, VectorDtype,
};
use serde_json::json;

fn folder(version: u32) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/store").join(format!("version-{version}"))
}

fn identity() -> Identity {
    Identity {
        model: "all-MiniLM-L6-v2".into(),
        fingerprint: "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db".into(),
        pooling: "mean".into(),
        metric: "cosine".into(),
        dtype: VectorDtype::I8,
        width: 4,
        settings: [("late".to_owned(), "false".to_owned())].into(),
    }
}

fn document(id: &str, text: &str, metadata: serde_json::Value) -> StoredDocument {
    StoredDocument { id: id.into(), text: text.into(), metadata }
}

/// Two commits: the second takes the place of a document of the first, and removes another.
fn batches() -> [Batch; 2] {
    let first = Segment {
        documents: vec![
            document(
                "bees",
                "Bees dance. 蜂は踊る。",
                json!({ "year": 1923, "weight": 0.30000000000000004 }),
            ),
            document("old", "", json!(null)),
            document("ants", "Ants count steps.", json!(["<b>"])),
        ],
        chunks: vec![
            StoredChunk { document: 0, start: 0, end: 11, first_row: 0, rows: 1 },
            StoredChunk { document: 0, start: 12, end: 27, first_row: 1, rows: 2 },
            StoredChunk { document: 2, start: 0, end: 17, first_row: 1, rows: 1 },
        ],
        vectors: SegmentVectors {
            dtype: VectorDtype::I8,
            width: 4,
            data: vec![1, 2, 3, 4, 255, 254, 253, 252, 127, 128, 0, 1],
            scales: vec![0.5, 0.1, 1e-30],
        },
    };
    let second = Segment {
        documents: vec![document("ants", "Ants count.", json!(null))],
        chunks: vec![StoredChunk { document: 0, start: 0, end: 11, first_row: 0, rows: 1 }],
        vectors: SegmentVectors {
            dtype: VectorDtype::I8,
            width: 4,
            data: vec![9, 8, 7, 6],
            scales: vec![2.0],
        },
    };
    [Batch { add: first, remove: Vec::new() }, Batch { add: second, remove: vec!["old".into()] }]
}

/// Writes the folder of a new version of the format: with the environment variable set, once.
const WRITE: &str = "HEATSEEK_WRITE_FORMAT";

fn write_this_versions_folder() {
    let folder = folder(FORMAT_VERSION);
    assert!(!folder.exists(), "{} is written once and stays as it is", folder.display());
    let (mut index, _) = FolderStore::open(&folder, &identity(), Check::Full).unwrap();
    batches().iter().for_each(|batch| index.commit(batch).unwrap());
    drop(index);
    fs::remove_file(folder.join("writer.lock")).unwrap();
}

#[test]
fn every_version_is_read() {
    if std::env::var_os(WRITE).is_some() {
        write_this_versions_folder();
    }
    for version in 1..=FORMAT_VERSION {
        let contents = FolderStore::read(&folder(version), Some(&identity()), Check::Full).unwrap();
        assert_eq!(contents.skipped, []);
        let [first, second] = batches().map(|batch| batch.add);
        let [one, two] = &contents.segments[..] else { panic!("{} segments", contents.segments.len()) };
        assert_eq!((one.documents.as_slice(), two), (&first.documents[..1], &second));
        assert_eq!(one.chunks, first.chunks[..2]);
        assert_eq!(one.vectors, first.vectors);
    }
}
