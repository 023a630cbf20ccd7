use heatseek_ops::Dtype;

/// How a kernel uses a binding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Access {
    /// `var<storage, read>`.
    Read,
    /// `var<storage, read_write>`: an output.
    Write,
    /// `var<uniform>`.
    Uniform,
}

/// One binding of bind group 0; its place in [`Kernel::bindings`] is its binding number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct KernelBinding {
    /// The name in the shader, which is the name in [`Op::bindings`](heatseek_ops::Op::bindings).
    pub name: &'static str,
    /// How it is used.
    pub access: Access,
}

/// One shipped variant of a shader. Everything but the name is reflected from the validated module.
#[derive(Debug, PartialEq, Eq)]
pub struct Kernel {
    /// `op_dtype_variant`, unique.
    pub name: &'static str,
    /// WGSL, without comments and indentation.
    pub source: &'static str,
    /// The compute entry point.
    pub entry_point: &'static str,
    /// Bind group 0: the op's buffers in their order, then `params`.
    pub bindings: &'static [KernelBinding],
    /// Invocations of a (one-dimensional) workgroup.
    pub workgroup_size: u32,
    /// Workgroup memory in bytes.
    pub workgroup_bytes: u32,
    /// Pipeline constants without a default: all of them must be set.
    pub overrides: &'static [&'static str],
    /// The bindings whose floats are stored as something narrower than f32, and as what.
    pub narrow: &'static [(&'static str, Dtype)],
}

impl Kernel {
    /// What the floats of binding `name` are stored as.
    pub fn dtype(&self, name: &str) -> Dtype {
        dtype_of(self.narrow, name)
    }

    /// Whether exactly `narrow` are its bindings that are narrower than f32.
    pub(crate) fn stores(&self, narrow: &[(&'static str, Dtype)]) -> bool {
        self.narrow.len() == narrow.len() && self.narrow.iter().all(|binding| narrow.contains(binding))
    }
}

/// What binding `name` is stored as, if those in `narrow` are all that are not f32.
pub(crate) fn dtype_of(narrow: &[(&'static str, Dtype)], name: &str) -> Dtype {
    narrow.iter().find(|(narrow, _)| *narrow == name).map_or(Dtype::F32, |(_, dtype)| *dtype)
}

/// Every shipped kernel, by name.
pub fn kernels() -> &'static [Kernel] {
    KERNELS
}

/// The kernel of this name. The names come from this crate's own table, so a miss is a bug in it that
/// `tests/kernels.rs` would have found; callers turn it into an error all the same.
pub(crate) fn kernel(name: &str) -> Option<&'static Kernel> {
    KERNELS.iter().find(|kernel| kernel.name == name)
}

include!(concat!(env!("OUT_DIR"), "/kernels.rs"));
