//! What tokens are, as every command that is about them writes it.

use heatseek::{MapLayout, PatchGrid};
use serde::Serialize;

/// What the tokens of an input are.
#[derive(Serialize)]
#[serde(untagged)]
pub enum Layout<'a> {
    Text { text: &'a str, tokens: Vec<Token<'a>> },
    Picture { prefix_tokens: &'a [&'static str], grid: PatchGrid },
}

/// A token of a text.
#[derive(Serialize)]
pub struct Token<'a> {
    id: u32,
    /// What it covers; nothing for special tokens.
    text: &'a str,
    /// Where that begins in the text, in characters (code points).
    start: usize,
    /// Where it ends.
    end: usize,
    special: bool,
}

impl<'a> Layout<'a> {
    /// As it is written.
    pub fn of(layout: &'a MapLayout) -> Self {
        match layout {
            MapLayout::Text { text, ids, offsets, special } => {
                Self::Text { text, tokens: describe(text, ids, offsets, special) }
            }
            MapLayout::Picture { prefix_tokens, grid } => Self::Picture { prefix_tokens, grid: *grid },
        }
    }
}

fn describe<'a>(text: &'a str, ids: &[u32], offsets: &[(usize, usize)], special: &[bool]) -> Vec<Token<'a>> {
    let characters = |bytes: usize| text.get(..bytes).map_or(0, |before| before.chars().count());
    ids.iter()
        .zip(offsets)
        .zip(special)
        .map(|((&id, &(start, end)), &special)| Token {
            id,
            text: text.get(start..end).unwrap_or_default(),
            start: characters(start),
            end: characters(end),
            special,
        })
        .collect()
}
