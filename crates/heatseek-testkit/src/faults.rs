//! Faults to plant: each spoils a right answer the way a broken kernel would, and every comparator must
//! notice.

/// A way to spoil a `[rows, cols]` buffer. Returns `false` if the buffer is too small or too uniform for
/// the fault to change anything.
pub type Fault = fn(values: &mut [f32], rows: usize, cols: usize) -> bool;

/// All of them, by name.
pub const ALL: [(&str, Fault); 10] = [
    ("nan", nan),
    ("wrong-sign infinity", wrong_sign_infinity),
    ("unwritten output", unwritten_output),
    ("expected zero", expected_zero),
    ("swapped rows", swapped_rows),
    ("transpose", transpose),
    ("shifted tail", shifted_tail),
    ("last element", last_element),
    ("wrong sign", wrong_sign),
    ("all zeros", all_zeros),
];

/// Puts a NaN in the middle.
pub fn nan(values: &mut [f32], _: usize, _: usize) -> bool {
    set(values, |len| len / 2, |_| f32::NAN)
}

/// Puts a negative infinity where a positive one belongs. The truth must hold a positive one.
pub fn wrong_sign_infinity(values: &mut [f32], _: usize, _: usize) -> bool {
    match values.iter_mut().find(|v| **v == f32::INFINITY) {
        Some(value) => {
            *value = f32::NEG_INFINITY;
            true
        }
        None => false,
    }
}

/// Leaves one element unwritten.
pub fn unwritten_output(values: &mut [f32], _: usize, _: usize) -> bool {
    set(values, |len| len / 3, |_| f32::from_bits(crate::UNWRITTEN))
}

/// Puts a small number where a zero belongs. The truth must hold a zero.
pub fn expected_zero(values: &mut [f32], _: usize, _: usize) -> bool {
    match values.iter_mut().find(|v| **v == 0.0) {
        Some(value) => {
            *value = 0.5;
            true
        }
        None => false,
    }
}

/// Swaps the first and the last row.
pub fn swapped_rows(values: &mut [f32], rows: usize, cols: usize) -> bool {
    let before = values.to_vec();
    for j in 0..cols {
        values.swap(j, (rows - 1) * cols + j);
    }
    values != before
}

/// Writes the transpose in the same memory.
pub fn transpose(values: &mut [f32], rows: usize, cols: usize) -> bool {
    let before = values.to_vec();
    for (i, value) in before.iter().enumerate() {
        values[(i % cols) * rows + i / cols] = *value;
    }
    values != before
}

/// Shifts the second half by one, as an off-by-one tail loop does.
pub fn shifted_tail(values: &mut [f32], _: usize, _: usize) -> bool {
    let before = values.to_vec();
    let (_, tail) = values.split_at_mut(before.len() / 2);
    tail.rotate_right(usize::from(tail.len() > 1));
    values != before
}

/// Spoils the last element only.
pub fn last_element(values: &mut [f32], _: usize, _: usize) -> bool {
    set(values, |len| len - 1, |v| v + 0.25)
}

/// Flips the sign of one element.
pub fn wrong_sign(values: &mut [f32], _: usize, _: usize) -> bool {
    match values.iter_mut().find(|v| **v != 0.0) {
        Some(value) => {
            *value = -*value;
            true
        }
        None => false,
    }
}

/// Zeroes everything.
pub fn all_zeros(values: &mut [f32], _: usize, _: usize) -> bool {
    let changed = values.iter().any(|v| *v != 0.0);
    values.fill(0.0);
    changed
}

fn set(values: &mut [f32], at: fn(usize) -> usize, to: fn(f32) -> f32) -> bool {
    let at = at(values.len());
    values[at] = to(values[at]);
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Tolerance, compare, values};

    const TOLERANCES: [Tolerance; 4] =
        [Tolerance::Exact, Tolerance::Abs(1e-3), Tolerance::Ulp(16), Tolerance::OP_F32];
    const SHAPES: [(usize, usize); 5] = [(1, 1), (2, 2), (3, 5), (64, 7), (1, 300)];

    /// Values with a zero and a positive infinity among them, so that every fault has something to spoil.
    fn truth(rows: usize, cols: usize) -> Vec<f32> {
        let mut truth = values(7, rows * cols, 3.0);
        if truth.len() > 3 {
            (truth[1], truth[2]) = (0.0, f32::INFINITY);
        }
        truth
    }

    #[test]
    fn every_planted_fault_is_rejected() {
        for (rows, cols) in SHAPES {
            let truth = truth(rows, cols);
            for tolerance in TOLERANCES {
                assert!(compare(&truth, &truth, &[rows, cols], tolerance).is_ok());
                for (name, fault) in ALL {
                    let mut spoiled = truth.clone();
                    if fault(&mut spoiled, rows, cols) {
                        let outcome = compare(&spoiled, &truth, &[rows, cols], tolerance);
                        assert!(outcome.is_err(), "{name} passes {tolerance} on {rows}x{cols}");
                    }
                }
            }
        }
    }

    #[test]
    fn every_fault_changes_a_large_enough_buffer() {
        let truth = truth(5, 6);
        for (name, fault) in ALL {
            let mut spoiled = truth.clone();
            assert!(fault(&mut spoiled, 5, 6), "{name} changed nothing");
            let bits = |v: &[f32]| v.iter().map(|v| v.to_bits()).collect::<Vec<_>>();
            assert_ne!(bits(&spoiled), bits(&truth), "{name}");
        }
    }

    #[test]
    fn unwritten_elements_are_called_so() {
        let (truth, mut spoiled) = (truth(4, 4), truth(4, 4));
        unwritten_output(&mut spoiled, 4, 4);
        let message = compare(&spoiled, &truth, &[4, 4], Tolerance::OP_F32).unwrap_err().to_string();
        assert!(message.contains("1 were never written"), "{message}");
    }
}
