//! Types: their C++ names, which the prelude makes those of WGSL, and structs laid out as WGSL lays them out.

use naga::{
    ArraySize, CooperativeRole, CooperativeSize, Handle, Scalar, ScalarKind, StructMember, Type, TypeInner,
};

use crate::TranslateError;
use crate::names::{Kind, identifier};
use crate::writer::Writer;

/// The C++ name of a scalar, if it has one.
pub(crate) fn scalar_name(scalar: Scalar) -> Option<&'static str> {
    Some(match (scalar.kind, scalar.width) {
        (ScalarKind::Float, 2) => "f16",
        (ScalarKind::Float, 4) => "f32",
        (ScalarKind::Sint, 4) => "i32",
        (ScalarKind::Uint, 4) => "u32",
        (ScalarKind::Bool, _) => "bool",
        _ => return None,
    })
}

impl Writer<'_> {
    /// The name of a type of the module.
    pub(crate) fn type_name(&self, ty: Handle<Type>) -> Result<String, TranslateError> {
        match self.module.types[ty].inner {
            TypeInner::Struct { .. } => Ok(self.struct_name(ty)),
            TypeInner::Array { base, size: ArraySize::Constant(length), stride } => {
                Ok(format!("Array<{}, {length}>", self.element_name(base, stride)?))
            }
            ref inner => self.inner_name(inner).ok_or_else(|| {
                let name = self.module.types[ty].name.clone();
                let what = name.unwrap_or_else(|| format!("the type {inner:?}"));
                self.unsupported(what, self.module.types.get_span(ty))
            }),
        }
    }

    /// The name of a type that needs no declaration.
    pub(crate) fn inner_name(&self, inner: &TypeInner) -> Option<String> {
        match *inner {
            TypeInner::Scalar(scalar) => Some(scalar_name(scalar)?.to_owned()),
            TypeInner::Atomic(scalar) if matches!(scalar.kind, ScalarKind::Sint | ScalarKind::Uint) => {
                Some(scalar_name(scalar)?.to_owned())
            }
            TypeInner::Vector { size, scalar } => {
                Some(format!("vec{}<{}>", size as u8, scalar_name(scalar)?))
            }
            TypeInner::CooperativeMatrix { columns, rows, scalar, role } => {
                let is_16 = columns == CooperativeSize::Sixteen && rows == CooperativeSize::Sixteen;
                match (role, scalar) {
                    (CooperativeRole::A, Scalar::F16) if is_16 => Some("MatrixA".to_owned()),
                    (CooperativeRole::B, Scalar::F16) if is_16 => Some("MatrixB".to_owned()),
                    (CooperativeRole::C, Scalar::F32) if is_16 => Some("MatrixC".to_owned()),
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// The name of what lies `stride` bytes apart in an array. C++ pads what WGSL pads, but for a `vec3`.
    pub(crate) fn element_name(&self, base: Handle<Type>, stride: u32) -> Result<String, TranslateError> {
        let name = self.type_name(base)?;
        Ok(if self.is_padded(base, stride) { format!("Padded<{name}, {stride}>") } else { name })
    }

    /// Whether an array's elements carry padding that is not part of their type.
    pub(crate) fn is_padded(&self, base: Handle<Type>, stride: u32) -> bool {
        self.layouter[base].size != stride
    }

    pub(crate) fn struct_name(&self, ty: Handle<Type>) -> String {
        identifier(self.module.types[ty].name.as_deref(), Kind::Struct, ty.index())
    }

    /// The name of a member.
    pub(crate) fn member_name(&self, members: &[StructMember], index: usize) -> String {
        identifier(members[index].name.as_deref(), Kind::Member, index)
    }

    /// Every struct of the module, with a function that makes one, and assertions that its layout is WGSL's.
    pub(crate) fn write_structs(&mut self) -> Result<(), TranslateError> {
        for (ty, declared) in self.module.types.iter() {
            if let TypeInner::Struct { members, span } = &declared.inner {
                self.write_struct(ty, members, *span)?;
            }
        }
        Ok(())
    }

    fn write_struct(
        &mut self,
        ty: Handle<Type>,
        members: &[StructMember],
        span: u32,
    ) -> Result<(), TranslateError> {
        let name = self.struct_name(ty);
        let alignment = self.layouter[ty].alignment;
        self.out.open(&format!("struct alignas({alignment}) {name} {{"));
        let (mut end, mut parameters, mut stores) = (0, Vec::new(), Vec::new());
        for (i, member) in members.iter().enumerate() {
            if member.offset > end {
                self.out.line(&format!("u8 padding_{i}[{}];", member.offset - end));
            }
            let (member_type, member_name) = (self.type_name(member.ty)?, self.member_name(members, i));
            self.out.line(&format!("{member_type} {member_name};"));
            parameters.push(format!("{member_type} {member_name}"));
            stores.push(format!("made.{member_name} = {member_name};"));
            end = member.offset + self.layouter[member.ty].size;
        }
        if span > end {
            self.out.line(&format!("u8 padding[{}];", span - end));
        }
        self.out.close("};");
        self.out.line(&format!("static_assert(sizeof({name}) == {span}, \"as WGSL lays it out\");"));
        self.out.open(&format!("DEVICE {name} make_{name}({}) {{", parameters.join(", ")));
        self.out.line(&format!("{name} made{{}};"));
        stores.iter().for_each(|store| self.out.line(store));
        self.out.line("return made;");
        self.out.close("}");
        Ok(())
    }
}
