//! Attention sinks: tokens that get far more than their share (Kang et al., "See What You Are Told: Visual Attention
//! Sink in Large Multimodal Models", 2025; Xiao et al., "Efficient Streaming Language Models with Attention Sinks",
//! 2024).

use crate::error::check_shape;
use crate::{AnalysisError, Map};

/// How much larger than the median channel a channel of massive values is. Ours: no paper gives a rule for any model.
const MASSIVE: f64 = 10.0;

/// How much each token got from the **others** on the average: `[tokens]`.
pub fn sink_scores(map: Map<'_>) -> Vec<f64> {
    let others = map.tokens().saturating_sub(1).max(1) as f64;
    let mut scores = vec![0.0; map.tokens()];
    for (query, row) in map.rows().enumerate() {
        for (token, (score, &a)) in scores.iter_mut().zip(row).enumerate() {
            *score += if token == query { 0.0 } else { f64::from(a) / others };
        }
    }
    scores
}

/// The score from which on a token counts as a sink: 0.3 (Gu et al., "When Attention Sink Emerges in Language
/// Models", 2024), or ten times the even share where that is less, as in pictures.
pub fn sink_threshold(tokens: usize) -> f64 {
    f64::min(0.3, 10.0 / tokens.max(1) as f64)
}

/// A token that is a sink in some layers.
#[derive(Clone, Debug, PartialEq)]
pub struct Sink {
    /// Which.
    pub token: usize,
    /// Where it first is one; layers count from 0.
    pub first_layer: usize,
    /// For how many layers from there.
    pub lifetime: usize,
    /// Whether it is one from the first quarter of the layers to the last of them.
    pub primary: bool,
    /// Its score by layer.
    pub mass: Vec<f64>,
}

/// The sinks among tokens with `scores` `[layers, tokens]`: those whose score reaches `threshold` in some layer,
/// in order of their first and then of their place.
///
/// # Errors
/// [`AnalysisError::Length`].
pub fn life_cycles(scores: &[f64], layers: usize, threshold: f64) -> Result<Vec<Sink>, AnalysisError> {
    let tokens = scores.len() / layers.max(1);
    check_shape("sink scores", scores.len(), &[("layers", layers), ("tokens", tokens)])?;
    let mut sinks: Vec<Sink> = Vec::new();
    for token in 0..tokens {
        let mass: Vec<f64> = (0..layers).map(|layer| scores[layer * tokens + token]).collect();
        let Some(first_layer) = mass.iter().position(|&score| score >= threshold) else { continue };
        let lifetime = mass[first_layer..].iter().take_while(|&&score| score >= threshold).count();
        let primary = first_layer <= layers / 4 && first_layer + lifetime == layers;
        // By first layer, and then by token.
        let place = sinks.partition_point(|sink| sink.first_layer <= first_layer);
        sinks.insert(place, Sink { token, first_layer, lifetime, primary, mass });
    }
    Ok(sinks)
}

/// Channels of massive values: those where, in at least half of `inputs` (hidden states `[tokens, width]` each), the
/// largest `|z| / rms(z)` over tokens is more than ten times its median over channels.
///
/// # Errors
/// [`AnalysisError::Length`] where rows are not whole.
pub fn massive_channels(inputs: &[&[f32]], width: usize) -> Result<Vec<usize>, AnalysisError> {
    let mut found = vec![0usize; width];
    for hidden in inputs {
        check_shape(
            "hidden states",
            hidden.len(),
            &[("tokens", hidden.len() / width.max(1)), ("wide", width)],
        )?;
        let mut most = vec![0.0f64; width];
        for z in hidden.chunks_exact(width.max(1)) {
            let rms = rms(z);
            for (most, &v) in most.iter_mut().zip(z) {
                *most = most.max(relative(v, rms));
            }
        }
        let mut sorted = most.clone();
        sorted.sort_by(f64::total_cmp);
        let median = match (width, width % 2) {
            (0, _) => continue,
            (_, 0) => 0.5 * (sorted[width / 2 - 1] + sorted[width / 2]),
            _ => sorted[width / 2],
        };
        for (count, &most) in found.iter_mut().zip(&most) {
            *count += usize::from(most > MASSIVE * median);
        }
    }
    Ok((0..width).filter(|&channel| found[channel] > 0 && 2 * found[channel] >= inputs.len()).collect())
}

