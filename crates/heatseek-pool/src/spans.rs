//! Spans found in the labels of tokens (row 89).

use std::collections::BTreeMap;
use std::ops::Range;

use crate::linear::Linear;
use crate::math::to_f64;
use crate::{Params, PoolError, States};

/// Tokens next to each other that have one label.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LabelledSpan {
    /// The label.
    pub label: usize,
    /// The tokens.
    pub tokens: Range<usize>,
}

/// Each label replaced by the one most frequent among the `window` around it, half to each side, fewer at the ends;
/// where it is itself among the most frequent, it stays, and otherwise the smallest of those is taken. A window of 1
/// changes nothing; an even one counts as the next smaller.
pub fn smooth_labels(labels: &[usize], window: usize) -> Vec<usize> {
    let half = window.saturating_sub(1) / 2;
    let around = |place: usize| {
        let mut counts = BTreeMap::new();
        for label in &labels[place.saturating_sub(half)..(place + half + 1).min(labels.len())] {
            *counts.entry(*label).or_insert(0) += 1;
        }
        let most = counts.values().copied().max().unwrap_or(0);
        let own = labels[place];
        match counts[&own] == most {
            true => own,
            false => counts.into_iter().find(|(_, count)| *count == most).map_or(own, |(label, _)| label),
        }
    };
    (0..labels.len()).map(around).collect()
}

/// Equal labels next to each other made one span; together they cover all tokens.
pub fn merge_labels(labels: &[usize]) -> Vec<LabelledSpan> {
    let mut start = 0;
    let span = |same: &[usize]| {
        start += same.len();
        LabelledSpan { label: same[0], tokens: start - same.len()..start }
    };
    labels.chunk_by(|a, b| a == b).map(span).collect()
}

/// Spans by a learned head: tensors `{head}.weight` `[C, D]` and `{head}.bias` `[C]` give each token of the last
/// hidden state its most likely of C labels; labels are smoothed over `window` tokens and merged. The paper has two
/// heads, `head_1` and `head_2`, for two questions. Tokens that do not count are in no span.
///
/// # Errors
/// [`PoolError::Tensor`] if the tensors are missing or do not fit.
pub fn detect_spans(
    states: &States<'_>,
    params: &Params,
    head: &str,
    window: usize,
) -> Result<Vec<LabelledSpan>, PoolError> {
    let head = Linear::read(params, head, None, states.width)?;
    let label = |token: usize| {
        let logits = head.apply(&to_f64(states.row(states.last(), token)));
        let best = |best: usize, label: usize| if logits[label] > logits[best] { label } else { best };
        (0..logits.len()).fold(0, best)
    };
    let labels: Vec<usize> = states.counted().map(label).collect();
    let mut spans = merge_labels(&smooth_labels(&labels, window));
    for span in &mut spans {
        span.tokens = span.tokens.start + states.skip..span.tokens.end + states.skip;
    }
    Ok(spans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn majorities() {
        let labels = [0, 0, 1, 0, 0];
        assert_eq!(smooth_labels(&labels, 1), labels);
        assert_eq!(smooth_labels(&labels, 3), [0; 5]);
        assert_eq!(smooth_labels(&[0, 1, 2, 2, 2, 1], 3), [0, 1, 2, 2, 2, 1]);
        assert!(smooth_labels(&[], 3).is_empty());
    }

    #[test]
    fn heads_label_tokens_and_spans_cover_what_counts() {
        let weight = vec![1.0, 0.0, 0.0, 1.0];
        let params = Params::from_tensors(vec![("head_1.weight".into(), vec![2, 2], weight)]);
        let hidden = [0.0, 9.0, 2.0, 1.0, 2.0, 0.0, 0.0, 1.0, 3.0, 1.0];
        let states = States { hidden: vec![&hidden], tokens: 5, width: 2, skip: 1, ..States::default() };
        let found = |window| -> Vec<_> {
            let spans = detect_spans(&states, &params, "head_1", window).unwrap();
            spans.into_iter().map(|span| (span.label, span.tokens)).collect()
        };
        assert_eq!(found(1), [(0, 1..3), (1, 3..4), (0, 4..5)]);
        assert_eq!(found(3), [(0, 1..5)]);
        assert!(detect_spans(&states, &params, "head_2", 1).is_err());
    }
}
