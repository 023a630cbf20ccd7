//! `modules.json` of sentence-transformers and the files of its modules.

use heatseek_ops::{Activation, Pooling};
use serde_json::Value;

use crate::json::{Object, parse, shown};
use crate::tower::Tower;
use crate::{Config, ModelError, ModelFiles, text_tower};

/// The module list's file.
pub(crate) const MODULES: &str = "modules.json";

const SUPPORTED_MODULES: &str = "Transformer, Pooling, Dense, Normalize";

/// From tokens to vectors: what follows the encoder.
#[derive(Clone, Debug, PartialEq)]
pub struct Pipeline {
    /// Folder of the encoder's files: empty, or ending in `/`.
    pub transformer: String,
    /// How tokens become one vector.
    pub pooling: Pooling,
    /// Whether the tokens of a prompt count when a text is pooled.
    pub include_prompt: bool,
    /// What happens to the vector then, in order.
    pub steps: Vec<PipelineStep>,
}

/// A step on pooled vectors.
#[derive(Clone, Debug, PartialEq)]
pub enum PipelineStep {
    /// A linear layer.
    Dense(DenseConfig),
    /// Scaling to unit length.
    Normalize,
}

/// A sentence-transformers `Dense` module.
#[derive(Clone, Debug, PartialEq)]
pub struct DenseConfig {
    /// Its folder, ending in `/`.
    pub folder: String,
    /// Input width.
    pub in_features: usize,
    /// Output width.
    pub out_features: usize,
    /// Whether it adds a bias.
    pub bias: bool,
    /// Applied last.
    pub activation: Activation,
}

/// One entry of the module list.
pub(crate) struct Module {
    pub(crate) kind: Kind,
    /// Empty, or ending in `/`.
    pub(crate) folder: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Transformer,
    Pooling,
    Dense,
    Normalize,
}

/// The module list; without `modules.json` just the encoder, as in sentence-transformers.
pub(crate) fn read_modules(files: &ModelFiles) -> Result<Vec<Module>, ModelError> {
    let Some(bytes) = files.get(MODULES) else {
        return Ok(vec![Module { kind: Kind::Transformer, folder: String::new() }]);
    };
    let value = parse(MODULES, bytes)?;
    let Value::Array(list) = &value else {
        return Err(ModelError::Field {
            file: MODULES.into(),
            field: "(the whole file)".into(),
            expected: "a list".into(),
            got: shown(Some(&value)),
        });
    };
    let modules: Vec<Module> = list.iter().map(read_module).collect::<Result<_, _>>()?;
    let kinds: Vec<Kind> = modules.iter().map(|m| m.kind).collect();
    let pooled = |kind: &Kind| matches!(kind, Kind::Dense | Kind::Normalize);
    match &kinds[..] {
        [Kind::Transformer] => Ok(modules),
        [Kind::Transformer, Kind::Pooling, rest @ ..] if rest.iter().all(pooled) => Ok(modules),
        _ => Err(ModelError::ModuleOrder {
            file: MODULES.into(),
            expected: "a Transformer, a Pooling, then any of Dense and Normalize".into(),
            got: format!("{kinds:?}"),
        }),
    }
}

fn read_module(value: &Value) -> Result<Module, ModelError> {
    let json = Object::new(MODULES, "(an entry)", value)?;
    let module = json.optional_str("type")?.ok_or_else(|| json.wrong("type", "a string"))?;
    // The classes moved between versions: `sentence_transformers.models.Pooling`,
    // `sentence_transformers.sentence_transformer.modules.pooling.Pooling`.
    let class = module.strip_prefix("sentence_transformers.").and_then(|path| path.rsplit('.').next());
    let kind = match class {
        Some("Transformer") => Kind::Transformer,
        Some("Pooling") => Kind::Pooling,
        Some("Dense") => Kind::Dense,
        Some("Normalize") => Kind::Normalize,
        _ => {
            return Err(ModelError::UnsupportedModule {
                file: MODULES.into(),
                module: module.to_owned(),
                supported: SUPPORTED_MODULES.into(),
            });
        }
    };
    let path = json.optional_str("path")?.unwrap_or_default();
    let folder = match path {
        "" | "." | "./" => String::new(),
        _ => {
            let path = path.trim_end_matches('/');
            // A model must not read outside its own folder.
            if !is_inside(path) {
                return Err(json.wrong("path", "a relative path inside the model's folder"));
            }
            format!("{path}/")
        }
    };
    Ok(Module { kind, folder })
}

/// Whether `path` is relative, has `/` separators, and never leaves its folder.
pub(crate) fn is_inside(path: &str) -> bool {
    let sound = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.split('/').all(sound) && !path.contains(['\\', ':', '\0'])
}

impl Pipeline {
    /// Whether the last thing done to a vector is scaling it to unit length.
    pub fn ends_normalized(&self) -> bool {
        self.steps.last() == Some(&PipelineStep::Normalize)
    }

