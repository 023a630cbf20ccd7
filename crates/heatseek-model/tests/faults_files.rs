//! Every way a model's configuration files can be wrong, and what is said about it.

mod common;

use common::{Fault, demand_errors, edit};
use heatseek_model::ErrorKind::{Invalid, NotFound, Unsupported};
use heatseek_model::synthetic::SyntheticBert;
use heatseek_model::{ErrorKind, ModelError, ModelFiles, TextModel};
use serde_json::{Value, json};

fn fault(
    name: &'static str,
    spoil: fn(&mut ModelFiles),
    is: fn(&ModelError) -> bool,
    kind: ErrorKind,
    says: &'static [&'static str],
) -> Fault {
    Fault { name, spoil, is, kind, says }
}

/// A fault in a field of `config.json`.
macro_rules! config {
    ($field:literal = $value:tt, $variant:ident, $kind:ident, $says:expr) => {
        fault(
            concat!("config.json ", $field, " = ", stringify!($value)),
            |f| edit(f, "config.json", |v| v[$field] = json!($value)),
            is!($variant),
            $kind,
            &$says,
        )
    };
}

macro_rules! module_field {
    ($file:literal, $field:literal = $value:tt, $variant:ident, $kind:ident, $says:expr) => {
        fault(
            concat!($file, " ", $field, " = ", stringify!($value)),
            |f| edit(f, $file, |v| v[$field] = json!($value)),
            is!($variant),
            $kind,
            &$says,
        )
    };
}

#[test]
fn config_json() {
    demand_errors(&[
        fault(
            "no config",
            |f| *f = without(f, "config.json"),
            is!(MissingFile),
            NotFound,
            &["`config.json`"],
        ),
        fault(
            "not JSON",
            |f| f.insert("config.json", b"{\"a\": ".to_vec()),
            is!(Json),
            Invalid,
            &["`config.json`"],
        ),
        fault(
            "not UTF-8",
            |f| f.insert("config.json", vec![0xff, 0xfe]),
            is!(Json),
            Invalid,
            &["`config.json`"],
        ),
        fault(
            "a list",
            |f| f.insert("config.json", b"[]".to_vec()),
            is!(Field),
            Invalid,
            &["an object", "[]"],
        ),
        config!("model_type" = null, Field, Invalid, ["`model_type`", "a string"]),
        config!(
            "model_type" = "gpt2",
            UnsupportedArchitecture,
            Unsupported,
            ["`gpt2`", "`config.json`", "bert"]
        ),
        config!("model_type" = 3, Field, Invalid, ["`model_type`", "3"]),
        config!("hidden_size" = null, Field, Invalid, ["`hidden_size`", "null"]),
        config!("hidden_size" = 0, Field, Invalid, ["`hidden_size`", "0"]),
        config!("hidden_size" = (-24), Field, Invalid, ["`hidden_size`", "-24"]),
        config!("hidden_size" = 24.5, Field, Invalid, ["`hidden_size`", "24.5"]),
        config!("hidden_size" = "24", Field, Invalid, ["`hidden_size`", "\"24\""]),
        config!("hidden_size" = 18446744073709551615u64, Field, Invalid, ["`hidden_size`", "4294967295"]),
        config!("num_attention_heads" = 5, Field, Invalid, ["`num_attention_heads`", "divisor", "24"]),
        config!("num_attention_heads" = 0, Field, Invalid, ["`num_attention_heads`"]),
        config!("num_hidden_layers" = 0, Field, Invalid, ["`num_hidden_layers`"]),
        config!("hidden_act" = "mish", UnsupportedSetting, Unsupported, ["`hidden_act`", "mish", "gelu_new"]),
        config!("layer_norm_eps" = (-1.0), Field, Invalid, ["`layer_norm_eps`", "-1"]),
        config!("layer_norm_eps" = "small", Field, Invalid, ["`layer_norm_eps`", "small"]),
        config!(
            "position_embedding_type" = "relative_key",
            UnsupportedSetting,
            Unsupported,
            ["relative_key", "absolute"]
        ),
        config!("is_decoder" = true, UnsupportedSetting, Unsupported, ["`is_decoder`"]),
        config!("add_cross_attention" = true, UnsupportedSetting, Unsupported, ["`add_cross_attention`"]),
        // Sizes that the weights contradict.
        config!(
            "hidden_size" = 48,
            Field,
            Invalid,
            ["1_Pooling/config.json", "`word_embedding_dimension`", "48"]
        ),
        config!(
            "vocab_size" = 65,
            Shape,
            Invalid,
            ["word_embeddings", "[65, 24]", "[64, 24]", "`vocab_size"]
        ),
        config!(
            "max_position_embeddings" = 512,
            Shape,
            Invalid,
            ["position_embeddings", "[512, 24]", "[32, 24]"]
        ),
        config!("type_vocab_size" = 1, Shape, Invalid, ["token_type_embeddings", "type_vocab_size"]),
        config!(
            "intermediate_size" = 41,
            Shape,
            Invalid,
            ["intermediate.dense.weight", "[41, 24]", "intermediate_size"]
        ),
        config!("num_hidden_layers" = 3, MissingTensor, Invalid, ["encoder.layer.2.", "num_hidden_layers"]),
        config!("num_hidden_layers" = 1, UnexpectedTensor, Invalid, ["encoder.layer.1.", "1 layers"]),
        config!("num_hidden_layers" = 1025, UnsupportedSetting, Unsupported, ["`num_hidden_layers`", "1024"]),
    ]);
}

