//! A loaded model of texts.

use heatseek_gpu::GpuExecutor;
use heatseek_model::{Kept, ModelError, ModelFiles, Norm, Tail, TextModel, VisionModel};
use heatseek_ops::{Batch, ExecutorError, Pooling, Program};
use heatseek_text::{TextError, Tokenizer};

use crate::device::{self, Encoder};
use crate::index::fingerprint;
use crate::runner::Runner;
use crate::{Control, DeviceChoice, Error, LoadOptions, ModelInfo, Progress, Stage, image};

/// A model that is being loaded: the device is opened and its pipelines compile while the weights are still
/// on their way.
pub struct Loader {
    pub(crate) options: LoadOptions,
    pub(crate) gpu: Option<Result<GpuExecutor, ExecutorError>>,
    /// If it was read ahead.
    tokenizer: Option<Result<Tokenizer, TextError>>,
}

/// Rows that a query has about.
const QUERY_ROWS: usize = 16;

impl Encoder for TextModel {
    fn program(&self, norm: Norm) -> Result<(Program, Tail), ModelError> {
        self.program_and_tail(norm)
    }

    fn normalizes(&self) -> bool {
        self.spec().normalize
    }

    fn vector_output(&self, pooling: Option<Pooling>, normalize: Option<bool>) -> String {
        TextModel::vector_output(self, pooling, normalize)
    }

    fn ablated(&self, kept: Kept) -> Result<Program, ModelError> {
        TextModel::ablated(self, kept)
    }

    fn hidden_output(&self, layer: usize) -> String {
        TextModel::hidden_output(self, layer)
    }

    /// Ids from all over the vocabulary. The first text is longer than the 16 keys that attention takes at a
    /// time; together they are few enough for the kernels of a query, which are the first to be compiled.
    fn probe(&self) -> Result<Batch, Error> {
        let vocab = self.config().vocab_size as u32;
        let limit = self.config().max_position_embeddings;
        let mut batch = Batch::new();
        for (seed, len) in [(1u32, 21usize), (2, 6)] {
            let len = len.min(limit);
            // Knuth's multiplicative hash spreads consecutive numbers over the vocabulary.
            let ids: Vec<u32> =
                (0..len as u32).map(|i| (i + 64 * seed).wrapping_mul(2_654_435_761) % vocab).collect();
            self.push_sequence(&mut batch, &ids, &vec![0; len])?;
        }
        Ok(batch)
    }

    fn query_rows(&self) -> usize {
        QUERY_ROWS
    }
}

impl Loader {
    /// Opens the device. `files` may hold only the configuration; what they let us know about the model is
    /// compiled ahead, and what is wrong with them is found by [`Loader::finish`].
    pub async fn begin(files: &ModelFiles, options: LoadOptions) -> Self {
        match files.is_vision() {
            true => Self::begin_images(files, options).await,
            false => Self::open(TextModel::outline(files, Norm::Folded), QUERY_ROWS, options).await,
        }
    }

    /// The same for pictures, where `files` may be of a model of both.
    pub async fn begin_images(files: &ModelFiles, options: LoadOptions) -> Self {
        Self::open(VisionModel::outline(files, Norm::Folded), image::QUERY_ROWS, options).await
    }

    async fn open(outline: Result<Program, ModelError>, rows: usize, options: LoadOptions) -> Self {
        let gpu = match options.device {
            DeviceChoice::Auto | DeviceChoice::Gpu => Some(device::request_gpu(&options).await),
            _ => None,
        };
        if let (Some(Ok(gpu)), Ok(outline)) = (&gpu, outline) {
            // What is tried first. What this device cannot run is told when the plan is made.
            let _ = gpu.compile(&outline, options.dtype.on(gpu)[0], rows);
        }
        Self { options, gpu, tokenizer: None }
    }

    /// Reads the tokenizer, if the model has one and `files` hold it: work that need not wait for the weights. What is
    /// wrong with it is told by [`Loader::finish`].
    pub fn read_tokenizer(&mut self, files: &ModelFiles) {
        if let Ok(json) = files.tokenizer() {
            self.tokenizer = Some(Tokenizer::from_json(json));
        }
    }

    /// Whether the CPU kernels will run the model, so that their threads are wanted. A GPU that opened may still prove
    /// wrong.
    pub fn on_cpu(&self) -> bool {
        self.options.device != DeviceChoice::Reference && !matches!(self.gpu, Some(Ok(_)))
    }

