//! Progress and cancellation across the boundary.

use heatseek::{Cancelled, Control, LocalFuture, Progress};
use wasm_bindgen::prelude::*;

#[wasm_bindgen]
extern "C" {
    /// `{ report(stage, loaded, total), checkpoint(): Promise<boolean> }`: `Control` of pkg/src/control.ts.
    pub type JsControl;

    #[wasm_bindgen(method, catch)]
    fn report(this: &JsControl, stage: JsValue, loaded: f64, total: f64) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    async fn checkpoint(this: &JsControl) -> Result<JsValue, JsValue>;
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
}
