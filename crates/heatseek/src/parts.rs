//! What benchmarks time: a loaded model's Program and plan, and executors without any model.

use std::rc::Rc;
use std::sync::Arc;

use heatseek_ops::{Executor, HostExecutor, Plan, Program, ReferenceExecutor};

use crate::{DeviceChoice, EmbedOptions, Error, ImageModel, LoadOptions, Model, device};

/// What runs and what runs it, without tokenizer and batching.
#[derive(Clone)]
pub struct Parts {
    /// The Program.
    pub program: Arc<Program>,
    /// The same, ready on the device.
    pub plan: Rc<dyn Plan>,
}

impl Model {
    /// For benchmarks: its parts on the device in use now.
    #[doc(hidden)]
    pub fn parts(&self) -> Parts {
        let active = self.runner.active();
        Parts { program: active.program.clone(), plan: active.plan.clone() }
    }

    /// For benchmarks: ids and types of the tokens of `text` as it is embedded without a prompt.
    ///
    /// # Errors
    /// [`Error::Text`] if the tokenizer refuses the text.
    #[doc(hidden)]
    pub fn tokens(&self, text: &str) -> Result<(Vec<u32>, Vec<u32>), Error> {
        let options = EmbedOptions { prompt: Some(String::new()), ..EmbedOptions::default() };
        let (_, encoding) = self.encoding(text, &options)?;
        Ok((encoding.ids, encoding.type_ids))
    }
}

impl ImageModel {
    /// For benchmarks: its parts on the device in use now.
    #[doc(hidden)]
    pub fn parts(&self) -> Parts {
        let active = self.runner.active();
        Parts { program: active.program.clone(), plan: active.plan.clone() }
    }
}

/// For benchmarks: the executor that a model loaded with `options` would run on; the CPU's for
/// [`DeviceChoice::Auto`].
///
/// # Errors
/// [`Error::Executor`] if there is no such device.
#[doc(hidden)]
pub async fn executor(options: &LoadOptions) -> Result<Box<dyn Executor>, Error> {
    Ok(match options.device {
        DeviceChoice::Reference => Box::new(HostExecutor::new(ReferenceExecutor)),
        DeviceChoice::Auto | DeviceChoice::Cpu => Box::new(heatseek_cpu::executor()),
        DeviceChoice::Gpu => Box::new(device::request_gpu(options).await?),
        #[cfg(not(target_arch = "wasm32"))]
        DeviceChoice::Cuda => Box::new(device::request_cuda(options)?),
    })
}
