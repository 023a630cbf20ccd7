//! Every suite on every native backend. A backend that is missing is reported with its reason, and fails
//! the test when `CI=true`.

mod here;

use std::path::PathBuf;
use std::sync::Arc;

use heatseek::{DtypeChoice, LoadOptions, Model, ModelFiles, NoControl, block_on};
use heatseek_conformance::{
    Backend, Golden, MUTATIONS, Mutation, PictureGolden, check_attention_properties, check_golden,
    check_halves, check_int8_golden, check_layers, check_lost_device, check_mutation, check_norm_choice,
    check_ops, check_picture_analysis, check_picture_attention, check_pooling, check_properties,
    check_staged_ops, check_text_analysis, check_text_attention, check_vision, check_whole_pictures,
    check_wrong_gpu, read_vision_golden,
};
use heatseek_model::synthetic::SyntheticBert;
use heatseek_ops::{Dtype, PlanOptions, cases};

use here::{available, missing, models, real_model, root};

/// The real GPU to test through Vulkan, Metal or DX12: `HEATSEEK_GPU` is part of its name.
fn named_gpu() -> Option<Backend> {
    let name = std::env::var("HEATSEEK_GPU").ok().filter(|name| !name.is_empty());
    let backend = name.map(Backend::Gpu)?;
    let here = block_on(backend.executor()).map(drop);
    assert!(here.is_ok(), "HEATSEEK_GPU asks for {backend}, which is not here: {here:?}");
    Some(backend)
}

/// Runs `suite` on a backend, if there is one.
fn on(backend: impl Into<Option<Backend>>, suite: fn(Backend)) {
    match backend.into() {
        Some(backend) => suite(backend),
        None => println!("NOT RUN: no GPU is named by HEATSEEK_GPU"),
    }
}

fn ops(backend: Backend) {
    if available(&backend) {
        let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
        block_on(check_ops(&*executor)).assert();
    }
}

fn staged_ops(backend: Backend) {
    if available(&backend) {
        let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
        block_on(check_staged_ops(&*executor)).assert();
    }
}

fn properties(backend: Backend) {
    if available(&backend) {
        let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
        block_on(check_properties(&*executor)).assert();
    }
}

/// Poolers that devices compute, against the same on the host.
fn pooling(backend: Backend) {
    if available(&backend) {
        let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
        block_on(check_pooling(&*executor)).assert();
    }
}

/// What queries looked at, whatever else the batch holds.
fn mates(backend: Backend) {
    if available(&backend) {
        let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
        block_on(check_attention_properties(&*executor)).assert();
    }
}

fn golden(backend: Backend) {
    let golden = root().join("tests/golden");
    if !available(&backend) {
        return;
    }
    if let Some(dir) = real_model() {
        check_folder(&backend, &dir, &golden.join("texts.json"), &golden.join("minilm.safetensors"));
    }
    for dir in small_models("models").into_iter().chain(halves("golden.safetensors")) {
        println!("{}", dir.display());
        check_folder(&backend, &dir, &dir.join("texts.json"), &dir.join("golden.safetensors"));
    }
}

/// The folders of small models below `tests/golden/`.
fn small_models(kind: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("tests/golden").join(kind)).unwrap();
    let mut folders: Vec<_> = entries.map(|e| e.unwrap().path()).filter(|path| path.is_dir()).collect();
    assert!(!folders.is_empty());
    folders.sort();
    folders
}

/// Those of them with a text half, or with a vision half, which have goldens of this name.
fn halves(golden: &str) -> impl Iterator<Item = PathBuf> {
    small_models("clip").into_iter().filter(move |dir| dir.join(golden).exists())
}

/// Every small model of pictures, with its goldens.
fn small_vision_models() -> impl Iterator<Item = (PathBuf, Vec<u8>)> {
    let alone = small_models("vision").into_iter().map(|dir| (dir, "golden.safetensors"));
    let all = alone.chain(halves("pictures.safetensors").map(|dir| (dir, "pictures.safetensors")));
    all.map(|(dir, name)| (dir.clone(), std::fs::read(dir.join(name)).unwrap()))
}

