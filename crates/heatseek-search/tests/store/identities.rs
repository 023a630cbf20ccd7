//! Who may open an index.

use heatseek_search::store::{Check, FORMAT_VERSION, Identity, StoreError, VectorDtype};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::corpus::identity;
use crate::disk::Disk;

fn made() -> (Identity, Disk) {
    let identity = identity(VectorDtype::F32, 8);
    let mut disk = Disk::default();
    disk.writer(&identity);
    (identity, disk)
}

#[test]
fn another_model_or_pooling_is_named_with_what_to_do() {
    let (identity, disk) = made();
    assert!(disk.open(Some(&identity), Check::Full).is_ok());
    let other = Identity {
        model: "bge-small-en".into(),
        pooling: "cls".into(),
        width: 9,
        settings: [("prompt".to_owned(), "query: ".to_owned())].into(),
        ..identity
    };
    let error = disk.open(Some(&other), Check::Full).unwrap_err();
    assert_eq!(
        error.to_string(),
        "this index was made with model `all-MiniLM-L6-v2` (not `bge-small-en`), pooling `mean` (not `cls`), \
         width `8` (not `9`), setting late `false` (not unset), setting prompt unset (not `query: `): open it with \
         those, or index the documents again with the new ones"
    );
    let StoreError::Identity { differences } = error else { panic!("{error}") };
    assert_eq!(differences.len(), 5);
}

#[test]
fn every_field_counts() {
    let (identity, disk) = made();
    let change: [fn(&mut Identity); 7] = [
        |identity| identity.model.push('x'),
        |identity| identity.fingerprint.push('x'),
        |identity| identity.pooling.push('x'),
        |identity| identity.metric.push('x'),
        |identity| identity.dtype = VectorDtype::F16,
        |identity| identity.width += 1,
        |identity| drop(identity.settings.insert("model".into(), "all-MiniLM-L6-v2".into())),
    ];
    for (at, change) in change.iter().enumerate() {
        let mut other = identity.clone();
        change(&mut other);
        let refused = disk.open(Some(&other), Check::Length);
        assert!(matches!(refused, Err(StoreError::Identity { .. })), "{at}: {refused:?}");
    }
    for width in [0, u32::MAX] {
        let refused = Disk::default().open(Some(&Identity { width, ..identity.clone() }), Check::Length);
        assert!(matches!(refused, Err(StoreError::Invalid { .. })), "{width}");
    }
}

#[test]
fn a_newer_format_is_refused_even_beside_one_that_is_known() {
    let (identity, mut disk) = made();
    let file: Value = serde_json::from_slice(&disk.0["manifest-a.json"]).unwrap();
    let mut manifest = file["manifest"].clone();
    manifest["version"] = json!(FORMAT_VERSION + 1);
    manifest["library"] = json!("9.0.0");
    manifest["a new field"] = json!([1]);
    let body = manifest.to_string();
    let sum: String = Sha256::digest(body.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
    let newer = format!("{{\"sha256\":\"{sum}\",\"manifest\":{body}}}\n");
    disk.0.insert("manifest-b.json".into(), newer.into_bytes());
    let error = disk.open(Some(&identity), Check::Length).unwrap_err();
    assert_eq!(
        error.to_string(),
        "manifest-b.json has format version 2, written by heatseek 9.0.0; this one reads up to version 1: use \
         heatseek 9.0.0 or newer"
    );
}

#[test]
fn files_of_others_are_left_alone_and_a_dead_writers_are_removed() {
    let (identity, mut disk) = made();
    for name in
        ["notes.txt", "vectors-1.safetensors", "vectors-00000007.safetensors", "documents-00000009.jsonl"]
    {
        disk.0.insert(name.into(), vec![1, 2, 3]);
    }
    let mut store = disk.writer(&identity);
    assert!(disk.0.contains_key("notes.txt") && disk.0.contains_key("vectors-1.safetensors"));
    assert_eq!(disk.0.len(), 3, "{:?}", disk.0.keys());
    // Nor are their names used again.
    let batch = heatseek_search::store::Batch {
        add: {
            let mut add = heatseek_search::store::Segment::new(VectorDtype::F32, 8);
            let (id, text) = ("a".into(), String::new());
            add.documents.push(heatseek_search::store::StoredDocument { id, text, metadata: Value::Null });
            add
        },
        remove: Vec::new(),
    };
    let commit = store.commit(&batch).unwrap();
    assert_eq!(commit.files[0].0, "vectors-00000010.safetensors");
}
