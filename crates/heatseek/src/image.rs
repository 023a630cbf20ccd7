//! Pictures to vectors.

use std::rc::Rc;

use heatseek_image::{Picture, Pixels, Preprocessor};
use heatseek_model::{Kept, ModelError, ModelFiles, Norm, PatchGrid, Tail, VisionModel, VisionSpec};
use heatseek_ops::{Batch, HIDDEN, Pooling, Program};
use heatseek_pool::{Params, Pooler, PoolerSpec};

use crate::device::{self, Encoder};
use crate::runner::Runner;
use crate::way::{Collected, Input, Wanted, Way, sizes};
use crate::{Control, Error, LoadOptions, Loader, Mark, ModelInfo, Progress, Stage};

/// Rows of the probe, and fewer than any picture has: pictures need the kernels of many rows.
pub(crate) const QUERY_ROWS: usize = 64;

/// A loaded vision model on the device that runs it.
pub struct ImageModel {
    pub(crate) runner: Runner<VisionModel>,
    preprocessor: Preprocessor,
}

/// How to embed pictures.
#[derive(Clone, Debug, Default)]
pub struct ImageOptions {
    /// How tokens become vectors; `None` is the model's own:
    /// the class token, or SigLIP's pooling head.
    pub pooling: Option<PoolerSpec>,
    /// Learned parameters of that pooling.
    pub pooling_weights: Option<Rc<Params>>,
    /// Keeps only so many elements of each vector, the first; they get unit length again if the vectors have it.
    pub truncate_dim: Option<usize>,
    /// Whether the weights of tokens come too. Their states are read back for it.
    pub weights: bool,
    /// Whether vectors have unit length; `None` is the model's own.
    pub normalize: Option<bool>,
    /// Whether the last hidden state comes too.
    pub hidden: bool,
}

/// The vectors of pictures: one each, or with a pooling that gives several, as many as `counts` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ImageEmbeddings {
    /// The vectors, `shape[0] × shape[1]`, row-major; those of a picture follow each other.
    pub data: Vec<f32>,
    /// Vectors, elements a vector.
    pub shape: [usize; 2],
    /// Vectors of each picture, where the pooling gives several.
    pub counts: Option<Vec<usize>>,
    /// If asked for: how much each token weighed, of each picture `[vectors, tokens]` row-major. `None` also where
    /// tokens have no weight, as with the maximum.
    pub weights: Option<Vec<Vec<f32>>>,
    /// That another pooling was asked for than the model's own.
    pub warning: Option<String>,
    /// The patches of each picture.
    pub grids: Vec<PatchGrid>,
    /// Tokens of each picture: prefix tokens and patches.
    pub tokens: Vec<usize>,
    /// If asked for: the last hidden state of each picture, `[tokens, hidden_size]` row-major.
    pub hidden: Option<Vec<Vec<f32>>>,
}

impl ImageEmbeddings {
    /// Vector `index`: of picture `index`, if each has one.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.shape[1]..][..self.shape[1]]
    }
}

impl Encoder for VisionModel {
    fn program(&self, norm: Norm) -> Result<(Program, Tail), ModelError> {
        self.program_and_tail(norm)
    }

    fn normalizes(&self) -> bool {
        self.spec().normalize
    }

    fn vector_output(&self, pooling: Option<Pooling>, normalize: Option<bool>) -> String {
        VisionModel::vector_output(self, pooling, normalize)
    }

    fn ablated(&self, kept: Kept) -> Result<Program, ModelError> {
        VisionModel::ablated(self, kept)
    }

    fn hidden_output(&self, layer: usize) -> String {
        VisionModel::hidden_output(self, layer)
    }

