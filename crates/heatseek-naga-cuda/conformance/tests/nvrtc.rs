//! NVRTC takes what is written, for every kernel and the GPUs of the last years, and keeps it in registers. Without a GPU.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use heatseek_naga_cuda::nvrtc::{Nvrtc, NvrtcError};
use heatseek_naga_cuda::{CudaKernel, translate};
use heatseek_naga_cuda_conformance::kernels;

/// Turing, Ampere, Ada, Hopper.
const ARCHITECTURES: &[&str] = &["sm_75", "sm_80", "sm_89", "sm_90"];

/// Bytes a thread may spill: some fours where ptxas gives up a value that is seldom used, so that one more block runs at
/// once.
const SPILLED: u32 = 32;

/// Kernels that spill more, by the start of their name, and how much: query and output of a head of 128 are 256 numbers,
/// and a thread has 255 registers.
const SPILLED_MORE: &[(&str, u32)] = &[("attention_f32_d128", 768), ("attention_f16_d128", 704)];

/// Kernels that keep arrays in memory, as they index them, and their bytes.
const ARRAYS: &[(&str, u32)] = &[
    // One or two of eight vectors.
    ("pool_f32", 256),
    // 32 numbers.
    ("attention_pool_f32", 128),
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
    // What calls subroutines of CUDA's library has their frame; only this one does.
    if name == "builtins" {
        return Ok(());
    }
    let used = Memory::of(&cubin.log).ok_or_else(|| format!("no figures in {}", cubin.log))?;
    let of = |list: &[(&str, u32)]| {
        list.iter().find(|(start, _)| name.starts_with(start)).map(|(_, bytes)| *bytes)
    };
    let (spilled, arrays) = (of(SPILLED_MORE).unwrap_or(SPILLED), of(ARRAYS).unwrap_or(0));
    if used.spilled > spilled {
        return Err(format!(
            "{name} for {arch} spills {} bytes a thread, not at most {spilled}",
            used.spilled
        ));
    }
    if used.arrays() > arrays {
        return Err(format!(
            "{name} for {arch} keeps arrays of {} bytes a thread in memory, not of {arrays}: it indexes them by what is \
             only known while it runs",
            used.arrays()
        ));
    }
    Ok(())
}

/// Bytes that a thread has in memory, as ptxas reports them.
#[derive(Debug, PartialEq)]
struct Memory {
    stack: u32,
    spilled: u32,
}

impl Memory {
    /// Of `16 bytes stack frame, 12 bytes spill stores, 12 bytes spill loads`.
    fn of(log: &str) -> Option<Self> {
        let before = |what: &str| {
            let before = log.split(what).next().filter(|before| before.len() < log.len())?;
            before.rsplit(' ').next()?.parse().ok()
        };
        Some(Self { stack: before(" bytes stack frame")?, spilled: before(" bytes spill stores")? })
    }

    /// What is no spilled register. Several may take turns in one place, and the stack is of whole 16 bytes.
    fn arrays(&self) -> u32 {
        self.stack.saturating_sub(self.spilled.next_multiple_of(16))
    }
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
    let spilled =
        "0 bytes gmem\nptxas .     16 bytes stack frame, 36 bytes spill stores, 40 bytes spill loads";
    assert_eq!(Memory::of(spilled), Some(Memory { stack: 16, spilled: 36 }));
    assert_eq!(Memory::of("nothing"), None);
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
