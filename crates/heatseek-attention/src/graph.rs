//! A layer's attention as a graph (Ruscio et al., "What Are You Sinking? A Geometric Approach on Attention Sink",
//! 2025). The rules for types are ours: the paper gives none.

use crate::Map;

/// What tokens orient themselves by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Frame {
    /// One token gets 0.3 of all attention or more.
    Centralised,
    /// None does.
    Distributed,
    /// The first and the last token get 0.4 or more together, each twice its even share and a quarter of the other.
    Bidirectional,
}

impl Frame {
    /// `centralised`, `distributed` or `bidirectional`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Centralised => "centralised",
            Self::Distributed => "distributed",
            Self::Bidirectional => "bidirectional",
        }
    }
}

/// The graph of a layer, with an edge from each token to those that get more than twice their even share from it.
#[derive(Clone, Debug, PartialEq)]
pub struct GraphStats {
    /// What it looks like.
    pub frame: Frame,
    /// Freeman's centralisation of the edges that come in: 1 where all lead to one token, 0 where all get as many.
    pub centralisation: f64,
    /// The second smallest eigenvalue of the normalised Laplacian, edges taken both ways: 0 where it falls apart,
    /// `n/(n − 1)` where all are joined.
    pub connectivity: f64,
    /// Into how many parts it falls.
    pub components: usize,
    /// What the token that gets most gets of all attention.
    pub sink_share: f64,
    /// What the first token gets.
    pub start: f64,
    /// What the last token gets.
    pub end: f64,
}

/// The graph of `map`, in which rows sum to 1. `threshold` is what an edge must exceed; `None` is twice the even
/// share. Connectivity takes up to `tokens³` steps, where tokens are joined badly.
pub fn graph_stats(map: Map<'_>, threshold: Option<f64>) -> GraphStats {
    let tokens = map.tokens();
    let threshold = threshold.unwrap_or(2.0 / tokens.max(1) as f64);
    let received = map.received();
    let share = |token: Option<&f64>| token.copied().unwrap_or(0.0);
    let (start, end) = (share(received.first()), share(received.last()));
    let sink_share = received.iter().copied().fold(0.0, f64::max);
    let neighbours = neighbours(map, threshold);
    let components = components(&neighbours);
    GraphStats {
        frame: frame(tokens, start, end, sink_share),
        centralisation: centralisation(map, threshold),
        connectivity: if components == 1 { connectivity(&neighbours) } else { 0.0 },
        components,
        sink_share,
        start,
        end,
    }
}

fn frame(tokens: usize, start: f64, end: f64, sink_share: f64) -> Frame {
    let (less, more) = (start.min(end), start.max(end));
    if start + end >= 0.4 && less >= 0.25 * more && less > 2.0 / tokens as f64 {
        Frame::Bidirectional
    } else if sink_share >= 0.3 && sink_share > 2.0 / tokens as f64 {
        Frame::Centralised
    } else {
        Frame::Distributed
    }
}

fn centralisation(map: Map<'_>, threshold: f64) -> f64 {
    let mut degrees = vec![0.0f64; map.tokens()];
    for (query, row) in map.rows().enumerate() {
        for (token, &a) in row.iter().enumerate() {
            degrees[token] += f64::from(u8::from(token != query && f64::from(a) > threshold));
        }
    }
    let most = degrees.iter().copied().fold(0.0, f64::max);
    let others = map.tokens().saturating_sub(1) as f64;
    let missing: f64 = degrees.iter().map(|degree| most - degree).sum();
    if others > 0.0 { missing / (others * others) } else { 0.0 }
}

/// By token: those it has an edge with, in either direction.
fn neighbours(map: Map<'_>, threshold: f64) -> Vec<Vec<usize>> {
    let edge = |a: usize, b: usize| f64::from(map.row(a)[b]) > threshold;
    let of = |a: usize| (0..map.tokens()).filter(|&b| a != b && (edge(a, b) || edge(b, a))).collect();
    (0..map.tokens()).map(of).collect()
}

fn components(neighbours: &[Vec<usize>]) -> usize {
    let mut seen = vec![false; neighbours.len()];
    let mut count = 0;
    for first in 0..neighbours.len() {
        if seen[first] {
            continue;
        }
        count += 1;
        seen[first] = true;
        let mut waiting = vec![first];
        while let Some(token) = waiting.pop() {
            for &other in &neighbours[token] {
                if !seen[other] {
                    seen[other] = true;
                    waiting.push(other);
                }
            }
        }
    }
    count
}

