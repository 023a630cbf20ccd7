//! Branches, switches and loops.

use naga::{Block, Expression, Handle, Span, Statement, SwitchCase, SwitchValue};

use crate::TranslateError;
use crate::function::FunctionWriter;

impl FunctionWriter<'_> {
    pub(crate) fn branch(
        &mut self,
        condition: Handle<Expression>,
        accept: &Block,
        reject: &Block,
    ) -> Result<(), TranslateError> {
        let condition = self.value(condition)?;
        self.out.open(&format!("if ({condition}) {{"));
        self.block(accept)?;
        if !reject.is_empty() {
            self.out.turn("} else {");
            self.block(reject)?;
        }
        self.out.close("}");
        Ok(())
    }

    /// `break` means the same in both languages; `continue`, of the loop around it, is a jump that passes through.
    pub(crate) fn switch(
        &mut self,
        selector: Handle<Expression>,
        cases: &[SwitchCase],
    ) -> Result<(), TranslateError> {
        let selector = self.value(selector)?;
        self.out.open(&format!("switch ({selector}) {{"));
        for case in cases {
            let label = match case.value {
                SwitchValue::I32(value) => format!("case {value}: {{"),
                SwitchValue::U32(value) => format!("case {value}u: {{"),
                SwitchValue::Default => "default: {".to_owned(),
            };
            self.out.open(&label);
            self.block(&case.body)?;
            if !case.fall_through && !ends(&case.body) {
                self.out.line("break;");
            }
            self.out.close("}");
        }
        self.out.close("}");
        Ok(())
    }

    /// A loop. C++ has no `continuing` block: it stands at the end, and `continue` jumps to it.
    pub(crate) fn repeat(
        &mut self,
        body: &Block,
        continuing: &Block,
        break_if: Option<Handle<Expression>>,
    ) -> Result<(), TranslateError> {
        let label = format!("continuing_{}", self.labels);
        self.labels += 1;
        let jumps = continues(body);
        self.out.open("for (;;) {");
        if jumps {
            // A jump may not pass declarations, so the body is a scope, and what of it the continuing block may use is
            // declared outside.
            for handle in results(body) {
                if self.gets_variable(handle) || !self.is_emitted(body, handle) {
                    self.declare(handle)?;
                }
            }
            self.out.open("{");
        }
        self.loops.push(label.clone());
        self.block(body)?;
        self.loops.pop();
        if jumps {
            self.out.close("}");
            self.out.line(&format!("{label}:;"));
        }
        self.block(continuing)?;
        if let Some(condition) = break_if {
            let condition = self.value(condition)?;
            self.out.line(&format!("if ({condition}) break;"));
        }
        self.out.close("}");
        Ok(())
    }

    pub(crate) fn go_on(&mut self, span: Span) -> Result<(), TranslateError> {
        let Some(label) = self.loops.last() else {
            return Err(self.writer.unsupported("a `continue` outside of loops", span));
        };
        let jump = format!("goto {label};");
        self.out.line(&jump);
        Ok(())
    }

    fn is_emitted(&self, block: &Block, handle: Handle<Expression>) -> bool {
        block.iter().any(|statement| match statement {
            Statement::Emit(range) => range.clone().any(|emitted| emitted == handle),
            _ => false,
        })
    }
}

/// Whether nothing runs after a block.
fn ends(block: &Block) -> bool {
    matches!(block.last(), Some(Statement::Break | Statement::Continue | Statement::Return { .. }))
}

/// Whether a loop's body continues that loop.
fn continues(block: &Block) -> bool {
    block.iter().any(|statement| match statement {
        Statement::Continue => true,
        Statement::Block(block) => continues(block),
        Statement::If { accept, reject, .. } => continues(accept) || continues(reject),
        Statement::Switch { cases, .. } => cases.iter().any(|case| continues(&case.body)),
        _ => false,
    })
}

/// The expressions that the statements of a block evaluate, not those further in.
fn results(block: &Block) -> Vec<Handle<Expression>> {
    let mut found = Vec::new();
    for statement in block.iter() {
        match *statement {
            Statement::Emit(ref range) => found.extend(range.clone()),
            Statement::Call { result, .. } | Statement::Atomic { result, .. } => found.extend(result),
            Statement::WorkGroupUniformLoad { result, .. }
            | Statement::SubgroupBallot { result, .. }
            | Statement::SubgroupGather { result, .. }
            | Statement::SubgroupCollectiveOperation { result, .. } => found.push(result),
            _ => {}
        }
    }
    found
}
