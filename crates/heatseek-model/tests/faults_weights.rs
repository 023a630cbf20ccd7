//! Every way a safetensors file can lie, and weights that are not the model's.

mod common;

use common::{Fault, demand_errors, reweigh};
use heatseek_model::ErrorKind::{Invalid, NotFound, Unsupported};
use heatseek_model::synthetic::{NamedTensor, StoredDtype, SyntheticBert, with_header, write_safetensors};
use heatseek_model::{Checkpoint, ErrorKind, ModelError, ModelFiles, SharedBytes, TextModel};
use serde_json::json;

/// A good file of two tensors: `a` `[2, 3]` F32 and `b` `[4]` F16, spoiled in its header or data.
fn header() -> String {
    json!({"a": {"dtype": "F32", "shape": [2, 3], "data_offsets": [0, 24]},
           "b": {"dtype": "F16", "shape": [4], "data_offsets": [24, 32]}})
    .to_string()
}

fn data() -> Vec<u8> {
    let floats = (0..6).flat_map(|i| (i as f32).to_le_bytes());
    floats.chain((0..4).flat_map(|i| half::f16::from_f32(i as f32).to_le_bytes())).collect()
}

fn parse(bytes: Vec<u8>) -> Result<Checkpoint, ModelError> {
    Checkpoint::parse("x/model.safetensors", bytes.into())
}

fn demand(name: &str, bytes: Vec<u8>, tensor: Option<&str>, says: &str) {
    let Err(error) = parse(bytes) else { panic!("{name}: parsed") };
    let message = error.to_string();
    assert!(message.contains("x/model.safetensors") && message.contains(says), "{name}: {message}");
    match (&error, tensor) {
        (ModelError::Safetensors { .. }, None) => {}
        (ModelError::TensorEntry { tensor: got, .. }, Some(expected)) => assert_eq!(got, expected, "{name}"),
        (ModelError::UnsupportedDtype { tensor: got, .. }, Some(expected)) => {
            assert_eq!(got, expected, "{name}")
        }
        _ => panic!("{name}: {error:?}"),
    }
}

#[test]
fn a_good_file_is_read() {
    let checkpoint = parse(with_header(&header(), &data())).unwrap();
    assert_eq!(checkpoint.names().collect::<Vec<_>>(), ["a", "b"]);
    let a = checkpoint.tensor("a").unwrap().unwrap();
    assert_eq!((a.shape(), &*a.values()), (&[2, 3][..], &[0.0, 1.0, 2.0, 3.0, 4.0, 5.0][..]));
    assert_eq!(&*checkpoint.tensor("b").unwrap().unwrap().values(), &[0.0, 1.0, 2.0, 3.0]);
    assert!(checkpoint.tensor("c").unwrap().is_none());
}

