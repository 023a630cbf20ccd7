//! What a vector rests on, by trial: one part of the input after another is hidden, and the rest embedded again.

use heatseek_model::PatchGrid;
use heatseek_ops::Batch;
use heatseek_search::Metric;
use heatseek_text::Encoding;

use crate::embed::Encoded;
use crate::explain::{check_width, one_vector, score};
use crate::look::Layers;
use crate::runner::Runner;
use crate::way::{Input, Way};
use crate::{
    Control, EmbedOptions, Error, ImageModel, ImageOptions, MapLayout, Model, Picture, Pixels, Progress,
    Stage,
};

/// How much each token or patch matters to a cosine.
#[derive(Clone, Debug, PartialEq)]
pub struct Occlusion {
    /// One number for each token: how far the cosine falls when it is hidden; below 0 where it rises. Tokens that
    /// cannot be hidden have 0: special ones, those of the prompt, and prefix tokens of a picture.
    pub data: Vec<f32>,
    /// The cosine while nothing is hidden.
    pub score: f32,
    /// The tokens.
    pub layout: MapLayout,
}

impl Model {
    /// Hides each token of `text` in turn: the tokenizer's mask token stands in its place, or where it has none the
    /// token is left out. The cosine is that to `against`, a vector of `embed`, or to the text's own vector. Costs
    /// as much as embedding as many texts as there are tokens, in batches.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a vector of another width; otherwise as [`Model::embed`].
    pub async fn occlusion(
        &self,
        text: &str,
        against: Option<&[f32]>,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Occlusion, Error> {
        let model = self.text_model();
        let ready = self.ready(embed)?;
        one_vector(&ready.way)?;
        let Encoded { text: prompted, encoding, input } = self.encoded(&ready, text)?;
        let prompt = prompted.len() - text.len();
        let push = |batch: &mut Batch, hidden: Option<usize>| {
            let changed = hidden.map(|token| self.tokenizer.hiding(&encoding, token));
            let changed = changed.as_ref().unwrap_or(&encoding);
            self.push(batch, &ready, changed)?;
            let left_out = hidden.filter(|_| changed.ids.len() < encoding.ids.len());
            Ok(left_out.map_or_else(|| input.clone(), |token| input.without(token)))
        };
        // CLIP's vector is that of the token a text ends with, even one that is written out in the text.
        let end = model.config().text_end.map(|_| encoding.ids.len() - 1);
        let of_text = |&token: &usize| {
            !encoding.special[token] && encoding.offsets[token].1 > prompt && Some(token) != end
        };
        let trials = Trials {
            tokens: encoding.ids.len(),
            hidden: (0..encoding.ids.len()).filter(of_text).collect(),
            way: &ready.way,
            push: &push,
        };
        let (data, score) = trials.run(&self.runner, against, control).await?;
        let Encoding { ids, offsets, special, .. } = encoding;
        Ok(Occlusion { data, score, layout: MapLayout::Text { text: prompted, ids, offsets, special } })
    }
}

impl ImageModel {
    /// Hides each patch of `picture` in turn, with those around it in a square of `window` patches, as far as there
    /// are any: what the model is given there becomes 0, the mean colour. Otherwise as [`Model::occlusion`].
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a window of 0 or a vector of another width; otherwise as [`ImageModel::embed`].
    pub async fn occlusion(
        &self,
        picture: &Picture,
        against: Option<&[f32]>,
        window: usize,
        options: &ImageOptions,
        control: &dyn Control,
    ) -> Result<Occlusion, Error> {
        let pixels = self.preprocessor().pixels(picture)?;
        self.occlusion_of_pixels(&pixels, against, window, options, control).await
    }

