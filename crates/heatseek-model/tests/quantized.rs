//! Converted weights: those of compressed-tensors are read as it reads them, and ours are read back.

use std::path::Path;

use heatseek_model::synthetic::SyntheticBert;
use heatseek_model::{
    Checkpoint, Conversion, ModelError, ModelFiles, Rounded, SharedBytes, StoredTensor, TextModel,
    WeightDtype,
};
use heatseek_testkit::{Tolerance, assert_close};
use safetensors::{Dtype, SafeTensors, serialize, tensor::TensorView};

const ALL: [WeightDtype; 3] = [WeightDtype::F16, WeightDtype::Int8, WeightDtype::Q4];

fn golden() -> Vec<u8> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/quantized/weights.safetensors");
    std::fs::read(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

/// A safetensors file of these tensors.
fn file(tensors: &[StoredTensor]) -> Vec<u8> {
    fn view(t: &StoredTensor) -> TensorView<'_> {
        let dtype = match t.dtype {
            "I8" => Dtype::I8,
            "I32" => Dtype::I32,
            "I64" => Dtype::I64,
            "BF16" => Dtype::BF16,
            "F16" => Dtype::F16,
            _ => Dtype::F32,
        };
        TensorView::new(dtype, t.shape.clone(), &t.data).unwrap()
    }
    serialize(tensors.iter().map(|t| (t.name.clone(), view(t))), None).unwrap()
}

#[test]
fn weights_of_compressed_tensors_are_what_it_makes_of_them() {
    let bytes = golden();
    let all = SafeTensors::deserialize(&bytes).unwrap();
    let checkpoint = Checkpoint::parse("weights.safetensors", bytes.clone().into()).unwrap();
    let mut compared = 0;
    for (name, expected) in all.iter().filter_map(|(name, t)| Some((name.strip_prefix("expected/")?, t))) {
        let weight = format!("{name}.weight");
        let shape = checkpoint.shape(&weight).unwrap_or_else(|| panic!("{weight}")).to_vec();
        assert_eq!(shape, expected.shape(), "{weight}");
        let expected: Vec<f32> =
            expected.data().as_chunks().0.iter().map(|&b| f32::from_le_bytes(b)).collect();
        let actual = checkpoint.tensor(&weight).unwrap().unwrap();
        assert_close(&actual.values(), &expected, &shape, Tolerance::Abs(1e-7));
        compared += 1;
    }
    assert_eq!(compared, 5);
    assert_eq!(checkpoint.dtype("packed4.weight"), Some("I4"));
    // Nothing is left over that a model would not know.
    assert!(checkpoint.names().all(|name| name.starts_with("expected/") || name.ends_with(".weight")));
}

/// A model converted and read again computes nearly the same, in less room; and once more, exactly the same.
#[test]
fn a_converted_model_is_read_back() {
    let files = SyntheticBert { hidden_size: 64, num_attention_heads: 4, ..SyntheticBert::default() }.files();
    let plain =
        Checkpoint::parse("model.safetensors", files.get("model.safetensors").unwrap().clone()).unwrap();
    for dtype in ALL {
        let conversion = Conversion::new(dtype);
        let tensors = conversion.tensors(&plain, &mut Rounded::default()).unwrap();
        let read = Checkpoint::parse("model.safetensors", file(&tensors).into()).unwrap();
        assert_eq!(plain.names().collect::<Vec<_>>(), read.names().collect::<Vec<_>>());
        let mut worst: f32 = 0.0;
        for name in plain.names() {
            let (before, after) = (plain.tensor(name).unwrap().unwrap(), read.tensor(name).unwrap().unwrap());
            assert_eq!(before.shape(), after.shape(), "{name}");
            let largest = before.values().iter().fold(0.0f32, |most, v| v.abs().max(most));
            let (before, after) = (before.values(), after.values());
            let difference = before.iter().zip(&*after).map(|(a, b)| (a - b).abs());
            worst = worst.max(difference.fold(0.0, f32::max) / largest);
        }
        let (bound, times) = match dtype {
            WeightDtype::F16 => (0.5 / 1024.0, 1.9),
            WeightDtype::Int8 => (0.5 / 127.0, 3.0),
            // What is cut off to round the others better.
            WeightDtype::Q4 => (0.36, 4.0),
        };
        assert!(worst > 0.0 && worst <= bound * 1.01, "{dtype}: {worst}");
        assert_eq!(conversion.tensors(&read, &mut Rounded::default()).unwrap().len(), tensors.len());
        let converted: ModelFiles = conversion.files(&files).unwrap();
        let written = converted.get("model.safetensors").unwrap();
        assert!(SafeTensors::deserialize(written).is_ok(), "others can read it");
        let before = files.get("model.safetensors").unwrap().len();
        assert!(written.len() as f64 * times < before as f64, "{dtype}");
        TextModel::load(&converted).unwrap();
        // To floats again: nothing says any more that it was quantised.
        let floats = Conversion::new(WeightDtype::F16).files(&converted).unwrap();
        let config = String::from_utf8(floats.get("config.json").unwrap().to_vec()).unwrap();
        assert!(config.contains("float16") && !config.contains("quantization_config"), "{config}");
        TextModel::load(&floats).unwrap();
    }
}

