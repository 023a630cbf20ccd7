//! What is said of an NVRTC that is none, or not a good one. The good one is compiled with in `conformance`.

use std::path::{Path, PathBuf};
use std::process::Command;

use heatseek_naga_cuda::nvrtc::{Nvrtc, NvrtcError};

/// A folder of this test.
fn folder(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// A shared library of this C++.
fn library(name: &str, source: &str) -> PathBuf {
    let folder = folder(name);
    let (unit, library) = (folder.join("unit.cpp"), folder.join("libnvrtc.so.12"));
    std::fs::write(&unit, source).unwrap();
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".to_owned());
    let arguments = ["-shared", "-fPIC", "-o"];
    let status = Command::new(compiler).args(arguments).arg(&library).arg(&unit).status().unwrap();
    assert!(status.success());
    library
}

fn version(major: u32, minor: u32) -> String {
    format!(
        "extern \"C\" int nvrtcVersion(int* major, int* minor) {{ *major = {major}; *minor = {minor}; return 0; }}"
    )
}

/// What opening it says, which names it and what to set.
fn refused(path: &Path) -> NvrtcError {
    let error = Nvrtc::open(path).err().unwrap();
    let message = error.to_string();
    assert!(message.contains(&path.display().to_string()) && message.contains("HEATSEEK_NVRTC"), "{message}");
    error
}

#[test]
fn nothing_there_is_missing_and_says_what_to_install() {
    let error = refused(&folder("nvrtc-none").join("libnvrtc.so.12"));
    assert!(matches!(error, NvrtcError::Missing { .. }), "{error}");
    assert!(error.to_string().contains("pip install nvidia-cuda-nvrtc-cu12"), "{error}");
}

#[test]
fn a_file_that_is_no_library_is_told_from_one_that_is_missing() {
    let path = folder("nvrtc-text").join("libnvrtc.so.12");
    std::fs::write(&path, "an error page that was saved as a library").unwrap();
    let error = refused(&path);
    assert!(matches!(error, NvrtcError::NoLibrary { .. }), "{error}");
    assert!(error.to_string().contains("does not load ("), "{error}");
}

#[test]
fn a_library_without_the_functions_is_not_nvrtc() {
    let error = refused(&library("nvrtc-other", "extern \"C\" int something() { return 1; }"));
    assert!(matches!(&error, NvrtcError::NotNvrtc { why, .. } if why.contains("nvrtcVersion")), "{error}");
    let error = refused(&library("nvrtc-partly", &version(12, 9)));
    assert!(matches!(&error, NvrtcError::NotNvrtc { why, .. } if why.contains("nvrtcGet")), "{error}");
}

/// As NVRTC was before 11.2, it also lacks functions; what is said is its version.
#[test]
fn one_that_is_too_old_says_so() {
    for (name, old) in [("nvrtc-10-2", (10, 2)), ("nvrtc-11-1", (11, 1))] {
        let error = refused(&library(name, &version(old.0, old.1)));
        assert!(matches!(error, NvrtcError::TooOld { version, .. } if version == old), "{error}");
        assert!(error.to_string().contains("11.2 or later"), "{error}");
    }
}

#[test]
fn one_that_fails_says_which_function_did() {
    let source = "extern \"C\" int nvrtcVersion(int*, int*) { return 11; }";
    let error = Nvrtc::open(&library("nvrtc-fails", source)).err().unwrap();
    assert_eq!(error, NvrtcError::Failed { function: "nvrtcVersion", status: 11 });
}
