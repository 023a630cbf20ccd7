//! Clusters of tokens: some vectors for many.

use super::Pool;
use super::none::each_token;
use crate::math::descending;
use crate::registry::{Kind, Row};
use crate::tokens::{Tokens, prefix, weighted};
use crate::{Map, Needs, PoolError, Pooled, States};

pub(crate) const ROWS: &[Row] = &[Row {
    name: "cluster",
    aliases: &["token_pooling"],
    papers: &[(50, "Token Pooling in Vision Transformers")],
    equation: "centres c_k that minimise Σ_i w_i min_k |x_i − c_k|²",
    options: "k=8, kind=kmeans (or kmedoids), weight=even (or significance: attention received), layer=last (of that attention, from 0), class=cluster (or keep: the class token, of pictures all tokens before the patches, as vectors of their own before the k)",
    tensors: "",
    kind: Kind::TrainingFree,
    expect: "k vectors a text for MaxSim; little is lost until k is small",
    make: |options, _, sizes| {
        let k = options.count("k", 8)?;
        let medoids = options.word("kind", false, &[("kmeans", false), ("kmedoids", true)])?;
        let significance = options.word("weight", false, &[("even", false), ("significance", true)])?;
        let layer = super::map_weighted::layer(options, sizes)?;
        let keep_class = options.word("class", false, &[("cluster", false), ("keep", true)])?;
        Ok(Box::new(Cluster { k, medoids, layer: significance.then_some(layer), keep_class }))
    },
}];

/// Rounds of assigning and moving; it is done long before.
const ROUNDS: usize = 100;

struct Cluster {
    k: usize,
    medoids: bool,
    /// Of the attention that weighs tokens.
    layer: Option<usize>,
    keep_class: bool,
}

impl Pool for Cluster {
    fn pool(&self, states: &States<'_>) -> Result<Pooled, PoolError> {
        let tokens = Tokens::counted(states);
        // Those that stay as they are.
        let class = prefix(states).saturating_sub(tokens.start).min(tokens.rows.len());
        let kept = if self.keep_class { class } else { 0 };
        let (rows, n) = (&tokens.rows[kept..], tokens.rows.len() - kept);
        if self.k >= n {
            return Ok(each_token(&tokens, states.width));
        }
        let received = |token: usize| {
            let column = states.maps[0].iter().skip(token).step_by(states.tokens);
            column.map(|&a| f64::from(a)).sum::<f64>() / states.tokens as f64
        };
        let weights: Vec<f64> = match self.layer {
            Some(_) => states.counted().skip(kept).map(received).collect(),
            None => vec![1.0; n],
        };
        let mut clusters = Clusters { rows, weights: &weights, medoids: self.medoids };
        let (_, shares) = clusters.run(self.first(rows, &weights));
        let one = |token: usize| (0..kept + n).map(|t| f64::from(t == token)).collect::<Vec<_>>();
        let whole = |share: Vec<f64>| [vec![0.0; kept], share].concat();
        let shares = (0..kept).map(one).chain(shares.into_iter().map(whole));
        let all: Vec<_> = shares.map(|share| (tokens.weighted(&share), share)).collect();
        Ok(tokens.pooled_all(states.width, &all, true))
    }

    fn needs(&self) -> Needs {
        Needs { maps: self.layer.map(Map::Layer).into_iter().collect(), ..Needs::default() }
    }

    fn gives_several(&self) -> bool {
        true
    }
}

impl Cluster {
    /// Tokens to begin with: the most significant, or, of even ones, each the farthest from those before.
    fn first(&self, rows: &[Vec<f64>], weights: &[f64]) -> Vec<usize> {
        if self.layer.is_some() {
            let mut order = descending(weights);
            order.truncate(self.k);
            return order;
        }
        let mut chosen = vec![0];
        let mut nearest = vec![f64::INFINITY; rows.len()];
        while chosen.len() < self.k {
            let last = &rows[chosen[chosen.len() - 1]];
            nearest.iter_mut().zip(rows).for_each(|(near, row)| *near = near.min(distance(row, last)));
            let farther = |best: usize, t: usize| if nearest[t] > nearest[best] { t } else { best };
            chosen.push((0..rows.len()).fold(0, farther));
        }
        chosen
    }
}

