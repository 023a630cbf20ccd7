//! Which buffers a kernel reads ahead of products of matrices.
//!
//! Loads through the read-only cache (`const READ_ONLY`, see device.cuh) are free of all order, and ptxas uses that to have fewer
//! registers in use: it puts a load behind the products that were to hide how long it takes. An ordinary load stays in
//! front of the barriers of a warp that `load_matrices` has. So what a loop of products reads is not so.

use std::collections::HashSet;

use naga::valid::ModuleInfo;
use naga::{Block, EntryPoint, Expression, Function, GlobalVariable, Handle, Module, Statement};

/// The global variables that are read in a loop with products.
pub(crate) fn fetched_ahead(
    module: &Module,
    info: &ModuleInfo,
    entry: &EntryPoint,
) -> HashSet<Handle<GlobalVariable>> {
    let mut found = HashSet::new();
    visit(&entry.function.body, &mut |statement| {
        if let Statement::Loop { body, .. } = statement {
            let (mut read, mut multiplies) = (HashSet::new(), false);
            visit(body, &mut |statement| match statement {
                Statement::Emit(range) => {
                    for handle in range.clone() {
                        match entry.function.expressions[handle] {
                            Expression::CooperativeMultiplyAdd { .. } => multiplies = true,
                            Expression::Load { pointer } => read.extend(variable(&entry.function, pointer)),
                            _ => {}
                        }
                    }
                }
                Statement::Call { function, .. } => {
                    let used = |handle: &Handle<GlobalVariable>| !info[*function][*handle].is_empty();
                    read.extend(module.global_variables.iter().map(|(handle, _)| handle).filter(used));
                }
                _ => {}
            });
            if multiplies {
                found.extend(read);
            }
        }
    });
    found
}

/// Every statement of a block, and of those within.
fn visit(block: &Block, see: &mut dyn FnMut(&Statement)) {
    for statement in block {
        see(statement);
        match statement {
            Statement::Block(block) => visit(block, see),
            Statement::If { accept, reject, .. } => {
                visit(accept, see);
                visit(reject, see);
            }
            Statement::Switch { cases, .. } => cases.iter().for_each(|case| visit(&case.body, see)),
            Statement::Loop { body, continuing, .. } => {
                visit(body, see);
                visit(continuing, see);
            }
            _ => {}
        }
    }
}

/// The variable that a pointer is into, if it is a global one.
fn variable(function: &Function, mut pointer: Handle<Expression>) -> Option<Handle<GlobalVariable>> {
    loop {
        match function.expressions[pointer] {
            Expression::Access { base, .. } | Expression::AccessIndex { base, .. } => pointer = base,
            Expression::GlobalVariable(handle) => return Some(handle),
            _ => return None,
        }
    }
}
