//! Timing: in rounds, in which everyone who is compared takes a turn.

use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use crate::failure::Failure;

/// Rounds at least, unless fewer are asked for.
const FEWEST: usize = 3;

/// Before each turn: threads of who ran last spin for a while (those of ONNX Runtime for some 20 ms), and cores are shared.
const PAUSE: Duration = Duration::from_millis(50);

/// Someone who can be timed, answering with milliseconds.
pub type Timed<'a> = Box<dyn FnMut() -> Result<f64, Failure> + 'a>;

/// How many rounds.
#[derive(Clone, Copy, Debug)]
pub struct Rounds {
    pub most: usize,
    /// After which no new round begins.
    pub budget: Duration,
}

/// What repeated timings say.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Times {
    pub median_ms: f64,
    pub min_ms: f64,
    pub max_ms: f64,
    pub n: usize,
}

impl Times {
    pub fn of(all: &[f64]) -> Self {
        Self { median_ms: median(all), min_ms: min(all), max_ms: max(all), n: all.len() }
    }
}

/// Milliseconds of `body`.
pub fn ms(body: impl FnOnce() -> Result<(), heatseek::Error>) -> Result<f64, Failure> {
    let began = Instant::now();
    body()?;
    Ok(1e3 * began.elapsed().as_secs_f64())
}

/// Times everyone once a round, in turning order so that nobody always follows the same other; one list each.
pub fn interleave(timed: &mut [Timed<'_>], rounds: Rounds) -> Result<Vec<Vec<f64>>, Failure> {
    let count = timed.len();
    let mut all = vec![Vec::new(); count];
    let began = Instant::now();
    for round in 0..rounds.most {
        if round >= FEWEST && began.elapsed() > rounds.budget {
            break;
        }
        for turn in 0..count {
            let who = (round + turn) % count;
            thread::sleep(PAUSE);
            all[who].push(timed[who]()?);
        }
    }
    Ok(all)
}

/// The middle; of an even number the mean of the middle two.
pub fn median(all: &[f64]) -> f64 {
    let mut sorted = all.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        n => (sorted[(n - 1) / 2] + sorted[n / 2]) / 2.0,
    }
}

/// The least.
pub fn min(all: &[f64]) -> f64 {
    all.iter().copied().fold(f64::INFINITY, f64::min)
}

/// The greatest.
pub fn max(all: &[f64]) -> f64 {
    all.iter().copied().fold(f64::NEG_INFINITY, f64::max)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn everyone_takes_a_turn_and_orders_turn() {
        let order = RefCell::new(Vec::new());
        let who = |name: usize| -> Timed<'_> {
            Box::new({
                let order = &order;
                move || {
                    order.borrow_mut().push(name);
                    Ok(name as f64)
                }
            })
        };
        let rounds = Rounds { most: 3, budget: Duration::from_secs(3600) };
        let all = interleave(&mut [who(0), who(1)], rounds).unwrap();
        assert_eq!(all, [[0.0; 3], [1.0; 3]]);
        assert_eq!(*order.borrow(), [0, 1, 1, 0, 0, 1]);
    }

    #[test]
    fn a_spent_budget_ends_it_after_the_fewest() {
        let rounds = Rounds { most: 50, budget: Duration::ZERO };
        let all = interleave(&mut [Box::new(|| Ok(1.0))], rounds).unwrap();
        assert_eq!(all[0].len(), FEWEST);
    }

    #[test]
    fn medians_of_odd_and_even_numbers() {
        assert_eq!(median(&[3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(&[4.0, 1.0, 2.0, 3.0]), 2.5);
        let times = Times::of(&[3.0, 1.0, 2.0]);
        assert_eq!((times.min_ms, times.max_ms, times.n), (1.0, 3.0, 3));
    }
}
