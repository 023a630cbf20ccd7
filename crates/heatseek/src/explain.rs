//! Why a passage matched: the score taken apart into what each token gave.

use heatseek_model::Readout;
use heatseek_ops::{Batch, Pooling};
use heatseek_search::Metric;
use heatseek_text::Encoding;

use crate::embed::Encoded;
use crate::look::Layers;
use crate::runner::Runner;
use crate::way::{Input, Way};
use crate::{Control, EmbedOptions, Error, ImageModel, ImageOptions, MapLayout, Model, Picture, Pixels};

/// How the score to explain comes about. The defaults are those of [`Index`](crate::Index).
#[derive(Clone, Debug, Default)]
pub struct ExplainOptions {
    /// How the query is embedded.
    pub query: EmbedOptions,
    /// How the passage is embedded.
    pub passage: EmbedOptions,
    /// How the two vectors are compared.
    pub metric: Metric,
}

/// A score and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Explanation {
    /// The metric's value for the two vectors that `embed` gives.
    pub score: f32,
    /// `shape` row-major: the cosine of the last hidden states of a token of the query and one of the passage. Of a
    /// query that is a vector: its cosine with each token of the passage carried into the space of vectors as if it
    /// were all there is, which is through the last LayerNorm and Dense layers, or SigLIP's head.
    pub similarity: Vec<f32>,
    /// Tokens of the query (1 if it is a vector), tokens of the passage.
    pub shape: [usize; 2],
    /// The query, unless it is a vector.
    pub query: Option<ExplainedSide>,
    /// The passage.
    pub passage: ExplainedSide,
}

/// What each token gave to the score.
#[derive(Clone, Debug, PartialEq)]
pub struct ExplainedSide {
    /// The tokens.
    pub layout: MapLayout,
    /// One number for each token; they sum to the score. Tokens that pooling leaves out have 0; the biases of Dense
    /// layers are shared out as pooling weighs tokens. `None` where the vector is no sum over the tokens' last states:
    /// after pooling by the maximum, a Dense layer with an activation, or SigLIP's head.
    pub contributions: Option<Vec<f32>>,
    /// How much pooling weighs each token, one number for each: `1/tokens` of the mean. `None` of the maximum and
    /// others that have no such weights, and of SigLIP's head.
    pub pool_weights: Option<Vec<f32>>,
}

impl Model {
    /// Why `passage` matches `query`: exact arithmetic of the score, not a guess. What a token gave is what its
    /// last hidden state gave, which took from other tokens too.
    ///
    /// # Errors
    /// As [`Model::embed`].
    pub async fn explain(
        &self,
        query: &str,
        passage: &str,
        options: &ExplainOptions,
        control: &dyn Control,
    ) -> Result<Explanation, Error> {
        let query = self.side(query, &options.query, control).await?;
        let passage = self.side(passage, &options.passage, control).await?;
        Ok(query.against(&passage, options.metric))
    }

    /// The same for a query that is a vector of this width: of `embed`, maybe of the other half of CLIP or SigLIP.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a vector of another width; otherwise as [`Model::embed`].
    pub async fn explain_vector(
        &self,
        query: &[f32],
        passage: &str,
        options: &ExplainOptions,
        control: &dyn Control,
    ) -> Result<Explanation, Error> {
        let passage = self.side(passage, &options.passage, control).await?;
        passage.against_vector(query, options.metric)
    }

    async fn side(&self, text: &str, embed: &EmbedOptions, control: &dyn Control) -> Result<Side, Error> {
        let model = self.text_model();
        let ready = self.ready(embed)?;
        let Encoded { text, encoding, input } = self.encoded(&ready, text)?;
        let mut batch = Batch::new();
        self.push(&mut batch, &ready, &encoding)?;
        let Encoding { ids, offsets, special, .. } = encoding;
        let layout = MapLayout::Text { text, ids, offsets, special };
        let outputs = [model.state_output(), model.token_output()];
        let readout = model.readout(Some(Pooling::Mean));
        Side::compute(&self.runner, (batch, input, layout), ready.way, (outputs, readout), control).await
    }
}

impl ImageModel {
    /// As [`Model::explain`], patch by patch. Of `options` pooling, unit length and the metric count.
    ///
    /// # Errors
    /// As [`ImageModel::embed`].
    pub async fn explain(
        &self,
        query: &Picture,
        passage: &Picture,
        options: &ExplainOptions,
        control: &dyn Control,
    ) -> Result<Explanation, Error> {
        let [query, passage] = [self.preprocessor().pixels(query)?, self.preprocessor().pixels(passage)?];
        self.explain_pixels(&query, &passage, options, control).await
    }

    /// The same for pictures that are already what the model takes.
    ///
    /// # Errors
    /// As [`ImageModel::embed`].
    pub async fn explain_pixels(
        &self,
        query: &Pixels,
        passage: &Pixels,
        options: &ExplainOptions,
        control: &dyn Control,
    ) -> Result<Explanation, Error> {
        let query = self.side(query, &options.query, control).await?;
        let passage = self.side(passage, &options.passage, control).await?;
        Ok(query.against(&passage, options.metric))
    }

