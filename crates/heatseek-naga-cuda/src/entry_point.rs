//! The kernel itself.

use naga::{AddressSpace, Binding, BuiltIn, TypeInner};

use crate::TranslateError;
use crate::function::FunctionWriter;
use crate::subgroup::WARP;

/// Threads from which a kernel of matrices gets registers for two blocks a multiprocessor: 128 each. It waits at barriers
/// for what the block loads, and with one block there is nothing else to do; ptxas on its own takes some more than 128.
const BLOCK_OF_TWO: u32 = 256;

impl FunctionWriter<'_> {
    pub(crate) fn entry_point(mut self) -> Result<(), TranslateError> {
        let writer = self.writer;
        let mut parameters = Vec::new();
        for handle in writer.buffers(self.info) {
            parameters.extend(writer.global_parameters(handle)?);
        }
        let threads: u32 = self.entry.workgroup_size.iter().product();
        let name = kernel_name(&self.entry.name);
        let kernel = if threads >= BLOCK_OF_TWO && self.has_matrices() { "KERNEL_OF_TWO" } else { "KERNEL" };
        self.out.open(&format!("{kernel}({threads}) {name}({}) {{", parameters.join(", ")));
        self.private_variables()?;
        self.builtins()?;
        self.zero_shared(threads);
        self.body()?;
        self.out.close("}");
        Ok(())
    }

    fn has_matrices(&self) -> bool {
        let types = &self.writer.module.types;
        types.iter().any(|(_, ty)| matches!(ty.inner, TypeInner::CooperativeMatrix { .. }))
    }

    /// `var<private>`: a thread's own, so the kernel's, which passes them on.
    fn private_variables(&mut self) -> Result<(), TranslateError> {
        for handle in self.writer.passed(self.info) {
            let variable = &self.writer.module.global_variables[handle];
            if variable.space != AddressSpace::Private {
                continue;
            }
            let ty = self.writer.type_name(variable.ty)?;
            let value = match variable.init {
                Some(value) => self.writer.constant(value)?,
                None => format!("{ty}{{}}"),
            };
            let name = self.writer.global_name(handle);
            self.out.line(&format!("{ty} {name} = {value};"));
        }
        Ok(())
    }

    /// WGSL's shared memory begins as zeros; CUDA's as anything.
    fn zero_shared(&mut self, threads: u32) {
        let shared = self.writer.shared(self.info);
        if !self.writer.options.zero_workgroup_memory || shared.is_empty() {
            return;
        }
        let thread = self.thread_index();
        for handle in shared {
            let name = self.writer.global_name(handle);
            self.out.line(&format!("zero_shared<{threads}>({name}, {thread});"));
        }
        self.out.line("__syncthreads();");
    }

    /// What the kernel's arguments are in WGSL.
    fn builtins(&mut self) -> Result<(), TranslateError> {
        for (index, argument) in self.function.arguments.iter().enumerate() {
            let ty = self.writer.type_name(argument.ty)?;
            let value = match (&argument.binding, &self.writer.module.types[argument.ty].inner) {
                (Some(binding), _) => self.builtin(binding)?,
                (None, TypeInner::Struct { members, .. }) => {
                    let bindings = members.iter().filter_map(|member| member.binding.as_ref());
                    let values = bindings.map(|binding| self.builtin(binding));
                    self.writer.compose(argument.ty, values.collect::<Result<_, _>>()?)?
                }
                _ => return Err(self.writer.unsupported("this argument of a kernel", naga::Span::UNDEFINED)),
            };
            let name = self.argument_name(index);
            self.out.line(&format!("const {ty} {name} = {value};"));
        }
        Ok(())
    }

    fn builtin(&self, binding: &Binding) -> Result<String, TranslateError> {
        let [x, y, z] = self.entry.workgroup_size;
        let thread = self.thread_index();
        Ok(match binding {
            Binding::BuiltIn(BuiltIn::LocalInvocationId) => {
                "vec3<u32>{threadIdx.x, threadIdx.y, threadIdx.z}".to_owned()
            }
            Binding::BuiltIn(BuiltIn::LocalInvocationIndex) => thread,
            Binding::BuiltIn(BuiltIn::WorkGroupId) => {
                "vec3<u32>{blockIdx.x, blockIdx.y, blockIdx.z}".to_owned()
            }
            Binding::BuiltIn(BuiltIn::GlobalInvocationId) => format!(
                "vec3<u32>{{blockIdx.x * {x}u + threadIdx.x, blockIdx.y * {y}u + threadIdx.y, \
                 blockIdx.z * {z}u + threadIdx.z}}"
            ),
            Binding::BuiltIn(BuiltIn::NumWorkGroups) => {
                "vec3<u32>{gridDim.x, gridDim.y, gridDim.z}".to_owned()
            }
            Binding::BuiltIn(BuiltIn::SubgroupSize) => format!("{WARP}u"),
            Binding::BuiltIn(BuiltIn::SubgroupInvocationId) => format!("({thread} % {WARP}u)"),
            Binding::BuiltIn(BuiltIn::SubgroupId) => format!("({thread} / {WARP}u)"),
            Binding::BuiltIn(BuiltIn::NumSubgroups) => format!("{}u", (x * y * z).div_ceil(WARP)),
            other => {
                return Err(self.writer.unsupported(format!("{other:?}"), naga::Span::UNDEFINED));
            }
        })
    }
}

/// The kernel's name: not the entry point's, which may be a name of CUDA's, and WGSL takes `main`.
pub(crate) fn kernel_name(entry_point: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let name: String = entry_point.chars().map(plain).collect();
    format!("{name}_kernel")
}
