//! The ops: one file each, with its bindings, its cost and (feature `cases`) its case table.

mod attention;
mod attention_map;
mod attention_pool;
mod copy;
mod embed;
mod gemm;
mod l2_normalize;
mod layer_norm;
mod pool;
mod rollout;

pub use attention::Attention;
pub use attention_map::{AttentionMap, HeadFusion};
pub use attention_pool::AttentionPool;
pub use copy::CopyRows;
pub use embed::Embed;
pub use gemm::{Activation, Gemm, Residual};
pub use l2_normalize::L2Normalize;
pub use layer_norm::LayerNorm;
pub use pool::{Pool, Pooling};
pub use rollout::Rollout;

use crate::{Batch, Binding};

/// The op registry: one line an op, and the only place besides the four files of an op that names it.
macro_rules! registry {
    ($($name:ident => $stem:ident),* $(,)?) => {
        /// Any op.
        #[derive(Clone, Debug, PartialEq)]
        #[non_exhaustive]
        pub enum Op {
            $(#[doc = concat!("See [`", stringify!($name), "`].")] $name($name),)*
        }

        $(impl From<$name> for Op {
            fn from(op: $name) -> Self { Op::$name(op) }
        })*

        impl Op {
            /// The stem of the op's files, e.g. `layer_norm`.
            pub fn name(&self) -> &'static str {
                match self { $(Op::$name(_) => stringify!($stem),)* }
            }

            /// The buffers it binds, inputs first.
            pub fn bindings(&self) -> Vec<Binding> {
                match self { $(Op::$name(op) => op.bindings(),)* }
            }

            /// Floating-point operations for `rows` rows of `batch` (a multiply-add counts two).
            pub fn flops(&self, rows: usize, batch: &Batch) -> u64 {
                match self { $(Op::$name(op) => op.flops(rows, batch),)* }
            }
        }

        /// Runs one op on the scalar reference.
        pub(crate) fn run_reference(op: &Op, rows: usize, operands: &mut crate::Operands<'_>) {
            match op { $(Op::$name(op) => crate::reference::$stem(op, rows, operands),)* }
        }

        /// The case tables of all ops, in registry order.
        #[cfg(feature = "cases")]
        pub(crate) fn all_cases() -> Vec<crate::cases::Case> {
            let mut all = Vec::new();
            $(all.extend($stem::cases());)*
            all
        }
    };
}

registry! {
    Embed => embed,
    Gemm => gemm,
    LayerNorm => layer_norm,
    Attention => attention,
    AttentionMap => attention_map,
    CopyRows => copy,
    Pool => pool,
    AttentionPool => attention_pool,
    L2Normalize => l2_normalize,
    Rollout => rollout,
}
