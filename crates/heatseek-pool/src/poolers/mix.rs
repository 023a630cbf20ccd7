//! Between mean and maximum: row 63.

use heatseek_ops::{Pooling, Tensor};

use super::Pool;
use crate::linear::Linear;
use crate::math::{sigmoid, to_f32};
use crate::options::Options;
use crate::pooler::Sizes;
use crate::regions::{filled, regions, side};
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{DeviceForm, Params, PoolError, Pooled, States};

const PAPERS: &[(u16, &str)] = &[(63, "Mixed, gated and tree pooling")];
const GATE: &str = "gate.weight [1, D], or [D, D] for a gate of each channel (gate=window: [1, K] or [D, K], K the tokens of a window, of pictures its k × k patches), and optionally gate.bias";

pub(crate) const ROWS: &[Row] = &[
    Row {
        name: "mixed",
        aliases: &[],
        papers: PAPERS,
        equation: "a · max_t x_t + (1 − a) · mean_t x_t",
        options: "a: 0 to 1, or one for each group of channels (0.5), window=k: within windows of k tokens or k × k patches, then the mean (none)",
        tensors: "share [1], [groups] or [D]; without it option a",
        kind: Kind::Either,
        expect: "a = 0 is the mean, a = 1 the maximum",
        make: mixed,
    },
    Row {
        name: "gated_mix",
        aliases: &["gated"],
        papers: PAPERS,
        equation: "mixed with a = σ(ω · mean_t x_t), which is ours; window: within windows and channels, a = σ(ω · x) of their values x, then the mean of the windows by their length, as the paper has it. A window that is not full is filled with its mean",
        options: "gate=text (or window)",
        tensors: GATE,
        kind: Kind::Learned,
        expect: "as good as its training",
        make: gated,
    },
];

/// Of the maximum in each channel.
enum Share {
    Typed(Vec<f64>),
    Gate(Linear),
    /// Of the values of a window.
    Window(Linear),
}

struct Mix {
    share: Share,
    window: Option<usize>,
}

fn mixed(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let width = sizes.hidden_size;
    let typed = options.numbers("a", "0 to 1 or a list of such", |a| (0.0..=1.0).contains(&a))?;
    let typed = typed.unwrap_or_else(|| vec![0.5]);
    if !width.is_multiple_of(typed.len()) {
        let expected = format!("as many as divide {width}");
        return Err(options.wrong("a", format!("{} numbers", typed.len()), &expected));
    }
    let share = match params.and_then(|params| params.get("share")) {
        None => typed,
        Some((&[groups], share)) if groups > 0 && width.is_multiple_of(groups) => {
            share.iter().map(|&a| f64::from(a)).collect()
        }
        Some((shape, _)) => {
            let (tensor, got) = ("share".to_owned(), format!("F32 {shape:?}"));
            return Err(PoolError::Tensor {
                tensor,
                got,
                expected: format!("F32 [groups] that divide {width}"),
            });
        }
    };
    let share = (0..width).map(|c| share[c * share.len() / width]).collect();
    let window = options.count("window", usize::MAX)?;
    Ok(Box::new(Mix { share: Share::Typed(share), window: (window != usize::MAX).then_some(window) }))
}

fn gated(
    options: &mut Options<'_>,
    params: Option<&Params>,
    sizes: Sizes,
) -> Result<Box<dyn Pool>, PoolError> {
    let width = sizes.hidden_size;
    let windows = options.word("gate", false, &[("text", false), ("window", true)])?;
    let params = params.ok_or(PoolError::NeedsWeights { pooler: "gated_mix", tensors: GATE })?;
    let of_each = params.get("gate.weight").is_some_and(|(shape, _)| shape.first() == Some(&width));
    let outputs = Some(if of_each { width } else { 1 });
    if windows {
        let size = params.get("gate.weight").and_then(|(shape, _)| shape.get(1).copied()).unwrap_or(1).max(1);
        let gate = Linear::read(params, "gate", outputs, size)?;
        return Ok(Box::new(Mix { share: Share::Window(gate), window: Some(size) }));
    }
    let gate = Linear::read(params, "gate", outputs, width)?;
    Ok(Box::new(Mix { share: Share::Gate(gate), window: None }))
}

impl Pool for Mix {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let regions = match (self.window, &self.share) {
            (None, _) => vec![(0..tokens.rows.len()).collect()],
            (Some(size), Share::Window(_)) => regions(states, &tokens, side("gated_mix", states, size)?),
            (Some(window), _) => regions(states, &tokens, window),
        };
        let counted: usize = regions.iter().map(Vec::len).sum();
        if counted == 0 {
            return Ok(tokens.nothing(states.width));
        }
        let gates = match &self.share {
            Share::Typed(share) => share.clone(),
            Share::Gate(gate) => gate.apply(&tokens.mean()).into_iter().map(sigmoid).collect(),
            Share::Window(_) => Vec::new(),
        };
        let share = |region: &[usize], c: usize| match &self.share {
            Share::Window(gate) => {
                let gates = gate.apply(&filled(&tokens, region, c, gate.inputs));
                sigmoid(gates[if gates.len() == 1 { 0 } else { c }])
            }
            _ => gates[if gates.len() == 1 { 0 } else { c }],
        };
        let (mut vector, mut weights) = (vec![0.0; states.width], vec![0.0; tokens.rows.len()]);
        for (c, out) in vector.iter_mut().enumerate() {
            for region in &regions {
                let share = share(region, c);
                let value = |&token: &usize| tokens.rows[token][c];
                // Of equal ones the first.
                let largest = region.iter().rev().max_by(|a, b| value(a).total_cmp(&value(b)));
                for &token in region {
                    let maximum = if Some(&token) == largest { share * region.len() as f64 } else { 0.0 };
                    let weight = (maximum + 1.0 - share) / counted as f64;
                    *out += weight * value(&token);
                    weights[token] += weight / states.width as f64;
                }
            }
        }
        Ok(tokens.pooled(&vector, Some(&weights)))
    }

    fn device_form(&self, _: Sizes) -> Option<DeviceForm> {
        match &self.share {
            Share::Typed(share) if self.window.is_none() => {
                let share = Tensor::new(&[share.len()], to_f32(share));
                Some(DeviceForm::Rows(vec![(Pooling::Mixed, Some(share))]))
            }
            _ => None,
        }
    }
}
