//! What tokens are, as plain objects.

use heatseek::{MapLayout, PatchGrid, Rect};
use serde::Serialize;
use wasm_bindgen::JsValue;

use crate::error::malformed;

/// `Layout` of pkg/src/types.ts.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Layout<'a> {
    Text {
        text: &'a str,
        tokens: Vec<Token<'a>>,
    },
    Image {
        #[serde(rename = "prefixTokens")]
        prefix_tokens: &'a [&'static str],
        grid: PatchGrid,
        crop: Option<Crop>,
    },
}

/// Offsets count UTF-16 units, as JavaScript does.
#[derive(Serialize)]
struct Token<'a> {
    id: u32,
    text: &'a str,
    start: usize,
    end: usize,
    special: bool,
}

#[derive(Serialize)]
struct Crop {
    x: f64,
    y: f64,
    width: f64,
    height: f64,
}

/// `Layout` of pkg/src/types.ts; `crop` is what the model saw of a picture.
pub fn to_js(layout: &MapLayout, crop: Option<Rect>) -> Result<JsValue, JsValue> {
    let layout = match layout {
        MapLayout::Text { text, ids, offsets, special } => {
            Layout::Text { text, tokens: tokens(text, ids, offsets, special) }
        }
        MapLayout::Picture { prefix_tokens, grid } => {
            let crop = crop.map(|Rect { x, y, width, height }| Crop { x, y, width, height });
            Layout::Image { prefix_tokens, grid: *grid, crop }
        }
    };
    Ok(layout.serialize(&serde_wasm_bindgen::Serializer::json_compatible()).map_err(malformed)?)
}

fn tokens<'a>(text: &'a str, ids: &[u32], offsets: &[(usize, usize)], special: &[bool]) -> Vec<Token<'a>> {
    let units = |bytes: usize| text.get(..bytes).map_or(0, |before| before.encode_utf16().count());
    ids.iter()
        .zip(offsets)
        .zip(special)
        .map(|((&id, &(start, end)), &special)| Token {
            id,
            text: text.get(start..end).unwrap_or_default(),
            start: units(start),
            end: units(end),
            special,
        })
        .collect()
}
