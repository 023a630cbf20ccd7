use std::fmt::Debug;

use naga::Span;
use thiserror::Error;

/// Why a shader has no translation.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TranslateError {
    /// The shader is no valid WGSL, or a pipeline constant does not suit it.
    #[error("{0}")]
    Invalid(String),
    /// It uses what this back-end does not write.
    #[error("line {line}: {construct} has no CUDA translation here")]
    Unsupported {
        /// What.
        construct: String,
        /// The line of the WGSL, from 1; 0 where it is not known.
        line: u32,
    },
}

/// The error for `construct` at `span` of `wgsl`, with the text that stands there.
pub(crate) fn unsupported(construct: String, span: Span, wgsl: &str) -> TranslateError {
    let text = span.to_range().and_then(|range| wgsl.get(range));
    let quoted = text.and_then(|text| text.lines().next()).map(|line| format!(" `{}`", line.trim()));
    TranslateError::Unsupported {
        construct: construct + &quoted.unwrap_or_default(),
        line: if span.is_defined() { span.location(wgsl).line_number } else { 0 },
    }
}

/// The name of a variant of naga's IR, without what is in it.
pub(crate) fn construct(node: &impl Debug) -> String {
    let text = format!("{node:?}");
    let end = text.find(|c: char| !c.is_alphanumeric()).unwrap_or(text.len());
    text[..end].to_owned()
}
