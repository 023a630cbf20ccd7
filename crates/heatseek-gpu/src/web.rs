//! What wgpu 30 does not do in the browser, done on the JavaScript objects themselves.

use std::sync::Arc;

use heatseek_wgsl::{Access, Kernel};
use js_sys::{Array, Function, Promise, Reflect};
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

/// Compiles a kernel with `createComputePipelineAsync`, from the same source, constants and layout as wgpu
/// will ask for: browsers keep one pipeline for equal descriptions.
pub(crate) fn compile(
    device: &wgpu::Device,
    kernel: &Kernel,
    source: &str,
    constants: &[(&'static str, f64)],
) -> Option<Promise> {
    let device: JsValue = device.as_webgpu()?.clone().into();
    let entries = kernel.bindings.iter().enumerate().map(|(at, binding)| {
        let kind = match binding.access {
            Access::Read => "read-only-storage",
            Access::Write => "storage",
            Access::Uniform => "uniform",
        };
        let buffer = object(&[("type", kind.into())]);
        // 4 is GPUShaderStage.COMPUTE.
        object(&[("binding", (at as u32).into()), ("visibility", 4.into()), ("buffer", buffer)])
    });
    let entries = object(&[("entries", entries.collect::<Array>().into())]);
    let layout = call(&device, "createBindGroupLayout", &entries)?;
    let layouts = object(&[("bindGroupLayouts", Array::of1(&layout).into())]);
    let layout = call(&device, "createPipelineLayout", &layouts)?;
    let module = call(&device, "createShaderModule", &object(&[("code", source.into())]))?;
    let values: Vec<_> = constants.iter().map(|(name, value)| (*name, (*value).into())).collect();
    let stage =
        [("module", module), ("entryPoint", kernel.entry_point.into()), ("constants", object(&values))];
    let pipeline = object(&[("layout", layout), ("compute", object(&stage))]);
    call(&device, "createComputePipelineAsync", &pipeline)?.dyn_into().ok()
}

/// `performance.now()`, on pages and in workers.
pub(crate) fn now_ms() -> f64 {
    let performance = get(&js_sys::global(), "performance");
    let now = get(&performance, "now").dyn_into::<Function>().ok();
    now.and_then(|now| now.call0(&performance).ok()?.as_f64()).unwrap_or(0.0)
}

fn object(entries: &[(&str, JsValue)]) -> JsValue {
    let object = js_sys::Object::new();
    for (key, value) in entries {
        // Setting a property of a fresh plain object cannot fail.
        let _ = Reflect::set(&object, &(*key).into(), value);
    }
    object.into()
}

fn call(object: &JsValue, method: &str, argument: &JsValue) -> Option<JsValue> {
    get(object, method).dyn_into::<Function>().ok()?.call1(object, argument).ok()
}

fn get(object: &JsValue, key: &str) -> JsValue {
    Reflect::get(object, &key.into()).unwrap_or(JsValue::UNDEFINED)
}
