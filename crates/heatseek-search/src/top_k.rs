//! The best `k` of a stream.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

/// An id and how well it matches.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Scored {
    /// The id.
    pub id: u64,
    /// Higher is better.
    pub score: f32,
}

impl Eq for Scored {}

impl Ord for Scored {
    /// Better first: by score, ties by the smaller id.
    fn cmp(&self, other: &Self) -> Ordering {
        other.score.total_cmp(&self.score).then(self.id.cmp(&other.id))
    }
}

impl PartialOrd for Scored {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

/// Keeps the best `k` of everything offered, in `O(log k)` an offer and `k` elements of memory.
#[derive(Clone, Debug)]
pub struct TopK {
    k: usize,
    // The worst of the kept on top.
    kept: BinaryHeap<Scored>,
}

impl TopK {
    /// Keeps `k`.
    pub fn new(k: usize) -> Self {
        Self { k, kept: BinaryHeap::new() }
    }

    /// Keeps `k`, with room for all that it may hold while `offers` are made: these then allocate nothing.
    pub(crate) fn with_room(k: usize, offers: usize) -> Self {
        Self { k, kept: BinaryHeap::with_capacity(k.min(offers)) }
    }

    /// What a score has to reach to be kept, whatever its id.
    pub(crate) fn bar(&self) -> f32 {
        match self.kept.peek() {
            Some(worst) if self.kept.len() >= self.k => worst.score,
            _ => f32::NEG_INFINITY,
        }
    }

    /// Offers one.
    pub fn offer(&mut self, scored: Scored) {
        if self.kept.len() < self.k {
            self.kept.push(scored);
        } else if self.kept.peek().is_some_and(|worst| scored < *worst) {
            self.kept.pop();
            self.kept.push(scored);
        }
    }

    /// Whether it would be kept if it were offered now.
    pub fn would_keep(&self, scored: &Scored) -> bool {
        self.kept.len() < self.k || self.kept.peek().is_some_and(|worst| scored < worst)
    }

    /// The kept, best first; ties by ascending id.
    pub fn into_sorted(self) -> Vec<Scored> {
        self.kept.into_sorted_vec()
    }
}

#[cfg(test)]
mod tests {
    use std::cmp::Reverse;

    use super::*;
    use heatseek_testkit::random;

    #[test]
    fn equals_a_full_sort() {
        for (seed, n) in [(1, 0), (2, 1), (3, 9), (4, 1000)] {
            // Few distinct scores, so that ties decide most places.
            let all: Vec<Scored> = random(seed, n)
                .into_iter()
                .enumerate()
                .map(|(id, r)| Scored { id: (id as u64 * 7919) % 1009, score: (r % 5) as f32 - 2.0 })
                .collect();
            let mut sorted = all.clone();
            sorted.sort_by_key(|s| (Reverse(s.score as i64), s.id));
            for k in [0, 1, 3, 10, 2000] {
                let mut top = TopK::new(k);
                all.iter().for_each(|s| top.offer(*s));
                assert_eq!(top.into_sorted(), sorted[..k.min(n)], "seed {seed} n {n} k {k}");
            }
        }
    }
}
