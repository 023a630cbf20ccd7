//! What went wrong on a device, in an executor's words.

use std::cell::RefCell;

use heatseek_ops::ExecutorError;

use crate::driver::DriverError;

/// `CUDA_ERROR_OUT_OF_MEMORY`.
const OUT_OF_MEMORY: i32 = 2;

/// Results after which a context answers nothing else: cuda.h says of each that the process must start anew, or that
/// the device is gone. In its order: deinitialized, device unavailable, no device, context lost, memory and link errors,
/// illegal address, time-out, context destroyed, assertion, hardware and instruction faults, launch failed, unknown.
const LOST: &[i32] = &[4, 46, 100, 101, 201, 214, 220, 700, 702, 709, 710, 714, 715, 716, 717, 718, 719, 999];

/// Lines of a compiler's message that go into an error: its first complaint with the excerpt.
const MESSAGE_LINES: usize = 16;

/// The faults of one device.
#[derive(Debug)]
pub(crate) struct Faults {
    device: String,
    lost: RefCell<Option<String>>,
}

impl Faults {
    pub(crate) fn new(device: &str) -> Self {
        Self { device: device.to_owned(), lost: RefCell::default() }
    }

    /// Marks the device as gone, for good; the first reason stays.
    pub(crate) fn lose(&self, reason: &str) {
        self.lost.borrow_mut().get_or_insert_with(|| reason.to_owned());
    }

    /// Fails if the device is lost.
    pub(crate) fn check(&self) -> Result<(), ExecutorError> {
        let lost = self.lost.borrow().clone();
        lost.map_or(Ok(()), |reason| Err(ExecutorError::Lost { device: self.device.clone(), reason }))
    }

    /// The error for what the driver answered while `doing`; a lost device explains everything.
    pub(crate) fn explain(&self, error: &DriverError, doing: &str) -> ExecutorError {
        if LOST.contains(&error.code) {
            self.lose(&format!("{error} while {doing}"));
        }
        if let Err(lost) = self.check() {
            return lost;
        }
        match error.code {
            OUT_OF_MEMORY => {
                ExecutorError::OutOfMemory { device: self.device.clone(), doing: doing.to_owned() }
            }
            _ => self.internal(format!("{doing}: {error}")),
        }
    }

    pub(crate) fn internal(&self, what: String) -> ExecutorError {
        ExecutorError::Internal { device: self.device.clone(), what }
    }

    pub(crate) fn unsupported(&self, what: impl Into<String>, why: String) -> ExecutorError {
        ExecutorError::Unsupported { device: self.device.clone(), what: what.into(), why }
    }
}

/// The first lines of a message.
pub(crate) fn first_lines(message: &str) -> String {
    message.trim().lines().take(MESSAGE_LINES).collect::<Vec<_>>().join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(code: i32) -> DriverError {
        DriverError { call: "cuEventSynchronize", code, meaning: format!("CUDA_ERROR {code}") }
    }

    #[test]
    fn each_result_has_its_cause() {
        let faults = Faults::new("gpu");
        let memory = ExecutorError::OutOfMemory { device: "gpu".into(), doing: "making room".into() };
        assert_eq!(faults.explain(&error(2), "making room"), memory);
        let internal = faults.explain(&error(1), "running").to_string();
        assert!(internal.contains("cuEventSynchronize answered CUDA_ERROR 1"), "{internal}");
        assert_eq!(faults.check(), Ok(()));
    }

    #[test]
    fn loss_is_for_good_and_explains_everything_after_it() {
        let faults = Faults::new("gpu");
        let lost = faults.explain(&error(700), "running a batch");
        assert!(matches!(&lost, ExecutorError::Lost { reason, .. } if reason.contains("running a batch")));
        faults.lose("later");
        assert_eq!(faults.check(), Err(lost.clone()));
        assert_eq!(faults.explain(&error(2), "making room"), lost);
    }
}
