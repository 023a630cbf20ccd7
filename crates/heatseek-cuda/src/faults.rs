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

/// Why a driver does not translate PTX, which is what is compiled for GPUs that NVRTC does not know, and what to do:
/// `CUDA_ERROR_NO_BINARY_FOR_GPU`, `…_JIT_COMPILER_NOT_FOUND`, `…_UNSUPPORTED_PTX_VERSION`, `…_JIT_COMPILATION_DISABLED`.
const UNTRANSLATED: &[(i32, &str)] = &[
    (209, "NVRTC is too old for this GPU; install a newer one, and set HEATSEEK_NVRTC to its folder"),
    (
        221,
        "the driver's libnvidia-ptxjitcompiler is missing; install the whole driver, and in a container ask for it by \
         NVIDIA_DRIVER_CAPABILITIES=compute,utility",
    ),
    (222, "the driver is older than NVRTC; install a newer driver, or an NVRTC that is no newer than it"),
    (223, "CUDA_DISABLE_PTX_JIT forbids the driver to translate PTX; unset it, or install a newer NVRTC"),
];

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
        let untranslated = UNTRANSLATED.iter().find(|(code, _)| *code == error.code);
        match (error.code, untranslated) {
            (OUT_OF_MEMORY, _) => {
                ExecutorError::OutOfMemory { device: self.device.clone(), doing: doing.to_owned() }
            }
            (_, Some((_, advice))) => {
                self.unsupported("CUDA kernels", format!("{error} while {doing}: {advice}"))
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
    fn a_driver_that_does_not_translate_says_what_to_install() {
        let faults = Faults::new("gpu");
        for (code, advice) in [
            (209, "install a newer one"),
            (221, "NVIDIA_DRIVER_CAPABILITIES"),
            (222, "install a newer driver"),
            (223, "unset it"),
        ] {
            let explained = faults.explain(&error(code), "loading kernel `gemm`");
            assert!(matches!(explained, ExecutorError::Unsupported { .. }), "{explained}");
            let said = explained.to_string();
            assert!(said.contains(advice) && said.contains("loading kernel `gemm`"), "{said}");
        }
        assert_eq!(faults.check(), Ok(()), "the device itself is there");
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
