//! What wgpu 30 does not do in the browser, done on the JavaScript objects themselves.

use std::sync::Arc;

use js_sys::Reflect;
use wasm_bindgen::closure::Closure;
use wasm_bindgen::{JsCast, JsValue};

use crate::adapter::AdapterReport;
use crate::faults::Faults;

/// Browsers leave the adapter's description empty as a rule; vendor and architecture name it then.
pub(crate) fn name_adapter(device: &wgpu::Device, report: &mut AdapterReport) {
    if !report.name.is_empty() {
        return;
    }
    let info = device.as_webgpu().map(|d| get(d.as_ref(), "adapterInfo"));
    let word = |key: &str| info.as_ref().and_then(|i| get(i, key).as_string()).unwrap_or_default();
    let name = [word("vendor"), word("architecture")].join(" ").trim().to_owned();
    report.name = if name.is_empty() { "unnamed WebGPU adapter".into() } else { name };
}

/// Records errors that no scope caught. wgpu's own handler panics on internal errors (`Error::from_js`).
pub(crate) fn on_uncaught_error(device: &wgpu::Device, faults: Arc<Faults>) {
    let Some(raw) = device.as_webgpu() else { return };
    let handler = Closure::<dyn Fn(JsValue)>::new(move |event: JsValue| {
        let message = get(&get(&event, "error"), "message").as_string();
        faults.record(&message.unwrap_or_else(|| "an error without a message".into()));
    });
    // A device without the property would merely log the error, as it does by default.
    let _ = Reflect::set(raw.as_ref(), &"onuncapturederror".into(), handler.as_ref().unchecked_ref());
    // One handler a device, alive as long as the page may report errors of it.
    handler.forget();
}

fn get(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}
