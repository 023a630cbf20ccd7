//! Random expressions of a type, over the variables in scope. None is constant, for WGSL refuses what overflows in a
//! constant.

use crate::random::Random;
use crate::types::{Scalar, Type};

/// What an expression may read.
#[derive(Clone, Debug)]
pub struct Variable {
    pub name: String,
    pub ty: Type,
}

pub struct Expressions<'a> {
    pub random: &'a mut Random,
    pub variables: &'a [Variable],
}

impl Expressions<'_> {
    /// An expression of `ty`, of at most `depth` operations one in another.
    pub fn of(&mut self, ty: Type, depth: usize) -> String {
        if depth == 0 || self.random.percent(15) {
            return self.leaf(ty);
        }
        if self.random.percent(25) {
            return self.rearranged(ty, depth - 1);
        }
        match ty.scalar {
            Scalar::Bool => self.condition(ty, depth - 1),
            Scalar::F32 => self.float(ty, depth - 1),
            Scalar::I32 | Scalar::U32 => self.integer(ty, depth - 1),
        }
    }

    /// A variable, or one of another type made into this one.
    fn leaf(&mut self, ty: Type) -> String {
        let fitting: Vec<&Variable> = self.variables.iter().filter(|variable| variable.ty == ty).collect();
        if !fitting.is_empty() {
            return fitting[self.random.below(fitting.len())].name.clone();
        }
        match (ty.scalar, ty.size) {
            // Every scalar has its variables; see `program`.
            (_, 1) => unreachable!("no variable of type {ty}"),
            _ => format!("{ty}({})", self.leaf(Type::new(ty.scalar, 1))),
        }
    }

    /// Parts of other values: components, swizzles, vectors put together, choices, conversions.
    fn rearranged(&mut self, ty: Type, depth: usize) -> String {
        let Type { scalar, size } = ty;
        match self.random.below(5) {
            0 => {
                let condition =
                    if self.random.percent(50) { ty.of(Scalar::Bool) } else { Type::new(Scalar::Bool, 1) };
                let (a, b, c) = (self.of(ty, depth), self.of(ty, depth), self.of(condition, depth));
                format!("select({a}, {b}, {c})")
            }
            1 => {
                let of = 2 + self.random.below(3);
                let pattern: String =
                    (0..size).map(|_| ["x", "y", "z", "w"][self.random.below(of)]).collect();
                format!("({}).{pattern}", self.of(Type::new(scalar, of), depth))
            }
            2 if size == 1 => {
                let of = 2 + self.random.below(3);
                let index = self.of(Type::new(Scalar::U32, 1), depth);
                format!("({})[{index} % {of}u]", self.of(Type::new(scalar, of), depth))
            }
            2 | 3 if size > 1 => {
                let first = 1 + self.random.below(size - 1);
                let parts = [first, size - first].map(|part| self.of(Type::new(scalar, part), depth));
                format!("{ty}({}, {})", parts[0], parts[1])
            }
            _ => self.converted(ty, depth),
        }
    }

    fn converted(&mut self, ty: Type, depth: usize) -> String {
        let from = self.random.of(&[Scalar::I32, Scalar::U32, Scalar::F32, Scalar::Bool]);
        let value = self.of(ty.of(from), depth);
        match (from, ty.scalar) {
            // As many as floats hold exactly.
            (Scalar::I32, Scalar::F32) => format!("{ty}({value} % {}(64))", ty.of(from)),
            (Scalar::U32, Scalar::F32) => format!("{ty}({value} % {}(64u))", ty.of(from)),
            (Scalar::I32, Scalar::U32) | (Scalar::U32, Scalar::I32) if self.random.percent(50) => {
                format!("bitcast<{ty}>({value})")
            }
            _ => format!("{ty}({value})"),
        }
    }

    fn condition(&mut self, ty: Type, depth: usize) -> String {
        let of = self.random.of(&[Scalar::I32, Scalar::U32, Scalar::F32]);
        let (a, b) = (self.of(ty.of(of), depth), self.of(ty.of(of), depth));
        match self.random.below(5) {
            0 => format!("(!{})", self.of(ty, depth)),
            1 => {
                let op = if ty.size == 1 {
                    self.random.of(&["&&", "||", "&", "|"])
                } else {
                    self.random.of(&["&", "|"])
                };
                format!("({} {op} {})", self.of(ty, depth), self.of(ty, depth))
            }
            2 if ty.size == 1 => {
                let size = 2 + self.random.below(3);
                let function = self.random.of(&["all", "any"]);
                format!("{function}({})", self.of(Type::new(Scalar::Bool, size), depth))
            }
            _ => format!("({a} {} {b})", self.random.of(&["<", "<=", ">", ">=", "==", "!="])),
        }
    }

    /// Multiples of a quarter up to 64: `quarters` makes one of whatever comes out.
    fn float(&mut self, ty: Type, depth: usize) -> String {
        let size = ty.size;
        let [a, b] = [(); 2].map(|()| self.of(ty, depth));
        match self.random.below(11) {
            0 | 1 => format!("quarters{size}({a} {} {b})", self.random.of(&["+", "-", "*"])),
            2 => format!(
                "{}({a})",
                self.random.of(&["floor", "ceil", "round", "trunc", "abs", "sign", "fract", "-"])
            ),
            3 => format!("{}({a}, {b})", self.random.of(&["min", "max", "step"])),
            4 => format!("clamp({a}, min({b}, {a}), max({b}, {a}))"),
            5 => format!("quarters{size}(fma({a}, {b}, {}))", self.of(ty, 0)),
            6 if size > 1 => {
                let scalar = self.of(Type::new(Scalar::F32, 1), depth);
                format!("quarters{size}({a} * {scalar})")
            }
            7 if size == 1 => {
                let of = Type::new(Scalar::F32, 2 + self.random.below(3));
                format!("quarters1(dot({}, {}))", self.of(of, depth), self.of(of, depth))
            }
            8 => format!("quarters{size}(mix({a}, {b}, {ty}(0.5)) / {ty}(2.0))"),
            // What is not exact is rounded: none of these is near the middle of two quarters, wherever it is computed.
            9 => {
                let rounded = self.random.of(&[
                    "sqrt(abs(A))",
                    "inverseSqrt(clamp(A, T(0.25), T(60.0)))",
                    "exp(min(A, T(3.0)))",
                ]);
                let rounded = rounded.replace('T', &ty.to_string()).replace('A', &a);
                format!("round({rounded} * 4.0) * 0.25")
            }
            _ => format!("saturate({a})"),
        }
    }

    fn integer(&mut self, ty: Type, depth: usize) -> String {
        let signed = ty.scalar == Scalar::I32;
        let [a, b] = [(); 2].map(|()| self.of(ty, depth));
        let scalar = Type::new(Scalar::U32, 1);
        match self.random.below(10) {
            0..=2 => format!("({a} {} {b})", self.random.of(&["+", "-", "*", "/", "%", "&", "|", "^"])),
            3 => {
                let by = self.of(ty.of(Scalar::U32), depth);
                format!("({a} {} {by})", self.random.of(&["<<", ">>"]))
            }
            4 => format!("{}({a}, {b})", self.random.of(&["min", "max"])),
            5 => format!("clamp({a}, min({b}, {a}), max({b}, {a}))"),
            6 if signed => format!("{}({a})", self.random.of(&["-", "~", "abs", "sign"])),
            7 => {
                let function = [
                    "countOneBits",
                    "countLeadingZeros",
                    "countTrailingZeros",
                    "reverseBits",
                    "firstLeadingBit",
                    "firstTrailingBit",
                ];
                format!("{}({a})", self.random.of(&function))
            }
            8 if self.random.percent(50) => {
                format!("extractBits({a}, {}, {})", self.of(scalar, 0), self.of(scalar, 0))
            }
            8 if ty.size == 1 => {
                format!("insertBits({a}, {b}, {}, {})", self.of(scalar, 0), self.of(scalar, 0))
            }
            9 => self.packed(ty, depth),
            _ => format!("(~{a})"),
        }
    }

    /// Bytes packed into words, and what is computed with them.
    fn packed(&mut self, ty: Type, depth: usize) -> String {
        let word = Type::new(Scalar::U32, 1);
        match (ty.scalar, ty.size) {
            (Scalar::I32, 4) => format!("unpack4xI8({})", self.of(word, depth)),
            (Scalar::U32, 4) => format!("unpack4xU8({})", self.of(word, depth)),
            (Scalar::I32, 1) => format!("dot4I8Packed({}, {})", self.of(word, depth), self.of(word, depth)),
            (Scalar::U32, 1) => match self.random.below(5) {
                0 => format!("dot4U8Packed({}, {})", self.of(word, depth), self.of(word, depth)),
                1 => format!("pack4xI8({})", self.of(Type::new(Scalar::I32, 4), depth)),
                2 => format!("pack4xU8({})", self.of(Type::new(Scalar::U32, 4), depth)),
                3 => format!("pack4xI8Clamp({})", self.of(Type::new(Scalar::I32, 4), depth)),
                _ => format!("pack4xU8Clamp({})", self.of(Type::new(Scalar::U32, 4), depth)),
            },
            _ => {
                let (a, b) = (self.of(ty, depth), self.of(ty, depth));
                format!("({a} * {b})")
            }
        }
    }
}