#[test]
fn modules_json() {
    fn modules(f: &mut ModelFiles, classes: &[&str]) {
        let paths = [
            ("Transformer", ""),
            ("Pooling", "1_Pooling"),
            ("Dense", "2_Dense"),
            ("Normalize", "3_Normalize"),
        ];
        let entry = |class: &&str| {
            let path = paths.iter().find(|(c, _)| class.ends_with(c)).map_or("x", |(_, p)| p);
            json!({"path": path, "type": class})
        };
        let list: Value = classes.iter().map(entry).collect();
        f.insert("modules.json", list.to_string().into_bytes());
    }
    const T: &str = "sentence_transformers.models.Transformer";
    const P: &str = "sentence_transformers.models.Pooling";
    const D: &str = "sentence_transformers.models.Dense";
    const N: &str = "sentence_transformers.models.Normalize";
    demand_errors(&[
        fault("not a list", |f| f.insert("modules.json", b"{}".to_vec()), is!(Field), Invalid, &["a list"]),
        fault(
            "an entry is no object",
            |f| f.insert("modules.json", b"[1]".to_vec()),
            is!(Field),
            Invalid,
            &["an object"],
        ),
        fault(
            "no type",
            |f| edit(f, "modules.json", |v| v[0]["type"] = json!(null)),
            is!(Field),
            Invalid,
            &["`type`"],
        ),
        fault("empty", |f| modules(f, &[]), is!(ModuleOrder), Invalid, &["a Transformer, a Pooling"]),
        fault("no transformer", |f| modules(f, &[P, N]), is!(ModuleOrder), Invalid, &["Pooling"]),
        fault("normalize first", |f| modules(f, &[T, N, P]), is!(ModuleOrder), Invalid, &["Normalize"]),
        fault(
            "two poolings",
            |f| modules(f, &[T, P, P]),
            is!(ModuleOrder),
            Invalid,
            &["[Transformer, Pooling, Pooling]"],
        ),
        fault(
            "LayerNorm",
            |f| modules(f, &[T, P, "sentence_transformers.models.LayerNorm"]),
            is!(UnsupportedModule),
            Unsupported,
            &["sentence_transformers.models.LayerNorm", "Normalize"],
        ),
        fault(
            "their own code",
            |f| modules(f, &[T, "custom.Pooling"]),
            is!(UnsupportedModule),
            Unsupported,
            &["custom.Pooling"],
        ),
        fault(
            "outside",
            |f| edit(f, "modules.json", |v| v[1]["path"] = json!("../secret")),
            is!(Field),
            Invalid,
            &["`path`", "../secret"],
        ),
        fault(
            "absolute",
            |f| edit(f, "modules.json", |v| v[1]["path"] = json!("/etc")),
            is!(Field),
            Invalid,
            &["`path`", "/etc"],
        ),
        fault(
            "no pooling config",
            |f| *f = without(f, "1_Pooling/config.json"),
            is!(MissingFile),
            NotFound,
            &["1_Pooling/config.json"],
        ),
        fault("dense before pooling", |f| modules(f, &[T, D, P]), is!(ModuleOrder), Invalid, &["Dense"]),
    ]);
}