    /// As [`Model::explain_vector`]: with the vector of a text, where in the picture the model sees what it says.
    ///
    /// # Errors
    /// [`Error::InvalidInput`] for a vector of another width; otherwise as [`ImageModel::embed`].
    pub async fn explain_vector(
        &self,
        query: &[f32],
        passage: &Picture,
        options: &ExplainOptions,
        control: &dyn Control,
    ) -> Result<Explanation, Error> {
        self.explain_vector_pixels(query, &self.preprocessor().pixels(passage)?, options, control).await
    }

    /// The same for a picture that is already what the model takes.
    ///
    /// # Errors
    /// As [`ImageModel::explain_vector`].
    pub async fn explain_vector_pixels(
        &self,
        query: &[f32],
        passage: &Pixels,
        options: &ExplainOptions,
        control: &dyn Control,
    ) -> Result<Explanation, Error> {
        let passage = self.side(passage, &options.passage, control).await?;
        passage.against_vector(query, options.metric)
    }

    async fn side(
        &self,
        pixels: &Pixels,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Side, Error> {
        let model = self.model();
        let way = self.way(&ImageOptions {
            pooling: embed.pooling.clone(),
            pooling_weights: embed.pooling_weights.clone(),
            normalize: embed.normalize,
            truncate_dim: embed.truncate_dim,
            ..ImageOptions::default()
        })?;
        let (batch, layout) = self.looked_at(pixels)?;
        let [width, height] = [pixels.width, pixels.height].map(|n| n as usize);
        let input = self.input(model.grid(width, height)?);
        let any = way.pooler().map(|_| Pooling::Mean);
        let outputs = [model.state_output(), model.token_output(any)];
        let readout = model.readout(any);
        Side::compute(&self.runner, (batch, input, layout), way, (outputs, readout), control).await
    }
}

/// A vector that can be compared with those of a model.
pub(crate) fn check_width(vector: &[f32], width: usize) -> Result<(), Error> {
    let refused =
        |got: String, expected: String| Error::InvalidInput { what: "the vector".into(), got, expected };
    if vector.len() != width {
        let expected = format!("{width}, the width of this model's vectors");
        return Err(refused(format!("{} elements", vector.len()), expected));
    }
    match vector.iter().position(|v| !v.is_finite()) {
        Some(at) => Err(refused(format!("{} at element {at}", vector[at]), "finite numbers".into())),
        None => Ok(()),
    }
}

/// Fails where an input gets several vectors.
pub(crate) fn one_vector(way: &Way) -> Result<(), Error> {
    let several = way.pooler().filter(|pooler| pooler.gives_several());
    several.map_or(Ok(()), |pooler| {
        Err(Error::InvalidInput {
            what: format!("pooling {}", pooler.spec()),
            got: "several vectors of one input".into(),
            expected: "a pooling that gives one".into(),
        })
    })
}

/// What was passed on to a side: a batch of one input.
type Looked = (Batch, Input, MapLayout);

/// How far the weighted sum of tokens may be from a vector that is one, as a share of its length: a thousand times
/// what f32 rounds.
const SUM_ERROR: f64 = 1e-4;

/// One input and what a model made of it.
struct Side {
    layout: MapLayout,
    way: Way,
    /// Of the Dense layers, where these are linear.
    readout: Option<Readout>,
    pool_weights: Option<Vec<f32>>,
    tokens: usize,
    vector: Vec<f32>,
    /// The rows that are pooled.
    states: Vec<f32>,
    /// Each carried into the space of vectors.
    carried: Vec<f32>,
}

impl Side {
    async fn compute<E: Layers>(
        runner: &Runner<E>,
        (mut batch, input, layout): Looked,
        way: Way,
        (outputs, readout): ([&str; 2], Option<Readout>),
        control: &dyn Control,
    ) -> Result<Self, Error> {
        one_vector(&way)?;
        control.checkpoint().await?;
        let inputs = [input];
        let (pooled, values) = way.vectors(runner, &mut batch, &inputs, &outputs, control).await?;
        let (mut pooled, mut values) = (pooled.into_iter(), values.into_iter());
        let pooled = pooled.next().unwrap_or_default();
        let mut next = || values.next().unwrap_or_default();
        let (states, carried) = (next(), next());
        let skip = batch.sequences().first().map_or(0, |sequence| sequence.skip);
        let pool_weights = match pooled.weights {
            None if !way.on_host() => way.plain_weights(&states, batch.rows(), skip)?,
            weights => weights,
        };
        let tokens = batch.rows();
        Ok(Self { layout, way, readout, pool_weights, tokens, vector: pooled.vectors, states, carried })
    }

    fn against(self, passage: &Self, metric: Metric) -> Explanation {
        let similarity = cosines(&self.states, self.tokens, &passage.states, passage.tokens);
        Explanation {
            score: score(&self.vector, &passage.vector, metric) as f32,
            similarity,
            shape: [self.tokens, passage.tokens],
            passage: passage.explained(&self.vector, metric),
            query: Some(self.explained(&passage.vector, metric)),
        }
    }