    /// Two pictures of noise: together more rows than the kernels of a query take.
    fn probe(&self) -> Result<Batch, Error> {
        let mut batch = Batch::new();
        for [rows, columns] in [[6, 7], [2, 3]] {
            let [height, width] = [rows, columns].map(|n| n * self.config().patch_size);
            // Knuth's multiplicative hash as noise: values of −2 to 2, as normalised pixels are.
            let value = |i: u32| (i.wrapping_mul(2_654_435_761) >> 8) as f32 / (1 << 22) as f32 - 2.0;
            let pixels: Vec<f32> = (0..(3 * width * height) as u32).map(value).collect();
            self.push_picture(&mut batch, width, height, &pixels)?;
        }
        Ok(batch)
    }

    fn query_rows(&self) -> usize {
        QUERY_ROWS
    }
}

impl Loader {
    /// [`Loader::finish`] for a vision model, or the vision half of one ([`ModelFiles::has_vision`]).
    ///
    /// # Errors
    /// As [`Loader::finish`].
    pub async fn finish_images(self, files: ModelFiles, control: &dyn Control) -> Result<ImageModel, Error> {
        let steps = 2;
        control.progress(Progress { stage: Stage::Read, loaded: 0, total: steps });
        let preprocessor = Preprocessor::from_json(files.preprocessor()?)?;
        control.progress(Progress { stage: Stage::Read, loaded: 1, total: steps });
        control.checkpoint().await?;
        let model = VisionModel::load(&files)?;
        control.progress(Progress { stage: Stage::Read, loaded: steps, total: steps });
        control.checkpoint().await?;
        let active = device::open(&model, &self.options, self.gpu, control).await?;
        Ok(ImageModel { runner: Runner::new(model, self.options, active), preprocessor })
    }
}

impl ImageModel {
    /// Loads a model from its files: [`Loader::begin_images`] and [`Loader::finish_images`] in one.
    ///
    /// # Errors
    /// As [`Loader::finish`].
    pub async fn load(files: ModelFiles, options: LoadOptions, control: &dyn Control) -> Result<Self, Error> {
        Loader::begin_images(&files, options).await.finish_images(files, control).await
    }

    /// What it is and where it runs.
    pub fn info(&self) -> ModelInfo<VisionSpec> {
        ModelInfo { spec: self.model().spec().clone(), device: self.runner.report() }
    }

    /// What pictures go through before the model sees them.
    pub fn preprocessor(&self) -> &Preprocessor {
        &self.preprocessor
    }

    /// Embeds `pictures`, in their order, each prepared as the model's files say. A picture gets the same
    /// vector whatever it is batched with.
    ///
    /// # Errors
    /// [`Error`]: a picture that becomes too large or too small, cancellation, a device that cannot go on.
    pub async fn embed(
        &self,
        pictures: &[Picture],
        options: &ImageOptions,
        control: &dyn Control,
    ) -> Result<ImageEmbeddings, Error> {
        let pixels = |index: usize| self.pixels(index, &pictures[index]);
        self.embed_each(pictures.len(), &pixels, options, control).await
    }

    /// The same for `total` pictures that are made when their turn comes, so that they need not all be in
    /// memory at once.
    ///
    /// # Errors
    /// As [`ImageModel::embed`], and those of `picture`.
    pub async fn embed_with(
        &self,
        total: usize,
        picture: &dyn Fn(usize) -> Result<Picture, Error>,
        options: &ImageOptions,
        control: &dyn Control,
    ) -> Result<ImageEmbeddings, Error> {
        let pixels = |index: usize| {
            let picture = picture(index).map_err(|error| match error {
                Error::Image(source) => Error::Picture { index, source },
                other => other,
            })?;
            self.pixels(index, &picture)
        };
        self.embed_each(total, &pixels, options, control).await
    }

    fn pixels(&self, index: usize, picture: &Picture) -> Result<Pixels, Error> {
        self.preprocessor.pixels(picture).map_err(|source| Error::Picture { index, source })
    }

    /// The same for pictures that are already what the model takes, of any size from one patch up.
    ///
    /// # Errors
    /// As [`ImageModel::embed`].
    pub async fn embed_pixels(
        &self,
        pixels: &[Pixels],
        options: &ImageOptions,
        control: &dyn Control,
    ) -> Result<ImageEmbeddings, Error> {
        self.embed_each(pixels.len(), &|index| Ok(pixels[index].clone()), options, control).await
    }

