//! CLIP and SigLIP: which half of a folder is whose, and every way their configuration can be wrong.

mod common;

use std::path::Path;

use common::edit;
use heatseek_model::ErrorKind::{Invalid, Unsupported};
use heatseek_model::{ErrorKind, ModelError, ModelFiles, TextModel, VisionModel};
use serde_json::{Value, json};

fn files(name: &str) -> ModelFiles {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/clip");
    ModelFiles::from_dir(&root.join(name)).unwrap_or_else(|e| panic!("{name}: {e}"))
}

#[test]
fn a_folder_says_which_halves_it_has() {
    for (name, text, vision) in [
        ("clip", true, true),
        ("clip-legacy", true, true),
        ("clip-vision", false, true),
        ("siglip", true, true),
        ("siglip-vision", false, true),
        ("siglip2-text", true, false),
    ] {
        let files = files(name);
        assert_eq!((files.has_text(), files.is_vision()), (text, !text), "{name}");
        assert_eq!(TextModel::load(&files).is_ok(), text, "{name}");
        assert_eq!(VisionModel::load(&files).is_ok(), vision, "{name}");
        assert_eq!(files.preprocessor().is_ok(), vision, "{name}");
        assert_eq!(files.tokenizer().is_ok(), text, "{name}");
    }
}

#[test]
fn specs_say_what_the_vectors_are() {
    let (clip, siglip) = (files("clip"), files("siglip"));
    let text = TextModel::load(&clip).unwrap();
    let spec = text.spec();
    assert_eq!(spec.modules, ["Transformer", "Pooling(last)", "Dense(32 -> 24)", "Normalize"]);
    assert_eq!((spec.max_length, spec.embedding_dim, text.padding()), (20, 24, None));
    let vision = VisionModel::load(&clip).unwrap();
    let spec = vision.spec();
    assert_eq!((&*spec.pooling, spec.embedding_dim, spec.normalize), ("cls", 24, true));
    assert_eq!(spec.prefix_tokens, ["cls"]);
    // The halves are all of the checkpoint but `logit_scale`.
    let all: usize = elements(&clip);
    assert_eq!(text.spec().parameters + spec.parameters, all - 1);

    let text = TextModel::load(&siglip).unwrap();
    let padding = text.padding().unwrap();
    assert_eq!((&*padding.token, padding.left, text.spec().embedding_dim), ("</s>", false, 48));
    let vision = VisionModel::load(&siglip).unwrap();
    let spec = vision.spec();
    assert_eq!((&*spec.pooling, spec.embedding_dim, spec.prefix_tokens.len()), ("attention", 48, 0));
    assert_eq!(text.spec().parameters + spec.parameters, elements(&siglip) - 2);
    assert!(TextModel::load(&files("siglip2-text")).unwrap().padding().unwrap().left);
}

fn elements(files: &ModelFiles) -> usize {
    let bytes = files.get("model.safetensors").unwrap();
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    file.iter().map(|(_, tensor)| tensor.shape().iter().product::<usize>()).sum()
}

/// Spoils `config.json` of `name` and demands that `load` says what is wrong.
fn demand<M>(
    name: &str,
    load: fn(&ModelFiles) -> Result<M, ModelError>,
    field: &str,
    value: Value,
    kind: ErrorKind,
    says: &[&str],
) {
    let mut files = files(name);
    edit(&mut files, "config.json", |config| {
        *config.pointer_mut(field).unwrap_or_else(|| panic!("{name} has no {field}")) = value.clone();
    });
    let Err(error) = load(&files) else { panic!("{name} {field} = {value} was accepted") };
    let message = error.to_string();
    assert_eq!(error.kind(), kind, "{field} = {value}: {message}");
    for part in [&["`config.json"], says].concat() {
        assert!(message.contains(part), "{field} = {value}: {message} does not say {part}");
    }
}

#[test]
fn what_cannot_be_honoured_is_named_with_its_half() {
    let vision = VisionModel::load;
    let no = Unsupported;
    demand(
        "clip",
        vision,
        "/vision_config/num_channels",
        json!(1),
        no,
        &["(vision_config)", "`num_channels`"],
    );
    demand("clip", vision, "/vision_config/hidden_act", json!("mish"), no, &["mish", "quick_gelu"]);
    demand(
        "clip",
        vision,
        "/vision_config/image_size",
        json!([24, 24]),
        Invalid,
        &["`image_size`", "[24,24]"],
    );
    demand("clip", vision, "/vision_config/patch_size", json!(25), Invalid, &["`patch_size`", "24"]);
    demand("clip", vision, "/vision_config", json!(7), Invalid, &["(the whole field)", "7"]);
    demand("clip", vision, "/projection_dim", json!(25), Invalid, &["visual_projection", "projection_dim"]);
    demand("clip", vision, "/vision_config/num_hidden_layers", json!(1), Invalid, &["layers.1.", "1 layers"]);
    demand("siglip", vision, "/vision_config/vision_use_head", json!(false), no, &["`vision_use_head`"]);
    demand("siglip", vision, "/model_type", json!("siglip2"), no, &["siglip2", "NaFlex"]);
    let text = TextModel::load;
    demand("clip", text, "/text_config/model_type", json!("roberta"), no, &["roberta", "clip_text_model"]);
    demand("clip", text, "/text_config/eos_token_id", json!([1, 2]), no, &["`eos_token_id`", "[1,2]"]);
    demand(
        "clip",
        text,
        "/text_config/num_attention_heads",
        json!(5),
        Invalid,
        &["(text_config)", "divisor"],
    );
    demand("siglip", text, "/text_config/projection_size", json!(8), Invalid, &["head.weight", "[8, 32]"]);
}

#[test]
fn files_beside_the_configuration_are_heeded() {
    let with = |name: &str, path: &str, value: Value| {
        let mut files = files(name);
        files.insert(path, value.to_string().into_bytes());
        TextModel::load(&files)
    };
    let error = with("siglip", "tokenizer_config.json", json!({"padding_side": "up"})).unwrap_err();
    assert!(error.to_string().contains("`padding_side`"), "{error}");
    let padded = with("siglip", "tokenizer_config.json", json!({"padding_side": "left", "pad_token": "x"}));
    assert_eq!(padded.unwrap().padding().map(|p| (&*p.token == "x", p.left)), Some((true, true)));
    let error = with(
        "clip",
        "modules.json",
        json!([{"path": "", "type": "sentence_transformers.models.Transformer"}]),
    );
    assert!(error.unwrap_err().to_string().contains("`modules.json`"));
    let clip = TextModel::load(&files("clip")).unwrap();
    assert!(matches!(clip.counted_tokens(&[1, 2, 3]), Err(ModelError::NoTextEnd { .. })));
}
