//! Binary operators. Where C++ leaves open what WGSL defines, a function of the prelude keeps to WGSL.

use naga::{BinaryOperator, Expression, Handle, ScalarKind};

use crate::TranslateError;
use crate::function::FunctionWriter;

impl FunctionWriter<'_> {
    pub(crate) fn binary(
        &self,
        op: BinaryOperator,
        left: Handle<Expression>,
        right: Handle<Expression>,
    ) -> Result<String, TranslateError> {
        use BinaryOperator::*;
        let kind = self.inner(left).scalar_kind();
        let signed = kind == Some(ScalarKind::Sint);
        let (left, right) = (self.value(left)?, self.value(right)?);
        // Overflow of signed integers is undefined in C++; so is a shift by 32 and a division by zero.
        let call = |function: &str| Ok(format!("{function}({left}, {right})"));
        let symbol = match op {
            Add if signed => return call("wrap_add"),
            Subtract if signed => return call("wrap_sub"),
            Multiply if signed => return call("wrap_mul"),
            Divide => return call("divide"),
            Modulo => return call("modulo"),
            ShiftLeft => return call("shift_left"),
            ShiftRight => return call("shift_right"),
            And if kind == Some(ScalarKind::Bool) => return call("both"),
            InclusiveOr if kind == Some(ScalarKind::Bool) => return call("either"),
            Add => "+",
            Subtract => "-",
            Multiply => "*",
            Equal => "==",
            NotEqual => "!=",
            Less => "<",
            LessEqual => "<=",
            Greater => ">",
            GreaterEqual => ">=",
            And => "&",
            ExclusiveOr => "^",
            InclusiveOr => "|",
            LogicalAnd => "&&",
            LogicalOr => "||",
        };
        Ok(format!("({left} {symbol} {right})"))
    }
}
