use heatseek_ops::{Activation, ExecutorError, Gemm, Operands, PackedOperand, Residual, Tensor};
use rten_gemm::{BiasVector, GemmExecutor, GemmInputA, GemmInputB, GemmOptions, PackedBMatrix};
use rten_tensor::NdTensorView;

use crate::{math, parallel};

/// The matrix product of this machine.
pub(crate) type Executor = GemmExecutor<f32, f32, f32>;

/// A weight in the layout `rten-gemm`'s kernel reads fastest.
pub struct PackedWeight(PackedBMatrix<f32>);

/// Packs `weight [n, k]`.
pub(crate) fn pack(executor: &Executor, op: &Gemm, weight: &Tensor) -> PackedWeight {
    let values = weight.values();
    let view = NdTensorView::from_data([op.n, op.k], &values[..]);
    PackedWeight(executor.prepack_b(view.transposed()))
}

/// See [`Gemm`].
pub(crate) fn gemm(
    executor: &Executor,
    op: &Gemm,
    rows: usize,
    packed: &[PackedOperand<PackedWeight>],
    operands: &mut Operands<'_>,
) -> Result<(), ExecutorError> {
    let (y, stats) = (operands.output("y"), operands.output("stats"));
    if rows == 0 {
        return Ok(());
    }
    let x = operands.input("x");
    let bias = operands.input("bias");
    let weight = packed.iter().find(|(name, _)| *name == "weight").map(|(_, w)| w);
    let weight = weight.ok_or_else(|| internal("the weight was not packed".into()))?;
    // With a folded LayerNorm the bias comes after the scaling, so the epilogue adds it.
    let bias_in_product = op.norm_in.is_none().then_some(BiasVector::Row(bias));
    let product = executor.gemm(
        y,
        GemmInputA::Unpacked(NdTensorView::from_data([rows, op.k], x)),
        GemmInputB::Packed(&weight.0),
        GemmOptions { bias: bias_in_product, ..Default::default() },
    );
    product.map_err(|e| internal(format!("gemm [{rows}, {}] x [{}, {}]: {e:?}", op.k, op.k, op.n)))?;
    if let Some(eps) = op.norm_in {
        parallel::for_each_row(stats, 2, |r, out| {
            let (mean, rstd) = math::mean_and_rstd(&x[r * op.k..][..op.k], eps);
            out.copy_from_slice(&[mean, rstd]);
        });
        let (stats, colsum) = (&*stats, operands.input("colsum"));
        parallel::for_each_row(y, op.n, |r, row| {
            let (mean, rstd) = (stats[2 * r], stats[2 * r + 1]);
            for ((v, c), b) in row.iter_mut().zip(colsum).zip(bias) {
                *v = rstd * (*v - mean * c) + b;
            }
        });
    }
    activate(op.activation, op.n, y);
    add_residual(op, operands, y);
    Ok(())
}

fn activate(activation: Activation, n: usize, y: &mut [f32]) {
    let map = |y: &mut [f32], f: fn(f32) -> f32| {
        parallel::for_each_row(y, n, |_, row| row.iter_mut().for_each(|v| *v = f(*v)));
    };
    match activation {
        Activation::Identity => {}
        // Written out, not passed as a function: a call per element would not vectorise.
        Activation::GeluErf => parallel::for_each_row(y, n, |_, row| {
            for v in row {
                *v = 0.5 * *v * (1.0 + math::erf(*v * std::f32::consts::FRAC_1_SQRT_2));
            }
        }),
        Activation::GeluTanh => parallel::for_each_row(y, n, |_, row| {
            // √(2/π), and 0.044715 as in the reference.
            for v in row {
                *v = 0.5 * *v * (1.0 + math::tanh(0.797_884_6 * (*v + 0.044_715 * *v * *v * *v)));
            }
        }),
        Activation::Relu => map(y, |v| v.max(0.0)),
        Activation::Silu => map(y, |v| v / (1.0 + math::exp(-v))),
        Activation::Tanh => map(y, math::tanh),
        Activation::QuickGelu => map(y, |v| v / (1.0 + math::exp(-1.702 * v))),
    }
}

fn add_residual(op: &Gemm, operands: &Operands<'_>, y: &mut [f32]) {
    let residual = operands.input("residual");
    match op.residual {
        Residual::None => {}
        Residual::Add => parallel::for_each_row(y, op.n, |r, row| {
            for (v, z) in row.iter_mut().zip(&residual[r * op.n..]) {
                *v += z;
            }
        }),
        Residual::AddNormalized => {
            let stats = operands.input("residual_stats");
            let (gamma, beta) = operands.input("residual_affine").split_at(op.n);
            parallel::for_each_row(y, op.n, |r, row| {
                let (mean, rstd) = (stats[2 * r], stats[2 * r + 1]);
                let affine = gamma.iter().zip(beta);
                for ((v, z), (g, b)) in row.iter_mut().zip(&residual[r * op.n..]).zip(affine) {
                    *v += (z - mean) * rstd * g + b;
                }
            });
        }
    }
}

/// A failure of ours.
pub(crate) fn internal(what: String) -> ExecutorError {
    ExecutorError::Internal { device: "the CPU".into(), what }
}
