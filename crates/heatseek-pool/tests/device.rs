//! What is said to devices means what is computed here: each form, written out in f64, on all golden cases.

mod cases;

use cases::Case;
use heatseek_ops::{Activation, Pooling};
use heatseek_pool::{AttentionForm, DeviceForm, Projection, Query, Skip};
use heatseek_testkit::{Tolerance, compare, run_all};

const CLOSE: Tolerance = Tolerance::RelAbs { rel: 2e-6, abs: 2e-6 };

/// Column `c` pooled, of all rows and the first that counts.
fn column(pooling: Pooling, all: &[Vec<f64>], skip: usize, c: usize, parameter: f64) -> f64 {
    let values: Vec<f64> = all[skip..].iter().map(|row| row[c]).collect();
    let mean = |map: &dyn Fn(f64) -> f64| values.iter().map(|v| map(*v)).sum::<f64>() / values.len() as f64;
    let plain = mean(&|v| v);
    let most = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    match pooling {
        Pooling::Mean => plain,
        Pooling::Cls => all[0][c],
        Pooling::Last => all[all.len() - 1][c],
        Pooling::Max => most,
        Pooling::Min => values.iter().copied().fold(f64::INFINITY, f64::min),
        Pooling::Std => mean(&|v| (v - plain).powi(2)).sqrt(),
        Pooling::Gem => mean(&|v| v.max(1e-6).powf(parameter)).powf(1.0 / parameter),
        Pooling::SignedGem => {
            let mean = mean(&|v| v.signum() * v.abs().powf(parameter));
            mean.signum() * mean.abs().powf(1.0 / parameter)
        }
        Pooling::Mixed => parameter * most + (1.0 - parameter) * plain,
        Pooling::MeanSqrtLen => plain * (values.len() as f64).sqrt(),
        Pooling::WeightedMean => {
            let weights = (skip..all.len()).map(|t| (t + 1) as f64);
            let sum: f64 = weights.clone().zip(&values).map(|(w, v)| w * v).sum();
            sum / weights.sum::<f64>()
        }
    }
}

fn project(map: &Option<Projection>, x: &[f64]) -> Vec<f64> {
    let Some(map) = map else { return x.to_vec() };
    let (weight, bias) = (map.weight.values(), map.bias.values());
    let rows = weight.chunks(x.len()).zip(bias.iter());
    let rows = rows
        .map(|(row, bias)| row.iter().zip(x).map(|(w, x)| f64::from(*w) * x).sum::<f64>() + f64::from(*bias));
    match map.activation {
        Activation::Identity => rows.collect(),
        Activation::Tanh => rows.map(f64::tanh).collect(),
        other => panic!("{other:?} is not among them"),
    }
}

fn attention(form: &AttentionForm, all: &[Vec<f64>], skip: usize) -> Vec<f64> {
    let raw: Vec<f64> = match &form.query {
        Query::Constant(query) => query.values().iter().map(|&v| f64::from(v)).collect(),
        Query::Pooled(pooling) => (0..all[0].len()).map(|c| column(*pooling, all, skip, c, 0.0)).collect(),
    };
    let query = match &form.query {
        Query::Constant(_) => raw.clone(),
        Query::Pooled(_) => project(&form.query_projection, &raw),
    };
    let counted = &all[skip..];
    let keys: Vec<_> = counted.iter().map(|row| project(&form.key_projection, row)).collect();
    let values: Vec<_> = counted.iter().map(|row| project(&form.value_projection, row)).collect();
    let (part, wide) = (query.len() / form.num_heads, values[0].len() / form.num_heads);
    let mut result = Vec::new();
    for head in 0..form.num_heads {
        let product =
            |key: &Vec<f64>| (head * part..(head + 1) * part).map(|i| query[i] * key[i]).sum::<f64>();
        let powers: Vec<f64> = keys.iter().map(|key| (product(key) * f64::from(form.scale)).exp()).collect();
        let sum: f64 = powers.iter().sum();
        let value = |c: usize| powers.iter().zip(&values).map(|(p, v)| p / sum * v[c]).sum::<f64>();
        result.extend((head * wide..(head + 1) * wide).map(value));
    }
    let added = match form.skip {
        Skip::None => vec![0.0; result.len()],
        Skip::Raw => raw,
        Skip::Projected => query,
    };
    result.iter_mut().zip(added).for_each(|(v, add)| *v += add);
    project(&form.output_projection, &result)
}

#[test]
fn every_device_form_is_the_pooler() {
    let mut all = cases::all();
    all.retain(|case| case.pooler().device_form().is_some());
    run_all(&all, |case: &Case| {
        let rows = case.layers.last().unwrap();
        let width = rows.shape[1];
        let rows: Vec<Vec<f64>> =
            rows.values.chunks(width).map(|row| row.iter().map(|&v| f64::from(v)).collect()).collect();
        let vector: Vec<f64> = match case.pooler().device_form().unwrap() {
            DeviceForm::Attention(form) => attention(&form, &rows, case.skip),
            DeviceForm::Rows(poolings) => poolings
                .iter()
                .flat_map(|(pooling, parameters)| {
                    let parameter = |c: usize| parameters.as_ref().map_or(0.0, |p| f64::from(p.values()[c]));
                    (0..width)
                        .map(|c| column(*pooling, &rows, case.skip, c, parameter(c)))
                        .collect::<Vec<_>>()
                })
                .collect(),
        };
        let vector: Vec<f32> = vector.iter().map(|&v| v as f32).collect();
        compare(&vector, &case.vectors.values, &case.vectors.shape, CLOSE)
            .map(drop)
            .map_err(|why| why.to_string())
    });
}

/// Which poolers have one, so that none is lost unseen.
#[test]
fn the_common_ones_have_one() {
    let names: Vec<_> = cases::all()
        .iter()
        .map(Case::pooler)
        .filter(|pooler| pooler.device_form().is_some())
        .map(|pooler| pooler.row().name)
        .collect();
    for name in ["mean", "stats", "gem", "mixed", "score_pool", "qkv_pool", "cls_mha", "group_query"] {
        assert!(names.contains(&name), "{name}");
    }
}
