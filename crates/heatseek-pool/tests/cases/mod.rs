//! Cases of the golden files: states, what is asked for, and what Python makes of it.

#![allow(dead_code, reason = "no test uses all of it")]

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use heatseek_pool::{Params, Pooler, PoolerSpec, Sizes, States};
use safetensors::{Dtype, SafeTensors};
use serde::Deserialize;

/// Made by `make_poolers.py` and `make_pooler_sets.py`.
const FILES: [&str; 2] = ["poolers.safetensors", "pooler_sets.safetensors"];

/// One of metadata `cases`; strings other than `name` are names of tensors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    name: String,
    spec: PoolerSpec,
    #[serde(default)]
    skip: usize,
    #[serde(default = "six")]
    num_hidden_layers: usize,
    #[serde(default = "four")]
    num_attention_heads: usize,
    layers: Vec<String>,
    #[serde(default)]
    maps: Vec<String>,
    #[serde(default)]
    params: BTreeMap<String, String>,
    offsets: Option<String>,
    grid: Option<(usize, usize, usize)>,
    landmarks: Option<String>,
    vectors: String,
    weights: Option<String>,
}

fn six() -> usize {
    6
}

fn four() -> usize {
    4
}

/// Values with their shape.
#[derive(Clone, Debug)]
pub struct Values {
    pub shape: Vec<usize>,
    pub values: Vec<f32>,
}

impl Values {
    fn places(&self) -> Vec<usize> {
        self.values.iter().map(|&v| v as usize).collect()
    }
}

/// What a pooler is given, and what comes of it.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub spec: PoolerSpec,
    pub skip: usize,
    pub layers: Vec<Values>,
    pub maps: Vec<Values>,
    pub offsets: Vec<(usize, usize)>,
    pub landmarks: Vec<usize>,
    pub grid: Option<(usize, usize, usize)>,
    pub vectors: Values,
    pub weights: Option<Values>,
    params: Option<Params>,
    sizes: Sizes,
}

impl std::fmt::Debug for Case {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {}", self.name, self.spec)
    }
}

impl Case {
    pub fn pooler(&self) -> Pooler {
        Pooler::new(&self.spec, self.params.as_ref(), self.sizes)
            .unwrap_or_else(|why| panic!("{}: {why}", self.name))
    }

    pub fn tokens(&self) -> usize {
        self.layers[0].shape[0]
    }

    pub fn states(&self) -> States<'_> {
        States {
            hidden: self.layers.iter().map(|layer| &layer.values[..]).collect(),
            tokens: self.tokens(),
            width: self.sizes.hidden_size,
            skip: self.skip,
            maps: self.maps.iter().map(|map| &map.values[..]).collect(),
            offsets: &self.offsets,
            landmarks: &self.landmarks,
            grid: self.grid,
            ..States::default()
        }
    }
}

/// All cases of the files there are. A file that is missing is noticed: its poolers have no case.
pub fn all() -> Vec<Case> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden");
    let files = FILES.iter().map(|name| folder.join(name)).filter(|path| path.exists());
    files.flat_map(|path| of_file(&path)).collect()
}

fn of_file(path: &Path) -> Vec<Case> {
    let bytes = fs::read(path).unwrap_or_else(|why| panic!("{}: {why}", path.display()));
    let (_, metadata) = SafeTensors::read_metadata(&bytes).unwrap();
    let cases = &metadata.metadata().as_ref().unwrap()["cases"];
    let cases: Vec<Written> = serde_json::from_str(cases).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    let read = |name: &String| values(&file, name);
    let case = |written: Written| {
        let layers: Vec<Values> = written.layers.iter().map(read).collect();
        let params = written.params.iter().map(|(tensor, name)| {
            let Values { shape, values } = read(name);
            (tensor.clone(), shape, values)
        });
        let offsets = written.offsets.as_ref().map(|name| read(name).places()).unwrap_or_default();
        Case {
            params: (!written.params.is_empty()).then(|| Params::from_tensors(params.collect())),
            sizes: Sizes {
                hidden_size: layers[0].shape[1],
                num_hidden_layers: written.num_hidden_layers,
                num_attention_heads: written.num_attention_heads,
            },
            maps: written.maps.iter().map(read).collect(),
            offsets: offsets.as_chunks().0.iter().map(|&[first, last]| (first, last)).collect(),
            landmarks: written.landmarks.as_ref().map(|name| read(name).places()).unwrap_or_default(),
            vectors: read(&written.vectors),
            weights: written.weights.as_ref().map(read),
            name: written.name,
            spec: written.spec,
            skip: written.skip,
            grid: written.grid,
            layers,
        }
    };
    cases.into_iter().map(case).collect()
}

fn values(file: &SafeTensors<'_>, name: &str) -> Values {
    let tensor = file.tensor(name).unwrap_or_else(|why| panic!("{name}: {why}"));
    let (data, mut values) = (tensor.data(), Vec::new());
    match tensor.dtype() {
        Dtype::F32 => values.extend(data.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))),
        Dtype::F64 => values.extend(data.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32)),
        Dtype::I32 => values.extend(data.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32)),
        other => panic!("{name} is {other:?}"),
    }
    Values { shape: tensor.shape().to_vec(), values }
}