#[test]
fn lies_of_the_header() {
    let good = with_header(&header(), &data());
    for cut in 0..good.len() {
        assert!(parse(good[..cut].to_vec()).is_err(), "a file cut at byte {cut} was read");
    }
    demand("empty", Vec::new(), None, "8 bytes");
    demand("cut in the data", good[..good.len() - 3].to_vec(), Some("b"), "incomplete");
    let mut long = good.clone();
    long[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    demand("header of 2^64 bytes", long, None, "18446744073709551615");
    let mut long = good.clone();
    long[..8].copy_from_slice(&(good.len() as u64).to_le_bytes());
    demand("header longer than the file", long, None, "header length");
    let mut trailing = good.clone();
    trailing.push(0);
    demand("a byte too many", trailing, None, "32 bytes of data");
    demand("not JSON", with_header("{\"a\": ", &data()), None, "JSON header");
    demand("not an object", with_header("[1, 2]", &data()), None, "an object of tensors");
    demand("not UTF-8", [&8u64.to_le_bytes()[..], &[0xff; 8]].concat(), None, "JSON header");
    for (name, from, to, tensor, says) in [
        ("offset beyond the end", "[24,32]", "[24,33]", Some("b"), "within the 32 bytes"),
        ("huge offset", "[24,32]", "[24,18446744073709551615]", Some("b"), "within the 32 bytes"),
        ("offsets backwards", "[24,32]", "[32,24]", Some("b"), "in order"),
        ("negative offset", "[24,32]", "[-8,32]", None, "tensor `b`"),
        (
            "overlap",
            "\"data_offsets\":[24,32],\"dtype\":\"F16\",\"shape\":[4]",
            "\"data_offsets\":[20,32],\"dtype\":\"F16\",\"shape\":[6]",
            Some("b"),
            "byte 24",
        ),
        (
            "hole",
            "\"data_offsets\":[24,32],\"dtype\":\"F16\",\"shape\":[4]",
            "\"data_offsets\":[26,32],\"dtype\":\"F16\",\"shape\":[3]",
            Some("b"),
            "byte 24",
        ),
        ("wrong size", "[2,3]", "[2,4]", Some("a"), "32 bytes for F32 [2, 4]"),
        ("overflowing shape", "[2,3]", "[4294967296,4294967296,16]", Some("a"), "fits in memory"),
        ("unknown type", "F16", "F4_E2M1", Some("b"), "F4_E2M1"),
        ("wrong type", "F16", "F32", Some("b"), "16 bytes"),
        ("no shape", "\"shape\":[4]", "\"form\":[4]", None, "shape"),
        ("shape of text", "[4]", "[\"4\"]", None, "tensor `b`"),
        ("three offsets", "[24,32]", "[24,32,40]", None, "tensor `b`"),
        ("one name twice", "\"b\"", "\"a\"", Some("a"), "two"),
    ] {
        let spoiled = header().replace(from, to);
        assert_ne!(spoiled, header(), "{name}: nothing was spoiled");
        demand(name, with_header(&spoiled, &data()), tensor, says);
    }
}

#[test]
fn we_read_what_the_format_s_own_library_writes() {
    use safetensors::tensor::{Dtype, TensorView, serialize};
    let data = data();
    let view = |dtype, shape: &[usize], range: std::ops::Range<usize>| {
        TensorView::new(dtype, shape.to_vec(), &data[range]).unwrap()
    };
    let tensors = [
        ("weights", view(Dtype::F32, &[2, 3], 0..24)),
        ("ids", view(Dtype::I64, &[1], 24..32)),
        ("nothing", view(Dtype::F32, &[0, 5], 0..0)),
        ("scalar", view(Dtype::F32, &[], 4..8)),
    ];
    let theirs = serialize(tensors, None).unwrap();
    let checkpoint = parse(theirs).unwrap();
    assert_eq!(checkpoint.shape("ids"), Some(&[1][..]));
    assert_eq!(checkpoint.tensor("weights").unwrap().unwrap().values()[5], 5.0);
    assert_eq!(checkpoint.tensor("scalar").unwrap().unwrap().values()[..], [1.0]);
    let error = checkpoint.tensor("ids").unwrap_err();
    assert!(
        matches!(error, ModelError::UnsupportedDtype { .. }) && error.to_string().contains("I64"),
        "{error}"
    );
    // And the other way round.
    let ours = with_header(&header(), &data);
    assert_eq!(
        safetensors::SafeTensors::deserialize(&ours).unwrap().tensor("a").unwrap().data(),
        &data[..24]
    );
}

#[test]
fn aligned_floats_are_not_copied_and_misaligned_ones_are_read_all_the_same() {
    let bytes: SharedBytes = with_header(&header(), &data()).into();
    let range = bytes.as_ptr_range();
    let start = bytes.as_ptr() as usize;
    let values = Checkpoint::parse("f", bytes.clone()).unwrap().tensor("a").unwrap().unwrap();
    let inside = range.contains(&values.values().as_ptr().cast());
    // A Vec<u8> may start anywhere, though allocators align it.
    assert_eq!(inside, start.is_multiple_of(4));
    // One more space in the header moves the data off by one.
    let header = format!("{} ", header());
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header.bytes());
    file.extend(data());
    let shifted = parse(file).unwrap().tensor("a").unwrap().unwrap();
    assert_eq!(shifted.values(), values.values());
}

#[test]
fn every_weight_is_finite() {
    for (dtype, size) in [(StoredDtype::F32, 4), (StoredDtype::F16, 2), (StoredDtype::Bf16, 2)] {
        for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
            for index in [0, 1, 4095, 4096, 8191] {
                let mut tensor = NamedTensor { name: "w".into(), shape: vec![8192], values: vec![1.5; 8192] };
                tensor.values[index] = bad;
                let file = write_safetensors(&[tensor], dtype);
                assert!(file.len() > 8192 * size);
                let error = parse(file).unwrap().tensor("w").unwrap_err();
                let ModelError::NotFinite { tensor, index: found, got, .. } = &error else {
                    panic!("{error}")
                };
                assert_eq!(
                    (tensor.as_str(), *found, got.is_nan(), got.signum() < 0.0),
                    ("w", index, bad.is_nan(), bad < 0.0),
                    "{error}"
                );
            }
        }
        // The largest finite values are.
        let largest = if dtype == StoredDtype::F16 { 65504.0 } else { 3.0e38 };
        let tensor = NamedTensor { name: "w".into(), shape: vec![2], values: vec![largest, -largest] };
        parse(write_safetensors(&[tensor], dtype)).unwrap().tensor("w").unwrap();
    }
}

