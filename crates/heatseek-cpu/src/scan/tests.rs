//! Every instruction set against sums in f64 and in integers, at widths on both sides of every step.

use heatseek_testkit::{random, values};

use super::*;

/// Both sides of every step of every instruction set, and some that models have.
const WIDTHS: [usize; 14] = [1, 3, 4, 7, 8, 9, 15, 17, 31, 33, 63, 65, 200, 384];
const ROWS: usize = 11;
/// Some of the rows, one twice, in no order; three more than are read at once.
const PLACES: [u32; 7] = [3, 10, 0, 3, 9, 1, 7];

fn scans() -> impl Iterator<Item = Scan> {
    Isa::available().map(|isa| Scan::with_isa(isa).unwrap())
}

/// What `of_row` makes of every place, beside what `scan` makes of all, of all in another order, and of each alone: the
/// same bits.
fn compare<T: Copy + Default + PartialEq + std::fmt::Debug>(
    scan: impl Fn(&[u32], &mut [T]),
    close: impl Fn(usize, T) -> bool,
    what: &str,
) {
    let mut out = vec![T::default(); PLACES.len()];
    scan(&PLACES, &mut out);
    for (&place, &got) in PLACES.iter().zip(&out) {
        assert!(close(place as usize, got), "{what}: row {place} gave {got:?}");
        let mut alone = [T::default()];
        scan(&[place], &mut alone);
        assert_eq!(alone, [got], "{what}: row {place} alone");
    }
    let turned: Vec<u32> = PLACES.iter().rev().copied().collect();
    let mut again = vec![T::default(); PLACES.len()];
    scan(&turned, &mut again);
    again.reverse();
    assert_eq!(again, out, "{what}: turned");
    scan(&[], &mut []);
}

/// The 16-bit float nearest to each, and what it is.
fn halves(values: &[f32]) -> (Vec<u16>, Vec<f32>) {
    let bits: Vec<u16> = values.iter().map(|&v| half(v)).collect();
    let widened = bits.iter().map(|&bits| widen(bits)).collect();
    (bits, widened)
}

/// By the definition of binary16: sign, five bits of exponent, ten of fraction.
fn widen(bits: u16) -> f32 {
    let (sign, exponent, fraction) = (bits >> 15, i32::from(bits >> 10 & 31), f64::from(bits & 1023));
    let size = match exponent {
        0 => fraction * 2f64.powi(-24),
        _ => (1024.0 + fraction) * 2f64.powi(exponent - 25),
    };
    (if sign == 1 { -size } else { size }) as f32
}

/// The bits whose number is the nearest, found by looking at all.
fn half(value: f32) -> u16 {
    let size = value.abs();
    let (mut low, mut high) = (0u16, 0x7bff);
    while high - low > 1 {
        let middle = (low + high) / 2;
        if widen(middle) <= size { low = middle } else { high = middle }
    }
    let bits = if size - widen(low) <= widen(high) - size { low } else { high };
    bits | u16::from(value < 0.0) << 15
}

#[test]
fn floats_equal_sums_in_f64() {
    for width in WIDTHS {
        let (query, rows) = (values(1, width, 1.0), values(2, ROWS * width, 1.0));
        let (bits, widened) = halves(&rows);
        for scan in scans() {
            let close = |rows: &[f32], measure: fn(f64, f64) -> f64| {
                let rows = rows.to_vec();
                let query = query.clone();
                move |place: usize, got: f32| {
                    let row = &rows[place * width..][..width];
                    let terms = query.iter().zip(row).map(|(&q, &r)| measure(f64::from(q), f64::from(r)));
                    let size: f64 = terms.clone().map(f64::abs).sum();
                    (f64::from(got) - terms.sum::<f64>()).abs() <= size * width as f64 * 2f64.powi(-24)
                }
            };
            let (product, square) = ((|q, r| q * r) as fn(f64, f64) -> f64, (|q, r| (q - r) * (q - r)) as _);
            let what = format!("{} of {width}", scan.isa);
            compare(|p, out| scan.dot(&query, &rows, p, out), close(&rows, product), &what);
            compare(|p, out| scan.dot_f16(&query, &bits, p, out), close(&widened, product), &what);
            compare(|p, out| scan.squared_distance(&query, &rows, p, out), close(&rows, square), &what);
            compare(
                |p, out| scan.squared_distance_f16(&query, &bits, p, out),
                close(&widened, square),
                &what,
            );
        }
    }
}

