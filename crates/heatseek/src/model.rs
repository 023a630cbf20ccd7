//! A loaded model.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use heatseek_gpu::GpuExecutor;
use heatseek_model::{ModelFiles, Norm, TextModel};
use heatseek_ops::{Batch, ExecutorError, OutputId};
use heatseek_text::Tokenizer;

use crate::device::{self, Active};
use crate::{Control, DeviceChoice, Error, LoadOptions, ModelInfo, Progress, Stage};

/// A model that is being loaded: the device is opened and its pipelines compile while the weights are still
/// on their way.
pub struct Loader {
    options: LoadOptions,
    gpu: Option<Result<GpuExecutor, ExecutorError>>,
}

impl Loader {
    /// Opens the device. `files` may hold only the configuration; what they let us know about the model is
    /// compiled ahead, and what is wrong with them is found by [`Loader::finish`].
    pub async fn begin(files: &ModelFiles, options: LoadOptions) -> Self {
        let gpu = match options.device {
            DeviceChoice::Auto | DeviceChoice::Gpu => Some(device::request_gpu(&options).await),
            DeviceChoice::Cpu | DeviceChoice::Reference => None,
        };
        if let (Some(Ok(gpu)), Ok(ops)) = (&gpu, TextModel::ops(files, Norm::Folded)) {
            // An op this device cannot run is told when the plan is made.
            let _ = gpu.compile(&ops, device::QUERY_ROWS);
        }
        Self { options, gpu }
    }

    /// Reads and checks all files, uploads the weights and compares the device with the CPU.
    ///
    /// # Errors
    /// [`Error`]: files that are missing, broken or of an unsupported model; a device that cannot run it.
    pub async fn finish(self, files: ModelFiles, control: &dyn Control) -> Result<Model, Error> {
        let steps = 2;
        control.progress(Progress { stage: Stage::Read, loaded: 0, total: steps });
        let tokenizer = Tokenizer::from_json(files.tokenizer()?)?;
        control.progress(Progress { stage: Stage::Read, loaded: 1, total: steps });
        control.checkpoint().await?;
        let text_model = TextModel::load(&files)?;
        let tokenizer = if text_model.spec().do_lower_case { tokenizer.lower_casing()? } else { tokenizer };
        control.progress(Progress { stage: Stage::Read, loaded: steps, total: steps });
        control.checkpoint().await?;
        let active = device::open(&text_model, &self.options, self.gpu, control).await?;
        Ok(Model {
            text_model,
            tokenizer,
            options: self.options,
            active: RefCell::new(Rc::new(active)),
            recovered: Cell::new(false),
        })
    }
}

/// A loaded model on the device that runs it.
pub struct Model {
    pub(crate) text_model: TextModel,
    pub(crate) tokenizer: Tokenizer,
    options: LoadOptions,
    active: RefCell<Rc<Active>>,
    recovered: Cell<bool>,
}

impl Model {
    /// Loads a model from its files: [`Loader::begin`] and [`Loader::finish`] in one.
    ///
    /// # Errors
    /// As [`Loader::finish`].
    pub async fn load(
        files: ModelFiles,
        options: LoadOptions,
        control: &dyn Control,
    ) -> Result<Model, Error> {
        Loader::begin(&files, options).await.finish(files, control).await
    }

    /// What it is and where it runs.
    pub fn info(&self) -> ModelInfo {
        ModelInfo { spec: self.text_model.spec().clone(), device: self.active().report.clone() }
    }

    /// Counts the tokens of `text`, special ones included, without any limit.
    ///
    /// # Errors
    /// [`Error::Text`] if the tokenizer refuses the text.
    pub fn count_tokens(&self, text: &str) -> Result<usize, Error> {
        Ok(self.tokenizer.count_tokens(text)?)
    }

    pub(crate) fn active(&self) -> Rc<Active> {
        self.active.borrow().clone()
    }

    /// Runs a batch. A device lost on the way is opened again, once in a model's life; after that, or if it
    /// cannot be, the CPU takes over. Either way the batch is answered.
    pub(crate) async fn run(
        &self,
        batch: &Batch,
        outputs: &[&str],
        control: &dyn Control,
    ) -> Result<Vec<Vec<f32>>, Error> {
        loop {
            let active = self.active();
            let ids: Vec<OutputId> =
                outputs.iter().map(|name| active.program.output_named(name)).collect::<Result<_, _>>()?;
            match active.plan.run(batch, &ids).await {
                Ok(values) => return Ok(values),
                Err(ExecutorError::Lost { device, reason }) => {
                    let why = format!("{device} was lost ({reason})");
                    drop(active);
                    self.recover(why, control).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn recover(&self, why: String, control: &dyn Control) -> Result<(), Error> {
        let again = if self.recovered.replace(true) {
            None
        } else {
            let opened = device::open(&self.text_model, &self.options, None, control).await;
            match opened {
                Err(Error::Aborted) => return Err(Error::Aborted),
                opened => opened.ok(),
            }
        };
        let active = match again {
            Some(active) => active,
            None => {
                device::cpu(&self.text_model, &self.options, Some(format!("{why}; using the CPU"))).await?
            }
        };
        self.active.replace(Rc::new(active));
        Ok(())
    }

    /// For tests: makes the device fail as a driver reset would.
    #[doc(hidden)]
    pub fn lose_device(&self) {
        if let Some(gpu) = &self.active().gpu {
            gpu.destroy();
        }
    }
}
