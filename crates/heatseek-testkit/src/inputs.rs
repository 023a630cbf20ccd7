//! Seeded inputs that tell every index from every other.

/// `len` numbers of SplitMix64 (Steele, Lea & Flood, "Fast Splittable Pseudorandom Number Generators",
/// 2014): the same on every platform for ever.
pub fn random(seed: u64, len: usize) -> Vec<u64> {
    // Not the generator's own increment: neighbouring seeds would give the same numbers shifted by one.
    let mut state = seed.wrapping_mul(0xd134_2543_de82_ef95);
    let next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    };
    std::iter::repeat_with(next).take(len).collect()
}

/// `len` floats, uniform in `(−scale, scale)`.
pub fn values(seed: u64, len: usize, scale: f32) -> Vec<f32> {
    // The upper 24 bits fill an f32's mantissa exactly.
    let unit = |r: u64| (r >> 40) as f32 / (1u64 << 23) as f32 - 1.0;
    random(seed, len).into_iter().map(|r| unit(r) * scale).collect()
}

/// `count` lengths from `min` to `max`, both included and both present once `count` allows.
pub fn lengths(seed: u64, count: usize, min: usize, max: usize) -> Vec<usize> {
    let span = (max - min + 1) as u64;
    let mut all: Vec<usize> = random(seed, count).into_iter().map(|r| min + (r % span) as usize).collect();
    if let [first, .., last] = &mut all[..] {
        (*first, *last) = (max, min);
    } else if let [only] = &mut all[..] {
        *only = max;
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn inputs_are_fixed_and_in_range() {
        // Computed independently with Python integers.
        assert_eq!(random(0, 2), [0xe220_a839_7b1d_cdaf, 0x6e78_9e6a_a1b9_65f4]);
        let (first, second) = (random(1, 50), random(2, 50));
        assert!(first.iter().all(|r| !second.contains(r)), "seeds share numbers");
        let all = values(1, 10_000, 2.0);
        assert!(all.iter().all(|v| v.abs() < 2.0));
        assert!(all.iter().any(|v| *v > 1.9) && all.iter().any(|v| *v < -1.9));
        let mut unique: Vec<u32> = all.iter().map(|v| v.to_bits()).collect();
        unique.sort_unstable();
        unique.dedup();
        assert!(unique.len() > 9_900);
    }

    #[test]
    fn lengths_reach_both_ends() {
        let all = lengths(3, 50, 0, 9);
        assert_eq!((all.iter().min(), all.iter().max()), (Some(&0), Some(&9)));
        assert_eq!(lengths(3, 1, 0, 512), [512]);
    }
}
