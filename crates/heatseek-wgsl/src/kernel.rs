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
    /// Names of the bindings that are stored as f16, whose buffers take two bytes an element.
    pub halves: &'static [&'static str],
}

impl Kernel {
    /// Whether exactly `halves` are its bindings that are stored as f16.
    pub(crate) fn stores(&self, halves: &[&str]) -> bool {
        self.halves.len() == halves.len() && self.halves.iter().all(|name| halves.contains(name))
    }
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
