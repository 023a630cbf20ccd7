//! Generalised means: row 2.

use heatseek_ops::{Pooling, Tensor};

use super::Pool;
use crate::math::to_f32;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{DeviceForm, Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "gem",
    aliases: &["ggem"],
    papers: &[(2, "Group Generalized Mean Pooling")],
    equation: "(Σ_t φ(x_t)^p_g / n)^(1/p_g) for each group g of channels; φ(x) is max(x, 1e-6), x − min + 1e-6, or signed |x|",
    options: "p: a number above 0 or one for each group (3), groups (as many as p has), positive=clamp|shift|signed (clamp), class=keep|drop (keep)",
    tensors: "p [groups]; without it option p",
    kind: Kind::Either,
    expect: "between mean and max; clamp drops all that is negative, about half of a text's states, and even p=1 is then not the mean; signed stays close to it",
    make: gem,
}];

/// The authors' smallest value.
const EPS: f64 = 1e-6;

#[derive(Clone, Copy, PartialEq)]
enum Positive {
    Clamp,
    Shift,
    Signed,
}

struct Gem {
    p: Vec<f64>,
    positive: Positive,
    drop_class: bool,
}

fn gem(options: &mut Options<'_>, params: Option<&Params>, sizes: Sizes) -> Result<Box<dyn Pool>, PoolError> {
    let typed = options.numbers("p", "a number above 0 or a list of such", |p| p > 0.0)?;
    let p = match params.and_then(|params| params.get("p")) {
        None => typed.unwrap_or_else(|| vec![3.0]),
        Some((shape, p)) if shape.len() == 1 && p.iter().all(|p| p.is_finite() && *p > 0.0) => {
            p.iter().map(|&p| f64::from(p)).collect()
        }
        Some((shape, p)) => {
            let (tensor, got) = ("p".to_owned(), format!("F32 {shape:?} {p:?}"));
            return Err(PoolError::Tensor { tensor, got, expected: "F32 [groups], all above 0".into() });
        }
    };
    let groups = options.parts("groups", p.len(), sizes.hidden_size)?;
    if ![1, groups].contains(&p.len()) {
        return Err(options.wrong("groups", groups.to_string(), &format!("{}, as many as `p` has", p.len())));
    }
    let words = [("clamp", Positive::Clamp), ("shift", Positive::Shift), ("signed", Positive::Signed)];
    let positive = options.word("positive", Positive::Clamp, &words)?;
    let drop_class = options.word("class", false, &[("keep", false), ("drop", true)])?;
    let each = sizes.hidden_size / groups;
    let p = (0..sizes.hidden_size).map(|c| p[if p.len() == 1 { 0 } else { c / each }]).collect();
    Ok(Box::new(Gem { p, positive, drop_class }))
}

impl Gem {
    /// The mean of one channel, and the share each value has in it.
    fn channel(&self, values: &[f64], p: f64) -> (f64, Vec<f64>) {
        // What is taken off is put on again.
        let shift = match self.positive {
            Positive::Shift => values.iter().copied().fold(f64::INFINITY, f64::min) - EPS,
            _ => 0.0,
        };
        let positive = |v: &f64| match self.positive {
            Positive::Clamp => v.max(EPS),
            Positive::Shift => v - shift,
            Positive::Signed => *v,
        };
        let values: Vec<f64> = values.iter().map(positive).collect();
        // Powers of values over the largest cannot overflow.
        let most = values.iter().fold(0.0f64, |most, v| most.max(v.abs()));
        if most == 0.0 {
            return (0.0, vec![1.0 / values.len() as f64; values.len()]);
        }
        let powers: Vec<f64> = values.iter().map(|v| (v / most).abs().powf(p).copysign(*v)).collect();
        let mean = powers.iter().sum::<f64>() / values.len() as f64;
        let sum: f64 = powers.iter().map(|v| v.abs()).sum();
        let shares = powers.iter().map(|v| v.abs() / sum).collect();
        (mean.abs().powf(p.recip()).copysign(mean) * most + shift, shares)
    }
}

impl Pool for Gem {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = if self.drop_class { Tokens::without_class(states) } else { Tokens::counted(states) };
        if tokens.rows.is_empty() {
            return Ok(tokens.nothing(states.width));
        }
        let (mut vector, mut weights) = (Vec::new(), vec![0.0; tokens.rows.len()]);
        for (c, &p) in self.p.iter().enumerate() {
            let column: Vec<f64> = tokens.rows.iter().map(|row| row[c]).collect();
            let (mean, shares) = self.channel(&column, p);
            vector.push(mean);
            weights.iter_mut().zip(shares).for_each(|(w, share)| *w += share / states.width as f64);
        }
        Ok(tokens.pooled(&vector, Some(&weights)))
    }

    fn device_form(&self, _: Sizes) -> Option<DeviceForm> {
        let pooling = match self.positive {
            _ if self.drop_class => return None,
            Positive::Shift => return None,
            Positive::Clamp => Pooling::Gem,
            Positive::Signed => Pooling::SignedGem,
        };
        let exponents = Tensor::new(&[self.p.len()], to_f32(&self.p));
        Some(DeviceForm::Rows(vec![(pooling, Some(exponents))]))
    }
}
