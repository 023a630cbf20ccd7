//! NVRTC takes what is written, for every kernel and the GPUs of the last years, and keeps it in registers. Without a GPU.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use heatseek_naga_cuda::nvrtc::{Nvrtc, NvrtcError, Usage};
use heatseek_naga_cuda::{CudaKernel, translate};
use heatseek_naga_cuda_conformance::kernels;

/// Turing, Ampere, Ada, Hopper.
const ARCHITECTURES: &[&str] = &["sm_75", "sm_80", "sm_89", "sm_90"];

fn nvrtc() -> Option<&'static Nvrtc> {
    match Nvrtc::get() {
        Ok(nvrtc) => Some(nvrtc),
        Err(why) => {
            assert!(std::env::var_os("CI").is_none(), "{why}");
            eprintln!("not run: {why}");
            None
        }
    }
}

#[test]
fn every_kernel_compiles_and_stays_in_registers() {
    let Some(nvrtc) = nvrtc() else { return };
    // One set of constants a kernel: others make it longer or shorter, but not different.
    let mut distinct: BTreeMap<String, CudaKernel> = BTreeMap::new();
    for (label, kernel) in kernels().unwrap() {
        distinct.entry(label.split(' ').next().unwrap_or_default().to_owned()).or_insert(kernel);
    }
    // What reads its operands where they lie is for software adapters alone.
    for shipped in heatseek_wgsl::kernels().iter().filter(|kernel| !kernel.name.contains("_direct_")) {
        assert!(distinct.contains_key(shipped.name), "no op case launches {}", shipped.name);
    }
    let matrix = translate(include_str!("../shaders/matrix.wgsl"), "main", &[("k", 64.0), ("n", 64.0)]);
    distinct.insert("matrix".to_owned(), matrix.unwrap());
    let builtins = translate(include_str!("../shaders/builtins.wgsl"), "main", &[]);
    distinct.insert("builtins".to_owned(), builtins.unwrap());

    let work: Vec<_> =
        distinct.iter().flat_map(|kernel| ARCHITECTURES.iter().map(move |arch| (kernel, *arch))).collect();
    let (next, wrong) = (AtomicUsize::new(0), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while let Some(((name, kernel), arch)) = work.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if let Err(why) = check(nvrtc, name, kernel, arch) {
                        wrong.lock().unwrap().push(why);
                    }
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn check(nvrtc: &Nvrtc, name: &str, kernel: &CudaKernel, arch: &str) -> Result<(), String> {
    let cubin = nvrtc.compile_kernel(kernel, arch).map_err(|error| error.to_string())?;
    if cubin.log.contains("warning") || !cubin.image.starts_with(b"\x7fELF") {
        return Err(format!("{name} for {arch}: {}", cubin.log));
    }
    // What calls subroutines of CUDA's library has their frame; only this one does.
    if name == "builtins" {
        return Ok(());
    }
    let used = Usage::of(&cubin.log).ok_or_else(|| format!("no figures in {}", cubin.log))?;
    if used.spilled > 0 {
        return Err(format!("{name} for {arch} spills {} bytes a thread", used.spilled));
    }
    if used.stack > 0 {
        return Err(format!(
            "{name} for {arch} keeps arrays of {} bytes a thread in memory: it indexes them by what is only known while it \
             runs",
            used.stack
        ));
    }
    Ok(())
}

/// Of four numbers ptxas makes comparisons; an array of sixteen is in memory, and is found.
#[test]
fn an_array_that_is_indexed_is_found() {
    let Some(nvrtc) = nvrtc() else { return };
    let shader = |index: &str| {
        format!(
            "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
            @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {{
                var kept: array<f32, 16>;
                for (var i = 0u; i < 16u; i++) {{ kept[{index}] += y[64u * i + lane]; }}
                for (var i = 0u; i < 16u; i++) {{ y[64u * i + lane] = kept[i]; }}
            }}"
        )
    };
    for arch in ARCHITECTURES {
        let checked = |index| check(nvrtc, "planted", &translate(&shader(index), "main", &[]).unwrap(), arch);
        checked("i").unwrap();
        let why = checked("u32(y[i]) & 15u").unwrap_err();
        assert!(why.contains("keeps arrays of 64 bytes"), "{why}");
    }
}

/// Sums of 72 numbers, each with the one before: some 8 blocks of 64 threads have their registers at once. ptxas gives some
/// up where 16 are asked for, and is asked again.
#[test]
fn what_is_given_up_for_one_more_block_is_kept() {
    let Some(nvrtc) = nvrtc() else { return };
    let numbers = 72;
    let each = |line: &dyn Fn(usize) -> String| (0..numbers).map(line).collect::<String>();
    let shader = format!(
        "@group(0) @binding(0) var<storage, read_write> y: array<f32>;
        @compute @workgroup_size(64) fn main(@builtin(local_invocation_index) lane: u32) {{
            {}
            for (var i = 0u; i < u32(y[0]); i++) {{ {} }}
            {}
        }}",
        each(&|i| format!("var a{i} = y[lane + {i}u];\n")),
        each(&|i| format!("a{i} += a{} * a{};\n", (i + 1) % numbers, (i + 7) % numbers)),
        each(&|i| format!("y[lane * {numbers}u + {i}u] = a{i};\n")),
    );
    let mut kernel = translate(&shader, "main", &[]).unwrap();
    kernel.source = kernel.source.replacen("__launch_bounds__(threads)", "__launch_bounds__(threads, 16)", 1);
    for arch in ARCHITECTURES {
        let once = nvrtc.compile(&kernel.source, "planted", arch, &["--ptxas-options=-v"]).unwrap();
        assert!(Usage::of(&once.log).unwrap().spilled > 0, "{}", once.log);
        check(nvrtc, "planted", &kernel, arch).unwrap();
    }
}

#[test]
fn errors_of_the_compiler_have_its_words() {
    let Some(nvrtc) = nvrtc() else { return };
    let (major, _) = nvrtc.version().unwrap();
    assert!(major >= 11, "{major} of {}", nvrtc.path());
    let error =
        nvrtc.compile("extern \"C\" __global__ void k() { undeclared(); }", "k", "sm_80", &[]).unwrap_err();
    assert!(
        matches!(error, NvrtcError::Compile { .. }) && error.to_string().contains("undeclared"),
        "{error}"
    );
    assert!(nvrtc.compile("", "k", "sm_1", &[]).is_err());
}
