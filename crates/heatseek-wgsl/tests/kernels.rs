//! Every shipped kernel: valid for the real consumers, bound as its op says, and used by something.

use std::collections::{BTreeSet, HashMap};
use std::process::Command;

use heatseek_ops::{Direction, Dtype, Step, cases};
use heatseek_testkit::run_all;
use heatseek_wgsl::{
    Access, AdapterClass, Kernel, KernelBinding, Params, RowClass, ScanStorage, Selection, Storage, Target,
    kernels, select, topk_scan,
};
use naga::valid::{Capabilities, ModuleInfo, ValidationFlags, Validator};
use naga::{Module, TypeInner};

fn validated(module: &Module, what: &str) -> ModuleInfo {
    let capabilities = Capabilities::default()
        | Capabilities::SHADER_FLOAT16
        | Capabilities::SHADER_FLOAT16_IN_FLOAT32
        | Capabilities::COOPERATIVE_MATRIX;
    Validator::new(ValidationFlags::all(), capabilities)
        .validate(module)
        .unwrap_or_else(|e| panic!("{what}: {}", e.emit_to_string("")))
}

fn parsed(kernel: &Kernel) -> (Module, ModuleInfo) {
    let module = naga::front::wgsl::parse_str(kernel.source)
        .unwrap_or_else(|e| panic!("{}: {}", kernel.name, e.emit_to_string(kernel.source)));
    let info = validated(&module, kernel.name);
    (module, info)
}

/// Every step of every case with every row class: in f32, staged and direct, in f16, in f16 on matrix units, and in int8.
fn selected_steps() -> Vec<(String, Step, Result<Selection, String>)> {
    let mut all = Vec::new();
    let cases = [
        (Dtype::F32, cases::all()),
        (Dtype::F16, cases::halved()),
        (Dtype::Int8, cases::quantized_in_blocks()),
    ];
    for (dtype, cases) in cases {
        let software = Target::new(dtype, AdapterClass::Software);
        let plain = software.staged();
        let matrix = Target { matrix_units: true, ..plain };
        // Of CUDA and most of Vulkan.
        let large = Target { workgroup_bytes: 48 << 10, ..matrix };
        for case in cases {
            let program = case.program();
            let targets = match dtype {
                Dtype::F16 => vec![plain, matrix, large],
                Dtype::F32 | Dtype::Bf16 | Dtype::Int8 => vec![plain, software],
            };
            for target in &targets {
                let storage = Storage::new(&program, target);
                for (step, class) in
                    program.steps().iter().flat_map(|s| RowClass::ALL.map(|class| (s, class)))
                {
                    let narrow = storage.narrow(step);
                    let selection = select(&step.op, class, target, &narrow).map_err(|e| e.to_string());
                    all.push((format!("{} {class:?} {target:?}", case.name), step.clone(), selection));
                }
            }
        }
    }
    all
}

#[test]
fn every_kernel_is_valid_for_naga() {
    for kernel in kernels() {
        let (module, _) = parsed(kernel);
        assert_eq!(module.entry_points[0].name, kernel.entry_point);
    }
}

/// Tint is Chrome's compiler: it knows what naga does not check, above all that barriers are uniform.
#[test]
fn every_kernel_is_valid_for_tint() {
    if Command::new("tint").arg("--help").output().is_err() {
        eprintln!("no `tint` on PATH: Chrome's view of the kernels was not tested");
        return;
    }
    // Chrome spells matrix units differently.
    let shared: Vec<_> = kernels().iter().filter(|k| !k.source.contains("wgpu_cooperative_matrix")).collect();
    run_all(&shared, |kernel| tint(kernel.name, kernel.source));
    // Where it does, no GPU runs them yet, but the words are right.
    let rendered = std::fs::read_dir(concat!(env!("OUT_DIR"), "/tint")).unwrap();
    let rendered: Vec<_> = rendered.map(|entry| entry.unwrap().path()).collect();
    assert!(!rendered.is_empty());
    run_all(&rendered, |path| tint("matrix", &std::fs::read_to_string(path).unwrap()));
}

fn tint(name: &str, source: &str) -> Result<(), String> {
    let file = std::env::temp_dir().join(format!("{}-{name}.wgsl", std::process::id()));
    std::fs::write(&file, source).map_err(|e| e.to_string())?;
    // Some builds of tint write nothing but WGSL.
    let outcome = Command::new("tint").args(["--format", "wgsl"]).arg(&file).output();
    std::fs::remove_file(&file).map_err(|e| e.to_string())?;
    let outcome = outcome.map_err(|e| e.to_string())?;
    let said = String::from_utf8_lossy(&outcome.stderr);
    if outcome.status.success() { Ok(()) } else { Err(format!("{said}\n{source}")) }
}

