use std::fmt::{self, Display, Formatter};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scalar {
    I32,
    U32,
    F32,
    Bool,
}

/// A scalar, or a vector of two to four.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Type {
    pub scalar: Scalar,
    pub size: usize,
}

impl Type {
    pub const fn new(scalar: Scalar, size: usize) -> Self {
        Self { scalar, size }
    }

    /// The same number of another scalar.
    pub fn of(self, scalar: Scalar) -> Self {
        Self { scalar, ..self }
    }
}

impl Display for Type {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let scalar = match self.scalar {
            Scalar::I32 => "i32",
            Scalar::U32 => "u32",
            Scalar::F32 => "f32",
            Scalar::Bool => "bool",
        };
        match self.size {
            1 => f.write_str(scalar),
            size => write!(f, "vec{size}<{scalar}>"),
        }
    }
}
