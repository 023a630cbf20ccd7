//! What belongs to the module: its types, the memory that blocks share, its functions in their order.

use std::collections::HashSet;

use naga::proc::Layouter;
use naga::valid::{FunctionInfo, ModuleInfo};
use naga::{EntryPoint, Expression, GlobalVariable, Handle, Module, Span};

use crate::error;
use crate::fetch_ahead::fetched_ahead;
use crate::function::FunctionWriter;
use crate::lines::Lines;
use crate::{Options, TranslateError};

pub(crate) struct Writer<'a> {
    pub(crate) module: &'a Module,
    pub(crate) info: &'a ModuleInfo,
    pub(crate) layouter: Layouter,
    pub(crate) options: &'a Options,
    /// Buffers whose length is asked for somewhere.
    pub(crate) measured: HashSet<Handle<GlobalVariable>>,
    /// Buffers that are read ahead of products of matrices.
    pub(crate) fetched_ahead: HashSet<Handle<GlobalVariable>>,
    pub(crate) out: Lines,
    wgsl: &'a str,
}

impl<'a> Writer<'a> {
    pub(crate) fn new(
        module: &'a Module,
        info: &'a ModuleInfo,
        options: &'a Options,
        wgsl: &'a str,
    ) -> Result<Self, TranslateError> {
        let mut layouter = Layouter::default();
        layouter.update(module.to_ctx()).map_err(|error| TranslateError::Invalid(error.to_string()))?;
        let measured = measured(module);
        let fetched_ahead = HashSet::new();
        Ok(Self { module, info, layouter, options, measured, fetched_ahead, out: Lines::default(), wgsl })
    }

    /// The whole module. Functions come after those that they call, as naga sorts them.
    pub(crate) fn write(
        mut self,
        entry: &'a EntryPoint,
        info: &'a FunctionInfo,
    ) -> Result<String, TranslateError> {
        self.fetched_ahead = fetched_ahead(self.module, self.info, entry);
        self.write_structs()?;
        self.write_shared(info)?;
        for (handle, function) in self.module.functions.iter() {
            let mut out = std::mem::take(&mut self.out);
            FunctionWriter::new(&self, function, &self.info[handle], entry, &mut out).helper(handle)?;
            self.out = out;
        }
        let mut out = std::mem::take(&mut self.out);
        FunctionWriter::new(&self, &entry.function, info, entry, &mut out).entry_point()?;
        Ok(out.into_text())
    }

    /// An error that knows no place, at this one: a type has none where WGSL only implies it.
    pub(crate) fn located(&self, error: TranslateError, span: Span) -> TranslateError {
        match error {
            TranslateError::Unsupported { construct, line: 0 } => self.unsupported(construct, span),
            other => other,
        }
    }

    pub(crate) fn unsupported(&self, construct: impl Into<String>, span: Span) -> TranslateError {
        error::unsupported(construct.into(), span, self.wgsl)
    }
}

/// The global variables that are an argument of `arrayLength`.
fn measured(module: &Module) -> HashSet<Handle<GlobalVariable>> {
    let entry_points = module.entry_points.iter().map(|entry| &entry.function);
    let functions = module.functions.iter().map(|(_, function)| function).chain(entry_points);
    let mut found = HashSet::new();
    for function in functions {
        for (_, expression) in function.expressions.iter() {
            if let Expression::ArrayLength(array) = expression
                && let Expression::GlobalVariable(variable) = function.expressions[*array]
            {
                found.insert(variable);
            }
        }
    }
    found
}
