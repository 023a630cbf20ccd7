//! Expressions without an effect.

use naga::{Expression, Handle, RelationalFunction, ScalarKind, TypeInner, UnaryOperator};

use crate::TranslateError;
use crate::constants::literal;
use crate::error::construct;
use crate::function::FunctionWriter;
use crate::types::scalar_name;

/// The C++ of a value, or of the place that a pointer points to.
type Written = Result<String, TranslateError>;

pub(crate) const COMPONENTS: [&str; 4] = ["x", "y", "z", "w"];

impl FunctionWriter<'_> {
    /// An expression: its variable, if it has been evaluated, or its text.
    pub(crate) fn value(&self, handle: Handle<Expression>) -> Written {
        match self.baked(handle) {
            Some(name) => Ok(name.clone()),
            None => self.written_out(handle),
        }
    }

    /// The text of an expression.
    pub(crate) fn written_out(&self, handle: Handle<Expression>) -> Written {
        let span = self.function.expressions.get_span(handle);
        self.written_anywhere(handle).map_err(|error| self.writer.located(error, span))
    }

    fn written_anywhere(&self, handle: Handle<Expression>) -> Written {
        let expression = &self.function.expressions[handle];
        let unsupported = || self.unsupported(construct(expression), handle);
        match *expression {
            Expression::Literal(value) => literal(value).ok_or_else(unsupported),
            Expression::Constant(constant) => {
                self.writer.constant(self.writer.module.constants[constant].init)
            }
            Expression::ZeroValue(ty) => Ok(format!("{}{{}}", self.writer.type_name(ty)?)),
            Expression::Compose { ty, ref components } => {
                let parts = components.iter().map(|&part| self.value(part));
                self.writer.compose(ty, parts.collect::<Result<_, _>>()?)
            }
            Expression::Splat { size, value } => Ok(format!("splat{}({})", size as u8, self.value(value)?)),
            Expression::Swizzle { size, vector, pattern } => {
                let pattern: Vec<_> =
                    pattern[..size as usize].iter().map(|&c| (c as u8).to_string()).collect();
                Ok(format!("swizzle<{}>({})", pattern.join(", "), self.value(vector)?))
            }
            Expression::Access { base, index } => self.access(base, index),
            Expression::AccessIndex { base, index } => self.access_index(base, index),
            Expression::FunctionArgument(index) => Ok(self.argument_name(index as usize)),
            Expression::GlobalVariable(variable) => self.global(variable),
            Expression::LocalVariable(variable) => Ok(self.local_name(variable)),
            Expression::Load { pointer } => self.load(pointer),
            Expression::ArrayLength(array) => self.array_length(array),
            Expression::Unary { op, expr } => self.unary(op, expr),
            Expression::Binary { op, left, right } => self.binary(op, left, right),
            Expression::Select { condition, accept, reject } => Ok(format!(
                "pick({}, {}, {})",
                self.value(condition)?,
                self.value(accept)?,
                self.value(reject)?
            )),
            Expression::Relational { fun, argument } => match fun {
                RelationalFunction::All => Ok(format!("all_of({})", self.value(argument)?)),
                RelationalFunction::Any => Ok(format!("any_of({})", self.value(argument)?)),
                _ => Err(unsupported()),
            },
            Expression::Math { fun, arg, arg1, arg2, arg3 } => {
                let arguments = [Some(arg), arg1, arg2, arg3];
                self.math(fun, arguments.into_iter().flatten())
                    .unwrap_or_else(|| Err(self.unsupported(format!("the function {fun:?}"), handle)))
            }
            Expression::As { expr, kind, convert } => self.conversion(handle, expr, kind, convert),
            Expression::CooperativeLoad { role, ref data, .. } => self.matrix_load(role, data),
            Expression::CooperativeMultiplyAdd { a, b, c } => {
                Ok(format!("multiply_add({}, {}, {})", self.value(a)?, self.value(b)?, self.value(c)?))
            }
            _ => Err(unsupported()),
        }
    }

    fn unary(&self, op: UnaryOperator, operand: Handle<Expression>) -> Written {
        let value = self.value(operand)?;
        let signed = self.inner(operand).scalar_kind() == Some(ScalarKind::Sint);
        Ok(match op {
            UnaryOperator::Negate if signed => format!("wrap_neg({value})"),
            UnaryOperator::Negate => format!("(-{value})"),
            UnaryOperator::LogicalNot => format!("(!{value})"),
            UnaryOperator::BitwiseNot => format!("(~{value})"),
        })
    }

    /// `kind(x)` with a width, a bit cast without one.
    fn conversion(
        &self,
        handle: Handle<Expression>,
        from: Handle<Expression>,
        kind: ScalarKind,
        convert: Option<u8>,
    ) -> Written {
        let value = self.value(from)?;
        let Some(width) = convert else {
            return Ok(format!("bit_cast<{}>({value})", self.type_of(handle)?));
        };
        let scalar = naga::Scalar { kind, width };
        let name = scalar_name(scalar)
            .ok_or_else(|| self.unsupported(format!("a conversion to {scalar:?}"), handle))?;
        Ok(format!("convert<{name}>({value})"))
    }

    /// A component, element or member by an index that is only known when it runs.
    fn access(&self, base: Handle<Expression>, index: Handle<Expression>) -> Written {
        let (place, at) = (self.value(base)?, self.value(index)?);
        let types = &self.writer.module.types;
        let inner = match self.inner(base) {
            TypeInner::Pointer { base, .. } => &types[*base].inner,
            inner => inner,
        };
        Ok(match *inner {
            TypeInner::Vector { .. } if self.inner(base).pointer_space().is_none() => {
                format!("component({place}, {at})")
            }
            TypeInner::Vector { .. } | TypeInner::ValuePointer { size: Some(_), .. } => {
                format!("component_of({place}, {at})")
            }
            TypeInner::Array { base, stride, .. } => {
                let element = if self.writer.is_padded(base, stride) { ".value" } else { "" };
                format!("{place}[{at}]{element}")
            }
            _ => return Err(self.unsupported("this index", index)),
        })
    }

    /// A component, element or member by a constant index.
    fn access_index(&self, base: Handle<Expression>, index: u32) -> Written {
        let place = self.value(base)?;
        let types = &self.writer.module.types;
        let inner = match self.inner(base) {
            TypeInner::Pointer { base, .. } => &types[*base].inner,
            inner => inner,
        };
        Ok(match *inner {
            TypeInner::Vector { .. } | TypeInner::ValuePointer { size: Some(_), .. } => {
                format!("{place}.{}", COMPONENTS[index as usize])
            }
            TypeInner::Struct { ref members, .. } => {
                format!("{place}.{}", self.writer.member_name(members, index as usize))
            }
            TypeInner::Array { base, stride, .. } => {
                let element = if self.writer.is_padded(base, stride) { ".value" } else { "" };
                format!("{place}[{index}u]{element}")
            }
            _ => return Err(self.unsupported("this index", base)),
        })
    }
}