/// For each token of `hidden` `[tokens, width]` the largest `|z| / rms(z)` among `channels`: the paper calls a token a
/// sink from 20 on, in models a few thousand wide. It can be no more than `√width`.
///
/// # Errors
/// [`AnalysisError`] where rows are not whole, or for a channel that is not there.
pub fn massiveness(hidden: &[f32], width: usize, channels: &[usize]) -> Result<Vec<f64>, AnalysisError> {
    check_shape("hidden states", hidden.len(), &[("tokens", hidden.len() / width.max(1)), ("wide", width)])?;
    if let Some(channel) = channels.iter().find(|&&channel| channel >= width) {
        let expected = "a channel of the hidden states, counted from 0";
        return Err(AnalysisError::Range { what: "channel", expected, got: channel.to_string() });
    }
    let of_token = |z: &[f32]| {
        let rms = rms(z);
        channels.iter().map(|&channel| relative(z[channel], rms)).fold(0.0, f64::max)
    };
    Ok(hidden.chunks_exact(width.max(1)).map(of_token).collect())
}

fn rms(z: &[f32]) -> f64 {
    (z.iter().map(|&v| f64::from(v).powi(2)).sum::<f64>() / z.len() as f64).sqrt()
}

fn relative(v: f32, rms: f64) -> f64 {
    if rms > 0.0 { f64::from(v).abs() / rms } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::values;

    /// Scores of 10 tokens in 12 layers where token 0 is hot everywhere, `token` in `layers`, others even.
    fn planted(token: usize, layers: std::ops::RangeInclusive<usize>) -> Vec<f64> {
        let score = |place: usize| match (place / 10, place % 10) {
            (_, 0) => 0.5,
            (layer, other) if other == token && layers.contains(&layer) => 0.4,
            _ => 0.01,
        };
        (0..120).map(score).collect()
    }

    #[test]
    fn a_planted_sink_has_its_start_and_lifetime() {
        let sinks = life_cycles(&planted(7, 4..=6), 12, sink_threshold(10)).unwrap();
        assert_eq!(sinks.len(), 2);
        assert_eq!((sinks[0].token, sinks[0].primary, sinks[0].lifetime), (0, true, 12));
        let secondary: Vec<&Sink> = sinks.iter().filter(|sink| !sink.primary).collect();
        assert_eq!((secondary[0].token, secondary[0].first_layer, secondary[0].lifetime), (7, 4, 3));
        assert_eq!(secondary[0].mass[5], 0.4);
        // Late to the end is not primary; early but not to the end neither.
        for layers in [4..=11, 0..=10] {
            assert!(
                !life_cycles(&planted(7, layers), 12, 0.3).unwrap().iter().any(|s| s.token == 7 && s.primary)
            );
        }
    }

    #[test]
    fn sinks_are_in_the_order_of_their_first_layers_and_then_of_tokens() {
        // Of three layers and five tokens: token 0 begins in layer 1, 3 and 4 in layer 0.
        let scores = [0.0, 0.0, 0.0, 0.4, 0.4, 0.4, 0.0, 0.0, 0.4, 0.4, 0.4, 0.0, 0.0, 0.4, 0.4];
        let sinks = life_cycles(&scores, 3, 0.3).unwrap();
        let places: Vec<_> = sinks.iter().map(|sink| (sink.first_layer, sink.token)).collect();
        assert_eq!(places, [(0, 3), (0, 4), (1, 0)]);
    }

    #[test]
    fn even_maps_have_none() {
        for tokens in [4usize, 10, 257] {
            let even = vec![1.0 / tokens as f32; tokens * tokens];
            let scores = sink_scores(Map::new(&even, tokens).unwrap());
            assert!(life_cycles(&scores, 1, sink_threshold(tokens)).unwrap().is_empty());
        }
        assert!(life_cycles(&[0.0; 5], 2, 0.3).is_err());
    }

    #[test]
    fn what_a_token_sees_of_itself_does_not_make_it_a_sink() {
        let map = [1.0, 0.0, 0.0, 0.5, 0.5, 0.0, 0.25, 0.0, 0.75];
        assert_eq!(sink_scores(Map::new(&map, 3).unwrap()), [0.375, 0.0, 0.0]);
    }

    #[test]
    fn massive_channels_are_those_planted() {
        const WIDTH: usize = 400;
        let mut inputs: Vec<Vec<f32>> = (0..4).map(|seed| values(seed, 6 * WIDTH, 1.0)).collect();
        assert!(massive_channels(&[&inputs[0]], WIDTH).unwrap().is_empty());
        // Token 2 in half of the inputs, token 4 in one of them.
        inputs[0][2 * WIDTH + 17] = 300.0;
        inputs[1][2 * WIDTH + 17] = -300.0;
        inputs[3][4 * WIDTH + 80] = 300.0;
        let all: Vec<&[f32]> = inputs.iter().map(Vec::as_slice).collect();
        let channels = massive_channels(&all, WIDTH).unwrap();
        assert_eq!(channels, [17]);
        let found = massiveness(&inputs[1], WIDTH, &channels).unwrap();
        let sinks: Vec<usize> = (0..6).filter(|&token| found[token] >= 10.0).collect();
        assert_eq!(sinks, [2]);
        assert!(found[2] <= 20.0);
        assert!(massiveness(&inputs[1], WIDTH, &[WIDTH]).is_err());
    }
}
