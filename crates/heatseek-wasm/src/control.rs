//! Progress and cancellation across the boundary.

use std::rc::Rc;

use heatseek::{Cancelled, Control, Hook, LocalFuture, Mark, Milestone, Progress, Watch};
use js_sys::Promise;
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `{ report(stage, loaded, total), checkpoint(): Promise<boolean>, due(): boolean, mark(moment), timing }`: `Control` of
    /// pkg/src/control.ts.
    pub type JsControl;

    #[wasm_bindgen(method, catch)]
    fn report(this: &JsControl, stage: JsValue, loaded: f64, total: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn checkpoint(this: &JsControl) -> Result<JsValue, JsValue>;

    #[wasm_bindgen(method)]
    fn due(this: &JsControl) -> bool;

    #[wasm_bindgen(method, catch)]
    fn mark(this: &JsControl, moment: JsValue) -> Result<(), JsValue>;

    #[wasm_bindgen(method, getter)]
    fn timing(this: &JsControl) -> bool;
}

impl Control for JsControl {
    fn progress(&self, progress: Progress) {
        let Ok(stage) = serde_wasm_bindgen::to_value(&progress.stage) else { return };
        // A listener that fails must not stop the work it listens to.
        let _ = self.report(stage, progress.loaded as f64, progress.total as f64);
    }

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        Box::pin(async {
            match JsControl::checkpoint(self).await {
                Ok(stop) if stop.is_falsy() => Ok(()),
                _ => Err(Cancelled),
            }
        })
    }

    fn is_due(&self) -> bool {
        self.due()
    }

    fn mark(&self, mark: Mark) {
        if !self.timing() {
            return;
        }
        let Ok(moment) = serde_wasm_bindgen::to_value(&mark) else { return };
        let _ = JsControl::mark(self, moment);
    }

    fn wants_marks(&self) -> bool {
        self.timing()
    }
}

/// Tells a JavaScript function `opened`, `compiled` or `uploaded`.
pub fn watch(tell: js_sys::Function) -> Watch {
    Rc::new(move |milestone| {
        let name = match milestone {
            Milestone::Opened => "opened",
            Milestone::Compiled => "compiled",
            Milestone::Uploaded => "uploaded",
            _ => return,
        };
        // A listener that fails must not stop the work it listens to.
        let _ = tell.call1(&JsValue::NULL, &name.into());
    })
}

/// Calls a JavaScript function and awaits its promise.
pub fn hook(call: js_sys::Function) -> Hook {
    Rc::new(move || {
        let called = call.call0(&JsValue::NULL);
        Box::pin(async move {
            // Whoever waits goes on without what could not be made ready.
            if let Ok(made) = called {
                let _ = wasm_bindgen_futures::JsFuture::from(Promise::resolve(&made)).await;
            }
        })
    })
}