/// Every head of every small model against PyTorch's eager attention.
fn attention(backend: Backend) {
    if !available(&backend) {
        return;
    }
    for dir in small_models("models").into_iter().chain(halves("attention.safetensors")) {
        let files = ModelFiles::from_dir(&dir).unwrap_or_else(|e| panic!("{e}"));
        let tensors = std::fs::read(dir.join("attention.safetensors")).unwrap();
        let report = block_on(check_text_attention(files, &tensors, backend.load_options()));
        report.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).assert();
    }
    for (dir, tensors) in small_vision_models() {
        let files = ModelFiles::from_dir(&dir).unwrap_or_else(|e| panic!("{e}"));
        let report = block_on(check_picture_attention(files, &tensors, backend.load_options()));
        report.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).assert();
    }
}

/// What attention says about two small models, and about parts of them.
fn analyses(backend: Backend) {
    if !available(&backend) {
        return;
    }
    let golden = root().join("tests/golden");
    let ablations = std::fs::read(golden.join("ablations.safetensors")).unwrap();
    let [texts, pictures] = ["models/bert-no-st", "vision/vit"].map(|name| golden.join(name));
    let files = |dir| ModelFiles::from_dir(dir).unwrap_or_else(|e| panic!("{e}"));
    let report = block_on(check_text_analysis(files(&texts), &ablations, backend.load_options()));
    report.unwrap_or_else(|e| panic!("{e}")).assert();
    let tensors = std::fs::read(pictures.join("golden.safetensors")).unwrap();
    let report =
        block_on(check_picture_analysis(files(&pictures), &tensors, &ablations, backend.load_options()));
    report.unwrap_or_else(|e| panic!("{e}")).assert();
}

/// Hidden states, queries, keys and values of every layer against PyTorch's.
fn layers(backend: Backend) {
    if !available(&backend) {
        return;
    }
    let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
    let mut checked = 0;
    let folders = ["models", "vision", "clip"].into_iter().flat_map(small_models);
    for dir in folders {
        for name in ["golden.layers.safetensors", "golden.picture-layers.safetensors"] {
            let Ok(tensors) = std::fs::read(dir.join(name)) else { continue };
            let files = ModelFiles::from_dir(&dir).unwrap_or_else(|e| panic!("{e}"));
            let report = block_on(check_layers(&files, &tensors, &*executor));
            report.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).assert();
            checked += 1;
        }
    }
    assert_eq!(checked, 5);
}

/// What transformers gives for parts of real pictures, with the real weights of DINOv2-small.
fn picture_golden() -> Option<(PathBuf, PictureGolden)> {
    let (dir, pictures) = (models().join("dinov2-small"), models().join("test-pictures"));
    if !dir.join("model.safetensors").exists() || !pictures.is_dir() {
        missing("dinov2-small and test-pictures", "fetch them with `cargo xtask setup --tests`");
        return None;
    }
    let tensors = std::fs::read(root().join("tests/golden/dinov2.safetensors")).unwrap();
    let preprocessor = std::fs::read(dir.join("preprocessor_config.json")).unwrap();
    let picture = |name: &str| std::fs::read(pictures.join(name)).map_err(|e| format!("{name}: {e}"));
    let golden = PictureGolden::read(&tensors, &preprocessor, &picture);
    Some((dir, golden.unwrap_or_else(|e| panic!("{e}"))))
}

#[test]
fn whole_pictures_equal_transformers() {
    let Some((dir, golden)) = picture_golden() else { return };
    let files = ModelFiles::from_dir(&dir).unwrap_or_else(|e| panic!("{e}"));
    let report = block_on(check_whole_pictures(files, &golden, Backend::Cpu.load_options()));
    report.unwrap_or_else(|e| panic!("{e}")).assert();
}

