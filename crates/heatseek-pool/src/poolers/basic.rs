//! The poolings of sentence-transformers and transformers.js: no options, no parameters.

use heatseek_ops::Pooling;

use super::Pool;
use crate::math::{to_f32, weighted_sum};
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::{DeviceForm, PoolError, Pooled, States};

const fn row(
    name: &'static str,
    aliases: &'static [&'static str],
    equation: &'static str,
    expect: &'static str,
    make: crate::registry::Make,
) -> Row {
    Row {
        name,
        aliases,
        papers: &[],
        equation,
        options: "",
        tensors: "",
        kind: Kind::TrainingFree,
        expect,
        make,
    }
}

pub(crate) const ROWS: &[Row] = &[
    row("mean", &[], "Σ x_t / n", "the default of most sentence encoders", |_, _, _| basic(Pooling::Mean)),
    row("cls", &["first_token"], "x_0", "for models trained with it", |_, _, _| basic(Pooling::Cls)),
    row("max", &[], "max_t x_t", "keywords stand out; no token weights", |_, _, _| basic(Pooling::Max)),
    row("last", &["last_token", "lasttoken", "eos"], "x_{T-1}", "for causal models", |_, _, _| {
        basic(Pooling::Last)
    }),
    row(
        "weightedmean",
        &["weighted_mean"],
        "Σ (t+1) x_t / Σ (t+1)",
        "for causal models that were not trained for their last token",
        |_, _, _| basic(Pooling::WeightedMean),
    ),
    row(
        "mean_sqrt_len",
        &["mean_sqrt_len_tokens", "mean_sqrt"],
        "Σ x_t / √n",
        "as the mean once vectors have unit length",
        |_, _, _| basic(Pooling::MeanSqrtLen),
    ),
];

struct Basic(Pooling);

fn basic(pooling: Pooling) -> Result<Box<dyn Pool>, PoolError> {
    Ok(Box::new(Basic(pooling)))
}

impl Pool for Basic {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let (tokens, width, counted) = (states.tokens, states.width, states.counted());
        let hidden = states.last();
        if self.0 == Pooling::Max {
            let mut most = vec![f32::NEG_INFINITY; if counted.is_empty() { 0 } else { width }];
            for token in counted {
                most.iter_mut().zip(states.row(hidden, token)).for_each(|(most, &v)| *most = most.max(v));
            }
            most.resize(width, 0.0);
            return Ok(Pooled { vectors: most, width, weights: None });
        }
        let n = counted.len() as f64;
        let weight = |token: usize| match self.0 {
            // The class token is the first of all, and the last the last, whatever is left out.
            Pooling::Cls => f64::from(token == 0),
            Pooling::Last => f64::from(token + 1 == tokens),
            _ if !counted.contains(&token) => 0.0,
            Pooling::MeanSqrtLen => 1.0 / n.sqrt(),
            // As in sentence-transformers, positions count from the first token of all.
            Pooling::WeightedMean => {
                (token + 1) as f64 / counted.clone().map(|t| (t + 1) as f64).sum::<f64>()
            }
            _ => 1.0 / n,
        };
        let weights: Vec<f64> = (0..tokens).map(weight).collect();
        let vectors = to_f32(&weighted_sum(hidden, width, &weights));
        Ok(Pooled { vectors, width, weights: Some(to_f32(&weights)) })
    }

    fn device_form(&self, _: Sizes) -> Option<DeviceForm> {
        Some(DeviceForm::Rows(vec![(self.0, None)]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Pooler, PoolerSpec};

    const SIZES: Sizes = Sizes { hidden_size: 2, num_hidden_layers: 1, num_attention_heads: 1 };
    const STATES: [f32; 6] = [1.0, 2.0, 3.0, -4.0, 8.0, 5.0];

    fn pooled(name: &str, skip: usize) -> Pooled {
        let pooler = Pooler::new(&PoolerSpec::named(name), None, SIZES).unwrap();
        let states = States { hidden: vec![&STATES], tokens: 3, width: 2, skip, ..States::default() };
        pooler.pool(&states).unwrap()
    }

    #[test]
    fn by_hand() {
        assert_eq!(pooled("mean", 0).vectors, [4.0, 1.0]);
        assert_eq!(pooled("first_token", 0).vectors, [1.0, 2.0]);
        assert_eq!(pooled("max", 0).vectors, [8.0, 5.0]);
        assert_eq!(pooled("eos", 0).vectors, [8.0, 5.0]);
        assert_eq!(pooled("weighted_mean", 0).weights.unwrap(), [1.0 / 6.0, 2.0 / 6.0, 0.5]);
        assert_eq!(pooled("mean_sqrt_len_tokens", 0).vectors[1], (3.0 / 3f64.sqrt()) as f32);
    }

    #[test]
    fn a_prompt_left_out_counts_only_for_the_class_token() {
        assert_eq!(pooled("mean", 1).vectors, [5.5, 0.5]);
        assert_eq!(pooled("cls", 1).vectors, [1.0, 2.0]);
        assert_eq!(pooled("weightedmean", 1).weights.unwrap(), [0.0, 0.4, 0.6]);
        for name in ["mean", "max", "weightedmean", "mean_sqrt_len"] {
            assert_eq!(pooled(name, 3).vectors, [0.0; 2], "{name}");
        }
    }

    #[test]
    fn options_there_are_none() {
        let error = Pooler::new(&PoolerSpec::parse("mean:p=2").unwrap(), None, SIZES).unwrap_err();
        assert_eq!(error.to_string(), "pooling mean: `p` is 2; expected one of the options of_layer");
        assert!(Pooler::new(&PoolerSpec::named("meen"), None, SIZES).is_err());
    }
}