    /// The same for a picture that is already what the model takes.
    ///
    /// # Errors
    /// As [`ImageModel::occlusion`].
    pub async fn occlusion_of_pixels(
        &self,
        pixels: &Pixels,
        against: Option<&[f32]>,
        window: usize,
        options: &ImageOptions,
        control: &dyn Control,
    ) -> Result<Occlusion, Error> {
        if window == 0 {
            return Err(Error::InvalidInput {
                what: "window".into(),
                got: "0".into(),
                expected: "1 or more patches".into(),
            });
        }
        let way = self.way(options)?;
        one_vector(&way)?;
        let model = self.model();
        let spec = model.spec();
        let [width, height] = [pixels.width, pixels.height].map(|n| n as usize);
        let grid = model.grid(width, height)?;
        let prefix = spec.prefix_tokens.len();
        let tokens = prefix + grid.rows * grid.columns;
        let push = |batch: &mut Batch, hidden: Option<usize>| {
            let changed = hidden.map(|token| covered(pixels, grid, spec.patch_size, token - prefix, window));
            model.push_picture(batch, width, height, changed.as_ref().unwrap_or(&pixels.data))?;
            Ok(self.input(grid))
        };
        let trials = Trials { tokens, hidden: (prefix..tokens).collect(), way: &way, push: &push };
        let (data, score) = trials.run(&self.runner, against, control).await?;
        let prefix_tokens = spec.prefix_tokens.clone();
        Ok(Occlusion { data, score, layout: MapLayout::Picture { prefix_tokens, grid } })
    }
}

/// The pixels with the square of `window` patches around patch `patch` made 0. Of an even number of patches, one
/// more lies right and below than left and above.
fn covered(pixels: &Pixels, grid: PatchGrid, side: usize, patch: usize, window: usize) -> Vec<f32> {
    let [width, height] = [pixels.width, pixels.height].map(|n| n as usize);
    let span = |at: usize, patches: usize| {
        let (from, to) =
            (at.saturating_sub((window - 1) / 2), at.saturating_add(window / 2).min(patches - 1));
        from * side..(to + 1) * side
    };
    let columns = span(patch % grid.columns, grid.columns);
    let mut data = pixels.data.clone();
    for channel in 0..3 {
        for y in span(patch / grid.columns, grid.rows) {
            data[(channel * height + y) * width..][columns.clone()].fill(0.0);
        }
    }
    data
}

/// Appends the input to a batch, whole or with what is at a token hidden.
type Push<'a> = &'a dyn Fn(&mut Batch, Option<usize>) -> Result<Input, Error>;

/// What is to be hidden, one after another.
struct Trials<'a> {
    tokens: usize,
    hidden: Vec<usize>,
    way: &'a Way,
    push: Push<'a>,
}

impl Trials<'_> {
    /// How far the cosine falls for each token, and where from.
    async fn run<E: Layers>(
        self,
        runner: &Runner<E>,
        against: Option<&[f32]>,
        control: &dyn Control,
    ) -> Result<(Vec<f32>, f32), Error> {
        if let Some(vector) = against {
            check_width(vector, self.way.width())?;
        }
        let total = self.hidden.len();
        let progress = |loaded| Progress { stage: Stage::Occlude, loaded, total };
        control.progress(progress(0));
        control.checkpoint().await?;
        let whole = self.vectors(runner, &[None], control).await?;
        let against = against.unwrap_or(&whole);
        let cosine = |vector: &[f32]| score(vector, against, Metric::Cosine);
        let start = cosine(&whole);
        let mut falls = vec![0.0; self.tokens];
        let mut done = 0;
        while done < total {
            control.checkpoint().await?;
            let together = match self.way.alone() {
                true => 1,
                false => (runner.active().plan.preferred_rows() / self.tokens.max(1)).max(1),
            };
            let some = &self.hidden[done..total.min(done + together)];
            let variants: Vec<Option<usize>> = some.iter().copied().map(Some).collect();
            let vectors = self.vectors(runner, &variants, control).await?;
            for (&token, vector) in some.iter().zip(vectors.chunks_exact(self.way.width())) {
                falls[token] = (start - cosine(vector)) as f32;
            }
            done += some.len();
            control.progress(progress(done));
        }
        Ok((falls, start as f32))
    }

    async fn vectors<E: Layers>(
        &self,
        runner: &Runner<E>,
        variants: &[Option<usize>],
        control: &dyn Control,
    ) -> Result<Vec<f32>, Error> {
        let mut batch = Batch::new();
        let push = |&hidden: &Option<usize>| (self.push)(&mut batch, hidden);
        let inputs = variants.iter().map(push).collect::<Result<Vec<Input>, Error>>()?;
        let (pooled, _) = self.way.vectors(runner, &mut batch, &inputs, &[], control).await?;
        Ok(pooled.into_iter().flat_map(|one| one.vectors).collect())
    }
}