/// Small random vision models and DINOv2-small against transformers.
fn vision(backend: Backend) {
    if !available(&backend) {
        return;
    }
    if let Some((dir, golden)) = picture_golden() {
        let files = ModelFiles::from_dir(&dir).unwrap_or_else(|e| panic!("{e}"));
        let report = block_on(check_vision(files, &golden.fit_for(&backend), backend.load_options()));
        report.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).assert();
    }
    for (dir, tensors) in small_vision_models() {
        println!("{}", dir.display());
        let files = ModelFiles::from_dir(&dir).unwrap_or_else(|e| panic!("{e}"));
        let cases = read_vision_golden(&tensors).unwrap_or_else(|e| panic!("{}: {e}", dir.display()));
        let report = block_on(check_vision(files, &cases, backend.load_options()));
        report.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).assert();
    }
}

fn check_folder(
    backend: &Backend,
    dir: &std::path::Path,
    texts: &std::path::Path,
    tensors: &std::path::Path,
) {
    let read =
        |path: &std::path::Path| std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let golden = Golden::read(&read(texts), &read(tensors)).unwrap_or_else(|e| panic!("{e}"));
    let files = ModelFiles::from_dir(dir).unwrap_or_else(|e| panic!("{e}"));
    let report = block_on(check_golden(files, &golden.fit_for(backend), backend.load_options()));
    report.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).assert();
}