#[test]
fn every_case_has_a_kernel_with_its_bindings_and_constants() {
    let mut compiled = BTreeSet::new();
    for (name, step, selection) in &selected_steps() {
        let checked = check(step, selection, &mut compiled);
        checked.unwrap_or_else(|why| panic!("{name}: {why}"));
    }
}

fn check(
    step: &Step,
    selection: &Result<Selection, String>,
    compiled: &mut BTreeSet<String>,
) -> Result<(), String> {
    let selection = selection.as_ref().map_err(Clone::clone)?;
    let op_bindings = step.op.bindings();
    let wanted: Vec<_> = op_bindings
        .iter()
        .map(|binding| match binding.direction {
            Direction::Input => KernelBinding { name: binding.name, access: Access::Read },
            Direction::Output => KernelBinding { name: binding.name, access: Access::Write },
        })
        .chain([KernelBinding { name: "params", access: Access::Uniform }])
        .collect();
    if selection.kernel.bindings != wanted {
        return Err(format!(
            "{} binds {:?}, want {wanted:?}",
            selection.kernel.name, selection.kernel.bindings
        ));
    }
    let given: BTreeSet<_> = selection.constants.iter().map(|(name, _)| *name).collect();
    let wanted: BTreeSet<_> = selection.kernel.overrides.iter().copied().collect();
    if given != wanted {
        return Err(format!("{} wants constants {wanted:?}, got {given:?}", selection.kernel.name));
    }
    if !compiled.insert(format!("{}{:?}", selection.kernel.name, selection.constants)) {
        return Ok(());
    }
    // Naga evaluates the overrides as wgpu will.
    let (module, info) = parsed(selection.kernel);
    let constants: HashMap<String, f64> =
        selection.constants.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect();
    let entry = Some((naga::ShaderStage::Compute, selection.kernel.entry_point));
    let constants = constants.into_iter().collect();
    let fail = |e: &dyn std::fmt::Display| format!("{}: {e}", selection.kernel.name);
    let (module, info) = naga::back::pipeline_constants::process_overrides(&module, &info, entry, &constants)
        .map_err(|e| fail(&e))?;
    // Matrix units are in no software adapter: that Vulkan's language can say them is all that is tested here.
    if selection.kernel.source.contains("wgpu_cooperative_matrix") {
        let options = naga::back::spv::Options { lang_version: (1, 6), ..Default::default() };
        let words = naga::back::spv::write_vec(&module, &info, &options, None).map_err(|e| fail(&e))?;
        assert!(!words.is_empty());
    }
    Ok(())
}

/// A variant nobody runs is deleted (shaders cost download and start-up).
#[test]
fn every_kernel_is_run_by_a_case() {
    let mut used: BTreeSet<_> = selected_steps()
        .iter()
        .map(|(.., selection)| selection.as_ref().map_or("unsupported", |s| s.kernel.name))
        .collect();
    // These are no ops: `heatseek-gpu` tests them on its adapters, `heatseek-naga-cuda-conformance` as CUDA.
    used.extend(ScanStorage::ALL.map(|storage| topk_scan(storage, 4, 1, 1).unwrap().kernel.name));
    let shipped: BTreeSet<_> = kernels().iter().map(|kernel| kernel.name).collect();
    assert_eq!(shipped.len(), kernels().len(), "two kernels share a name");
    assert_eq!(used, shipped, "the cases run the left, the table ships the right");
}

#[test]
fn params_have_the_layout_of_their_wgsl_twin() {
    let rust = [
        ("rows", std::mem::offset_of!(Params, rows)),
        ("sequences", std::mem::offset_of!(Params, sequences)),
        ("tiles", std::mem::offset_of!(Params, tiles)),
        ("longest", std::mem::offset_of!(Params, longest)),
        ("residual", std::mem::offset_of!(Params, residual)),
    ];
    for kernel in kernels() {
        let (module, _) = parsed(kernel);
        let global = module.global_variables.iter().find(|(_, g)| g.name.as_deref() == Some("params"));
        let (_, global) = global.unwrap_or_else(|| panic!("{} has no params", kernel.name));
        let TypeInner::Struct { members, span } = &module.types[global.ty].inner else {
            panic!("{}: params is no struct", kernel.name)
        };
        let wgsl: Vec<_> =
            members.iter().map(|m| (m.name.as_deref().unwrap_or_default(), m.offset as usize)).collect();
        assert_eq!(wgsl, rust, "{}", kernel.name);
        assert_eq!(*span as usize, size_of::<Params>(), "{}", kernel.name);
    }
}
