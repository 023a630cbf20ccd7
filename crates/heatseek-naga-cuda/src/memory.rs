//! Memory: the buffers, which arrive as pointers, the memory that a block shares, loads, stores and atomics.

use naga::valid::FunctionInfo;
use naga::{
    AddressSpace, ArraySize, AtomicFunction, Expression, GlobalVariable, Handle, Span, StorageAccess,
    TypeInner,
};

use crate::function::FunctionWriter;
use crate::names::{Kind, identifier};
use crate::writer::Writer;
use crate::{Argument, TranslateError};

/// How `__shared__` variables are aligned: for vector loads of any of them.
const SHARED_ALIGNMENT: u32 = 16;

impl Writer<'_> {
    /// The global variables that a function uses, itself or through others, which its caller passes to it.
    pub(crate) fn passed(&self, info: &FunctionInfo) -> Vec<Handle<GlobalVariable>> {
        let used = self.module.global_variables.iter().filter(|(handle, variable)| {
            !info[*handle].is_empty() && variable.space != AddressSpace::WorkGroup
        });
        used.map(|(handle, _)| handle).collect()
    }

    /// The variables that a block shares.
    pub(crate) fn shared(&self, info: &FunctionInfo) -> Vec<Handle<GlobalVariable>> {
        let used = self.module.global_variables.iter().filter(|(handle, variable)| {
            !info[*handle].is_empty() && variable.space == AddressSpace::WorkGroup
        });
        used.map(|(handle, _)| handle).collect()
    }

    /// Bytes of shared memory.
    pub(crate) fn shared_bytes(&self, info: &FunctionInfo) -> u32 {
        let sizes = self.shared(info).into_iter().map(|handle| {
            self.layouter[self.module.global_variables[handle].ty].size.next_multiple_of(SHARED_ALIGNMENT)
        });
        sizes.sum()
    }

    /// Declares what the block shares.
    pub(crate) fn write_shared(&mut self, info: &FunctionInfo) -> Result<(), TranslateError> {
        for handle in self.shared(info) {
            let ty = self.type_name(self.module.global_variables[handle].ty)?;
            let name = self.global_name(handle);
            self.out.line(&format!("__shared__ __align__({SHARED_ALIGNMENT}) {ty} {name};"));
        }
        Ok(())
    }

    /// The kernel's arguments, by binding.
    pub(crate) fn arguments(&self, info: &FunctionInfo) -> Result<Vec<Argument>, TranslateError> {
        let mut arguments = Vec::new();
        for handle in self.buffers(info) {
            let variable = &self.module.global_variables[handle];
            let span = self.module.global_variables.get_span(handle);
            let Some(place) = variable.binding.filter(|place| place.group == 0) else {
                return Err(self.unsupported("a variable outside of bind group 0", span));
            };
            let writable = matches!(variable.space,
                AddressSpace::Storage { access } if access.contains(StorageAccess::STORE));
            arguments.push(Argument::Buffer { binding: place.binding, writable });
            if self.measured.contains(&handle) {
                arguments.push(Argument::Length { binding: place.binding });
            }
        }
        Ok(arguments)
    }

    /// The buffers of a kernel, by binding.
    pub(crate) fn buffers(&self, info: &FunctionInfo) -> Vec<Handle<GlobalVariable>> {
        let mut buffers = self.passed(info);
        buffers.retain(|handle| self.module.global_variables[*handle].space != AddressSpace::Private);
        buffers
            .sort_by_key(|handle| self.module.global_variables[*handle].binding.map(|place| place.binding));
        buffers
    }

    pub(crate) fn global_name(&self, handle: Handle<GlobalVariable>) -> String {
        identifier(self.module.global_variables[handle].name.as_deref(), Kind::Global, handle.index())
    }

    /// A variable as a parameter, and its length after it. Read-only memory is `const READ_ONLY`, which is
    /// `__restrict__` and lets the compiler load it through the read-only cache, but for what is to be loaded where it is
    /// written.
    pub(crate) fn global_parameters(
        &self,
        handle: Handle<GlobalVariable>,
    ) -> Result<Vec<String>, TranslateError> {
        let variable = &self.module.global_variables[handle];
        let name = self.global_name(handle);
        let qualifier = match variable.space {
            AddressSpace::Private => {
                return Ok(vec![format!("{}& {name}", self.type_name(variable.ty)?)]);
            }
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "",
            AddressSpace::Storage { .. } | AddressSpace::Uniform => "const ",
            space => {
                let span = self.module.global_variables.get_span(handle);
                return Err(self.unsupported(format!("the address space {space:?}"), span));
            }
        };
        let ty = match self.module.types[variable.ty].inner {
            TypeInner::Array { base, size: ArraySize::Dynamic, stride } => self.element_name(base, stride)?,
            _ => self.type_name(variable.ty)?,
        };
        let restrict = match qualifier {
            _ if self.fetched_ahead.contains(&handle) => "",
            "" => "__restrict__ ",
            _ => "READ_ONLY ",
        };
        let mut parameters = vec![format!("{qualifier}{ty}* {restrict}{name}")];
        if self.measured.contains(&handle) {
            parameters.push(format!("const u32 {name}_bytes"));
        }
        Ok(parameters)
    }
}

