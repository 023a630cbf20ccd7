use heatseek_ops::{Activation, Buffer, BufferId, Direction, Dtype, Op, Program, Residual, Step};

use crate::select::select;
use crate::target::{RowClass, Target};

/// What each buffer of a Program is stored as.
///
/// With [`Dtype::F16`] that is f16 for the weights of GEMMs and for every activation whose writers and readers all
/// have kernels for it, which are the widest ones: `qkv`, the output of attention and the hidden layer of the
/// feed-forward network. What sums over layers, what comes with a batch and what is read back stays f32.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    halves: Vec<bool>,
    dtype: Dtype,
}

impl Storage {
    /// How `program` is stored for `target`.
    pub fn new(program: &Program, target: &Target) -> Self {
        let buffers = program.buffers().iter();
        let mut storage = Self {
            halves: buffers
                .map(|(_, buffer)| matches!(buffer, Buffer::Activation { .. } | Buffer::Weight(_)))
                .collect(),
            dtype: target.dtype,
        };
        // No shader reads i8, and executors refuse plans of it.
        if matches!(target.dtype, Dtype::F32 | Dtype::Int8) {
            storage.halves.fill(false);
            return storage;
        }
        for (_, output) in program.outputs() {
            output.iter().for_each(|id| storage.halves[id.0] = false);
        }
        // First what no kernel stores as f16 in this place, then what none does in this company: of that, constants
        // before activations.
        for step in program.steps() {
            for (binding, id) in step.op.bindings().iter().zip(&step.buffers) {
                storage.halves[id.0] &= may_be_half(&step.op, binding.name, binding.direction);
            }
        }
        while let Some(step) = program.steps().iter().find(|step| !storage.runs(step, target)) {
            let halves = step.buffers.iter().copied().filter(|id| storage.halves[id.0]);
            let constant = |id: &BufferId| matches!(program.buffers()[id.0].1, Buffer::Weight(_));
            let (constants, activations): (Vec<BufferId>, Vec<BufferId>) = halves.partition(constant);
            for id in if constants.is_empty() { activations } else { constants } {
                storage.halves[id.0] = false;
            }
        }
        storage
    }

    /// What activation `id` is stored as. A weight may be bound in several ways: see [`Storage::halves`].
    pub fn dtype(&self, id: BufferId) -> Dtype {
        if self.halves[id.0] { Dtype::F16 } else { Dtype::F32 }
    }

    /// The bindings of `step` that are stored as f16, for [`select`], and for [`pack`](crate::pack) of those that are
    /// weights.
    pub fn halves(&self, step: &Step) -> Vec<&'static str> {
        let bindings = step.op.bindings();
        let is_half = |name: &str, id: &BufferId| {
            self.halves[id.0]
                || (self.dtype == Dtype::F16 && name == "weight" && matches!(step.op, Op::Gemm(_)))
        };
        let halves = bindings.iter().zip(&step.buffers).filter(|(binding, id)| is_half(binding.name, id));
        halves.map(|(binding, _)| binding.name).collect()
    }

    fn runs(&self, step: &Step, target: &Target) -> bool {
        let halves = self.halves(step);
        let activations = halves.iter().any(|name| *name != "weight");
        !activations || select(&step.op, RowClass::Large, target, &halves).is_ok()
    }
}

fn may_be_half(op: &Op, binding: &str, direction: Direction) -> bool {
    match op {
        Op::Gemm(gemm) => match binding {
            "x" => gemm.norm_in.is_none() && gemm.activation == Activation::Identity,
            "y" => gemm.residual == Residual::None,
            _ => false,
        },
        Op::Attention(_) => ["qkv", "y"].contains(&binding),
        Op::AttentionMap(_) => binding == "qkv",
        // Of any width, but what is f16 takes whole vectors of four, as buffers take whole words.
        Op::CopyRows(copy) => {
            copy.behind == 0 && copy.width.is_multiple_of(4) && direction == Direction::Input
        }
        _ => false,
    }
}