fn fault(
    name: &'static str,
    spoil: fn(&mut ModelFiles),
    is: fn(&ModelError) -> bool,
    kind: ErrorKind,
    says: &'static [&'static str],
) -> Fault {
    Fault { name, spoil, is, kind, says }
}

fn find<'a>(tensors: &'a mut [NamedTensor], name: &str) -> &'a mut NamedTensor {
    tensors.iter_mut().find(|t| t.name == name).unwrap()
}

#[test]
fn weights_that_are_not_the_models() {
    const QUERY: &str = "encoder.layer.1.attention.self.query.weight";
    demand_errors(&[
        fault(
            "a missing tensor",
            |f| reweigh(f, |t| t.retain(|t| t.name != QUERY)),
            is!(MissingTensor),
            Invalid,
            &[QUERY, "model.safetensors", "hidden_size"],
        ),
        fault(
            "no word embeddings",
            |f| reweigh(f, |t| t.retain(|t| !t.name.contains("word_emb"))),
            is!(MissingTensor),
            Invalid,
            &["bert.embeddings.word_embeddings.weight", "model_type"],
        ),
        fault(
            "transposed",
            |f| reweigh(f, |t| find(t, "encoder.layer.0.intermediate.dense.weight").shape.reverse()),
            is!(Shape),
            Invalid,
            &["[40, 24]", "[24, 40]"],
        ),
        fault(
            "one dimension too many",
            |f| reweigh(f, |t| find(t, "encoder.layer.0.output.dense.bias").shape = vec![1, 24]),
            is!(Shape),
            Invalid,
            &["[24]", "[1, 24]"],
        ),
        fault(
            "NaN",
            |f| reweigh(f, |t| find(t, QUERY).values[77] = f32::NAN),
            is!(NotFinite),
            Invalid,
            &[QUERY, "index 77", "NaN"],
        ),
        fault(
            "infinity",
            |f| reweigh(f, |t| find(t, "embeddings.LayerNorm.bias").values[3] = f32::INFINITY),
            is!(NotFinite),
            Invalid,
            &["embeddings.LayerNorm.bias", "index 3", "inf"],
        ),
        fault(
            "relative positions",
            |f| reweigh(f, |t| t.push(extra("encoder.layer.0.attention.self.distance_embedding.weight"))),
            is!(UnexpectedTensor),
            Invalid,
            &["distance_embedding"],
        ),
        fault(
            "an adapter",
            |f| reweigh(f, |t| t.push(extra("adapter.weight"))),
            is!(UnexpectedTensor),
            Invalid,
            &["adapter.weight"],
        ),
        fault(
            "both names of a norm",
            |f| reweigh(f, |t| t.push(extra("embeddings.LayerNorm.gamma"))),
            is!(UnexpectedTensor),
            Invalid,
            &["LayerNorm.gamma"],
        ),
        fault(
            "no weights",
            drop_weights,
            is!(MissingFile),
            NotFound,
            &["`model.safetensors`", "pytorch_model.bin"],
        ),
        fault(
            "pickled weights",
            |f| {
                drop_weights(f);
                f.insert("pytorch_model.bin", vec![0]);
            },
            is!(PickledWeights),
            Unsupported,
            &["convert", "safetensors"],
        ),
        fault(
            "a page instead of weights",
            |f| f.insert("model.safetensors", b"<!doctype html><title>404</title>".to_vec()),
            is!(Safetensors),
            Invalid,
            &["model.safetensors", "header"],
        ),
        fault(
            "LFS pointer instead of weights",
            |f| f.insert("model.safetensors", b"version https://git-lfs".to_vec()),
            is!(Safetensors),
            Invalid,
            &["model.safetensors"],
        ),
        fault(
            "a shard missing",
            |f| {
                drop_weights(f);
                f.insert(
                    "model.safetensors.index.json",
                    br#"{"weight_map": {"x": "a.safetensors"}}"#.to_vec(),
                );
            },
            is!(MissingFile),
            NotFound,
            &["a.safetensors"],
        ),
        fault(
            "a shard outside",
            |f| {
                drop_weights(f);
                f.insert(
                    "model.safetensors.index.json",
                    br#"{"weight_map": {"x": "../a.safetensors"}}"#.to_vec(),
                );
            },
            is!(Field),
            Invalid,
            &["../a.safetensors"],
        ),
    ]);
}

