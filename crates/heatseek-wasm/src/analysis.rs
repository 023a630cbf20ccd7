//! Analyses as plain objects with typed arrays.

use heatseek::{Analysis, AnalysisOptions, GraphStats, Offset, Rect, Sink};
use js_sys::{Array, Float32Array, Object, Reflect};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use crate::error::malformed;
use crate::layout;
use crate::model::numbers;

/// `AnalysisSettings` of pkg/src/protocol.ts.
#[derive(Deserialize)]
pub struct Settings {
    layers: Option<Vec<usize>>,
}

impl Settings {
    pub fn options(self) -> AnalysisOptions {
        AnalysisOptions { layers: self.layers }
    }
}

/// `Sink` of pkg/src/types.ts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainSink<'a> {
    token: usize,
    first_layer: usize,
    lifetime: usize,
    primary: bool,
    mass: &'a [f64],
}

/// `LayerGraph` of pkg/src/types.ts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainGraph {
    r#type: &'static str,
    centralisation: f64,
    connectivity: f64,
    components: usize,
    sink_share: f64,
    start: f64,
    end: f64,
}

/// `RankCurves` of pkg/src/types.ts.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct PlainRank<'a> {
    full: &'a [f64],
    no_residual: &'a [f64],
    no_feed_forward: &'a [f64],
    attention_only: &'a [f64],
}

/// `HeadOffset` of pkg/src/types.ts.
#[derive(Serialize)]
struct PlainOffset {
    dx: isize,
    dy: isize,
    share: f64,
    local: bool,
}

/// `Analysis` of pkg/src/types.ts; `crop` is what the model saw of a picture.
pub fn to_js(found: &Analysis, crop: Option<Rect>) -> Result<JsValue, JsValue> {
    let result = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
    let floats = |values: &[f32]| -> JsValue { Float32Array::from(values).into() };
    set("layout", layout::to_js(&found.layout, crop)?)?;
    set("layers", numbers(&found.layers).into())?;
    set("heads", found.heads.into())?;
    set("entropy", floats(&found.entropy))?;
    set("specialMass", floats(&found.special_mass))?;
    set("previous", floats(&found.previous))?;
    set("self", floats(&found.current))?;
    set("next", floats(&found.next))?;
    let heads = [found.layers.len(), found.heads];
    if let Some(plane) = &found.plane {
        set("distance", floats(&plane.distance))?;
        set("rings", array(&plane.rings, &[&heads[..], &[plane.ring_count]].concat())?)?;
        set("aligned", array(&plane.aligned, &[&heads[..], &plane.aligned_size].concat())?)?;
        set("offsets", plain(&plane.offsets.iter().map(offset).collect::<Vec<_>>())?)?;
        set("positionStd", floats(&plane.position_std))?;
    }
    let clusters = Object::new();
    Reflect::set(&clusters, &"position".into(), &floats(&found.clusters.position))?;
    Reflect::set(&clusters, &"label".into(), &numbers(&found.clusters.label))?;
    set("clusters", clusters.into())?;
    set("sinks", plain(&found.sinks.iter().map(sink).collect::<Vec<_>>())?)?;
    set("graph", plain(&found.graph.iter().map(graph).collect::<Vec<_>>())?)?;
    let rank = &found.rank;
    set(
        "rank",
        plain(&PlainRank {
            full: &rank.full,
            no_residual: &rank.no_residual,
            no_feed_forward: &rank.no_feed_forward,
            attention_only: &rank.attention_only,
        })?,
    )?;
    Ok(result.into())
}

fn array(data: &[f32], shape: &[usize]) -> Result<JsValue, JsValue> {
    let result = Object::new();
    Reflect::set(&result, &"data".into(), &Float32Array::from(data))?;
    let shape: Array = numbers(shape);
    Reflect::set(&result, &"shape".into(), &shape)?;
    Ok(result.into())
}

fn plain(value: &impl Serialize) -> Result<JsValue, JsValue> {
    Ok(value.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(malformed)?)
}

fn offset(&(Offset { dx, dy, share }, local): &(Offset, bool)) -> PlainOffset {
    PlainOffset { dx, dy, share, local }
}

fn sink(sink: &Sink) -> PlainSink<'_> {
    let &Sink { token, first_layer, lifetime, primary, ref mass } = sink;
    PlainSink { token, first_layer, lifetime, primary, mass }
}

fn graph(found: &GraphStats) -> PlainGraph {
    let &GraphStats { frame, centralisation, connectivity, components, sink_share, start, end } = found;
    PlainGraph { r#type: frame.name(), centralisation, connectivity, components, sink_share, start, end }
}