/// A module of tests, one a backend, for every suite named.
macro_rules! on_backends {
    ([$($module:ident: $suite:ident;)*] $backends:tt) => {
        $(mod $module { on_backends!(@tests $suite $backends); use super::Backend; })*
    };
    (@tests $suite:ident { $($name:ident: $backend:expr;)* }) => {
        $(#[test] fn $name() { super::on($backend, super::$suite); })*
    };
}

// SwiftShader takes minutes to compile what lavapipe compiles in seconds, and the browser tests run these suites on it.
on_backends! {
    [
        batch_properties: properties;
        goldens: golden;
        poolers: pooling;
        batch_mates: mates;
        attention: attention;
        analyses: analyses;
        layers: layers;
        pictures: vision;
    ] {
        reference: Backend::Reference;
        cpu: Backend::Cpu;
        lavapipe: Backend::lavapipe().staged();
        cuda: Backend::cuda();
        named: super::named_gpu();
    }
}

on_backends! {
    [op_cases: ops;] {
        reference: Backend::Reference;
        cpu: Backend::Cpu;
        lavapipe: Backend::lavapipe();
        cuda: Backend::cuda();
        named: super::named_gpu();
    }
}

on_backends! {
    [staged_op_cases: staged_ops;] {
        lavapipe: Backend::lavapipe().staged();
    }
}

/// The CUDA executor with its kernels compiled for the CPU, in place of a GPU; `None` without a C++ compiler.
fn cuda_on_cpu() -> Option<Backend> {
    let compiler = std::env::var("CXX").unwrap_or_else(|_| "c++".into());
    match std::process::Command::new(&compiler).arg("--version").output() {
        Ok(_) => Some(Backend::Cuda(heatseek_cuda::HOST.into())),
        Err(why) => {
            missing("cuda on the CPU", &format!("{compiler}: {why}"));
            None
        }
    }
}

/// Every op on CUDA's kernels, and a model: what the executor makes of Programs, and what translation makes of WGSL.
#[test]
fn cuda_kernels_compute_the_same_on_the_cpu() {
    let Some(backend) = cuda_on_cpu() else { return };
    let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
    // First what kernels there are: compiled at once, they take a fraction of the time.
    for case in cases::all() {
        let options = PlanOptions { expected_rows: 0, checked: true, dtype: Dtype::F32 };
        drop(block_on(executor.prepare(Arc::new(case.program()), options)).unwrap_or_else(|e| panic!("{e}")));
    }
    block_on(check_ops(&*executor)).assert();
}

#[test]
fn cuda_kernels_run_a_model_on_the_cpu() {
    let Some(backend) = cuda_on_cpu() else { return };
    let dir = root().join("tests/golden/models/bert-no-st");
    check_folder(&backend, &dir, &dir.join("texts.json"), &dir.join("golden.safetensors"));
}

/// What int8 costs on GPUs: of small models, whose few dimensions hide little, and of the real one.
#[test]
fn goldens_in_int8() {
    let golden = root().join("tests/golden");
    let small = small_models("models");
    for backend in [Backend::lavapipe(), Backend::cuda()].into_iter().chain(named_gpu()).filter(available) {
        for dir in &small {
            check_int8(&backend, dir, [&dir.join("texts.json"), &dir.join("golden.safetensors")], 0.99);
        }
        if let Some(dir) = real_model() {
            let files = [&golden.join("texts.json"), &golden.join("minilm.safetensors")];
            check_int8(&backend, &dir, files, 0.995);
        }
    }
    let Some(backend) = cuda_on_cpu() else { return };
    let files = [&small[0].join("texts.json"), &small[0].join("golden.safetensors")];
    check_int8(&backend, &small[0], files, 0.99);
}

fn check_int8(backend: &Backend, dir: &std::path::Path, golden: [&PathBuf; 2], least: f64) {
    println!("{} on {backend}", dir.display());
    let [texts, tensors] =
        golden.map(|p| std::fs::read(p).unwrap_or_else(|e| panic!("{}: {e}", p.display())));
    let golden = Golden::read(&texts, &tensors).unwrap_or_else(|e| panic!("{e}")).fit_for(backend);
    let files = ModelFiles::from_dir(dir).unwrap_or_else(|e| panic!("{e}"));
    let report = block_on(check_int8_golden(files, &golden, backend.load_options(), least));
    report.unwrap_or_else(|e| panic!("{}: {e}", dir.display())).assert();
}

/// The backends that run the kernels of a fault. SwiftShader, which takes most of its time to compile them, runs every op in
/// the browser tests, where the same comparison looks at it.
fn spoiled(mutation: &Mutation) -> Vec<Backend> {
    let all: Vec<Backend> = match mutation.kernels.contains("_direct_") {
        true => vec![Backend::lavapipe()],
        false => {
            let gpus = [Backend::cuda()].into_iter().chain(named_gpu());
            std::iter::once(Backend::lavapipe().staged()).chain(gpus).collect()
        }
    };
    all.into_iter().filter(available).collect()
}

/// Each planted kernel fault must make the op suite fail.
#[test]
fn planted_kernel_faults_are_caught() {
    faults_are_caught(Dtype::F32);
}

#[test]
fn planted_kernel_faults_are_caught_in_f16() {
    faults_are_caught(Dtype::F16);
}

#[test]
fn planted_kernel_faults_are_caught_in_int8() {
    faults_are_caught(Dtype::Int8);
}

fn faults_are_caught(dtype: Dtype) {
    for mutation in MUTATIONS.iter().filter(|mutation| mutation.is_for(dtype)) {
        for backend in spoiled(mutation) {
            let caught = block_on(check_mutation(&backend, mutation, dtype));
            let name = format!("{} in {} on {backend}", mutation.name, dtype.name());
            let how = caught.unwrap_or_else(|e| panic!("{name}: {e}"));
            println!("{name}: caught: {how}");
        }
    }
}

#[test]
fn a_model_in_f16_agrees_with_itself_in_f32() {
    let all = [Backend::lavapipe(), Backend::cuda()].into_iter().chain(named_gpu());
    for backend in all.filter(available) {
        let executor = block_on(backend.executor()).unwrap_or_else(|e| panic!("{e}"));
        block_on(check_halves(&*executor)).assert();
    }
}

/// What is asked for is what is loaded, or it is an error; `auto` takes f16 where the device has it, and never bf16 or
/// int8.
#[test]
fn a_model_is_stored_as_asked() {
    let load = |backend: &Backend, dtype| {
        let options = LoadOptions { dtype, ..backend.load_options() };
        block_on(Model::load(SyntheticBert::default().files(), options, &NoControl))
    };
    let stored =
        |backend: &Backend, dtype| load(backend, dtype).unwrap_or_else(|e| panic!("{e}")).info().device;
    let error = load(&Backend::Cpu, DtypeChoice::F16).err().expect("the CPU kernels store f32").to_string();
    assert!(error.contains("f16") && error.contains("ask for f32"), "{error}");
    assert_eq!(stored(&Backend::Cpu, DtypeChoice::Auto).dtype, "f32");
    let device = stored(&Backend::Cpu, DtypeChoice::Int8);
    assert!(device.dtype == "int8" && device.kernels.starts_with("int8 "), "{}", device.kernels);
    match load(&Backend::Cpu, DtypeChoice::Bf16).map(|model| model.info().device) {
        Ok(device) => {
            assert!(device.dtype == "bf16" && device.kernels.starts_with("bf16 avx512"), "{}", device.kernels)
        }
        Err(error) => assert!(error.to_string().contains("AVX512-BF16"), "{error}"),
    }
    if available(&Backend::lavapipe()) {
        let error = load(&Backend::lavapipe(), DtypeChoice::Bf16).err().expect("no GPU has it").to_string();
        assert!(error.contains("bf16") && error.contains("ask for f16"), "{error}");
        for (dtype, expected) in [
            (DtypeChoice::F32, "f32"),
            (DtypeChoice::F16, "f16"),
            (DtypeChoice::Auto, "f16"),
            (DtypeChoice::Int8, "int8"),
        ] {
            let device = stored(&Backend::lavapipe(), dtype);
            assert_eq!((device.kind, device.dtype), ("gpu", expected), "{:?}", device.fallback);
            assert!(device.kernels.starts_with(&format!("wgsl-{expected}")), "{}", device.kernels);
        }
    }
}

#[test]
fn a_wrong_gpu_is_found_at_load() {
    is_found_at_load(Dtype::F32, DtypeChoice::F32);
}

#[test]
fn a_wrong_gpu_is_found_at_load_in_int8() {
    is_found_at_load(Dtype::Int8, DtypeChoice::Int8);
}

fn is_found_at_load(stored: Dtype, dtype: DtypeChoice) {
    let files = || SyntheticBert::default().files();
    for mutation in MUTATIONS.iter().filter(|m| m.at_load && m.is_for(stored)) {
        for backend in spoiled(mutation) {
            println!("{} on {backend}", mutation.name);
            let options = LoadOptions { dtype, ..backend.load_options() };
            let report = block_on(check_wrong_gpu(&files, &options, mutation));
            report.unwrap_or_else(|e| panic!("{}: {e}", mutation.name)).assert();
        }
    }
}

#[test]
fn a_lost_device_never_loses_a_batch() {
    for backend in [Backend::lavapipe(), Backend::cuda()].into_iter().filter(available) {
        let report = block_on(check_lost_device(SyntheticBert::default().files(), backend.load_options()));
        report.unwrap_or_else(|e| panic!("{e}")).assert();
    }
}

#[test]
fn layer_norm_is_folded_only_where_that_is_accurate() {
    for backend in [Backend::lavapipe(), Backend::cuda()].into_iter().filter(available) {
        let harmless = || SyntheticBert::default().files();
        let outliers = || SyntheticBert { offset: 3e2, ..SyntheticBert::default() }.files();
        let report = block_on(check_norm_choice(&harmless, &outliers, &backend.load_options()));
        report.unwrap_or_else(|e| panic!("{e}")).assert();
    }
}
