//! One function: its signature, its variables, and which of its expressions get a variable of their own.

use std::collections::{HashMap, HashSet};

use naga::proc::TypeResolution;
use naga::valid::FunctionInfo;
use naga::{EntryPoint, Expression, Function, Handle, Type, TypeInner};

use crate::TranslateError;
use crate::lines::Lines;
use crate::names::{Kind, identifier};
use crate::writer::Writer;

pub(crate) struct FunctionWriter<'a> {
    pub(crate) writer: &'a Writer<'a>,
    pub(crate) function: &'a Function,
    pub(crate) info: &'a FunctionInfo,
    pub(crate) entry: &'a EntryPoint,
    pub(crate) out: &'a mut Lines,
    /// The variables of expressions that have been evaluated.
    baked: HashMap<Handle<Expression>, String>,
    /// Expressions whose variable was declared before the block that evaluates them.
    pub(crate) declared: HashSet<Handle<Expression>>,
    /// The label to which `continue` jumps, of each loop around the statement.
    pub(crate) loops: Vec<String>,
    pub(crate) labels: usize,
}

impl<'a> FunctionWriter<'a> {
    pub(crate) fn new(
        writer: &'a Writer<'a>,
        function: &'a Function,
        info: &'a FunctionInfo,
        entry: &'a EntryPoint,
        out: &'a mut Lines,
    ) -> Self {
        Self {
            writer,
            function,
            info,
            entry,
            out,
            baked: HashMap::new(),
            declared: HashSet::new(),
            loops: Vec::new(),
            labels: 0,
        }
    }

    /// A function that others call.
    pub(crate) fn helper(mut self, handle: Handle<Function>) -> Result<(), TranslateError> {
        let mut parameters = self.global_parameters()?;
        for (index, argument) in self.function.arguments.iter().enumerate() {
            let declaration = match self.writer.module.types[argument.ty].inner {
                TypeInner::Pointer { .. } | TypeInner::ValuePointer { .. } => {
                    format!("{}& ", self.pointee(argument.ty)?)
                }
                _ => format!("const {} ", self.writer.type_name(argument.ty)?),
            };
            parameters.push(declaration + &self.argument_name(index));
        }
        let result = match &self.function.result {
            Some(result) => self.writer.type_name(result.ty)?,
            None => "void".to_owned(),
        };
        let name = self.function_name(handle);
        self.out.open(&format!("DEVICE {result} {name}({}) {{", parameters.join(", ")));
        self.body()?;
        self.out.close("}");
        Ok(())
    }

    /// The variables and the statements. Variables without a value are zero, as in WGSL.
    pub(crate) fn body(&mut self) -> Result<(), TranslateError> {
        for (handle, variable) in self.function.local_variables.iter() {
            let span = self.function.local_variables.get_span(handle);
            let ty = self.writer.type_name(variable.ty).map_err(|error| self.writer.located(error, span))?;
            let value = match variable.init {
                Some(value) => self.value(value)?,
                None => format!("{ty}{{}}"),
            };
            let name = self.local_name(handle);
            self.out.line(&format!("{ty} {name} = {value};"));
        }
        self.block(&self.function.body)
    }

    pub(crate) fn function_name(&self, handle: Handle<Function>) -> String {
        let name = self.writer.module.functions[handle].name.as_deref();
        identifier(name, Kind::Function, handle.index())
    }

    pub(crate) fn argument_name(&self, index: usize) -> String {
        identifier(self.function.arguments[index].name.as_deref(), Kind::Argument, index)
    }

    pub(crate) fn local_name(&self, handle: Handle<naga::LocalVariable>) -> String {
        identifier(self.function.local_variables[handle].name.as_deref(), Kind::Local, handle.index())
    }

    /// The type of an expression.
    pub(crate) fn inner(&self, handle: Handle<Expression>) -> &'a TypeInner {
        self.info[handle].ty.inner_with(&self.writer.module.types)
    }

    /// The C++ type of an expression.
    pub(crate) fn type_of(&self, handle: Handle<Expression>) -> Result<String, TranslateError> {
        match &self.info[handle].ty {
            TypeResolution::Handle(ty) => {
                let span = self.function.expressions.get_span(handle);
                self.writer.type_name(*ty).map_err(|error| self.writer.located(error, span))
            }
            TypeResolution::Value(inner) => self
                .writer
                .inner_name(inner)
                .ok_or_else(|| self.unsupported(format!("the type {inner:?}"), handle)),
        }
    }

    /// The C++ type that a pointer points to.
    fn pointee(&self, pointer: Handle<Type>) -> Result<String, TranslateError> {
        let types = &self.writer.module.types;
        match types[pointer].inner {
            TypeInner::Pointer { base, .. } => self.writer.type_name(base),
            ref inner => inner
                .pointer_base_type()
                .and_then(|base| self.writer.inner_name(base.inner_with(types)))
                .ok_or_else(|| self.writer.unsupported("this pointer", types.get_span(pointer))),
        }
    }

    pub(crate) fn unsupported(
        &self,
        construct: impl Into<String>,
        expression: Handle<Expression>,
    ) -> TranslateError {
        self.writer.unsupported(construct, self.function.expressions.get_span(expression))
    }

    /// The variable of an expression that has one already.
    pub(crate) fn baked(&self, handle: Handle<Expression>) -> Option<&String> {
        self.baked.get(&handle)
    }

    /// Whether an expression that is evaluated here gets a variable: where a name in WGSL says so, where its moment
    /// matters, and where it would be written out, and computed, twice.
    pub(crate) fn gets_variable(&self, handle: Handle<Expression>) -> bool {
        let uses = self.info[handle].ref_count;
        if self.inner(handle).pointer_space().is_some() || uses == 0 {
            return false;
        }
        let named = self.function.named_expressions.contains_key(&handle);
        named
            || match self.function.expressions[handle] {
                Expression::Load { .. }
                | Expression::CooperativeLoad { .. }
                | Expression::CooperativeMultiplyAdd { .. } => true,
                Expression::AccessIndex { .. } => false,
                _ => uses > 1,
            }
    }

    /// Puts the value of an expression into its variable.
    pub(crate) fn bake(&mut self, handle: Handle<Expression>, value: &str) -> Result<(), TranslateError> {
        let name = self.variable_name(handle);
        if self.declared.contains(&handle) {
            self.out.line(&format!("{name} = {value};"));
        } else {
            let ty = self.type_of(handle)?;
            self.out.line(&format!("const {ty} {name} = {value};"));
        }
        self.baked.insert(handle, name);
        Ok(())
    }

    /// Declares the variable of an expression that a block further in evaluates.
    pub(crate) fn declare(&mut self, handle: Handle<Expression>) -> Result<(), TranslateError> {
        let (ty, name) = (self.type_of(handle)?, self.variable_name(handle));
        self.out.line(&format!("{ty} {name};"));
        self.declared.insert(handle);
        Ok(())
    }

    fn variable_name(&self, handle: Handle<Expression>) -> String {
        let name = self.function.named_expressions.get(&handle);
        identifier(name.map(String::as_str), Kind::Expression, handle.index())
    }
}