impl FunctionWriter<'_> {
    /// The parameters that a function has for the global variables that it uses.
    pub(crate) fn global_parameters(&self) -> Result<Vec<String>, TranslateError> {
        let mut parameters = Vec::new();
        for handle in self.writer.passed(self.info) {
            parameters.extend(self.writer.global_parameters(handle)?);
        }
        Ok(parameters)
    }

    /// What a caller passes for them.
    pub(crate) fn global_arguments(&self, callee: &FunctionInfo) -> Vec<String> {
        let mut arguments = Vec::new();
        for handle in self.writer.passed(callee) {
            let name = self.writer.global_name(handle);
            let length = self.writer.measured.contains(&handle).then(|| format!("{name}_bytes"));
            arguments.push(name);
            arguments.extend(length);
        }
        arguments
    }

    /// A global variable as a place: a runtime-sized array is the pointer to its elements, which is indexed the same.
    pub(crate) fn global(&self, handle: Handle<GlobalVariable>) -> Result<String, TranslateError> {
        let variable = &self.writer.module.global_variables[handle];
        let name = self.writer.global_name(handle);
        let is_pointer = !matches!(variable.space, AddressSpace::WorkGroup | AddressSpace::Private);
        let is_runtime_sized = matches!(
            self.writer.module.types[variable.ty].inner,
            TypeInner::Array { size: ArraySize::Dynamic, .. }
        );
        Ok(if is_pointer && !is_runtime_sized { format!("(*{name})") } else { name })
    }

    pub(crate) fn array_length(&self, array: Handle<Expression>) -> Result<String, TranslateError> {
        let unsupported = || self.unsupported("arrayLength of a part of a buffer", array);
        let Expression::GlobalVariable(variable) = self.function.expressions[array] else {
            return Err(unsupported());
        };
        let module = self.writer.module;
        let TypeInner::Array { stride, .. } = module.types[module.global_variables[variable].ty].inner else {
            return Err(unsupported());
        };
        Ok(format!("({}_bytes / {stride}u)", self.writer.global_name(variable)))
    }

    pub(crate) fn load(&self, pointer: Handle<Expression>) -> Result<String, TranslateError> {
        if self.is_atomic(pointer) {
            return Ok(format!("atomic_load({})", self.value(pointer)?));
        }
        match self.moving_component(pointer) {
            Some((vector, index)) => {
                Ok(format!("component({}, {})", self.value(vector)?, self.value(index)?))
            }
            None => self.value(pointer),
        }
    }

    pub(crate) fn store(
        &mut self,
        pointer: Handle<Expression>,
        value: Handle<Expression>,
    ) -> Result<(), TranslateError> {
        let stored = self.value(value)?;
        let line = if self.is_atomic(pointer) {
            format!("atomic_store({}, {stored});", self.value(pointer)?)
        } else if let Some((vector, index)) = self.moving_component(pointer) {
            format!("set_component({}, {}, {stored});", self.value(vector)?, self.value(index)?)
        } else {
            format!("{} = {stored};", self.value(pointer)?)
        };
        self.out.line(&line);
        Ok(())
    }

    /// The vector and the index, of a component by index of a variable of one thread. It is then chosen, not
    /// addressed: what is addressed lives in memory instead of registers.
    fn moving_component(
        &self,
        pointer: Handle<Expression>,
    ) -> Option<(Handle<Expression>, Handle<Expression>)> {
        let Expression::Access { base, index } = self.function.expressions[pointer] else {
            return None;
        };
        let own = matches!(self.inner(base).pointer_space()?, AddressSpace::Function | AddressSpace::Private);
        let pointee = self.inner(base).pointer_base_type()?;
        let is_vector = matches!(pointee.inner_with(&self.writer.module.types), TypeInner::Vector { .. });
        (own && is_vector).then_some((base, index))
    }

    fn is_atomic(&self, pointer: Handle<Expression>) -> bool {
        self.inner(pointer).is_atomic_pointer(&self.writer.module.types)
    }

    pub(crate) fn atomic(
        &mut self,
        pointer: Handle<Expression>,
        function: AtomicFunction,
        value: Handle<Expression>,
        result: Option<Handle<Expression>>,
        span: Span,
    ) -> Result<(), TranslateError> {
        let (place, operand) = (format!("&{}", self.value(pointer)?), self.value(value)?);
        let call = match function {
            AtomicFunction::Add => format!("atomicAdd({place}, {operand})"),
            AtomicFunction::Subtract => format!("atomic_subtract({place}, {operand})"),
            AtomicFunction::And => format!("atomicAnd({place}, {operand})"),
            AtomicFunction::ExclusiveOr => format!("atomicXor({place}, {operand})"),
            AtomicFunction::InclusiveOr => format!("atomicOr({place}, {operand})"),
            AtomicFunction::Min => format!("atomicMin({place}, {operand})"),
            AtomicFunction::Max => format!("atomicMax({place}, {operand})"),
            AtomicFunction::Exchange { compare: None } => format!("atomicExch({place}, {operand})"),
            AtomicFunction::Exchange { compare: Some(compare) } => {
                return self.compare_exchange(&place, compare, &operand, result, span);
            }
        };
        match result {
            Some(result) => self.bake(result, &call),
            None => {
                self.out.line(&format!("{call};"));
                Ok(())
            }
        }
    }

    /// `atomicCompareExchangeWeak`: CUDA's never fails where the values are the same.
    fn compare_exchange(
        &mut self,
        place: &str,
        compare: Handle<Expression>,
        value: &str,
        result: Option<Handle<Expression>>,
        span: Span,
    ) -> Result<(), TranslateError> {
        let Some(result) = result else {
            return Err(self.writer.unsupported("a compare-exchange without a result", span));
        };
        let (compare, made) = (self.value(compare)?, format!("make_{}", self.type_of(result)?));
        let old = format!("old_{}", result.index());
        let scalar = self.type_of_compared(result);
        self.out.line(&format!("const {scalar} {old} = atomicCAS({place}, {compare}, {value});"));
        self.bake(result, &format!("{made}({old}, {old} == {compare})"))
    }

    /// The type of the value in a compare-exchange's result.
    fn type_of_compared(&self, result: Handle<Expression>) -> &'static str {
        let TypeInner::Struct { members, .. } = self.inner(result) else { return "u32" };
        match self.writer.module.types[members[0].ty].inner {
            TypeInner::Scalar(scalar) => crate::types::scalar_name(scalar).unwrap_or("u32"),
            _ => "u32",
        }
    }
}
