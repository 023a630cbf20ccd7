//! Telling "wrote zero" from "wrote nothing", and "wrote" from "wrote too far".

/// The NaN bit pattern that outputs are filled with before they are computed.
pub const UNWRITTEN: u32 = 0x7fc5_a11e;

/// Elements of a guard band.
const GUARD: usize = 32;

/// Whether `value` is the pattern.
pub fn is_unwritten(value: f32) -> bool {
    value.to_bits() == UNWRITTEN
}

/// `len` elements of the pattern.
pub fn unwritten(len: usize) -> Vec<f32> {
    vec![f32::from_bits(UNWRITTEN); len]
}

/// An unwritten buffer with a guard band on both sides.
#[derive(Clone, Debug)]
pub struct Guarded {
    all: Vec<f32>,
}

impl Guarded {
    /// A buffer of `len` elements.
    pub fn new(len: usize) -> Self {
        Self { all: unwritten(len + 2 * GUARD) }
    }

    /// The buffer between the guards.
    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        let end = self.all.len() - GUARD;
        &mut self.all[GUARD..end]
    }

    /// The whole allocation, guards included, to hand to code under test that may overrun.
    pub fn whole_mut(&mut self) -> &mut [f32] {
        &mut self.all
    }

    /// The buffer's values.
    ///
    /// # Errors
    /// If a guard was written to, and on which side.
    pub fn into_values(mut self) -> Result<Vec<f32>, String> {
        let tail = self.all.split_off(self.all.len() - GUARD);
        let values = self.all.split_off(GUARD);
        let spoiled = |guard: &[f32]| guard.iter().any(|v| !is_unwritten(*v));
        match (spoiled(&self.all), spoiled(&tail)) {
            (false, false) => Ok(values),
            (true, _) => Err("something was written before the buffer".into()),
            (_, true) => Err("something was written behind the buffer".into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guards_notice_both_overruns() {
        let mut inside = Guarded::new(3);
        inside.as_mut_slice().copy_from_slice(&[1.0, 2.0, 3.0]);
        assert_eq!(inside.clone().into_values(), Ok(vec![1.0, 2.0, 3.0]));
        for at in [GUARD - 1, GUARD + 3] {
            let mut overrun = inside.clone();
            overrun.whole_mut()[at] = 0.0;
            assert!(overrun.into_values().is_err(), "{at}");
        }
    }

    #[test]
    fn the_pattern_is_a_nan_no_arithmetic_makes() {
        assert!(f32::from_bits(UNWRITTEN).is_nan());
        assert!(!is_unwritten(f32::NAN));
        let zero = std::hint::black_box(0.0f32);
        assert!(!is_unwritten(zero / zero));
    }
}
