//! Literals, and what is composed of them.

use naga::{Expression, Handle, Literal};

use crate::TranslateError;
use crate::writer::Writer;

/// A literal as C++ spells it; none for the 64-bit ones.
pub(crate) fn literal(literal: Literal) -> Option<String> {
    Some(match literal {
        Literal::F32(value) => format!("{value:?}f"),
        // No suffix says f16: its bits.
        Literal::F16(value) => format!("f16{{{:#06x}}}", value.to_bits()),
        Literal::U32(value) => format!("{value}u"),
        // 2147483648 would be a 64-bit literal before the minus is applied to it.
        Literal::I32(i32::MIN) => "(-2147483647 - 1)".to_owned(),
        Literal::I32(value) if value < 0 => format!("({value})"),
        Literal::I32(value) => value.to_string(),
        Literal::Bool(value) => value.to_string(),
        _ => return None,
    })
}

impl Writer<'_> {
    /// A constant expression of the module. Pipeline constants are gone, and naga has evaluated the rest.
    pub(crate) fn constant(&self, handle: Handle<Expression>) -> Result<String, TranslateError> {
        let expression = &self.module.global_expressions[handle];
        let unsupported = || {
            let what = crate::error::construct(expression);
            self.unsupported(what, self.module.global_expressions.get_span(handle))
        };
        match expression {
            Expression::Literal(value) => literal(*value).ok_or_else(unsupported),
            Expression::Constant(constant) => self.constant(self.module.constants[*constant].init),
            Expression::ZeroValue(ty) => Ok(format!("{}{{}}", self.type_name(*ty)?)),
            Expression::Compose { ty, components } => {
                let parts = components.iter().map(|&part| self.constant(part));
                self.compose(*ty, parts.collect::<Result<_, _>>()?)
            }
            Expression::Splat { size, value } => {
                Ok(format!("splat{}({})", *size as u8, self.constant(*value)?))
            }
            _ => Err(unsupported()),
        }
    }

    /// A value of a compound type from the values of its parts.
    pub(crate) fn compose(
        &self,
        ty: Handle<naga::Type>,
        parts: Vec<String>,
    ) -> Result<String, TranslateError> {
        use naga::TypeInner;
        let (name, parts) = (self.type_name(ty)?, parts.join(", "));
        Ok(match self.module.types[ty].inner {
            TypeInner::Struct { .. } => format!("make_{name}({parts})"),
            TypeInner::Array { .. } => format!("{name}{{{{{parts}}}}}"),
            // A function: its parameters may be vectors themselves.
            TypeInner::Vector { size, scalar } => {
                let scalar = crate::types::scalar_name(scalar).unwrap_or_default();
                format!("make_vec{}<{scalar}>({parts})", size as u8)
            }
            _ => format!("{name}{{{parts}}}"),
        })
    }
}
