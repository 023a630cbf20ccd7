//! The suites in a browser: one export each, called by `tests/browser`.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use heatseek::ModelFiles;
use heatseek_model::synthetic::SyntheticBert;
use wasm_bindgen::prelude::*;

use crate::{Backend, Golden, MUTATIONS, PictureGolden, Report};

#[global_allocator]
static ALLOCATOR: heatseek_cpu::LockedAllocator = heatseek_cpu::LockedAllocator::new();

thread_local! {
    /// Model files handed over once and used by several suites.
    static FILES: RefCell<HashMap<String, Vec<u8>>> = RefCell::default();
}

/// Makes panics readable, and has tokenizers match patterns, and pictures resized, in this module.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
    heatseek_patterns::install(Rc::new(heatseek_patterns::Linked::default()));
    heatseek_image::install_resizer(heatseek_image::resize);
}

/// Keeps a file of the model that [`golden`] and the others load.
#[wasm_bindgen]
pub fn add_file(path: String, bytes: Vec<u8>) {
    FILES.with_borrow_mut(|files| files.insert(path, bytes));
}

/// Forgets the files.
#[wasm_bindgen]
pub fn clear_files() {
    FILES.with_borrow_mut(HashMap::clear);
}

/// Every op case.
#[wasm_bindgen]
pub async fn ops(backend: &str) -> Result<JsValue, JsError> {
    let executor = named(backend)?.executor().await.map_err(|e| JsError::new(&e.0))?;
    to_js(&crate::check_ops(&*executor).await)
}

/// The op cases that `staged` runs otherwise than `gpu`.
#[wasm_bindgen]
pub async fn staged_ops() -> Result<JsValue, JsError> {
    let executor = Backend::Staged(String::new()).executor().await.map_err(|e| JsError::new(&e.0))?;
    to_js(&crate::check_staged_ops(&*executor).await)
}

/// The batch properties.
#[wasm_bindgen]
pub async fn properties(backend: &str) -> Result<JsValue, JsError> {
    let executor = named(backend)?.executor().await.map_err(|e| JsError::new(&e.0))?;
    to_js(&crate::check_properties(&*executor).await)
}

/// Poolers that devices compute.
#[wasm_bindgen]
pub async fn pooling(backend: &str) -> Result<JsValue, JsError> {
    let executor = named(backend)?.executor().await.map_err(|e| JsError::new(&e.0))?;
    to_js(&crate::check_pooling(&*executor).await)
}

/// A golden file against the model whose files were added.
#[wasm_bindgen]
pub async fn golden(backend: &str, texts: &[u8], tensors: &[u8]) -> Result<JsValue, JsError> {
    let (golden, backend) = (Golden::read(texts, tensors).map_err(|e| JsError::new(&e))?, named(backend)?);
    let report = crate::check_golden(files(), &golden.fit_for(&backend), backend.load_options()).await;
    to_js(&report.map_err(js_error)?)
}

/// A golden file of pictures against the vision model whose files were added.
#[wasm_bindgen]
pub async fn vision(backend: &str, tensors: &[u8]) -> Result<JsValue, JsError> {
    let cases = crate::read_vision_golden(tensors).map_err(|e| JsError::new(&e))?;
    let report = crate::check_vision(files(), &cases, named(backend)?.load_options()).await;
    to_js(&report.map_err(js_error)?)
}

/// The golden file of parts of real pictures. The pictures were added as `pictures/NAME`.
#[wasm_bindgen]
pub async fn pictures(backend: &str, tensors: &[u8]) -> Result<JsValue, JsError> {
    let backend = named(backend)?;
    let files = files();
    let preprocessor = files.preprocessor().map_err(|e| JsError::new(&e.to_string()))?;
    let picture = |name: &str| {
        let bytes = files.get(&format!("pictures/{name}")).map(|bytes| bytes.to_vec());
        bytes.ok_or_else(|| format!("`pictures/{name}` was not added"))
    };
    let golden = PictureGolden::read(tensors, preprocessor, &picture).map_err(|e| JsError::new(&e))?;
    let report = crate::check_vision(files, &golden.fit_for(&backend), backend.load_options()).await;
    to_js(&report.map_err(js_error)?)
}

/// The attention of the model of texts whose files were added.
#[wasm_bindgen]
pub async fn text_attention(backend: &str, tensors: &[u8]) -> Result<JsValue, JsError> {
    let options = named(backend)?.load_options();
    to_js(&crate::check_text_attention(files(), tensors, options).await.map_err(|e| JsError::new(&e))?)
}

/// The attention of the vision model whose files were added.
#[wasm_bindgen]
pub async fn picture_attention(backend: &str, tensors: &[u8]) -> Result<JsValue, JsError> {
    let options = named(backend)?.load_options();
    to_js(&crate::check_picture_attention(files(), tensors, options).await.map_err(|e| JsError::new(&e))?)
}

/// The self-check against a spoiled kernel of those that GPUs take.
#[wasm_bindgen]
pub async fn wrong_gpu() -> Result<JsValue, JsError> {
    let options = Backend::Staged(String::new()).load_options();
    let files = || SyntheticBert::default().files();
    to_js(&crate::check_wrong_gpu(&files, &options, &MUTATIONS[0]).await.map_err(js_error)?)
}

/// Losing the device.
#[wasm_bindgen]
pub async fn lost_device() -> Result<JsValue, JsError> {
    let options = Backend::Gpu(String::new()).load_options();
    to_js(&crate::check_lost_device(SyntheticBert::default().files(), options).await.map_err(js_error)?)
}

fn named(backend: &str) -> Result<Backend, JsError> {
    match backend {
        "reference" => Ok(Backend::Reference),
        "cpu" => Ok(Backend::Cpu),
        "gpu" => Ok(Backend::Gpu(String::new())),
        other => Err(JsError::new(&format!("no backend named `{other}`"))),
    }
}

fn files() -> ModelFiles {
    let mut files = ModelFiles::new();
    FILES.with_borrow(|all| all.iter().for_each(|(path, bytes)| files.insert(path, bytes.clone())));
    files
}

fn js_error(error: heatseek::Error) -> JsError {
    JsError::new(&error.to_string())
}

fn to_js(report: &Report) -> Result<JsValue, JsError> {
    serde_wasm_bindgen::to_value(report).map_err(|e| JsError::new(&e.to_string()))
}