struct Clusters<'a> {
    rows: &'a [Vec<f64>],
    weights: &'a [f64],
    medoids: bool,
}

impl Clusters<'_> {
    /// The objective before each round, and what each token has of each centre, `[m][n]`. Centres that no token is
    /// nearest to are left out: they stand where another does.
    fn run(&mut self, first: Vec<usize>) -> (Vec<f64>, Vec<Vec<f64>>) {
        let width = self.rows[0].len();
        let one = |token: usize| (0..self.rows.len()).map(|t| f64::from(t == token)).collect();
        let mut shares: Vec<Vec<f64>> = first.into_iter().map(one).collect();
        let (mut objective, mut before) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let centres: Vec<_> = shares.iter().map(|share| weighted(self.rows, width, share)).collect();
            let nearest: Vec<(usize, f64)> = self.rows.iter().map(|row| nearest(row, &centres)).collect();
            objective.push(nearest.iter().zip(self.weights).map(|((_, d), w)| d * w).sum());
            let assigned: Vec<usize> = nearest.into_iter().map(|(centre, _)| centre).collect();
            let members = |centre| (0..assigned.len()).filter(|t| assigned[*t] == centre).collect::<Vec<_>>();
            let groups: Vec<_> = (0..centres.len()).map(members).filter(|group| !group.is_empty()).collect();
            if groups == before {
                break;
            }
            shares = groups.iter().map(|group| self.share(group)).collect();
            before = groups;
        }
        (objective, shares)
    }

    /// Of the centre of `group`: its weighted mean, or the member with the least weighted distance to the others.
    fn share(&self, group: &[usize]) -> Vec<f64> {
        let mut share = vec![0.0; self.rows.len()];
        if self.medoids {
            let cost = |t: usize| {
                group.iter().map(|o| self.weights[*o] * distance(&self.rows[t], &self.rows[*o])).sum::<f64>()
            };
            let best = group.iter().copied().min_by(|a, b| cost(*a).total_cmp(&cost(*b)));
            best.into_iter().for_each(|best| share[best] = 1.0);
            return share;
        }
        let sum: f64 = group.iter().map(|t| self.weights[*t]).sum();
        for &token in group {
            share[token] = if sum > 0.0 { self.weights[token] / sum } else { 1.0 / group.len() as f64 };
        }
        share
    }
}

fn nearest(row: &[f64], centres: &[Vec<f64>]) -> (usize, f64) {
    let distances = centres.iter().map(|centre| distance(row, centre)).enumerate();
    distances.fold((0, f64::INFINITY), |best, next| if next.1 < best.1 { next } else { best })
}

fn distance(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| (a - b).powi(2)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::math::to_f64;
    use heatseek_testkit::values;

    fn rows(seed: u64, n: usize) -> Vec<Vec<f64>> {
        values(seed, n * 5, 1.0).chunks(5).map(to_f64).collect()
    }

    #[test]
    fn the_objective_never_rises_and_the_scale_of_weights_is_nothing() {
        for (seed, medoids) in (0..20).flat_map(|seed| [(seed, false), (seed, true)]) {
            let (rows, weights) = (rows(seed, 30), to_f64(&values(seed + 99, 30, 1.0)));
            let weights: Vec<f64> = weights.iter().map(|w| w.abs() + 0.1).collect();
            let twice: Vec<f64> = weights.iter().map(|w| w * 2.0).collect();
            let run = |weights: &[f64]| Clusters { rows: &rows, weights, medoids }.run(vec![0, 3, 7, 20]);
            let (objective, shares) = run(&weights);
            assert!(
                objective.len() > 1 && objective.windows(2).all(|w| w[1] <= w[0] + 1e-12),
                "{objective:?}"
            );
            assert_eq!(run(&twice).1, shares);
        }
    }

    #[test]
    fn duplicates_merge_at_no_cost() {
        let mut twice = rows(5, 4);
        twice.extend(twice.clone());
        let mut clusters = Clusters { rows: &twice, weights: &[1.0; 8], medoids: false };
        let (objective, shares) = clusters.run(vec![0, 1, 2, 3, 4]);
        assert!(objective.iter().all(|cost| *cost < 1e-12));
        assert_eq!(shares.len(), 4);
        assert_eq!((shares[1][1], shares[1][5]), (0.5, 0.5));
    }
}