#[test]
fn pooling_and_dense() {
    demand_errors(&[
        module_field!(
            "1_Pooling/config.json",
            "pooling_mode_cls_token" = true,
            UnsupportedSetting,
            Unsupported,
            ["one pooling"]
        ),
        module_field!(
            "1_Pooling/config.json",
            "pooling_mode" = ["mean", "max"],
            UnsupportedSetting,
            Unsupported,
            ["`pooling_mode`", "one pooling"]
        ),
        module_field!(
            "1_Pooling/config.json",
            "pooling_mode" = "attention",
            UnsupportedSetting,
            Unsupported,
            ["attention", "mean"]
        ),
        module_field!("1_Pooling/config.json", "pooling_mode" = 5, UnsupportedSetting, Unsupported, ["5"]),
        module_field!(
            "1_Pooling/config.json",
            "pooling_mode_new_tokens" = true,
            UnsupportedSetting,
            Unsupported,
            ["pooling_mode_new_tokens"]
        ),
        module_field!(
            "1_Pooling/config.json",
            "pooling_mode_max_tokens" = "yes",
            Field,
            Invalid,
            ["true or false"]
        ),
        module_field!(
            "1_Pooling/config.json",
            "include_prompt" = "no",
            Field,
            Invalid,
            ["`include_prompt`", "true or false"]
        ),
        module_field!("1_Pooling/config.json", "word_embedding_dimension" = 23, Field, Invalid, ["23", "24"]),
        module_field!(
            "2_Dense/config.json",
            "in_features" = 23,
            Field,
            Invalid,
            ["`in_features`", "23", "24"]
        ),
        module_field!(
            "2_Dense/config.json",
            "out_features" = 7,
            Shape,
            Invalid,
            ["2_Dense/model.safetensors", "[7, 24]", "[6, 24]"]
        ),
        module_field!(
            "2_Dense/config.json",
            "bias" = false,
            UnexpectedTensor,
            Invalid,
            ["linear.bias", "2_Dense/config.json"]
        ),
        module_field!(
            "2_Dense/config.json",
            "use_residual" = true,
            UnsupportedSetting,
            Unsupported,
            ["use_residual"]
        ),
        module_field!(
            "2_Dense/config.json",
            "module_input_name" = "token_embeddings",
            UnsupportedSetting,
            Unsupported,
            ["token_embeddings"]
        ),
        module_field!(
            "2_Dense/config.json",
            "activation_function" = "torch.nn.modules.activation.Mish",
            UnsupportedSetting,
            Unsupported,
            ["Mish", "Tanh"]
        ),
        fault(
            "no dense weights",
            |f| *f = without(f, "2_Dense/model.safetensors"),
            is!(MissingFile),
            NotFound,
            &["2_Dense/model.safetensors"],
        ),
        fault(
            "pickled dense weights",
            |f| {
                *f = without(f, "2_Dense/model.safetensors");
                f.insert("2_Dense/pytorch_model.bin", vec![0]);
            },
            is!(PickledWeights),
            Unsupported,
            &["2_Dense/pytorch_model.bin", "safetensors"],
        ),
    ]);
}

#[test]
fn settings_beside_the_model() {
    demand_errors(&[
        module_field!(
            "sentence_bert_config.json",
            "max_seq_length" = 0,
            Field,
            Invalid,
            ["`max_seq_length`"]
        ),
        module_field!(
            "sentence_bert_config.json",
            "max_seq_length" = "256",
            Field,
            Invalid,
            ["`max_seq_length`"]
        ),
        module_field!(
            "sentence_bert_config.json",
            "transformer_task" = "fill-mask",
            UnsupportedSetting,
            Unsupported,
            ["fill-mask"]
        ),
        module_field!(
            "tokenizer_config.json",
            "model_max_length" = 0,
            Field,
            Invalid,
            ["`model_max_length`"]
        ),
        module_field!("config_sentence_transformers.json", "prompts" = [], Field, Invalid, ["`prompts`"]),
        module_field!("config_sentence_transformers.json", "prompts" = {"query": 1}, Field, Invalid, ["`query`", "a string"]),
        module_field!(
            "config_sentence_transformers.json",
            "default_prompt_name" = "passage",
            Field,
            Invalid,
            ["passage", "query"]
        ),
    ]);
}

