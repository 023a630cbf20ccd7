//! A graph of two layers that is 4 wide, and everything that can be missing from it.

use std::collections::BTreeMap;

use prost::Message;
use safetensors::SafeTensors;

use super::*;
use crate::DINOV2_SMALL;
use crate::onnx::{FLOAT, ModelProto, NodeProto, TensorProto};
use crate::verify::{FileState, check};

const TINY: Sizes = Sizes {
    hidden_size: 4,
    mlp_size: 8,
    num_hidden_layers: 2,
    num_channels: 3,
    patch_size: 2,
    num_patches: 5,
};

/// As the exporter writes it: every value differs from every other, and keys come before queries.
fn tiny() -> GraphProto {
    let mut graph = GraphProto::default();
    let &Sizes { hidden_size, mlp_size, num_channels, patch_size, num_patches, .. } = &TINY;
    for (name, shape) in [
        ("embeddings.cls_token", vec![1, 1, hidden_size]),
        (
            "embeddings.patch_embeddings.projection.weight",
            vec![hidden_size, num_channels, patch_size, patch_size],
        ),
        ("embeddings.patch_embeddings.projection.bias", vec![hidden_size]),
        ("layernorm.weight", vec![hidden_size]),
        ("layernorm.bias", vec![hidden_size]),
    ] {
        constant(&mut graph, &format!("backbone.{name}"), &shape);
    }
    constant(&mut graph, "decoder.bias", &[7]);
    constant(&mut graph, "class_position", &[1, 1, hidden_size]);
    constant(&mut graph, "patch_positions", &[1, num_patches, hidden_size]);
    node(&mut graph, "/backbone/embeddings/Concat_6", "Concat", ["class_position", "resized"]);
    node(&mut graph, "/backbone/embeddings/Reshape_1", "Reshape", ["patch_positions", "shape"]);
    for layer in 0..TINY.num_hidden_layers {
        let at = format!("backbone.encoder.layer.{layer}");
        for name in ["norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias"]
            .into_iter()
            .chain(["layer_scale1.lambda1", "layer_scale2.lambda1"])
        {
            constant(&mut graph, &format!("{at}.{name}"), &[hidden_size]);
        }
        for (path, [inputs, outputs]) in [
            ("attention/attention/key", [hidden_size, hidden_size]),
            ("attention/attention/value", [hidden_size, hidden_size]),
            ("attention/attention/query", [hidden_size, hidden_size]),
            ("attention/output/dense", [hidden_size, hidden_size]),
            ("mlp/fc1", [hidden_size, mlp_size]),
            ("mlp/fc2", [mlp_size, hidden_size]),
        ] {
            let matrix = format!("onnx::MatMul_{}", graph.initializer.len());
            constant(&mut graph, &matrix, &[inputs, outputs]);
            constant(&mut graph, &format!("{at}.{}.bias", path.replace('/', ".")), &[outputs]);
            let name = format!("/backbone/encoder/layer.{layer}/{path}/MatMul");
            node(&mut graph, &name, "MatMul", ["activations", &matrix]);
        }
        let scores = format!("/backbone/encoder/layer.{layer}/attention/attention/MatMul");
        node(&mut graph, &scores, "MatMul", ["queries", "keys"]);
    }
    graph
}

fn constant(graph: &mut GraphProto, name: &str, shape: &[usize]) {
    let first = graph.initializer.len() as f32 * 1000.0;
    let values = (0..shape.iter().product()).map(|index: usize| first + index as f32);
    graph.initializer.push(TensorProto {
        dims: shape.iter().map(|&dim| dim as i64).collect(),
        data_type: FLOAT,
        float_data: Vec::new(),
        name: name.to_owned(),
        raw_data: values.flat_map(f32::to_le_bytes).collect(),
    });
}

fn node(graph: &mut GraphProto, name: &str, op_type: &str, input: [&str; 2]) {
    let input = input.map(str::to_owned).to_vec();
    graph.node.push(NodeProto { input, name: name.to_owned(), op_type: op_type.to_owned() });
}

fn onnx(graph: GraphProto) -> Bytes {
    ModelProto { graph: Some(graph) }.encode_to_vec().into()
}

fn tensor<'a>(graph: &'a mut GraphProto, name: &str) -> &'a mut TensorProto {
    graph.initializer.iter_mut().find(|tensor| tensor.name == name).unwrap()
}

fn values(graph: &mut GraphProto, name: &str) -> Vec<f32> {
    floats(&tensor(graph, name).raw_data)
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|value| f32::from_le_bytes(value.try_into().unwrap())).collect()
}

/// The matrix that the MatMul of `path` reads, as the checkpoint has it.
fn matrix(graph: &mut GraphProto, path: &str) -> Vec<f32> {
    let name = format!("/backbone/encoder/{path}/MatMul");
    let reads = graph.input(&name, "MatMul", 1).unwrap().to_owned();
    let cols = tensor(graph, &reads).dims[1] as usize;
    let values = values(graph, &reads);
    (0..cols).flat_map(|col| values.iter().skip(col).step_by(cols).copied()).collect()
}

