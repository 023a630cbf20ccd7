use heatseek_ops::{Activation, Buffer, BufferId, Direction, Dtype, Op, Program, Residual, Step};

use crate::kernel::dtype_of;
use crate::select::select;
use crate::target::{RowClass, Target};

/// What each buffer of a Program is stored as.
///
/// With [`Dtype::F16`] that is f16 for the weights of GEMMs and for every activation whose writers and readers all
/// have kernels for it, which are the widest ones: `qkv`, the output of attention and the hidden layer of the
/// feed-forward network. What sums over layers, what comes with a batch and what is read back stays f32. With
/// [`Dtype::Int8`] it is int8 for the weights of GEMMs, and f32 for everything else.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Storage {
    activations: Vec<Dtype>,
    dtype: Dtype,
}

impl Storage {
    /// How `program` is stored for `target`.
    pub fn new(program: &Program, target: &Target) -> Self {
        let mut storage =
            Self { activations: vec![Dtype::F32; program.buffers().len()], dtype: target.dtype };
        if target.dtype != Dtype::F16 {
            return storage;
        }
        for ((_, buffer), stored) in program.buffers().iter().zip(&mut storage.activations) {
            if matches!(buffer, Buffer::Activation { .. } | Buffer::Weight(_)) {
                *stored = Dtype::F16;
            }
        }
        for (_, output) in program.outputs() {
            output.iter().for_each(|id| storage.widen(*id));
        }
        // First what no kernel stores as f16 in this place, then what none does in this company: of that, constants
        // before activations.
        for step in program.steps() {
            for (binding, id) in step.op.bindings().iter().zip(&step.buffers) {
                if !may_be_half(&step.op, binding.name, binding.direction) {
                    storage.widen(*id);
                }
            }
        }
        while let Some(step) = program.steps().iter().find(|step| !storage.runs(step, target)) {
            let halves = step.buffers.iter().copied().filter(|id| storage.dtype(*id) == Dtype::F16);
            let constant = |id: &BufferId| matches!(program.buffers()[id.0].1, Buffer::Weight(_));
            let (constants, activations): (Vec<BufferId>, Vec<BufferId>) = halves.partition(constant);
            for id in if constants.is_empty() { activations } else { constants } {
                storage.widen(id);
            }
        }
        storage
    }

    /// What activation `id` is stored as. A weight may be bound in several ways: see [`Storage::of_binding`].
    pub fn dtype(&self, id: BufferId) -> Dtype {
        self.activations[id.0]
    }

    /// The bindings of `step` that are stored as something narrower than f32, and as what, for [`select`].
    pub fn narrow(&self, step: &Step) -> Vec<(&'static str, Dtype)> {
        let bindings = step.op.bindings();
        let stored = |name: &'static str, id: &BufferId| {
            let is_weight = name == "weight" && matches!(step.op, Op::Gemm(_));
            (name, if is_weight { self.dtype } else { self.dtype(*id) })
        };
        let all = bindings.iter().zip(&step.buffers).map(|(binding, id)| stored(binding.name, id));
        all.filter(|(_, dtype)| *dtype != Dtype::F32).collect()
    }

    /// What binding `name` of `step` is stored as, for [`pack`](crate::pack) if it is a weight.
    pub fn of_binding(&self, step: &Step, name: &str) -> Dtype {
        dtype_of(&self.narrow(step), name)
    }

    fn widen(&mut self, id: BufferId) {
        self.activations[id.0] = Dtype::F32;
    }

    fn runs(&self, step: &Step, target: &Target) -> bool {
        let narrow = self.narrow(step);
        let activations = narrow.iter().any(|(name, _)| *name != "weight");
        !activations || select(&step.op, RowClass::Large, target, &narrow).is_ok()
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