#[test]
fn what_may_differ_does() {
    let base = SyntheticBert::default();
    let load = |change: &dyn Fn(&mut ModelFiles)| {
        let mut files = base.files();
        change(&mut files);
        TextModel::load(&files).unwrap()
    };
    // The newer spelling, one mode in a list, module classes where newer versions have them.
    let model = load(&|f| {
        f.insert(
            "1_Pooling/config.json",
            br#"{"embedding_dimension": 24, "pooling_mode": ["lasttoken"], "include_prompt": false}"#
                .to_vec(),
        );
        edit(f, "modules.json", |v| {
            v[1]["type"] = json!("sentence_transformers.sentence_transformer.modules.pooling.Pooling")
        });
    });
    assert_eq!((model.spec().pooling.as_str(), model.spec().include_prompt), ("last", false));
    // Without modules.json: mean pooling and nothing else.
    let model = load(&|f| *f = without(f, "modules.json"));
    assert_eq!((model.spec().pooling.as_str(), model.spec().normalize), ("mean", false));
    // No flag set means the mean, as in sentence-transformers.
    let model = load(&|f| f.insert("1_Pooling/config.json", b"{}".to_vec()));
    assert_eq!((model.spec().pooling.as_str(), model.spec().include_prompt), ("mean", true));
    // A length of its own goes before the tokenizer's, but never beyond the positions.
    for (own, tokenizer, expected) in
        [(Some(8), Some(4.0), 8), (None, Some(4.0), 4), (Some(99), None, 32), (None, Some(1e30), 32)]
    {
        let model = load(&|f| {
            f.insert(
                "sentence_bert_config.json",
                json!({"max_seq_length": own, "do_lower_case": true}).to_string().into_bytes(),
            );
            f.insert(
                "tokenizer_config.json",
                json!({"model_max_length": tokenizer}).to_string().into_bytes(),
            );
        });
        assert_eq!(model.spec().max_length, expected);
        assert!(model.spec().do_lower_case);
    }
    // Files in the encoder's own folder, as the oldest models have them.
    let model = load(&|f| {
        for name in ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
            let bytes = f.get(name).unwrap().clone();
            *f = without(f, name);
            f.insert(&format!("0_Transformer/{name}"), bytes);
        }
        edit(f, "modules.json", |v| v[0]["path"] = json!("0_Transformer"));
    });
    assert_eq!(model.spec().hidden_size, 24);
}

#[test]
fn prompts_resolve_as_in_sentence_transformers() {
    let mut files = SyntheticBert::default().files();
    let config = json!({"prompts": {"query": "query: ", "passage": "passage: "}, "default_prompt_name": "passage", "similarity_fn_name": "cosine"});
    files.insert("config_sentence_transformers.json", config.to_string().into_bytes());
    let model = TextModel::load(&files).unwrap();
    let resolve = |name| model.prompts().resolve(name);
    assert_eq!(resolve(None).unwrap(), "passage: ");
    assert_eq!(resolve(Some("query")).unwrap(), "query: ");
    assert_eq!(resolve(Some("document")).unwrap(), "");
    let error = resolve(Some("code")).unwrap_err().to_string();
    assert!(error.contains("code") && error.contains("passage"), "{error}");
    assert_eq!(model.spec().similarity.as_deref(), Some("cosine"));
}

/// A downloader that has all the files of `all`.
fn download(all: &ModelFiles) -> Result<(ModelFiles, Vec<Vec<String>>), ModelError> {
    let (mut files, mut rounds) = (ModelFiles::new(), Vec::new());
    loop {
        let wanted = files.wanted()?;
        if wanted.is_empty() {
            return Ok((files, rounds));
        }
        rounds.push(wanted.iter().map(|w| w.path.clone()).collect());
        for file in wanted {
            match all.get(&file.path) {
                Some(bytes) => files.insert(&file.path, bytes.clone()),
                None => files.mark_absent(&file.path),
            }
        }
    }
}

#[test]
fn a_downloader_is_told_what_to_fetch() {
    let all = SyntheticBert { dense: Some(6), ..SyntheticBert::default() }.files();
    let (files, rounds) = download(&all).unwrap();
    assert_eq!(files.paths().collect::<Vec<_>>(), all.paths().collect::<Vec<_>>());
    assert_eq!(rounds[0], ["modules.json", "config_sentence_transformers.json"]);
    assert_eq!(rounds[2], ["2_Dense/model.safetensors", "model.safetensors"]);
    TextModel::load(&files).unwrap();
    // A model that cannot run is refused before its weights are asked for.
    let mut spoiled = all.clone();
    edit(&mut spoiled, "config.json", |v| v["model_type"] = json!("gpt2"));
    assert_eq!(download(&spoiled).unwrap_err().kind(), Unsupported);
    for missing in [
        "model.safetensors",
        "2_Dense/model.safetensors",
        "tokenizer.json",
        "1_Pooling/config.json",
        "config.json",
    ] {
        let error = download(&without(&all, missing)).unwrap_err();
        assert!(
            matches!(&error, ModelError::MissingFile { file, .. } if file == missing),
            "{missing}: {error}"
        );
    }
}

fn without(files: &ModelFiles, path: &str) -> ModelFiles {
    let mut rest = ModelFiles::new();
    for name in files.paths().filter(|name| *name != path) {
        rest.insert(name, files.get(name).unwrap().clone());
    }
    rest
}