    /// Reads `modules.json` and the configurations it names, for the encoder of this `config`. CLIP and SigLIP
    /// say themselves what follows it.
    ///
    /// # Errors
    /// [`ModelError`] of every kind but those about weights.
    pub fn read(files: &ModelFiles, config: &Config) -> Result<Self, ModelError> {
        if Tower::of(&config.model_type).is_some() {
            return match files.get(MODULES) {
                None => Ok(text_tower::pipeline(config)),
                Some(_) => Err(ModelError::ModuleOrder {
                    file: MODULES.into(),
                    expected: format!("no such file beside a model of type `{}`", config.model_type),
                    got: "one".into(),
                }),
            };
        }
        let mut pipeline = Self {
            transformer: String::new(),
            pooling: Pooling::Mean,
            include_prompt: true,
            steps: Vec::new(),
        };
        let mut width = config.hidden_size;
        for module in read_modules(files)? {
            match module.kind {
                Kind::Transformer => pipeline.transformer = module.folder,
                Kind::Pooling => {
                    (pipeline.pooling, pipeline.include_prompt) = read_pooling(files, &module.folder, width)?;
                }
                Kind::Normalize => pipeline.steps.push(PipelineStep::Normalize),
                Kind::Dense => {
                    let dense = read_dense(files, module.folder, width)?;
                    width = dense.out_features;
                    pipeline.steps.push(PipelineStep::Dense(dense));
                }
            }
        }
        Ok(pipeline)
    }
}

/// The flags that came before `pooling_mode`, in sentence-transformers' order.
const POOLING_FLAGS: [(&str, Pooling); 6] = [
    ("pooling_mode_cls_token", Pooling::Cls),
    ("pooling_mode_max_tokens", Pooling::Max),
    ("pooling_mode_mean_tokens", Pooling::Mean),
    ("pooling_mode_mean_sqrt_len_tokens", Pooling::MeanSqrtLen),
    ("pooling_mode_weightedmean_tokens", Pooling::WeightedMean),
    ("pooling_mode_lasttoken", Pooling::Last),
];

/// How tokens become one vector, and whether those of a prompt count.
fn read_pooling(files: &ModelFiles, folder: &str, width: usize) -> Result<(Pooling, bool), ModelError> {
    let file = format!("{folder}config.json");
    let value = parse(&file, files.require(&file, "the configuration of the model's pooling")?)?;
    let json = Object::new(&file, "(the whole file)", &value)?;
    for field in ["word_embedding_dimension", "embedding_dimension"] {
        if json.optional_size(field)?.is_some_and(|n| n != width) {
            return Err(json.wrong(field, &format!("{width}, the encoder's `hidden_size`")));
        }
    }
    let (field, modes) = pooling_modes(&json)?;
    let pooling = match modes[..] {
        [] => Pooling::Mean,
        [one] => one,
        _ => return Err(json.unsupported(field, "one pooling; several, concatenated, are not implemented")),
    };
    Ok((pooling, json.bool_or("include_prompt", true)?))
}

/// The poolings a configuration asks for, and the field that does.
fn pooling_modes(json: &Object<'_>) -> Result<(&'static str, Vec<Pooling>), ModelError> {
    const MODE: &str = "pooling_mode";
    let supported = || Pooling::OF_MODELS.map(Pooling::name).join(", ");
    if let Some(value) = json.get(MODE) {
        let names = match value {
            Value::Array(names) => &names[..],
            one => std::slice::from_ref(one),
        };
        let read = |name: &Value| name.as_str().and_then(Pooling::from_name);
        let modes: Option<Vec<Pooling>> = names.iter().map(read).collect();
        return Ok((MODE, modes.ok_or_else(|| json.unsupported(MODE, &supported()))?));
    }
    let mut found = (MODE, Vec::new());
    for (field, pooling) in POOLING_FLAGS {
        if json.bool_or(field, false)? {
            found.0 = field;
            found.1.push(pooling);
        }
    }
    let known = |name: &str| POOLING_FLAGS.iter().any(|(field, _)| *field == name);
    let mut unknown =
        json.fields.iter().filter(|(name, _)| name.starts_with("pooling_mode_") && !known(name));
    match unknown.find(|(_, value)| **value == Value::Bool(true)) {
        Some((name, _)) => Err(json.unsupported(name, &supported())),
        None => Ok(found),
    }
}

/// Names of torch modules, as `Dense` saves them.
const DENSE_ACTIVATIONS: [(&str, Activation); 5] = [
    ("torch.nn.modules.activation.Tanh", Activation::Tanh),
    ("torch.nn.modules.linear.Identity", Activation::Identity),
    ("torch.nn.modules.activation.GELU", Activation::GeluErf),
    ("torch.nn.modules.activation.ReLU", Activation::Relu),
    ("torch.nn.modules.activation.SiLU", Activation::Silu),
];

fn read_dense(files: &ModelFiles, folder: String, width: usize) -> Result<DenseConfig, ModelError> {
    let file = format!("{folder}config.json");
    let value = parse(&file, files.require(&file, "the configuration of the model's Dense layer")?)?;
    let json = Object::new(&file, "(the whole file)", &value)?;
    let in_features = json.size("in_features")?;
    if in_features != width {
        return Err(json.wrong("in_features", &format!("{width}, the width of what comes before")));
    }
    // Absent means Tanh, the default of the class.
    let activation = match json.optional_str("activation_function")? {
        None => Activation::Tanh,
        Some(name) => {
            let found = DENSE_ACTIVATIONS.iter().find(|(n, _)| *n == name);
            let names = || DENSE_ACTIVATIONS.map(|(n, _)| n).join(", ");
            found.ok_or_else(|| json.unsupported("activation_function", &names()))?.1
        }
    };
    for field in ["module_input_name", "module_output_name"] {
        if json.optional_str(field)?.is_some_and(|name| name != "sentence_embedding") {
            return Err(json.unsupported(field, "sentence_embedding"));
        }
    }
    if json.bool_or("use_residual", false)? {
        return Err(json.unsupported("use_residual", "false"));
    }
    let out_features = json.size("out_features")?;
    let bias = json.bool_or("bias", true)?;
    Ok(DenseConfig { folder, in_features, out_features, bias, activation })
}
