//! Poolers, and the vectors they make, as plain objects.

use std::cell::RefCell;
use std::rc::Rc;

use heatseek::{Kind, Params, Pooler, PoolerSpec, Precision, Quantized, Ranges, Row, quantize, rows};
use js_sys::{Array, Float32Array, Int8Array, Object, Reflect, Uint8Array};
use serde::Serialize;
use wasm_bindgen::{JsCast, JsValue};

use crate::error::{Thrown, malformed};
use crate::model::numbers;

/// The pooling weights of the last call. Who embeds again and again sends the same bytes, and a model keeps what it
/// compiled for weights it knows.
#[derive(Default)]
pub struct Weights(RefCell<Option<(Vec<u8>, Rc<Params>)>>);

impl Weights {
    /// The weights in field `poolingWeights` of `settings`, if it has any.
    pub fn of(&self, settings: &JsValue) -> Result<Option<Rc<Params>>, JsValue> {
        let Some(bytes) = bytes(settings, "poolingWeights")? else { return Ok(None) };
        let mut kept = self.0.borrow_mut();
        if let Some((_, params)) = kept.as_ref().filter(|(known, _)| *known == bytes) {
            return Ok(Some(Rc::clone(params)));
        }
        let params = Rc::new(Params::read(&bytes).map_err(Thrown::from)?);
        *kept = Some((bytes, Rc::clone(&params)));
        Ok(Some(params))
    }
}

/// The bytes in a field of `object`, if there are any.
fn bytes(object: &JsValue, field: &str) -> Result<Option<Vec<u8>>, JsValue> {
    let value = Reflect::get(object, &field.into())?;
    Ok(value.dyn_ref::<Uint8Array>().map(Uint8Array::to_vec))
}

/// `auto` is the model's own.
pub fn chosen(pooling: PoolerSpec) -> Option<PoolerSpec> {
    (pooling.name != "auto").then_some(pooling)
}

/// How numbers are stored: fields `precision` and `ranges` of `EmbedSettings` of pkg/src/protocol.ts.
#[derive(Default)]
pub struct Storage {
    precision: Precision,
    ranges: Option<Ranges>,
}

impl Storage {
    pub fn of(settings: &JsValue) -> Result<Self, JsValue> {
        let field = |of: &JsValue, name: &str| Reflect::get(of, &name.into());
        let Some(name) = field(settings, "precision")?.as_string() else { return Ok(Self::default()) };
        let precision = name.parse().map_err(Thrown::from)?;
        let given = field(settings, "ranges")?;
        let floats = |name: &str| field(&given, name).map(|values| Float32Array::new(&values).to_vec());
        let ranges = match given.is_undefined() {
            true => None,
            false => Some(Ranges::new(floats("min")?, floats("max")?).map_err(Thrown::from)?),
        };
        Ok(Self { precision, ranges })
    }
}

/// Vectors, and what else poolers tell.
pub struct Vectors<'a> {
    pub data: &'a [f32],
    pub shape: [usize; 2],
    pub counts: Option<&'a [usize]>,
    pub weights: Option<&'a [Vec<f32>]>,
    pub warning: Option<&'a str>,
    pub tokens: &'a [usize],
    pub hidden: Option<&'a [Vec<f32>]>,
}

/// What `Embeddings` of pkg/src/types.ts are of texts and of pictures.
pub fn to_js(vectors: &Vectors<'_>, storage: &Storage) -> Result<Object, JsValue> {
    let result = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
    let floats =
        |all: &[Vec<f32>]| all.iter().map(|rows| Float32Array::from(rows.as_slice())).collect::<Array>();
    let ([rows, width], Storage { precision, ranges }) = (vectors.shape, storage);
    let data = match precision {
        Precision::Float32 => Float32Array::from(vectors.data).into(),
        _ => match quantize(vectors.data, width, *precision, ranges.as_ref()).map_err(Thrown::from)? {
            Quantized::Float32(data) => Float32Array::from(data.as_slice()).into(),
            Quantized::Int8(data) => Int8Array::from(data.as_slice()).into(),
            Quantized::Uint8(data) => Uint8Array::from(data.as_slice()).into(),
        },
    };
    set("data", data)?;
    set("shape", numbers(&[rows, precision.width(width)]).into())?;
    if let Some(counts) = vectors.counts {
        set("counts", numbers(counts).into())?;
    }
    if let Some(weights) = vectors.weights {
        set("weights", floats(weights).into())?;
    }
    if let Some(warning) = vectors.warning {
        set("warning", warning.into())?;
    }
    set("tokens", numbers(vectors.tokens).into())?;
    if let Some(hidden) = vectors.hidden {
        set("hidden", floats(hidden).into())?;
    }
    Ok(result)
}

/// `PoolerInfo` of pkg/src/pooling.ts.
#[derive(Serialize)]
struct PlainRow {
    name: &'static str,
    aliases: &'static [&'static str],
    papers: Vec<Paper>,
    equation: &'static str,
    options: &'static str,
    tensors: &'static str,
    kind: &'static str,
    expect: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<bool>,
    #[serde(skip_serializing_if = "Option::is_none")]
    several: Option<bool>,
}

#[derive(Serialize)]
struct Paper {
    row: u16,
    title: &'static str,
}

/// `PoolerInfo[]` of pkg/src/pooling.ts; `make` makes a pooler for a model, without weights.
pub fn table<E>(make: impl Fn(&PoolerSpec) -> Result<Pooler, E>) -> Result<JsValue, JsValue> {
    let plain: Vec<_> = rows().map(|row| plain(row, make(&PoolerSpec::named(row.name)).ok())).collect();
    Ok(plain.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(malformed)?)
}

/// One that needs weights cannot be made to ask it.
fn plain(row: &'static Row, pooler: Option<Pooler>) -> PlainRow {
    PlainRow {
        name: row.name,
        aliases: row.aliases,
        papers: row.papers.iter().map(|&(row, title)| Paper { row, title }).collect(),
        equation: row.equation,
        options: row.options,
        tensors: row.tensors,
        kind: match row.kind {
            Kind::TrainingFree => "training-free",
            Kind::Either => "either",
            Kind::Learned => "learned",
        },
        expect: row.expect,
        device: pooler.as_ref().map(|pooler| pooler.device_form().is_some()),
        several: pooler.as_ref().map(Pooler::gives_several),
    }
}
