//! What went wrong on a device, gathered from wherever wgpu reports it: callbacks, error scopes, maps.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Waker;

use heatseek_ops::ExecutorError;

/// Lines of a driver's or compiler's message that go into an error: enough for the first complaint of a
/// shader compiler with its excerpt.
const MESSAGE_LINES: usize = 16;

/// The faults of one device.
#[derive(Debug)]
pub(crate) struct Faults {
    device: String,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lost: Option<String>,
    uncaptured: Option<String>,
    waiting: Vec<Waker>,
}

impl Faults {
    pub(crate) fn new(device: &str) -> Arc<Self> {
        Arc::new(Self { device: device.to_owned(), state: Mutex::default() })
    }

    /// Marks the device as gone, for good; the first reason stays. Wakes whoever waits for it.
    pub(crate) fn lose(&self, reason: &str) {
        let waiting = {
            let mut state = self.state();
            if state.lost.is_none() {
                state.lost = Some(if reason.is_empty() { "no reason given".into() } else { reason.into() });
            }
            std::mem::take(&mut state.waiting)
        };
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Keeps the first error that no scope caught.
    pub(crate) fn record(&self, error: &str) {
        self.state().uncaptured.get_or_insert_with(|| first_lines(error));
    }

    /// Fails if the device is lost, or once for an error that no scope caught.
    pub(crate) fn check(&self) -> Result<(), ExecutorError> {
        self.still_there()?;
        let uncaptured = self.state().uncaptured.take();
        uncaptured.map_or(Ok(()), |what| Err(self.internal(what)))
    }

    /// Fails if the device is lost.
    pub(crate) fn still_there(&self) -> Result<(), ExecutorError> {
        let lost = self.state().lost.clone();
        lost.map_or(Ok(()), |reason| Err(ExecutorError::Lost { device: self.device.clone(), reason }))
    }

    /// Has `waker` woken if the device is lost.
    #[cfg(target_arch = "wasm32")]
    pub(crate) fn wake_on_loss(&self, waker: &Waker) {
        let mut state = self.state();
        if !state.waiting.iter().any(|w| w.will_wake(waker)) {
            state.waiting.push(waker.clone());
        }
    }

    /// The error for what a scope caught while `doing`; a lost device explains everything.
    pub(crate) fn explain(&self, error: Option<wgpu::Error>, doing: &str) -> Result<(), ExecutorError> {
        self.still_there()?;
        match error {
            None => Ok(()),
            Some(wgpu::Error::OutOfMemory { .. }) => {
                Err(ExecutorError::OutOfMemory { device: self.device.clone(), doing: doing.to_owned() })
            }
            Some(error) => Err(self.internal(format!("{doing}: {}", first_lines(&error.to_string())))),
        }
    }

    pub(crate) fn internal(&self, what: String) -> ExecutorError {
        ExecutorError::Internal { device: self.device.clone(), what }
    }

    pub(crate) fn unsupported(&self, what: impl Into<String>, why: String) -> ExecutorError {
        ExecutorError::Unsupported { device: self.device.clone(), what: what.into(), why }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn first_lines(message: &str) -> String {
    message.trim().lines().take(MESSAGE_LINES).collect::<Vec<_>>().join("\n")
}

/// Error scopes around work that is issued without an await: scopes are a stack per device, and another
/// task could otherwise push in between.
pub(crate) struct Scopes {
    // Dropped in this order, and scopes must be popped innermost first.
    #[cfg(not(target_arch = "wasm32"))]
    internal: wgpu::ErrorScopeGuard,
    validation: wgpu::ErrorScopeGuard,
    memory: wgpu::ErrorScopeGuard,
}

impl Scopes {
    pub(crate) fn open(device: &wgpu::Device) -> Self {
        let memory = device.push_error_scope(wgpu::ErrorFilter::OutOfMemory);
        let validation = device.push_error_scope(wgpu::ErrorFilter::Validation);
        // In the browser wgpu 30 panics on a caught internal error (`Error::from_js`); there such errors
        // go to the handler for uncaught ones.
        #[cfg(not(target_arch = "wasm32"))]
        let internal = device.push_error_scope(wgpu::ErrorFilter::Internal);
        Self {
            #[cfg(not(target_arch = "wasm32"))]
            internal,
            validation,
            memory,
        }
    }

    /// Closes the scopes now; the future is what they caught, running out of memory first.
    pub(crate) fn close(self) -> impl Future<Output = Option<wgpu::Error>> + 'static {
        #[cfg(not(target_arch = "wasm32"))]
        let internal = self.internal.pop();
        let validation = self.validation.pop();
        let memory = self.memory.pop();
        async move {
            #[cfg(not(target_arch = "wasm32"))]
            let internal = internal.await;
            #[cfg(target_arch = "wasm32")]
            let internal = None;
            let (validation, memory) = (validation.await, memory.await);
            memory.or(validation).or(internal)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loss_is_for_good_and_explains_everything_after_it() {
        let faults = Faults::new("gpu");
        assert_eq!(faults.check(), Ok(()));
        faults.lose("reset");
        faults.lose("later");
        let lost = ExecutorError::Lost { device: "gpu".into(), reason: "reset".into() };
        assert_eq!(faults.check(), Err(lost.clone()));
        assert_eq!(faults.explain(None, "mapping"), Err(lost));
    }

    #[test]
    fn an_uncaught_error_is_reported_once_and_the_first_wins() {
        let faults = Faults::new("gpu");
        faults.record("first");
        faults.record("second");
        assert_eq!(faults.check(), Err(faults.internal("first".into())));
        assert_eq!(faults.check(), Ok(()));
    }
}