    fn against_vector(&self, query: &[f32], metric: Metric) -> Result<Explanation, Error> {
        check_width(query, self.way.width())?;
        let carried = self.carried()?;
        Ok(Explanation {
            score: score(query, &self.vector, metric) as f32,
            similarity: cosines(query, 1, &carried, self.tokens),
            shape: [1, self.tokens],
            query: None,
            passage: self.explained(query, metric),
        })
    }

    /// The tokens as vectors of the width of the input's own.
    fn carried(&self) -> Result<Vec<f32>, Error> {
        let (width, kept) = (self.carried.len() / self.tokens.max(1), self.way.width());
        if self.way.pooler().is_some_and(|pooler| pooler.width() != self.states.len() / self.tokens.max(1)) {
            return Err(Error::InvalidInput {
                what: "the vector".into(),
                got: format!("one to compare with tokens, of {kept} elements after pooling"),
                expected: format!("a pooling whose vectors are as wide as tokens, {width}"),
            });
        }
        Ok(self.carried.chunks_exact(width.max(1)).flat_map(|row| &row[..kept]).copied().collect())
    }

    fn explained(&self, other: &[f32], metric: Metric) -> ExplainedSide {
        let contributions = self.contributions(other, metric);
        let (layout, pool_weights) = (self.layout.clone(), self.pool_weights.clone());
        ExplainedSide { layout, contributions, pool_weights }
    }

    /// With token vectors `t`, weights `w` and the constant `c`, the vector is `Σ w (t − c) + c`, divided by its
    /// length where it has unit length; of its product with the other one, each token gave a term. `None` if that is
    /// not what the vector is.
    fn contributions(&self, other: &[f32], metric: Metric) -> Option<Vec<f32>> {
        let (readout, weights) = (self.readout.as_ref()?, self.pool_weights.as_ref()?);
        let carried = self.carried().ok()?;
        let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
        let constant = readout.constant();
        let constant_at = |i: usize| constant.get(i).copied().unwrap_or_default();
        let width = self.vector.len();
        let rows = || carried.chunks_exact(width).zip(weights.iter().map(|&w| f64::from(w)));
        let mut raw: Vec<f64> = (0..width).map(|i| constant_at(i) * (1.0 - total)).collect();
        for (row, weight) in rows() {
            raw.iter_mut().zip(row).for_each(|(sum, &t)| *sum += weight * f64::from(t));
        }
        let length = |squares: f64| if squares > 0.0 { squares.sqrt() } else { 1.0 };
        let unit = length(raw.iter().map(|v| v * v).sum());
        let made = if self.way.normalizes() { 1.0 / unit } else { 1.0 };
        let error =
            raw.iter().zip(&self.vector).map(|(sum, &v)| (sum * made - f64::from(v)).powi(2)).sum::<f64>();
        if !(error.sqrt() <= SUM_ERROR * length(product(&self.vector, &self.vector))) {
            return None;
        }
        let scale = match metric {
            Metric::Dot => made,
            // A distance is no sum of what tokens add to it.
            Metric::Euclidean => return None,
            Metric::Cosine => 1.0 / (unit * length(product(other, other))),
        };
        let of_constant: f64 = other.iter().enumerate().map(|(i, &u)| f64::from(u) * constant_at(i)).sum();
        let share = if total == 0.0 { 0.0 } else { of_constant * (1.0 - total) / total };
        Some(rows().map(|(row, weight)| (scale * weight * (product(row, other) + share)) as f32).collect())
    }
}

/// The cosine of every row of one matrix with every row of the other.
fn cosines(a: &[f32], a_rows: usize, b: &[f32], b_rows: usize) -> Vec<f32> {
    let width = a.len() / a_rows.max(1);
    let units = |rows: &[f32]| -> Vec<f32> {
        rows.chunks_exact(width.max(1))
            .flat_map(|row| {
                let squares = product(row, row);
                let scale = if squares > 0.0 { 1.0 / squares.sqrt() } else { 0.0 };
                row.iter().map(move |&v| (f64::from(v) * scale) as f32)
            })
            .collect()
    };
    let (a, b) = (units(a), units(b));
    let mut result = Vec::with_capacity(a_rows * b_rows);
    for row in a.chunks_exact(width.max(1)) {
        result.extend(b.chunks_exact(width.max(1)).map(|other| product(row, other) as f32));
    }
    result
}

/// The metric's value, summed in f64. A zero vector has the cosine 0 with everything.
pub(crate) fn score(a: &[f32], b: &[f32], metric: Metric) -> f64 {
    match metric {
        Metric::Dot => product(a, b),
        Metric::Euclidean => {
            -a.iter().zip(b).map(|(&a, &b)| (f64::from(a) - f64::from(b)).powi(2)).sum::<f64>().sqrt()
        }
        Metric::Cosine => {
            let squares = product(a, a) * product(b, b);
            if squares > 0.0 { product(a, b) / squares.sqrt() } else { 0.0 }
        }
    }
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
