//! From kernels to a shared library: one translation unit, compiled once and kept by what is in it.

use std::fmt::Write;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::host::HostError;
use crate::{CudaKernel, prelude};

const SIMT: &str = include_str!("simt.hpp");
const BUILTINS: &str = include_str!("builtins.hpp");

/// The shared library of `kernels` in `cache`, which is compiled if it is not there.
pub(super) fn compiled(kernels: &[&CudaKernel], cache: &Path) -> Result<PathBuf, HostError> {
    let source = translation_unit(kernels);
    let flags = flags();
    let mut hasher = DefaultHasher::new();
    (&source, &flags).hash(&mut hasher);
    let name = format!("kernels-{:016x}", hasher.finish());
    let library = cache.join(format!("{name}.so"));
    if library.is_file() {
        return Ok(library);
    }
    let io = |error: std::io::Error| HostError::Files { path: cache.to_owned(), why: error.to_string() };
    std::fs::create_dir_all(cache).map_err(io)?;
    // Another process may be at it too: each writes its own, and puts it in place whole.
    let part = cache.join(format!("{name}-{}", std::process::id()));
    let (unit, unfinished) = (part.with_extension("cpp"), part.with_extension("part"));
    std::fs::write(&unit, source).map_err(io)?;
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let run = Command::new(&compiler).args(&flags).arg("-o").arg(&unfinished).arg(&unit).output();
    let output = run.map_err(|error| HostError::NoCompiler { compiler, why: error.to_string() })?;
    if !output.status.success() {
        let log = String::from_utf8_lossy(&output.stderr).into_owned();
        return Err(HostError::Compile { unit, log });
    }
    std::fs::rename(&unfinished, &library).map_err(io)?;
    std::fs::remove_file(&unit).map_err(io)?;
    Ok(library)
}

/// All kernels, each in a namespace of its own, after one prelude.
fn translation_unit(kernels: &[&CudaKernel]) -> String {
    let mut unit = [SIMT, BUILTINS].join("\n").replace("#pragma once\n", "");
    unit.push_str(&prelude::whole());
    let mut table = String::new();
    for (i, kernel) in kernels.iter().enumerate() {
        let ([x, y, z], name) = (kernel.block, &kernel.name);
        let body = prelude::without(&kernel.source);
        let _ = writeln!(unit, "namespace kernel_{i} {{\n{body}\n}}");
        let _ = writeln!(
            table,
            "    {{[](void** a) {{ simt::call(kernel_{i}::{name}, a); }}, {{{x}, {y}, {z}}}}},"
        );
    }
    let _ = writeln!(unit, "static const simt::Kernel kernels[] = {{\n{table}}};");
    unit.push_str(
        "extern \"C\" const char* naga_cuda_launch(unsigned kernel, const unsigned* grid, void** arguments) {\n    \
         return simt::launch(kernels[kernel], grid, arguments);\n}\n",
    );
    unit
}

/// -O1, for kernels are compiled more often than they run long. Nothing is contracted, so that results do not depend on
/// what the compiler sees; kernels say `fma` where they mean it.
fn flags() -> Vec<&'static str> {
    let mut flags = vec!["-std=c++17", "-O1", "-shared", "-fPIC", "-ffp-contract=off", "-fno-math-errno"];
    // Types are read as others where CUDA allows it.
    flags.extend(["-fno-strict-aliasing", "-fno-exceptions", "-w"]);
    #[cfg(target_arch = "x86_64")]
    if std::is_x86_feature_detected!("fma") && std::is_x86_feature_detected!("f16c") {
        flags.extend(["-mfma", "-mf16c"]);
    }
    flags
}