    /// Reads and checks all files, uploads the weights and compares the device with the CPU.
    ///
    /// # Errors
    /// [`Error`]: files that are missing, broken or of an unsupported model; a device that cannot run it.
    pub async fn finish(self, files: ModelFiles, control: &dyn Control) -> Result<Model, Error> {
        if files.is_vision() {
            return Err(Error::InvalidInput {
                what: "the model".into(),
                got: "a vision model".into(),
                expected: "a model of texts; `ImageModel` loads this one".into(),
            });
        }
        let steps = 2;
        control.progress(Progress { stage: Stage::Read, loaded: 0, total: steps });
        let tokenizer = match self.tokenizer {
            Some(read) => read?,
            None => Tokenizer::from_json(files.tokenizer()?)?,
        };
        control.progress(Progress { stage: Stage::Read, loaded: 1, total: steps });
        control.checkpoint().await?;
        let text_model = TextModel::load(&files)?;
        let fingerprint = fingerprint(&files);
        let tokenizer = if text_model.spec().do_lower_case { tokenizer.lower_casing()? } else { tokenizer };
        let tokenizer = match text_model.padding() {
            Some(padding) => tokenizer.padding(&padding.token, padding.left)?,
            None => tokenizer,
        };
        control.progress(Progress { stage: Stage::Read, loaded: steps, total: steps });
        control.checkpoint().await?;
        let active = device::open(&text_model, &self.options, self.gpu, control).await?;
        Ok(Model { runner: Runner::new(text_model, self.options, active), tokenizer, fingerprint })
    }
}

/// A loaded model of texts on the device that runs it.
pub struct Model {
    pub(crate) runner: Runner<TextModel>,
    pub(crate) tokenizer: Tokenizer,
    /// What tells its files from another model's.
    pub(crate) fingerprint: String,
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
        ModelInfo { spec: self.text_model().spec().clone(), device: self.runner.report() }
    }

    /// Counts the tokens of `text`, special ones included, without any limit.
    ///
    /// # Errors
    /// [`Error::Text`] if the tokenizer refuses the text.
    pub fn count_tokens(&self, text: &str) -> Result<usize, Error> {
        Ok(self.tokenizer.count_tokens(text)?)
    }

    pub(crate) fn text_model(&self) -> &TextModel {
        &self.runner.encoder
    }

    /// For tests: makes the device fail as a driver reset would.
    #[doc(hidden)]
    pub fn lose_device(&self) {
        self.runner.lose_device();
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use heatseek_model::synthetic::SyntheticBert;
    use heatseek_ops::{Dtype, Op};
    use heatseek_wgsl::{AdapterClass, Storage, Target};

    use super::*;
    use crate::{EmbedOptions, NoControl};

    /// Every op with the operands that are narrower than f32: what decides which kernel it is.
    fn kernels(program: &Program, dtype: Dtype) -> Vec<(Op, Vec<(&'static str, Dtype)>)> {
        let storage = Storage::new(program, &Target::new(dtype, AdapterClass::Discrete));
        program.steps().iter().map(|step| (step.op.clone(), storage.narrow(step))).collect()
    }

    #[test]
    fn the_outline_has_the_kernels_of_the_model() {
        for norm in [Norm::Folded, Norm::Plain] {
            let synthetic = SyntheticBert { dense: Some(8), ..SyntheticBert::default() };
            let outline = TextModel::outline(&synthetic.files(), norm).unwrap();
            let program = synthetic.model().unwrap().program(norm).unwrap();
            for dtype in [Dtype::F32, Dtype::F16, Dtype::Int8] {
                let expected = kernels(&program, dtype);
                assert_eq!(kernels(&outline, dtype), expected);
                let narrow = expected.iter().filter(|(_, narrow)| !narrow.is_empty()).count();
                assert_eq!(narrow > 0, dtype != Dtype::F32);
            }
        }
    }

    fn load(files: &ModelFiles, ahead: bool) -> Result<Vec<f32>, Error> {
        block_on(async {
            let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
            let mut loader = Loader::begin(files, options).await;
            if ahead {
                loader.read_tokenizer(files);
            }
            let model = loader.finish(files.clone(), &NoControl).await?;
            Ok(model.embed(&["the bees find honey"], &EmbedOptions::default(), &NoControl).await?.data)
        })
    }

    #[test]
    fn a_tokenizer_that_is_read_ahead_is_the_same_and_so_is_what_is_wrong_with_it() {
        let sound = SyntheticBert::default().files();
        assert_eq!(load(&sound, true).unwrap(), load(&sound, false).unwrap());
        let mut broken = sound.clone();
        broken.insert("tokenizer.json", b"{}".to_vec());
        let [ahead, later] = [true, false].map(|ahead| load(&broken, ahead).unwrap_err().to_string());
        assert!(ahead.contains("tokenizer"), "{ahead}");
        assert_eq!(ahead, later);
    }
}
