//! Attention flow: how much could have come from each token through all layers (Abnar & Zuidema, 2020).

use std::collections::VecDeque;

use crate::{AnalysisError, Map, Mixing};

/// What is left of a capacity below this is rounding: capacities are shares, and sums of `tokens` of them.
const ROUNDING: f64 = 1e-12;

/// The maximum flow from `query` in the last of `layers` to each token of the input, `[tokens]`: nodes are (layer,
/// token), capacities the mixed maps of [`Mixing`]. Each pair is a problem of its own, so the row does not sum
/// to 1. `layers` are in their order, first to last.
///
/// Exact to rounding. Dinic's algorithm on the layered graph as dense matrices; a general graph library would store
/// its edges one by one, and know nothing of rounding. Memory is `2 × layers × tokens²` f64; time about
/// `layers × tokens³` steps for the whole row, since one or two phases are enough for nearly every pair.
///
/// ```
/// use heatseek_attention::{Map, Mixing, flow};
/// let layers = [Map::new(&[0.6, 0.4, 0.2, 0.8], 2)?, Map::new(&[0.5, 0.5, 0.9, 0.1], 2)?];
/// let row = flow(&layers, 0, Mixing::default())?;
/// assert!((row[0] - 0.85).abs() < 1e-6 && (row[1] - 0.45).abs() < 1e-6);
/// # Ok::<(), heatseek_attention::AnalysisError>(())
/// ```
///
/// # Errors
/// [`AnalysisError`] for no layers, maps of different sizes, a query that is no token, or shares that are none.
pub fn flow(layers: &[Map<'_>], query: usize, mixing: Mixing) -> Result<Vec<f32>, AnalysisError> {
    mixing.check()?;
    let tokens = layers.first().map_or(0, Map::tokens);
    if query >= tokens {
        let expected = "a token of the map, counted from 0";
        return Err(AnalysisError::Range { what: "query", expected, got: query.to_string() });
    }
    for map in layers {
        crate::error::check_shape("a map", map.values().len(), &[("tokens", tokens), ("tokens", tokens)])?;
    }
    // Flow goes down: from the last layer's rows to the first layer's columns.
    let capacities = layers.iter().rev().map(|map| mixing.mix(*map)).collect();
    let mut network = Network::new(tokens, capacities);
    Ok((0..tokens).map(|sink| network.maximum(query, sink) as f32).collect())
}

/// An edge from node `from` of a level to node `to` of the next.
#[derive(Clone, Copy)]
struct Edge {
    level: usize,
    from: usize,
    to: usize,
    /// Against its direction, taking flow back.
    back: bool,
}

/// Levels of nodes, every node of one joined to every node of the next.
struct Network {
    tokens: usize,
    /// `[levels, from, to]`: capacity not used.
    left: Vec<Vec<f64>>,
    /// `[levels, to, from]`: capacity used.
    used: Vec<Vec<f64>>,
    /// Edges whose `used` is not 0.
    touched: Vec<(usize, usize, usize)>,
    /// By node: steps from the source; `UNSEEN` where there is no way.
    steps: Vec<usize>,
    /// By node: the first of its edges that may still lead on.
    next: Vec<usize>,
}

const UNSEEN: usize = usize::MAX;

impl Network {
    fn new(tokens: usize, left: Vec<Vec<f64>>) -> Self {
        let nodes = (left.len() + 1) * tokens;
        let used = left.iter().map(|level| vec![0.0; level.len()]).collect();
        Self { tokens, left, used, touched: Vec::new(), steps: vec![UNSEEN; nodes], next: vec![0; nodes] }
    }

    /// The maximum flow from token `from` of the first level to token `to` of the last.
    fn maximum(&mut self, from: usize, to: usize) -> f64 {
        let (tokens, levels) = (self.tokens, self.left.len());
        let sink = levels * tokens + to;
        let out: f64 = self.left[0][from * tokens..][..tokens].iter().sum();
        let into: f64 = (0..tokens).map(|node| self.left[levels - 1][node * tokens + to]).sum();
        // No cut is needed to prove a flow maximal that fills the source's edges or the sink's.
        let bound = out.min(into);
        let mut total = 0.0;
        while total < bound - ROUNDING && self.measure(from, sink) {
            total += self.block(from, sink);
        }
        for (level, from, to) in self.touched.drain(..) {
            let used = &mut self.used[level][to * tokens + from];
            self.left[level][from * tokens + to] += *used;
            *used = 0.0;
        }
        total
    }

    /// Counts the steps from the source to every node up to the sink; whether there is a way to it.
    fn measure(&mut self, source: usize, sink: usize) -> bool {
        let tokens = self.tokens;
        self.steps.fill(UNSEEN);
        self.next.fill(0);
        self.steps[source] = 0;
        let mut queue = VecDeque::from([source]);
        while let Some(node) = queue.pop_front() {
            if node == sink {
                return true;
            }
            let (level, token) = (node / tokens, node % tokens);
            let steps = self.steps[node] + 1;
            let mut see = |first: usize, capacities: &[f64]| {
                for (other, &capacity) in capacities.iter().enumerate() {
                    if capacity > ROUNDING && self.steps[first + other] == UNSEEN {
                        self.steps[first + other] = steps;
                        queue.push_back(first + other);
                    }
                }
            };
            if let Some(left) = self.left.get(level) {
                see((level + 1) * tokens, &left[token * tokens..][..tokens]);
            }
            if level > 0 {
                see((level - 1) * tokens, &self.used[level - 1][token * tokens..][..tokens]);
            }
        }
        false
    }

    /// Fills every shortest way from source to sink, and says with how much.
    fn block(&mut self, source: usize, sink: usize) -> f64 {
        let mut total = 0.0;
        let mut path: Vec<Edge> = Vec::new();
        let mut node = source;
        loop {
            if node == sink {
                let amount = path.iter().map(|&edge| *self.capacity(edge)).fold(f64::INFINITY, f64::min);
                total += amount;
                let mut full = path.len();
                for (at, &edge) in path.iter().enumerate().rev() {
                    self.send(edge, amount);
                    if *self.capacity(edge) <= ROUNDING {
                        full = at;
                    }
                }
                // On from where the first edge is full.
                node = self.tail(path[full.min(path.len() - 1)]);
                path.truncate(full);
            } else if let Some((edge, head)) = self.advance(node, sink) {
                path.push(edge);
                node = head;
            } else if let Some(edge) = path.pop() {
                // Nothing leads on from here in this phase.
                self.steps[node] = UNSEEN;
                node = self.tail(edge);
            } else {
                return total;
            }
        }
    }

    /// The next edge from `node` that is one step nearer to the sink, and where it leads.
    fn advance(&mut self, node: usize, sink: usize) -> Option<(Edge, usize)> {
        let tokens = self.tokens;
        let (level, token) = (node / tokens, node % tokens);
        let steps = self.steps[node] + 1;
        let leads_on = |head: usize, all: &[usize]| all[head] == steps && (head == sink || steps < all[sink]);
        while self.next[node] < 2 * tokens {
            let (back, other) = (self.next[node] >= tokens, self.next[node] % tokens);
            let edge = match back {
                false if level < self.left.len() => Edge { level, from: token, to: other, back },
                true if level > 0 => Edge { level: level - 1, from: other, to: token, back },
                _ => {
                    self.next[node] += tokens - other;
                    continue;
                }
            };
            let head = if back { (level - 1) * tokens + other } else { (level + 1) * tokens + other };
            if leads_on(head, &self.steps) && *self.capacity(edge) > ROUNDING {
                return Some((edge, head));
            }
            self.next[node] += 1;
        }
        None
    }

    /// The node an edge is walked from.
    fn tail(&self, edge: Edge) -> usize {
        let (level, token) = if edge.back { (edge.level + 1, edge.to) } else { (edge.level, edge.from) };
        level * self.tokens + token
    }

    fn capacity(&mut self, Edge { level, from, to, back }: Edge) -> &mut f64 {
        match back {
            false => &mut self.left[level][from * self.tokens + to],
            true => &mut self.used[level][to * self.tokens + from],
        }
    }

    fn send(&mut self, edge: Edge, amount: f64) {
        *self.capacity(edge) -= amount;
        let Edge { level, from, to, back } = edge;
        let reverse = self.capacity(Edge { back: !back, ..edge });
        let first = *reverse == 0.0 && !back;
        *reverse += amount;
        if first {
            self.touched.push((level, from, to));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Rollout;
    use heatseek_testkit::{Tolerance, assert_close, values};

    fn random_map(seed: u64, tokens: usize) -> Vec<f32> {
        let mut map: Vec<f32> = values(seed, tokens * tokens, 1.0).iter().map(|v| (6.0 * v).exp()).collect();
        for row in map.chunks_exact_mut(tokens) {
            let sum: f32 = row.iter().sum();
            row.iter_mut().for_each(|a| *a /= sum);
        }
        map
    }

    fn rows(layers: &[Map<'_>], mixing: Mixing) -> Vec<f32> {
        let tokens = layers[0].tokens();
        (0..tokens).flat_map(|query| flow(layers, query, mixing).unwrap()).collect()
    }

    const CLOSE: Tolerance = Tolerance::Abs(1e-6);

    #[test]
    fn the_papers_example() {
        let layers =
            [Map::new(&[0.6, 0.4, 0.2, 0.8], 2).unwrap(), Map::new(&[0.5, 0.5, 0.9, 0.1], 2).unwrap()];
        let all = rows(&layers, Mixing::default());
        assert_close(&all, &[0.85, 0.45, 0.55, 0.75], &[2, 2], CLOSE);
        let normalised: Vec<f32> =
            all.chunks_exact(2).flat_map(|row| row.iter().map(|f| f / (row[0] + row[1]))).collect();
        assert_close(&normalised, &[0.6538, 0.3462, 0.4231, 0.5769], &[2, 2], Tolerance::Abs(5e-5));
    }

    #[test]
    fn of_one_layer_it_is_the_mixed_map_as_rollout_is() {
        let values = random_map(1, 6);
        let map = Map::new(&values, 6).unwrap();
        let mixing = Mixing { residual: 0.4, discard_ratio: 0.2 };
        let mut rollout = Rollout::new(6, &[0, 1, 2, 3, 4, 5], mixing).unwrap();
        rollout.through(map).unwrap();
        assert_close(&rows(&[map], mixing), &rollout.into_rows(), &[6, 6], CLOSE);
    }

    #[test]
    fn flow_has_to_be_taken_back() {
        // From 0 one way to 0 of the middle, which leads to both middle nodes below; a first way that is greedy
        // must give way. Capacities are as given: nothing is mixed in.
        let plain = Mixing { residual: 0.0, discard_ratio: 0.0 };
        let third = 1.0 / 3.0;
        let first = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0];
        let middle = [0.5, 0.5, 0.0, 1.0, 0.0, 0.0, 0.0, 0.0, 1.0];
        let last = [0.5, 0.5, 0.0, third, third, third, third, third, third];
        // Into token 0 of the input: from 0 (0.5) and from 1 (1), but the edge below carries no more than 1.
        let layers = [&first, &middle, &last].map(|values| Map::new(values, 3).unwrap());
        assert_close(&flow(&layers, 0, plain).unwrap(), &[1.0, 0.5, 0.0], &[3], CLOSE);
    }

    /// The smallest cut, by trying all: what every maximum flow equals.
    fn smallest_cut(mixed: &[Vec<f64>], tokens: usize, query: usize, sink: usize) -> f64 {
        let inner = (mixed.len() - 1) * tokens;
        let side = |cut: u32, level: usize, token: usize| match level {
            0 => token == query,
            level if level == mixed.len() => token != sink,
            level => cut >> ((level - 1) * tokens + token) & 1 == 1,
        };
        let cost = |cut: u32| -> f64 {
            let crossing = |(level, map): (usize, &Vec<f64>)| -> f64 {
                let cross = |place: usize| {
                    let (from, to) = (place / tokens, place % tokens);
                    side(cut, level, from) && !side(cut, level + 1, to)
                };
                (0..tokens * tokens).filter(|&place| cross(place)).map(|place| map[place]).sum()
            };
            mixed.iter().enumerate().map(crossing).sum()
        };
        (0..1u32 << inner).map(cost).fold(f64::INFINITY, f64::min)
    }

    #[test]
    fn it_equals_the_smallest_cut() {
        for (seed, mixing) in [
            (1, Mixing::default()),
            (2, Mixing { residual: 0.0, discard_ratio: 0.5 }),
            (3, Mixing { residual: 0.1, discard_ratio: 0.7 }),
        ] {
            let maps: Vec<Vec<f32>> = (0..4).map(|layer| random_map(10 * seed + layer, 4)).collect();
            let layers: Vec<Map<'_>> = maps.iter().map(|m| Map::new(m, 4).unwrap()).collect();
            let mixed: Vec<Vec<f64>> = layers.iter().rev().map(|map| mixing.mix(*map)).collect();
            for query in 0..4 {
                let row = flow(&layers, query, mixing).unwrap();
                let cuts: Vec<f32> = (0..4).map(|to| smallest_cut(&mixed, 4, query, to) as f32).collect();
                assert_close(&row, &cuts, &[4], CLOSE);
            }
        }
    }

    #[test]
    fn what_does_not_fit_is_refused() {
        let map = Map::new(&[1.0], 1).unwrap();
        assert!(flow(&[], 0, Mixing::default()).is_err());
        assert!(flow(&[map], 1, Mixing::default()).is_err());
        assert!(flow(&[map, Map::new(&[0.25; 4], 2).unwrap()], 0, Mixing::default()).is_err());
        assert!(flow(&[map], 0, Mixing { residual: 1.0, discard_ratio: 0.0 }).is_err());
    }
}
