//! NVRTC takes what is written, for every kernel and the GPUs of the last years, and keeps it in registers. Without a GPU.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use heatseek_naga_cuda::nvrtc::{Nvrtc, NvrtcError};
use heatseek_naga_cuda::{CudaKernel, translate};
use heatseek_naga_cuda_conformance::kernels;

/// Turing, Ampere, Ada, Hopper.
const ARCHITECTURES: &[&str] = &["sm_75", "sm_80", "sm_89", "sm_90"];

/// Bytes a thread may put in memory. Some fours where ptxas gives up a value that is seldom used, so that one more
/// block runs at once.
const FEW: u32 = 64;

/// Kernels that put more there, by the start of their name, and how much.
const MORE: &[(&str, u32)] = &[
    // Query and output of a head of 128 are 256 numbers, and a thread has 255 registers.
    ("attention_f32_d128", 1024),
    ("attention_f16_d128", 512),
    // Two arrays of eight vectors that are indexed.
    ("pool_f32", 256 + FEW),
    // An array of 32 numbers that is indexed.
    ("attention_pool_f32", 128 + FEW),
];

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
    let cubin = nvrtc
        .compile(&kernel.source, name, arch, &["--ptxas-options=-v"])
        .map_err(|error: NvrtcError| error.to_string())?;
    if cubin.log.contains("warning") || !cubin.image.starts_with(b"\x7fELF") {
        return Err(format!("{name} for {arch}: {}", cubin.log));
    }
    let used = stack_bytes(&cubin.log).ok_or_else(|| format!("no figures in {}", cubin.log))?;
    let allowed = MORE.iter().find(|(start, _)| name.starts_with(start)).map_or(FEW, |(_, bytes)| *bytes);
    // What calls subroutines of CUDA's library has their frame; only this one does.
    if used > allowed && name != "builtins" {
        return Err(format!("{name} for {arch} puts {used} bytes a thread in memory, not at most {allowed}"));
    }
    Ok(())
}

/// What ptxas reports as `16 bytes stack frame`, spills among it.
fn stack_bytes(log: &str) -> Option<u32> {
    let before = log.split(" bytes stack frame").next().filter(|before| before.len() < log.len())?;
    before.rsplit(' ').next()?.parse().ok()
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
