//! How numbers become bfloat16 in plans of [`Dtype::Bf16`](crate::Dtype::Bf16): the one definition that the reference and
//! the kernels share. A bf16 is the upper half of an f32: its range, and eight bits of precision.

/// The nearest bf16, as the f32 that it is; halfway the one whose last bit is 0. As `vcvtneps2bf16` does it: what is
/// subnormal becomes a zero of its sign, and NaN stays NaN.
pub fn rounded(value: f32) -> f32 {
    const UPPER: u32 = 0xffff_0000;
    const QUIET: u32 = 0x0040_0000;
    let bits = value.to_bits();
    f32::from_bits(match value.classify() {
        std::num::FpCategory::Nan => (bits | QUIET) & UPPER,
        std::num::FpCategory::Subnormal => bits & 0x8000_0000,
        _ => bits.wrapping_add(0x7fff + (bits >> 16 & 1)) & UPPER,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rounds_to_the_nearest_and_halfway_to_even() {
        let step = 2.0f32.powi(-7);
        for (value, expected) in [
            (1.0, 1.0),
            (1.0 + 0.49 * step, 1.0),
            (1.0 + 0.5 * step, 1.0),
            (1.0 + 0.51 * step, 1.0 + step),
            (1.0 + 1.5 * step, 1.0 + 2.0 * step),
            (-1.0 - 0.51 * step, -1.0 - step),
            (0.0, 0.0),
            (f32::INFINITY, f32::INFINITY),
            (f32::NEG_INFINITY, f32::NEG_INFINITY),
            (f32::MAX, f32::INFINITY),
            (1e-40, 0.0),
        ] {
            assert_eq!(rounded(value).to_bits(), f32::to_bits(expected), "{value}");
        }
        assert!(rounded(f32::NAN).is_nan() && rounded(f32::from_bits(0x7f80_0001)).is_nan());
    }
}
