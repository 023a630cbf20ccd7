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
        let function = match op {
            Add if signed => "wrap_add",
            Subtract if signed => "wrap_sub",
            Multiply if signed => "wrap_mul",
            Divide => "divide",
            Modulo => "modulo",
            ShiftLeft => "shift_left",
            ShiftRight => "shift_right",
            And if kind == Some(ScalarKind::Bool) => "both",
            InclusiveOr if kind == Some(ScalarKind::Bool) => "either",
            _ => {
                let symbol = match op {
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
                    Divide | Modulo | ShiftLeft | ShiftRight => unreachable!("functions, above"),
                };
                return Ok(format!("({left} {symbol} {right})"));
            }
        };
        Ok(format!("{function}({left}, {right})"))
    }
}