/// A product with 1 is the number itself: all of them, the subnormal ones too.
#[test]
fn every_16_bit_float_is_widened_exactly() {
    let finite: Vec<u16> = (0..=u16::MAX).filter(|bits| bits >> 10 & 31 != 31).collect();
    let places: Vec<u32> = (0..finite.len() as u32).collect();
    for scan in scans() {
        let mut out = vec![f32::NAN; finite.len()];
        scan.dot_f16(&[1.0], &finite, &places, &mut out);
        assert!(finite.iter().zip(&out).all(|(&bits, &got)| got == widen(bits)), "alone, {}", scan.isa);
        // A whole vector of each, whatever the lanes.
        let rows: Vec<u16> = finite.iter().flat_map(|&bits| [bits; 16]).collect();
        scan.dot_f16(&[0.0625; 16], &rows, &places, &mut out);
        assert!(finite.iter().zip(&out).all(|(&bits, &got)| got == widen(bits)), "vectors, {}", scan.isa);
    }
}

#[test]
fn integers_are_summed_exactly() {
    for width in WIDTHS {
        let bytes: Vec<i8> = random(3, ROWS * width).iter().map(|&r| r as i8).collect();
        let most = max_half(width);
        for extreme in [false, true] {
            let query: Vec<i16> = random(4, width)
                .iter()
                .map(|&r| if extreme { most } else { (r as i16).clamp(-most, most) })
                .collect();
            // The largest sums that there are, with the first row and the second.
            let mut rows = bytes.clone();
            rows[..width].fill(-128);
            rows[width..2 * width].fill(127);
            for scan in scans() {
                let expected = |place: usize, got: i32| {
                    let row = &rows[place * width..][..width];
                    i64::from(got)
                        == query.iter().zip(row).map(|(&q, &r)| i64::from(q) * i64::from(r)).sum::<i64>()
                };
                compare(
                    |p, out| scan.dot_int8(&query, &rows, p, out),
                    expected,
                    &format!("{} of {width}", scan.isa),
                );
            }
        }
    }
}

#[test]
fn a_wide_query_leaves_room_for_its_sums() {
    assert_eq!((max_half(0), max_half(384), max_half(512)), (i16::MAX, i16::MAX, i16::MAX));
    for width in [513usize, 1024, 4096, 1 << 20] {
        let most = max_half(width) as usize;
        assert!(width * 128 * most <= i32::MAX as usize && width * 128 * (most + 1) > i32::MAX as usize);
    }
}

#[test]
fn planes_of_bits_add_up_to_integers_in_twos_complement() {
    for words in [1usize, 2, 3, 6, 7] {
        let rows = random(5, ROWS * words);
        for depth in [1usize, 2, 5] {
            // Integers of `depth` bits, and their planes.
            let half = 1i32 << (depth - 1);
            let query: Vec<i32> =
                random(6, words * 64).iter().map(|r| (r % (2 * half as u64)) as i32 - half).collect();
            let mut planes = vec![0u64; depth * words];
            for (i, integer) in query.iter().enumerate() {
                for j in 0..depth {
                    planes[j * words + i / 64] |= u64::from(integer >> j & 1 == 1) << (i % 64);
                }
            }
            for scan in scans() {
                let expected = |place: usize, got: i32| {
                    let row = &rows[place * words..][..words];
                    let set = |i: &usize| row[i / 64] >> (i % 64) & 1 == 1;
                    got == (0..words * 64).filter(set).map(|i| query[i]).sum::<i32>()
                };
                compare(
                    |p, out| scan.dot_bits(&planes, words, &rows, p, out),
                    expected,
                    &format!("{} words, {depth} planes, {}", words, scan.isa),
                );
            }
        }
    }
}

#[test]
#[should_panic(expected = "place 3 of 2 rows")]
fn what_lies_behind_the_rows_is_not_read() {
    Scan::new().dot(&[1.0; 4], &[1.0; 8], &[0, 2], &mut [0.0; 2]);
}
