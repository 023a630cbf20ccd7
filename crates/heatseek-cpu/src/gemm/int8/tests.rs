//! What the case tables cannot reach: encodings of other engines, and faults that they have to find.

use heatseek_ops::int8::{QuantizedWeight, RowBits, quantize_row};
use heatseek_ops::{Gemm, Operand, Operands, Residual, reference};
use heatseek_testkit::{Tolerance, compare, values};

use super::{PackedInt8, Quantize, Rows, gemm};
use crate::Int8Isa;
use crate::gemm::Output;
use crate::simd::bytes::Encoding;

const ROWS: usize = 21;
const K: usize = 70;
const N: usize = 50;

/// One GEMM with everything in it, by whatever computes it.
struct Problem {
    op: Gemm,
    x: Vec<f32>,
    weight: QuantizedWeight,
    columns: Vec<f32>,
    residual: Vec<f32>,
}

impl Problem {
    fn new() -> Self {
        Self {
            op: Gemm { norm_in: Some(1e-5), residual: Residual::Add, ..Gemm::linear(K, N) },
            x: values(1, ROWS * K, 1.0).into_iter().map(|v| v + 0.7).collect(),
            weight: QuantizedWeight::new(&values(2, N * K, 0.3), K),
            columns: values(3, N, 1.0),
            residual: values(4, ROWS * N, 1.0),
        }
    }

    fn solve(&self, solver: impl FnOnce(&mut Operands<'_>)) -> Vec<f32> {
        let (mut y, mut stats) = (vec![f32::NAN; ROWS * N], vec![f32::NAN; ROWS * 2]);
        let columns = Operand::F32(&self.columns);
        let inputs = [
            ("x", Operand::F32(&self.x)),
            ("bias", columns),
            ("colsum", columns),
            ("residual", Operand::F32(&self.residual)),
        ];
        solver(&mut Operands::new(inputs, [("y", &mut y[..]), ("stats", &mut stats[..])]));
        y
    }

    fn expected(&self, bits: RowBits) -> Vec<f32> {
        self.solve(|operands| reference::gemm_int8(&self.op, ROWS, &self.weight, bits, operands))
    }

    fn found(&self, isa: Int8Isa, weight: &PackedInt8) -> Vec<f32> {
        self.solve(|operands| gemm(isa, &self.op, ROWS, weight, operands).unwrap())
    }
}

/// Encodings whose integers the instruction multiplies exactly.
fn encodings(isa: Int8Isa) -> Vec<Encoding> {
    match isa.encoding() {
        Encoding::Halves => vec![Encoding::Halves],
        own => vec![own, Encoding::SevenBits],
    }
}

#[test]
fn every_encoding_equals_the_reference() {
    let problem = Problem::new();
    for isa in Int8Isa::available() {
        for encoding in encodings(isa) {
            let weight = PackedInt8::encoded(isa, encoding, N, K, &problem.weight);
            let expected = problem.expected(encoding.bits());
            compare(&problem.found(isa, &weight), &expected, &[ROWS, N], Tolerance::OP_INT8)
                .map_err(|error| format!("{isa} {encoding:?}: {error}"))
                .unwrap();
        }
    }
    let [eight, seven] = [RowBits::Eight, RowBits::Seven].map(|bits| problem.expected(bits));
    assert!(compare(&seven, &eight, &[ROWS, N], Tolerance::OP_INT8).is_err(), "7 bits are not 8");
}

#[test]
fn a_zero_that_is_off_by_one_is_found() {
    let problem = Problem::new();
    let expected = problem.expected(RowBits::Eight);
    for isa in Int8Isa::available() {
        let mut weight = PackedInt8::new(isa, N, K, &problem.weight);
        weight.spoil_zero();
        let found = problem.found(isa, &weight);
        assert!(compare(&found, &expected, &[ROWS, N], Tolerance::OP_INT8).is_err(), "{isa}");
    }
}

#[test]
fn sums_that_are_not_the_rows_own_are_found() {
    let mut problem = Problem::new();
    let expected = problem.expected(RowBits::Eight);
    problem.weight.sums.rotate_left(1);
    for isa in Int8Isa::available() {
        let found = problem.found(isa, &PackedInt8::new(isa, N, K, &problem.weight));
        assert!(compare(&found, &expected, &[ROWS, N], Tolerance::OP_INT8).is_err(), "{isa}");
    }
}

/// The same integers and scales as the definition's, bit by bit, for all that is not whole vectors.
#[test]
fn rows_become_the_integers_of_the_definition() {
    for (seed, k) in [1, 3, 4, 15, 16, 17, 31, 64, 70, 384].into_iter().enumerate() {
        let x = values(seed as u64, k, 3.0);
        for (isa, encoding) in
            Int8Isa::available().flat_map(|isa| encodings(isa).into_iter().map(move |e| (isa, e)))
        {
            let stride = (k * encoding.size_bytes()).next_multiple_of(super::ROW_ALIGNMENT);
            let mut rows = Rows::new(1, stride);
            let Rows { integers, scales, moments, .. } = &mut rows;
            let stats = &Output::new(&mut []);
            let (x, norm_in, first) = (&x[..], None, 0);
            isa.run(Quantize { x, k, first, norm_in, encoding, stride, integers, scales, moments, stats });
            let mut expected = vec![0i8; k];
            assert_eq!(scales[0], quantize_row(x, encoding.bits(), &mut expected), "{isa} {encoding:?} {k}");
            for (i, &q) in expected.iter().enumerate() {
                let found = match encoding {
                    Encoding::Halves => i32::from(i16::from_le_bytes([integers[2 * i], integers[2 * i + 1]])),
                    Encoding::Signed => i32::from(integers[i] as i8),
                    Encoding::Unsigned | Encoding::SevenBits => i32::from(integers[i]) - encoding.zero(),
                };
                assert_eq!(found, i32::from(q), "{isa} {encoding:?} {k}: {i}");
            }
        }
    }
}
