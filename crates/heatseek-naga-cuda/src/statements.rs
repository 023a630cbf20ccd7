//! Statements, but for those that say what runs next.

use naga::{Barrier, Block, Expression, Handle, Range, Span, Statement};

use crate::TranslateError;
use crate::error::construct;
use crate::function::FunctionWriter;

impl FunctionWriter<'_> {
    pub(crate) fn block(&mut self, block: &Block) -> Result<(), TranslateError> {
        block.span_iter().try_for_each(|(statement, span)| self.statement(statement, *span))
    }

    fn statement(&mut self, statement: &Statement, span: Span) -> Result<(), TranslateError> {
        match *statement {
            Statement::Emit(ref range) => self.emit(range)?,
            Statement::Block(ref block) => {
                self.out.open("{");
                self.block(block)?;
                self.out.close("}");
            }
            Statement::If { condition, ref accept, ref reject } => self.branch(condition, accept, reject)?,
            Statement::Switch { selector, ref cases } => self.switch(selector, cases)?,
            Statement::Loop { ref body, ref continuing, break_if } => {
                self.repeat(body, continuing, break_if)?;
            }
            Statement::Break => self.out.line("break;"),
            Statement::Continue => self.go_on(span)?,
            Statement::Return { value } => {
                let value = value.map(|value| self.value(value)).transpose()?;
                self.out.line(&value.map_or("return;".to_owned(), |value| format!("return {value};")));
            }
            Statement::ControlBarrier(barrier) => self.barrier(barrier, span)?,
            Statement::MemoryBarrier(_) => self.out.line("__threadfence_block();"),
            Statement::Store { pointer, value } => self.store(pointer, value)?,
            Statement::Atomic { pointer, fun, value, result } => {
                self.atomic(pointer, fun, value, result, span)?;
            }
            Statement::WorkGroupUniformLoad { pointer, result } => {
                // The first barrier lets all writes be done, the second all reads, before others write again.
                self.out.line("__syncthreads();");
                let value = self.load(pointer)?;
                self.bake(result, &value)?;
                self.out.line("__syncthreads();");
            }
            Statement::Call { function, ref arguments, result } => {
                self.call(function, arguments, result)?;
            }
            Statement::SubgroupBallot { result, predicate } => self.ballot(result, predicate)?,
            Statement::SubgroupGather { mode, argument, result } => self.gather(mode, argument, result)?,
            Statement::SubgroupCollectiveOperation { op, collective_op, argument, result } => {
                self.collective(op, collective_op, argument, result)?;
            }
            Statement::CooperativeStore { target, ref data } => self.matrix_store(target, data)?,
            _ => return Err(self.writer.unsupported(construct(statement), span)),
        }
        Ok(())
    }

    /// Evaluates expressions: those that get a variable now, the others where they are used.
    fn emit(&mut self, range: &Range<Expression>) -> Result<(), TranslateError> {
        for handle in range.clone() {
            if self.gets_variable(handle) {
                let value = self.written_out(handle)?;
                self.bake(handle, &value)?;
            }
        }
        Ok(())
    }

    fn barrier(&mut self, barrier: Barrier, span: Span) -> Result<(), TranslateError> {
        if barrier.contains(Barrier::TEXTURE) {
            return Err(self.writer.unsupported("a barrier for textures", span));
        }
        // A barrier of the block orders its writes to global memory too, so it is WGSL's `storageBarrier` as well.
        let of_warp = barrier == Barrier::SUB_GROUP;
        self.out.line(if of_warp { "__syncwarp();" } else { "__syncthreads();" });
        Ok(())
    }

    fn call(
        &mut self,
        function: Handle<naga::Function>,
        arguments: &[Handle<Expression>],
        result: Option<Handle<Expression>>,
    ) -> Result<(), TranslateError> {
        let mut passed = self.global_arguments(&self.writer.info[function]);
        for &argument in arguments {
            passed.push(self.value(argument)?);
        }
        let call = format!("{}({})", self.function_name(function), passed.join(", "));
        match result {
            Some(result) => self.bake(result, &call),
            None => {
                self.out.line(&format!("{call};"));
                Ok(())
            }
        }
    }
}