    async fn embed_each(
        &self,
        total: usize,
        pixels: &dyn Fn(usize) -> Result<Pixels, Error>,
        options: &ImageOptions,
        control: &dyn Control,
    ) -> Result<ImageEmbeddings, Error> {
        let model = self.model();
        let way = &self.way(options)?;
        let also: &[&str] = if options.hidden { &[HIDDEN] } else { &[] };
        let mut result = ImageEmbeddings {
            shape: [0, way.width()],
            counts: way.gives_several().then(Vec::new),
            weights: options.weights.then(Vec::new),
            warning: way.warning.clone(),
            hidden: options.hidden.then(Vec::new),
            ..ImageEmbeddings::default()
        };
        let progress = |loaded| Progress { stage: Stage::Embed, loaded, total };
        control.progress(progress(0));
        let mut next = 0;
        // A picture that was made ready and did not fit into the last batch.
        let mut waiting = None;
        while next < total {
            control.checkpoint().await?;
            control.mark(Mark::Begun);
            let budget = if way.alone() { 1 } else { self.runner.active().plan.preferred_rows() };
            let mut batch = Batch::new();
            let mut inputs = Vec::new();
            while next < total {
                let picture = match waiting.take() {
                    Some(picture) => picture,
                    None => pixels(next)?,
                };
                let [width, height] = [picture.width, picture.height].map(|n| n as usize);
                let grid = model.grid(width, height)?;
                let tokens = model.spec().prefix_tokens.len() + grid.rows * grid.columns;
                // A batch may exceed its budget only by being a single picture.
                if batch.rows() > 0 && batch.rows() + tokens > budget {
                    waiting = Some(picture);
                    break;
                }
                model.push_picture(&mut batch, width, height, &picture.data)?;
                inputs.push(self.input(grid));
                result.grids.push(grid);
                result.tokens.push(tokens);
                next += 1;
            }
            control.mark(Mark::Prepared);
            let (pooled, values) = way.vectors(&self.runner, &mut batch, &inputs, also, control).await?;
            if let (Some(all), Some(hidden)) = (&mut result.hidden, values.first()) {
                let width = model.config().hidden_size;
                let rows = |s: &heatseek_ops::Sequence| hidden[s.start * width..][..s.len * width].to_vec();
                all.extend(batch.sequences().iter().map(rows));
            }
            let ([count, _], data) = (&mut result.shape, &mut result.data);
            let (counts, weights) = (&mut result.counts, &mut result.weights);
            Collected { data, count, counts, weights }.extend(pooled);
            control.progress(progress(next));
        }
        Ok(result)
    }

    /// The pooler that `spec` asks for, for the states of this model.
    ///
    /// # Errors
    /// [`Error::Pool`]: an unknown name or option, parameters that are missing or do not fit.
    pub fn pooler(&self, spec: &PoolerSpec, params: Option<&Params>) -> Result<Pooler, Error> {
        Ok(Pooler::new(spec, params, sizes(self.model()))?)
    }

    pub(crate) fn way(&self, options: &ImageOptions) -> Result<Way, Error> {
        let wanted = Wanted {
            pooling: options.pooling.as_ref(),
            params: options.pooling_weights.as_deref(),
            normalize: options.normalize,
            truncate_dim: options.truncate_dim,
            weights: options.weights,
        };
        let way = Way::new(self.model(), wanted)?;
        match way.landmarks() {
            None => Ok(way),
            Some(_) => Err(Error::InvalidInput {
                what: "pooling landmark".into(),
                got: "pictures".into(),
                expected: "texts, into which separators can be put".into(),
            }),
        }
    }

    pub(crate) fn input(&self, grid: PatchGrid) -> Input {
        let prefix = self.model().spec().prefix_tokens.len();
        Input { grid: Some((prefix, grid.rows, grid.columns)), ..Input::default() }
    }

    pub(crate) fn model(&self) -> &VisionModel {
        &self.runner.encoder
    }
}
