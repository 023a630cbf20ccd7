//! Builtin functions: each is one of the prelude, named `wgsl_` and its name in WGSL.

use naga::{Expression, Handle, MathFunction};

use crate::TranslateError;
use crate::function::FunctionWriter;

impl FunctionWriter<'_> {
    /// A call of a builtin function; none if the prelude lacks it.
    pub(crate) fn math(
        &self,
        function: MathFunction,
        arguments: impl Iterator<Item = Handle<Expression>>,
    ) -> Option<Result<String, TranslateError>> {
        let name = name(function)?;
        let arguments: Result<Vec<_>, _> = arguments.map(|argument| self.value(argument)).collect();
        Some(arguments.map(|arguments| format!("wgsl_{name}({})", arguments.join(", "))))
    }
}

fn name(function: MathFunction) -> Option<&'static str> {
    use MathFunction::*;
    Some(match function {
        Abs => "abs",
        Min => "min",
        Max => "max",
        Clamp => "clamp",
        Saturate => "saturate",
        Cos => "cos",
        Cosh => "cosh",
        Sin => "sin",
        Sinh => "sinh",
        Tan => "tan",
        Tanh => "tanh",
        Acos => "acos",
        Asin => "asin",
        Atan => "atan",
        Atan2 => "atan2",
        Asinh => "asinh",
        Acosh => "acosh",
        Atanh => "atanh",
        Radians => "radians",
        Degrees => "degrees",
        Ceil => "ceil",
        Floor => "floor",
        Round => "round",
        Fract => "fract",
        Trunc => "trunc",
        Exp => "exp",
        Exp2 => "exp2",
        Log => "log",
        Log2 => "log2",
        Pow => "pow",
        Dot => "dot",
        Dot4I8Packed => "dot4I8Packed",
        Dot4U8Packed => "dot4U8Packed",
        Cross => "cross",
        Distance => "distance",
        Length => "length",
        Normalize => "normalize",
        Sign => "sign",
        Fma => "fma",
        Mix => "mix",
        Step => "step",
        SmoothStep => "smoothstep",
        Sqrt => "sqrt",
        InverseSqrt => "inverseSqrt",
        QuantizeToF16 => "quantizeToF16",
        CountTrailingZeros => "countTrailingZeros",
        CountLeadingZeros => "countLeadingZeros",
        CountOneBits => "countOneBits",
        ReverseBits => "reverseBits",
        ExtractBits => "extractBits",
        InsertBits => "insertBits",
        FirstTrailingBit => "firstTrailingBit",
        FirstLeadingBit => "firstLeadingBit",
        Pack4x8snorm => "pack4x8snorm",
        Pack4x8unorm => "pack4x8unorm",
        Pack2x16snorm => "pack2x16snorm",
        Pack2x16unorm => "pack2x16unorm",
        Pack2x16float => "pack2x16float",
        Pack4xI8 => "pack4xI8",
        Pack4xU8 => "pack4xU8",
        Pack4xI8Clamp => "pack4xI8Clamp",
        Pack4xU8Clamp => "pack4xU8Clamp",
        Unpack4x8snorm => "unpack4x8snorm",
        Unpack4x8unorm => "unpack4x8unorm",
        Unpack2x16snorm => "unpack2x16snorm",
        Unpack2x16unorm => "unpack2x16unorm",
        Unpack2x16float => "unpack2x16float",
        Unpack4xI8 => "unpack4xI8",
        Unpack4xU8 => "unpack4xU8",
        _ => return None,
    })
}
