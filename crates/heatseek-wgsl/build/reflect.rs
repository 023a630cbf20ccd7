//! Validates a rendered kernel with naga and prints what the module says about itself as Rust.

use std::fmt::Write;
use std::path::Path;

use naga::proc::Layouter;
use naga::valid::{Capabilities, ValidationFlags, Validator};
use naga::{AddressSpace, GlobalVariable, Handle, Module, Scalar, StorageAccess, Type, TypeInner};

/// The entry of the kernel table for `source`, which lies in `file`.
pub fn kernel(name: &str, source: &str, file: &Path) -> String {
    let fail = |why: String| -> ! {
        let numbered: String = source.lines().zip(1..).map(|(l, i)| format!("{i:4} {l}\n")).collect();
        panic!("kernel {name} is invalid\n{numbered}\n{why}");
    };
    let module = naga::front::wgsl::parse_str(source).unwrap_or_else(|e| fail(e.emit_to_string(source)));
    let capabilities = Capabilities::default()
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::COOPERATIVE_MATRIX;
    if let Err(e) = Validator::new(ValidationFlags::all(), capabilities).validate(&module) {
        fail(e.emit_to_string(source));
    }
    let [entry] = &module.entry_points[..] else { fail("it must have exactly one entry point".into()) };
    let overrides: Vec<_> = module.overrides.iter().filter(|(_, o)| o.init.is_none()).collect();
    let overrides: Vec<_> = overrides.iter().filter_map(|(_, o)| o.name.as_deref()).collect();
    format!(
        "Kernel {{ name: {name:?}, source: include_str!({file:?}), entry_point: {:?}, bindings: &[{}], \
         workgroup_size: {}, workgroup_bytes: {}, overrides: &{overrides:?}, narrow: &[{}] }},\n",
        entry.name,
        bindings(&module).unwrap_or_else(|why| fail(why)),
        entry.workgroup_size.iter().product::<u32>(),
        workgroup_bytes(&module),
        narrow(&module),
    )
}

/// The storage bindings whose floats are stored in fewer bits, in the order of their numbers: arrays of f16, and a weight
/// that is an array of integers. (Other integers are tables.)
fn narrow(module: &Module) -> String {
    let stored = |name: &str, ty: Handle<Type>| match module.types[ty].inner {
        TypeInner::Array { base, .. } => match module.types[base].inner.scalar()? {
            Scalar::F16 => Some("F16"),
            Scalar::U32 if name == "weight" => Some("Int8"),
            _ => None,
        },
        _ => None,
    };
    let of_global = |global: &GlobalVariable| {
        let (binding, name) = (global.binding?.binding, global.name.as_deref()?);
        Some((binding, format!("({name:?}, Dtype::{}), ", stored(name, global.ty)?)))
    };
    let mut all: Vec<_> =
        module.global_variables.iter().filter_map(|(_, global)| of_global(global)).collect();
    all.sort();
    all.into_iter().map(|(_, text)| text).collect()
}

fn bindings(module: &Module) -> Result<String, String> {
    let mut all = Vec::new();
    for (_, global) in module.global_variables.iter() {
        let Some(place) = &global.binding else { continue };
        let access = match global.space {
            AddressSpace::Uniform => "Uniform",
            AddressSpace::Storage { access } if access.contains(StorageAccess::STORE) => "Write",
            AddressSpace::Storage { .. } => "Read",
            space => return Err(format!("a binding in {space:?}: use storage or uniform")),
        };
        let name = global.name.clone().ok_or("a binding without a name")?;
        all.push((place.group, place.binding, name, access));
    }
    all.sort();
    let mut text = String::new();
    for ((group, binding, name, access), index) in all.into_iter().zip(0..) {
        if (group, binding) != (0, index) {
            return Err(format!("`{name}` is @group({group}) @binding({binding}), expected 0 and {index}"));
        }
        write!(text, "KernelBinding {{ name: {name:?}, access: Access::{access} }}, ")
            .expect("writing to a String cannot fail");
    }
    Ok(text)
}

fn workgroup_bytes(module: &Module) -> u32 {
    let mut layouter = Layouter::default();
    layouter.update(module.to_ctx()).expect("a validated module can be laid out");
    let workgroup = module.global_variables.iter().filter(|(_, g)| g.space == AddressSpace::WorkGroup);
    workgroup.map(|(_, global)| layouter[global.ty].size).sum()
}