#[test]
fn every_weight_is_found_under_its_name() {
    let mut graph = tiny();
    let bytes = checkpoint(onnx(graph.clone()), &TINY).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let found: BTreeMap<String, _> = file.tensors().into_iter().collect();
    // Seven around the encoder; a layer has two norms, two scales and six linear layers.
    assert_eq!(found.len(), 7 + TINY.num_hidden_layers * (2 * 2 + 2 + 6 * 2));

    let is = |name: &str, shape: &[usize], values: &[f32]| {
        assert_eq!(found[name].shape(), shape, "{name}");
        assert_eq!(floats(found[name].data()), values, "{name}");
    };
    is("embeddings.cls_token", &[1, 1, 4], &values(&mut graph, "backbone.embeddings.cls_token"));
    is("embeddings.mask_token", &[1, 4], &[0.0; 4]);
    let positions = [values(&mut graph, "class_position"), values(&mut graph, "patch_positions")].concat();
    is("embeddings.position_embeddings", &[1, 6, 4], &positions);
    is("layernorm.bias", &[4], &values(&mut graph, "backbone.layernorm.bias"));
    for name in ["query", "key", "value"] {
        let expected = matrix(&mut graph, &format!("layer.1/attention/attention/{name}"));
        is(&format!("encoder.layer.1.attention.attention.{name}.weight"), &[4, 4], &expected);
    }
    is("encoder.layer.0.mlp.fc1.weight", &[8, 4], &matrix(&mut graph, "layer.0/mlp/fc1"));
    is("encoder.layer.0.mlp.fc2.weight", &[4, 8], &matrix(&mut graph, "layer.0/mlp/fc2"));
    let lambda = "encoder.layer.1.layer_scale2.lambda1";
    is(lambda, &[4], &values(&mut graph, &format!("backbone.{lambda}")));
}

#[test]
fn the_same_graph_gives_the_same_bytes_however_it_holds_them() {
    let bytes = checkpoint(onnx(tiny()), &TINY).unwrap();
    let header = std::str::from_utf8(&bytes[8..])
        .unwrap_or_else(|error| std::str::from_utf8(&bytes[8..8 + error.valid_up_to()]).unwrap());
    assert!(header.starts_with(r#"{"__metadata__":{"format":"pt"},"embeddings.cls_token""#), "{header}");
    assert_eq!(checkpoint(onnx(tiny()), &TINY).unwrap(), bytes);

    let mut other = tiny();
    other.node.reverse();
    other.initializer.reverse();
    for tensor in &mut other.initializer {
        tensor.float_data = floats(&std::mem::take(&mut tensor.raw_data));
    }
    assert_eq!(checkpoint(onnx(other), &TINY).unwrap(), bytes);
}

#[test]
fn a_file_that_ends_early_is_refused_wherever_it_ends() {
    let whole = onnx(tiny());
    for len in 0..whole.len() {
        let error = checkpoint(whole.slice(..len), &TINY).unwrap_err();
        assert!(matches!(error, ConversionError::Decode(_) | ConversionError::NoGraph), "{len}: {error}");
    }
    assert!(matches!(checkpoint(Bytes::from_static(b"<html>"), &TINY), Err(ConversionError::Decode(_))));
}

#[test]
fn a_graph_that_lacks_something_is_refused_with_its_name() {
    const KEY: &str = "/backbone/encoder/layer.1/attention/attention/key/MatMul";
    const BIAS: &str = "backbone.encoder.layer.0.mlp.fc2.bias";
    fn node_called<'a>(graph: &'a mut GraphProto, name: &str) -> &'a mut NodeProto {
        graph.node.iter_mut().find(|node| node.name == name).unwrap()
    }
    type Spoil = fn(&mut GraphProto);
    let cases: [(&str, Spoil); 10] = [
        ("no MatMul node called /backbone/encoder/layer.1/attention/attention/key", |graph| {
            graph.node.retain(|node| node.name != KEY)
        }),
        ("no MatMul node called", |graph| node_called(graph, KEY).op_type = "Gemm".to_owned()),
        ("with an input 1", |graph| node_called(graph, KEY).input.truncate(1)),
        ("no constant called activations", |graph| node_called(graph, KEY).input.reverse()),
        ("no constant called backbone.encoder.layer.0.mlp.fc2.bias", |graph| {
            graph.initializer.retain(|tensor| tensor.name != BIAS)
        }),
        ("fc2.bias has shape [1, 4], expected [4]", |graph| tensor(graph, BIAS).dims.insert(0, 1)),
        ("fc2.bias has shape [-4], expected [4]", |graph| tensor(graph, BIAS).dims[0] = -4),
        ("fc2.bias is of ONNX data type 10", |graph| tensor(graph, BIAS).data_type = 10),
        ("fc2.bias has 12 bytes of values, expected 16", |graph| {
            let _ = tensor(graph, BIAS).raw_data.split_to(4);
        }),
        // What a file looks like whose values are in another file.
        ("fc2.bias has 0 bytes of values, expected 16", |graph| tensor(graph, BIAS).raw_data.clear()),
    ];
    for (says, spoil) in cases {
        let mut graph = tiny();
        spoil(&mut graph);
        let error = checkpoint(onnx(graph), &TINY).unwrap_err().to_string();
        assert!(error.contains(says), "expected {says:?}: {error}");
    }
    let swapped = Sizes { mlp_size: 4, ..TINY };
    let error = checkpoint(onnx(tiny()), &swapped).unwrap_err().to_string();
    assert!(error.contains("has shape [4, 8], expected [4, 4]"), "{error}");
}

#[test]
fn the_texts_are_those_of_the_catalog() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/dinov2");
    for file in DINOV2_SMALL.files.iter().filter(|file| file.path.ends_with(".json")) {
        assert_eq!(check(&folder, file).unwrap(), FileState::Valid, "{}", file.path);
    }
    for (name, size) in [
        ("hidden_size", SMALL.hidden_size),
        ("num_hidden_layers", SMALL.num_hidden_layers),
        ("num_channels", SMALL.num_channels),
        ("patch_size", SMALL.patch_size),
        ("mlp_ratio", SMALL.mlp_size / SMALL.hidden_size),
        ("image_size", SMALL.num_patches.isqrt() * SMALL.patch_size),
    ] {
        assert!(CONFIG.contains(&format!("\"{name}\": {size},")), "{name}");
    }
}
