//! Statistics of each channel: rows 70 and 103.

use heatseek_ops::Pooling;

use super::Pool;
use crate::options::Options;
use crate::pooler::Sizes;
use crate::registry::{Kind, Row};
use crate::tokens::Tokens;
use crate::{DeviceForm, Params, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "stats",
    aliases: &["statistics"],
    papers: &[(70, "InfantCryNet"), (103, "DRASP")],
    equation: "[mean; std; min; max] of each channel, std = √(Σ (x_t − mean)² / n)",
    options: "set: a list of mean, std, min, max (mean+std)",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "wider vectors; the spread adds texture; no token weights",
    make: stats,
}];

#[derive(Clone, Copy, PartialEq)]
enum Statistic {
    Mean,
    Std,
    Min,
    Max,
}

struct Stats(Vec<Statistic>);

fn stats(options: &mut Options<'_>, _: Option<&Params>, _: Sizes) -> Result<Box<dyn Pool>, PoolError> {
    let words = [
        ("mean", Statistic::Mean),
        ("std", Statistic::Std),
        ("min", Statistic::Min),
        ("max", Statistic::Max),
    ];
    let set = options.words("set", &words)?;
    Ok(Box::new(Stats(set.unwrap_or_else(|| vec![Statistic::Mean, Statistic::Std]))))
}

/// The population's standard deviation of each channel; zeros of no tokens.
pub(crate) fn deviation(rows: &[Vec<f64>], mean: &[f64]) -> Vec<f64> {
    let mut squares = vec![0.0; mean.len()];
    for row in rows {
        squares.iter_mut().zip(row.iter().zip(mean)).for_each(|(sum, (v, mean))| *sum += (v - mean).powi(2));
    }
    squares.iter().map(|sum| (sum / rows.len().max(1) as f64).sqrt()).collect()
}

impl Pool for Stats {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        let most = |pick: fn(f64, f64) -> f64| {
            let column = |c: usize| tokens.rows.iter().map(|row| row[c]).reduce(pick).unwrap_or(0.0);
            (0..states.width).map(column).collect::<Vec<_>>()
        };
        let mean = tokens.mean();
        let one = |statistic: &Statistic| match statistic {
            Statistic::Mean => mean.clone(),
            Statistic::Std => deviation(&tokens.rows, &mean),
            Statistic::Min => most(f64::min),
            Statistic::Max => most(f64::max),
        };
        Ok(tokens.pooled(&self.0.iter().flat_map(one).collect::<Vec<_>>(), None))
    }

    fn width(&self, sizes: Sizes) -> usize {
        self.0.len() * sizes.hidden_size
    }

    fn device_form(&self, _: Sizes) -> Option<DeviceForm> {
        let one = |statistic: &Statistic| match statistic {
            Statistic::Mean => Pooling::Mean,
            Statistic::Std => Pooling::Std,
            Statistic::Min => Pooling::Min,
            Statistic::Max => Pooling::Max,
        };
        Some(DeviceForm::Rows(self.0.iter().map(|statistic| (one(statistic), None)).collect()))
    }
}