fn extra(name: &str) -> NamedTensor {
    NamedTensor { name: name.into(), shape: vec![1], values: vec![1.0] }
}

fn drop_weights(files: &mut ModelFiles) {
    let mut rest = ModelFiles::new();
    for name in files.paths().filter(|name| *name != "model.safetensors") {
        rest.insert(name, files.get(name).unwrap().clone());
    }
    *files = rest;
}

#[test]
fn names_that_differ_are_found() {
    let base = SyntheticBert::default();
    let loads = |what: &str, change: &dyn Fn(&mut Vec<NamedTensor>)| {
        let mut files = base.files();
        reweigh(&mut files, change);
        TextModel::load(&files).unwrap_or_else(|e| panic!("{what}: {e}"))
    };
    let whole = base.model().unwrap().spec().parameters;
    for prefix in ["bert.", "0.auto_model.", "model."] {
        let model = loads(prefix, &|t| {
            t.iter_mut().for_each(|t| t.name.insert_str(0, prefix));
            t.push(extra("cls.predictions.bias"));
            t.push(extra(&format!("{prefix}pooler.dense.weight")));
        });
        assert_eq!(model.spec().parameters, whole);
    }
    loads("pooler and position ids", &|t| {
        t.extend([extra("pooler.dense.bias"), extra("embeddings.position_ids")])
    });
    loads("gamma and beta", &|t| {
        for t in t.iter_mut() {
            t.name = t
                .name
                .replace("LayerNorm.weight", "LayerNorm.gamma")
                .replace("LayerNorm.bias", "LayerNorm.beta");
        }
    });
}

#[test]
fn shards_make_one_checkpoint() {
    let base = SyntheticBert::default();
    let mut first = base.tensors();
    let second = first.split_off(9);
    let mut files = base.files();
    drop_weights(&mut files);
    let map: serde_json::Map<_, _> = first
        .iter()
        .map(|t| (t.name.clone(), json!("m-1.safetensors")))
        .chain(second.iter().map(|t| (t.name.clone(), json!("m-2.safetensors"))))
        .collect();
    files.insert("model.safetensors.index.json", json!({"weight_map": map}).to_string().into_bytes());
    files.insert("m-1.safetensors", write_safetensors(&first, StoredDtype::F32));
    files.insert("m-2.safetensors", write_safetensors(&second, StoredDtype::F32));
    TextModel::load(&files).unwrap();
    files.insert("m-2.safetensors", write_safetensors(&base.tensors()[8..], StoredDtype::F32));
    let error = TextModel::load(&files).unwrap_err();
    assert!(
        matches!(error, ModelError::TensorEntry { .. }) && error.to_string().contains("m-1.safetensors"),
        "{error}"
    );
}

#[test]
fn a_shard_that_leads_out_of_the_folder_is_refused() {
    for path in [
        "../m-1.safetensors",
        "a/../../m-1.safetensors",
        "/etc/m-1.safetensors",
        "a//m-1.safetensors",
        "..\\m-1.safetensors",
        "C:\\m-1.safetensors",
        "https://elsewhere.test/m-1.safetensors",
        "m-1.bin",
    ] {
        let mut files = SyntheticBert::default().files();
        drop_weights(&mut files);
        let index = json!({"weight_map": {"embeddings.word_embeddings.weight": path}}).to_string();
        files.insert("model.safetensors.index.json", index.into_bytes());
        let read = TextModel::load(&files).unwrap_err();
        let fetched = loop {
            let wanted = match files.wanted() {
                Ok(wanted) => wanted,
                Err(error) => break error,
            };
            assert!(!wanted.is_empty(), "{path} is to be fetched");
            wanted.iter().for_each(|file| files.mark_absent(&file.path));
        };
        for error in [read, fetched] {
            let said = error.to_string();
            let says = "the name of a .safetensors file";
            assert!(said.contains("model.safetensors.index.json") && said.contains(says), "{path}: {said}");
        }
    }
}