/// The second smallest eigenvalue of the normalised Laplacian of a graph in one piece: 1 less the largest of
/// `D^(−1/2) A D^(−1/2)` across its known first eigenvector, `√degree`. Lanczos' method with full
/// reorthogonalisation (Golub & Van Loan, "Matrix Computations", §10.1).
fn connectivity(neighbours: &[Vec<usize>]) -> f64 {
    let tokens = neighbours.len();
    if tokens < 2 {
        return 0.0;
    }
    let roots: Vec<f64> = neighbours.iter().map(|others| (others.len() as f64).sqrt()).collect();
    let mut basis = vec![scaled(&roots, 1.0 / dot(&roots, &roots).sqrt())];
    // Any start will do that no symmetry of the graph keeps from an eigenvector.
    let mut vector: Vec<f64> = (0..tokens).map(|t| ((t + 1) as f64 * 0.754_877_666).fract() - 0.5).collect();
    let (mut diagonal, mut beside) = (Vec::new(), Vec::new());
    let mut found = f64::NAN;
    for step in 0..tokens - 1 {
        // Twice: once leaves what rounding left.
        for _ in 0..2 {
            for known in &basis {
                let along = dot(&vector, known);
                vector.iter_mut().zip(known).for_each(|(v, k)| *v -= along * k);
            }
        }
        let length = dot(&vector, &vector).sqrt();
        if length < 1e-12 {
            break;
        }
        if step > 0 {
            beside.push(length);
        }
        let unit = scaled(&vector, 1.0 / length);
        vector = (0..tokens)
            .map(|t| neighbours[t].iter().map(|&other| unit[other] / roots[other]).sum::<f64>() / roots[t])
            .collect();
        diagonal.push(dot(&vector, &unit));
        basis.push(unit);
        // Now and then, for it costs as much as a step.
        if step % 8 == 7 {
            let now = largest(&diagonal, &beside);
            if (now - found).abs() < 1e-13 {
                break;
            }
            found = now;
        }
    }
    1.0 - largest(&diagonal, &beside)
}

/// The largest eigenvalue of a symmetric tridiagonal matrix whose eigenvalues lie between −1 and 1, by bisection.
fn largest(diagonal: &[f64], beside: &[f64]) -> f64 {
    // How many eigenvalues lie above `x`: positive pivots of the matrix less x (Sturm's sequence).
    let above = |x: f64| {
        let mut pivot = 1.0f64;
        let mut count = 0;
        for (i, d) in diagonal.iter().enumerate() {
            let before = if i > 0 { beside[i - 1] * beside[i - 1] / pivot } else { 0.0 };
            pivot = d - x - before;
            if pivot == 0.0 {
                pivot = -f64::MIN_POSITIVE;
            }
            count += usize::from(pivot > 0.0);
        }
        count
    };
    let (mut low, mut high) = (-1.0 - 1e-9, 1.0 + 1e-9);
    // Each halves the interval: 2 · 2⁻⁵⁴ is below what f64 tells apart.
    for _ in 0..54 {
        let middle = 0.5 * (low + high);
        if above(middle) > 0 {
            low = middle;
        } else {
            high = middle;
        }
    }
    0.5 * (low + high)
}

fn dot(a: &[f64], b: &[f64]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

fn scaled(a: &[f64], by: f64) -> Vec<f64> {
    a.iter().map(|v| v * by).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The graph with these edges, each as strong as is needed.
    fn graph(tokens: usize, edge: impl Fn(usize, usize) -> bool) -> GraphStats {
        let value = |place: usize| if edge(place / tokens, place % tokens) { 1.0 } else { 0.0 };
        let values: Vec<f32> = (0..tokens * tokens).map(value).collect();
        graph_stats(Map::new(&values, tokens).unwrap(), Some(0.5))
    }

    #[test]
    fn star_and_complete_graph() {
        let star = graph(7, |_, to| to == 2);
        assert_eq!((star.centralisation, star.components), (1.0, 1));
        assert_eq!(star.frame, Frame::Centralised);
        // λ₂ of a star is 1.
        assert!((star.connectivity - 1.0).abs() < 1e-12);
        for tokens in [2usize, 5, 9] {
            let complete = graph(tokens, |_, _| true);
            let n = tokens as f64;
            assert_eq!((complete.centralisation, complete.components), (0.0, 1));
            assert!((complete.connectivity - n / (n - 1.0)).abs() < 1e-12);
        }
    }

    #[test]
    fn two_cliques_and_a_ring() {
        let cliques = graph(6, |a, b| (a < 3) == (b < 3));
        assert_eq!((cliques.components, cliques.connectivity), (2, 0.0));
        for tokens in [5usize, 40, 150] {
            let ring = graph(tokens, |a, b| (a + 1) % tokens == b);
            let expected = 1.0 - (2.0 * std::f64::consts::PI / tokens as f64).cos();
            assert!((ring.connectivity - expected).abs() < 1e-10, "{tokens}: {}", ring.connectivity);
        }
        assert_eq!(graph(3, |_, _| false).components, 3);
    }

    #[test]
    fn half_on_both_ends_is_bidirectional_and_an_even_map_distributed() {
        let row = |tokens: usize, ends: f32| -> Vec<f32> {
            let inner = (1.0 - 2.0 * ends) / (tokens - 2) as f32;
            (0..tokens).map(|t| if t == 0 || t + 1 == tokens { ends } else { inner }).collect()
        };
        for ends in [0.25, 0.5] {
            let values = row(12, ends).repeat(12);
            let found = graph_stats(Map::new(&values, 12).unwrap(), None);
            assert_eq!(found.frame, Frame::Bidirectional);
            assert!((found.start - f64::from(ends)).abs() < 1e-6 && (found.end - found.start).abs() < 1e-12);
        }
        let even = graph_stats(Map::new(&[1.0 / 12.0; 144], 12).unwrap(), None);
        assert_eq!((even.frame, even.components, even.centralisation), (Frame::Distributed, 12, 0.0));
        assert_eq!(graph_stats(Map::new(&[], 0).unwrap(), None).components, 0);
        assert_eq!(graph_stats(Map::new(&[1.0], 1).unwrap(), None).components, 1);
    }
}
