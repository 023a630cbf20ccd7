//! The model that is timed: as files, and loaded on a device.

use std::cell::Cell;
use std::sync::Arc;
use std::time::Duration;

use heatseek::{
    Control, DeviceReport, EmbedOptions, Error, ImageModel, ImageOptions, LoadOptions, Model, ModelFiles,
    NoControl, Norm, Parts, VisionModel, block_on,
};
use heatseek_model::TextModel;
use heatseek_ops::{Batch, OutputId, POOLED, Program, RunControl};

use super::work::Work;

/// What choosing kernels for a case may take, but for the choice that is under way then.
const TUNING: Duration = Duration::from_secs(30);

/// A model that is read, on no device.
pub enum Blueprint {
    Text(Box<TextModel>),
    Picture(Box<VisionModel>),
}

impl Blueprint {
    pub fn read(files: &ModelFiles) -> Result<Self, Error> {
        Ok(match files.is_vision() {
            true => Self::Picture(Box::new(VisionModel::load(files)?)),
            false => Self::Text(Box::new(TextModel::load(files)?)),
        })
    }

    /// Whether it takes pictures.
    pub fn takes_pictures(&self) -> bool {
        matches!(self, Self::Picture(_))
    }

    /// The most tokens of a text; of pictures there is no such limit.
    pub fn longest(&self) -> usize {
        match self {
            Self::Text(model) => model.config().max_position_embeddings.min(model.spec().max_length),
            Self::Picture(_) => usize::MAX,
        }
    }

    /// How tokens become a vector, and whether that has unit length.
    pub fn pooling(&self) -> (&str, bool) {
        match self {
            Self::Text(model) => (&model.spec().pooling, model.spec().normalize),
            Self::Picture(model) => (&model.spec().pooling, model.spec().normalize),
        }
    }

    pub fn parameters(&self) -> usize {
        match self {
            Self::Text(model) => model.spec().parameters,
            Self::Picture(model) => model.spec().parameters,
        }
    }

    /// What the reference runs.
    pub fn program(&self) -> Result<Arc<Program>, Error> {
        Ok(Arc::new(match self {
            Self::Text(model) => model.program(Norm::Plain)?,
            Self::Picture(model) => model.program(Norm::Plain)?,
        }))
    }

    /// Packs the inputs `items` of `work` into batches of at most `rows` rows, but for one that is larger alone.
    pub fn batches(&self, work: &Work, items: &[usize], rows: usize) -> Result<Vec<Batch>, Error> {
        let mut batches = vec![Batch::new()];
        for &item in items {
            let mut one = Batch::new();
            self.push(&mut one, work, item)?;
            match batches.last_mut() {
                Some(last) if last.rows() == 0 || last.rows() + one.rows() <= rows => {
                    self.push(last, work, item)?;
                }
                _ => batches.push(one),
            }
        }
        Ok(batches)
    }

    fn push(&self, batch: &mut Batch, work: &Work, item: usize) -> Result<(), Error> {
        match (self, work) {
            (Self::Text(model), Work::Texts { tokens, .. }) => {
                let (ids, types) = &tokens[item];
                model.push_sequence(batch, ids, types)?;
            }
            (Self::Picture(model), Work::Pictures { pixels, .. }) => {
                let picture = &pixels[item];
                model.push_picture(batch, picture.width as usize, picture.height as usize, &picture.data)?;
            }
            // Work is made for the model.
            _ => {}
        }
        Ok(())
    }
}

/// A model on a device.
pub enum Subject {
    Text(Box<Model>),
    Picture(Box<ImageModel>),
}

impl Subject {
    pub fn load(files: ModelFiles, options: LoadOptions, control: &dyn Control) -> Result<Self, Error> {
        Ok(match files.is_vision() {
            true => Self::Picture(Box::new(block_on(ImageModel::load(files, options, control))?)),
            false => Self::Text(Box::new(block_on(Model::load(files, options, control))?)),
        })
    }

    pub fn device(&self) -> DeviceReport {
        match self {
            Self::Text(model) => model.info().device,
            Self::Picture(model) => model.info().device,
        }
    }

    /// Chooses kernels for the numbers of rows that runs had.
    pub fn tune(&self) -> Result<(), Error> {
        let tuner = match self {
            Self::Text(model) => model.tuner(),
            Self::Picture(model) => model.tuner(),
        };
        block_on(tuner.run(TUNING, false, &NoControl))
    }

    pub fn parts(&self) -> Parts {
        match self {
            Self::Text(model) => model.parts(),
            Self::Picture(model) => model.parts(),
        }
    }

    /// From strings or decoded pictures to vectors, as a user calls it.
    pub fn embed(&self, work: &Work) -> Result<Vec<f32>, Error> {
        match (self, work) {
            (Self::Text(model), Work::Texts { texts, .. }) => {
                let options = EmbedOptions { prompt: Some(String::new()), ..EmbedOptions::default() };
                Ok(block_on(model.embed(texts, &options, &NoControl))?.data)
            }
            (Self::Picture(model), Work::Pictures { pictures, .. }) => {
                Ok(block_on(model.embed(pictures, &ImageOptions::default(), &NoControl))?.data)
            }
            _ => Ok(Vec::new()),
        }
    }

    /// What [`Subject::embed`] does before the device has anything to do: tokenizing, or making pictures the model's
    /// input.
    pub fn prepare(&self, work: &Work) -> Result<(), Error> {
        match (self, work) {
            (Self::Text(model), Work::Texts { texts, .. }) => {
                texts.iter().try_for_each(|text| model.tokens(text).map(drop))
            }
            (Self::Picture(model), Work::Pictures { pictures, .. }) => {
                let pixels = |picture| model.preprocessor().pixels(picture).map(drop);
                Ok(pictures.iter().try_for_each(pixels)?)
            }
            _ => Ok(()),
        }
    }
}

/// What the runs of a case gave.
pub struct Forward {
    /// The vectors of each sequence, one after another.
    pub vectors: Vec<f32>,
    /// How long the device was at the kernels of all runs; `None` if it does not tell.
    pub device_ms: Option<f64>,
}

/// Runs `batches`.
pub fn forward(parts: &Parts, batches: &[Batch]) -> Result<Forward, Error> {
    let output = pooled(&parts.program)?;
    let mut forward = Forward { vectors: Vec::new(), device_ms: Some(0.0) };
    for batch in batches {
        let clock = DeviceClock::default();
        let values = block_on(parts.plan.run_with(batch, &output, &clock))?;
        forward.vectors.extend(values.into_iter().next().unwrap_or_default());
        forward.device_ms = forward.device_ms.zip(clock.0.get()).map(|(ms, seconds)| ms + 1e3 * seconds);
    }
    Ok(forward)
}

/// Has the device tell how long it was at a run.
#[derive(Default)]
struct DeviceClock(Cell<Option<f64>>);

impl RunControl for DeviceClock {
    fn wants_device_time(&self) -> bool {
        true
    }

    fn device_time(&self, seconds: f64) {
        self.0.set(Some(seconds));
    }
}

/// The output that holds vectors.
pub fn pooled(program: &Program) -> Result<[OutputId; 1], Error> {
    Ok([program.output_named(POOLED)?])
}
