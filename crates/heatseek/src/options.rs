//! What a caller can choose.

use std::rc::Rc;

use heatseek_gpu::Watch;
use heatseek_ops::{Dtype, Executor, LocalFuture};
use heatseek_pool::{Params, PoolError, PoolerSpec, rows};
use heatseek_wgsl::Kernel;
use serde::{Deserialize, Serialize};

use crate::Error;

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DeviceChoice {
    /// A hardware GPU where there is one that passes the self-check, the CPU otherwise.
    #[default]
    Auto,
    /// The scalar f64-accumulating reference: slow, and what everything else is compared with.
    Reference,
    /// The CPU kernels.
    Cpu,
    /// A GPU, software adapters included; an error if there is none.
    Gpu,
    /// An NVIDIA GPU through CUDA; an error if there is none, or no NVRTC.
    #[cfg(not(target_arch = "wasm32"))]
    Cuda,
}

impl DeviceChoice {
    /// The choice of this name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the valid ones.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "auto" => Self::Auto,
            "reference" => Self::Reference,
            "cpu" => Self::Cpu,
            "gpu" => Self::Gpu,
            #[cfg(not(target_arch = "wasm32"))]
            "cuda" => Self::Cuda,
            other => {
                return Err(Error::InvalidInput {
                    what: "device".into(),
                    got: format!("`{other}`"),
                    expected: DEVICES.into(),
                });
            }
        })
    }
}

/// The names of [`DeviceChoice`].
const DEVICES: &str = if cfg!(target_arch = "wasm32") {
    "auto, cpu, gpu or reference"
} else {
    "auto, cpu, gpu, cuda or reference"
};

/// What weights and large activations are stored as. Results are f32 whatever it is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DtypeChoice {
    /// f16 where the device has it and passes the self-check with it, f32 otherwise.
    Auto,
    /// f32: the reference.
    #[default]
    F32,
    /// f16: half the memory and traffic, with sums in f32; an error where the device does not have it.
    F16,
    /// bf16: weights of GEMMs in half the memory, rounded to eight bits of precision as the rows they meet
    /// ([`Dtype::Bf16`]); an error where the device is not a CPU with AVX512-BF16. Never chosen by itself.
    Bf16,
    /// int8: weights of GEMMs in a quarter of the memory, multiplied in 8 bits and summed exactly
    /// ([`Dtype::Int8`]); an error where the device does not have it. Never chosen by itself.
    Int8,
}

impl DtypeChoice {
    /// The choice of this name.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] naming the valid ones.
    pub fn from_name(name: &str) -> Result<Self, Error> {
        Ok(match name {
            "auto" => Self::Auto,
            "f32" | "fp32" => Self::F32,
            "f16" | "fp16" => Self::F16,
            "bf16" => Self::Bf16,
            "int8" | "q8" => Self::Int8,
            other => {
                return Err(Error::InvalidInput {
                    what: "dtype".into(),
                    got: format!("`{other}`"),
                    expected: "auto, f32, f16, bf16 or int8".into(),
                });
            }
        })
    }

    /// What to try on `executor`, best first.
    pub(crate) fn on(self, executor: &dyn Executor) -> &'static [Dtype] {
        match self {
            Self::Auto if executor.stores(Dtype::F16) => &[Dtype::F16, Dtype::F32],
            Self::Auto | Self::F32 => &[Dtype::F32],
            Self::F16 => &[Dtype::F16],
            Self::Bf16 => &[Dtype::Bf16],
            Self::Int8 => &[Dtype::Int8],
        }
    }
}

/// Whether a GPU's kernels are chosen by measuring, beside what the tables say of adapters of its kind.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Tune {
    /// By the tables only: vectors are the same to the last bit in every session on an adapter.
    Never,
    /// What was chosen in an earlier session is followed. Nothing is measured but by
    /// [`Model::tuner`](crate::Model::tuner), when there is time for it.
    #[default]
    Idle,
    /// The same, and what was not chosen yet for a query and for a full batch is measured while the model is loaded. In
    /// browsers that is left to the caller, for want of a clock.
    Now,
}

/// For tests: rewrites the source of a kernel before it is compiled.
pub type SourceTransform = Rc<dyn Fn(&Kernel, &str) -> String>;

/// Makes something ready, and is awaited.
pub type Hook = Rc<dyn Fn() -> LocalFuture<'static, ()>>;

/// How to load a model.
#[derive(Clone, Default)]
pub struct LoadOptions {
    /// Where to compute.
    pub device: DeviceChoice,
    /// Which GPU: part of its name, case-insensitive. `None` takes the most powerful.
    pub adapter: Option<String>,
    /// What weights and large activations are stored as.
    pub dtype: DtypeChoice,
    /// Whether a GPU's kernels are chosen by measuring.
    pub tune: Tune,
    /// What was chosen in an earlier session: [`Tuner::table`](crate::Tuner::table). What is of another adapter, driver or
    /// version, or no table at all, is passed over. `None` is what the user's cache has, and nothing in browsers.
    pub tuned: Option<String>,
    /// For measurements: told what a GPU has done while it is made ready.
    pub watch: Option<Watch>,
    /// Awaited before the CPU takes over from a GPU that fails: starts the threads of its kernels, where they are not
    /// started by themselves.
    pub before_fallback: Option<Hook>,
    /// For tests: checked runs (see [`heatseek_ops::PlanOptions::checked`]).
    pub checked: bool,
    /// For tests: a software adapter takes the kernels that GPUs take.
    pub staged: bool,
    /// For tests: plants faults in GPU kernels.
    pub source_transform: Option<SourceTransform>,
}

/// How to embed.
#[derive(Clone, Debug, Default)]
pub struct EmbedOptions {
    /// How tokens become vectors; `None` is the model's own.
    pub pooling: Option<PoolerSpec>,
    /// Learned parameters of that pooling.
    pub pooling_weights: Option<Rc<Params>>,
    /// Whether the tokens of a prompt count in pooling; `None` is as the model's files say, which is yes unless they
    /// say no.
    pub include_prompt: Option<bool>,
    /// Keeps only so many elements of each vector, the first; they get unit length again if the vectors have it.
    pub truncate_dim: Option<usize>,
    /// Whether the weights of tokens come too. Their states are read back for it.
    pub weights: bool,
    /// Whether vectors have unit length; `None` is the model's own.
    pub normalize: Option<bool>,
    /// A prompt of the model's `config_sentence_transformers.json`, put before every text.
    pub prompt_name: Option<String>,
    /// A prompt given literally; not together with `prompt_name`.
    pub prompt: Option<String>,
    /// The most tokens of a text, special ones included; `None` is the model's own limit. Longer texts are
    /// cut at the end.
    pub max_length: Option<usize>,
    /// Whether the last hidden state comes too.
    pub hidden: bool,
}

/// The pooling that `text` names, with options as [`PoolerSpec::parse`] reads them; `None` for `auto`.
///
/// # Errors
/// [`Error::Pool`]: an unknown name, or an option without a value.
pub fn pooling_from_name(text: &str) -> Result<Option<PoolerSpec>, Error> {
    let spec = PoolerSpec::parse(text)?;
    if spec.name == "auto" && spec.options.is_empty() {
        return Ok(None);
    }
    let known = rows().any(|row| row.name == spec.name || row.aliases.contains(&&*spec.name));
    let names = || rows().map(|row| row.name).collect::<Vec<_>>().join(", ");
    match known {
        true => Ok(Some(spec)),
        false => Err(PoolError::Unknown { got: spec.name, known: names() }.into()),
    }
}