/// Half precision ends at 65 504: a tensor beyond stays what it is.
#[test]
fn what_halves_cannot_hold_stays() {
    let tensor = |name: &str, values: [f32; 2]| StoredTensor {
        name: name.into(),
        dtype: "F32",
        shape: vec![2],
        data: values.iter().flat_map(|v| v.to_le_bytes()).collect(),
    };
    let file = file(&[tensor("large", [70_000.0, 1.0]), tensor("small", [60_000.0, 1.0])]);
    let checkpoint = Checkpoint::parse("m", file.into()).unwrap();
    let tensors = Conversion::new(WeightDtype::F16).tensors(&checkpoint, &mut Rounded::default()).unwrap();
    let stored: Vec<_> = tensors.iter().map(|t| (t.name.as_str(), t.dtype, t.data.len())).collect();
    assert_eq!(stored, [("large", "F32", 8), ("small", "F16", 4)]);
}

/// Only what is named is stored in eight bits, and the configuration names its modules.
#[test]
fn wider_parts_are_stored_in_eight_bits() {
    let files = SyntheticBert { hidden_size: 64, num_attention_heads: 4, ..SyntheticBert::default() }.files();
    let narrow = Conversion::new(WeightDtype::Q4);
    let parts = narrow.parts(&files).unwrap();
    // Query, key and value.
    assert_eq!(parts["encoder.layer.0.attention.self"], 3 * 64 * 64);
    // 40, the width of the last, is no multiple of 32.
    assert_eq!(parts.keys().filter(|part| part.starts_with("encoder.layer.1.")).count(), 3);
    let wider = ["encoder.layer.0.attention.self".to_owned()].into();
    let converted = Conversion { wider, ..narrow }.files(&files).unwrap();
    let checkpoint = Checkpoint::parse("m", converted.get("model.safetensors").unwrap().clone()).unwrap();
    let dtype = |layer: usize| checkpoint.dtype(&format!("encoder.layer.{layer}.attention.self.key.weight"));
    assert_eq!([dtype(0), dtype(1)], [Some("I8"), Some("I4")]);
    let config: serde_json::Value = serde_json::from_slice(converted.get("config.json").unwrap()).unwrap();
    let named = config["quantization_config"]["config_groups"]["group_1"]["targets"].as_array().unwrap();
    assert!(named.iter().any(|name| name == "encoder.layer.0.attention.self.key"), "{named:?}");
    assert!(!named.iter().any(|name| name == "encoder.layer.1.attention.self.key"), "{named:?}");
    TextModel::load(&converted).unwrap();
}

#[test]
fn what_cannot_be_read_is_said() {
    let tensor = |name: &str, dtype, shape: &[usize], data: Vec<u8>| StoredTensor {
        name: name.into(),
        dtype,
        shape: shape.into(),
        data,
    };
    let weight = || tensor("a.weight", "I8", &[2, 4], vec![1; 8]);
    let scale = |n: usize| tensor("a.weight_scale", "F32", &[n, 1], vec![0; 4 * n]);
    let parse = |tensors: &[StoredTensor]| Checkpoint::parse("m", SharedBytes::from(file(tensors)));
    let zero = tensor("a.weight_zero_point", "I8", &[2, 1], vec![0; 2]);
    let error = parse(&[weight(), scale(2), zero]).unwrap_err().to_string();
    assert!(error.contains("a.weight") && error.contains("symmetric"), "{error}");
    let error = parse(&[weight(), scale(3)]).unwrap_err().to_string();
    assert!(error.contains("scales [3, 1]") && error.contains("[2, 4]"), "{error}");
    let alone = parse(&[weight()]).unwrap().tensor("a.weight").unwrap_err();
    assert!(matches!(&alone, ModelError::UnsupportedDtype { got, .. } if got.contains("I8")), "{alone}");
    let packed = tensor("a.weight_packed", "I32", &[2, 1], vec![0; 8]);
    let error = parse(&[packed, scale(2)]).unwrap_err().to_string();
    assert!(error.contains("_shape"), "{error}");
    let infinite = tensor("a.weight_scale", "F32", &[1], f32::INFINITY.to_le_bytes().into());
    let error = parse(&[weight(), infinite]).unwrap().tensor("a.weight").unwrap_err();
    assert!(matches!(error, ModelError::NotFinite { .. }), "{error}");
}

#[test]
fn other_methods_of_quantisation_are_refused() {
    let mut files = SyntheticBert::default().files();
    let config = String::from_utf8(files.get("config.json").unwrap().to_vec()).unwrap();
    let with = |method: &str| config.replacen('{', &format!("{{\"quantization_config\": {method},"), 1);
    files.insert("config.json", with(r#"{"quant_method": "gptq", "bits": 4}"#).into_bytes());
    let error = TextModel::load(&files).err().unwrap().to_string();
    assert!(error.contains("quant_method") && error.contains("gptq"), "{error}");
}

/// A matrix that the size of a group does not divide stays in eight bits, and the configuration says so.
#[test]
fn what_has_no_whole_groups_is_named() {
    let files = SyntheticBert { hidden_size: 48, num_attention_heads: 4, ..SyntheticBert::default() }.files();
    let converted = Conversion::new(WeightDtype::Q4).files(&files).unwrap();
    let config: serde_json::Value = serde_json::from_slice(converted.get("config.json").unwrap()).unwrap();
    let config = &config["quantization_config"];
    assert_eq!(config["format"], "mixed-precision");
    let group = &config["config_groups"]["group_1"];
    let named = group["targets"].as_array().unwrap();
    assert!(named.iter().any(|name| name == "encoder.layer.0.attention.self.query"), "{named:?}");
    assert_eq!(group["weights"]["num_bits"], 8);
    TextModel::load(&converted).unwrap();
}
