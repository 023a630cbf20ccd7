//! Explanations and occlusions as plain objects.

use heatseek::{EmbedOptions, ExplainOptions, ExplainedSide, Explanation, Metric, Occlusion, Rect};
use js_sys::{Float32Array, Object, Reflect};
use wasm_bindgen::{JsCast, JsValue};

use crate::error::Thrown;
use crate::layout;
use crate::model::numbers;

/// `ExplainSettings` of pkg/src/protocol.ts, each of whose sides `read` reads.
pub fn options(
    settings: &JsValue,
    read: impl Fn(&JsValue) -> Result<EmbedOptions, JsValue>,
) -> Result<ExplainOptions, JsValue> {
    let field = |name: &str| Reflect::get(settings, &name.into());
    let metric = metric(&field("metric")?.as_string().unwrap_or_default());
    Ok(ExplainOptions { query: read(&field("query")?)?, passage: read(&field("passage")?)?, metric })
}

/// `Metric` of pkg/src/types.ts.
pub fn metric(name: &str) -> Metric {
    Metric::named(name).unwrap_or_default()
}

/// The vector, if that is what `value` is.
pub fn vector(value: &JsValue) -> Option<Vec<f32>> {
    value.dyn_ref::<Float32Array>().map(Float32Array::to_vec)
}

/// `Explanation` of pkg/src/types.ts; `crops` are what the model saw of pictures, of the query and the passage.
pub fn to_js(found: &Explanation, crops: [Option<Rect>; 2]) -> Result<JsValue, JsValue> {
    let result = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
    set("score", found.score.into())?;
    set("similarity", Float32Array::from(found.similarity.as_slice()).into())?;
    set("shape", numbers(&found.shape).into())?;
    if let Some(query) = &found.query {
        set("query", side(query, crops[0])?)?;
    }
    set("passage", side(&found.passage, crops[1])?)?;
    Ok(result.into())
}

fn side(side: &ExplainedSide, crop: Option<Rect>) -> Result<JsValue, JsValue> {
    let result = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
    set("layout", layout::to_js(&side.layout, crop)?)?;
    if let Some(contributions) = &side.contributions {
        set("contributions", Float32Array::from(contributions.as_slice()).into())?;
    }
    if let Some(weights) = &side.pool_weights {
        set("poolWeights", Float32Array::from(weights.as_slice()).into())?;
    }
    Ok(result.into())
}

/// `Occlusion` of pkg/src/types.ts.
pub fn occlusion_to_js(found: &Occlusion, crop: Option<Rect>) -> Result<JsValue, JsValue> {
    let result = Object::new();
    let set = |name: &str, value: JsValue| Reflect::set(&result, &name.into(), &value);
    set("data", Float32Array::from(found.data.as_slice()).into())?;
    set("score", found.score.into())?;
    set("layout", layout::to_js(&found.layout, crop)?)?;
    Ok(result.into())
}

/// A query must be one of a few kinds, which pkg/src has checked.
pub fn text(query: &JsValue) -> Result<String, Thrown> {
    query.as_string().ok_or_else(|| Thrown::new("internal", "the query is neither a text nor a vector"))
}
