//! The boundary between Heatseek and JavaScript, and nothing else: pkg/src/engine.ts calls what is here, in
//! its worker. Vectors cross as typed arrays, small things as plain objects, errors as `{ code, message }`.

mod analysis;
mod attention;
mod control;
mod error;
mod explain;
mod extras;
mod files;
mod image;
mod index;
mod kept;
mod layout;
mod model;
mod pooling;
mod tuning;

use std::cell::RefCell;

use wasm_bindgen::prelude::*;

#[cfg(target_arch = "wasm32")]
#[global_allocator]
static ALLOCATOR: heatseek_cpu::LockedAllocator = heatseek_cpu::LockedAllocator::new();

thread_local! {
    static ON_PANIC: RefCell<Option<js_sys::Function>> = const { RefCell::new(None) };
}

/// Has `on_panic(message)` called when Heatseek is found to be wrong: nothing may be called after that, and
/// promises that were waiting stay unanswered.
#[wasm_bindgen]
pub fn install(on_panic: js_sys::Function) {
    ON_PANIC.with(|slot| slot.replace(Some(on_panic)));
    std::panic::set_hook(Box::new(|info| {
        console_error_panic_hook::hook(info);
        let on_panic = ON_PANIC.with(|slot| slot.try_borrow_mut().ok().and_then(|mut slot| slot.take()));
        if let Some(on_panic) = on_panic {
            // Whether the callback throws changes nothing: the next instruction is a trap.
            let _ = on_panic.call1(&JsValue::NULL, &JsValue::from_str(&info.to_string()));
        }
    }));
}

/// The version of the engine.
#[wasm_bindgen]
pub fn version() -> String {
    env!("CARGO_PKG_VERSION").to_owned()
}
