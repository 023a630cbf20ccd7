//! Why a passage matched: the score taken apart into what each token gave.

use heatseek_model::Readout;
use heatseek_ops::{Batch, HIDDEN};
use heatseek_search::Metric;

use crate::device::Encoder;
use crate::runner::Runner;
use crate::{Control, EmbedOptions, Error, ImageModel, MapLayout, Model, Picture, Pixels};

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
    /// layers are shared out as pooling weighs tokens. `None` where the vector is no sum over tokens: after pooling
    /// by the maximum, a Dense layer with an activation, or SigLIP's head.
    pub contributions: Option<Vec<f32>>,
    /// How much pooling weighs each token, one number for each: `1/tokens` of the mean. `None` of the maximum and of
    /// SigLIP's head.
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
        check_width(query, self.text_model().spec().embedding_dim)?;
        let passage = self.side(passage, &options.passage, control).await?;
        Ok(passage.against_vector(query, options.metric))
    }

    async fn side(&self, text: &str, embed: &EmbedOptions, control: &dyn Control) -> Result<Side, Error> {
        let model = self.text_model();
        let (batch, layout) = self.looked_at(text, embed)?;
        let vector = model.vector_output(embed.pooling, embed.normalize);
        let outputs = [vector.as_str(), HIDDEN, model.token_output()];
        let way = Way {
            layout,
            unit_length: embed.normalize.unwrap_or(model.spec().normalize),
            readout: model.readout(embed.pooling),
            pool_weights: model.pool_weights(embed.pooling, batch.rows()),
        };
        Side::compute(&self.runner, &batch, outputs, way, control).await
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
        check_width(query, self.model().spec().embedding_dim)?;
        let passage = self.side(passage, &options.passage, control).await?;
        Ok(passage.against_vector(query, options.metric))
    }

    async fn side(
        &self,
        pixels: &Pixels,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Side, Error> {
        let model = self.model();
        let (batch, layout) = self.looked_at(pixels)?;
        let vector = model.vector_output(embed.pooling, embed.normalize);
        let outputs = [vector.as_str(), model.state_output(), model.token_output(embed.pooling)];
        let way = Way {
            layout,
            unit_length: embed.normalize.unwrap_or(model.spec().normalize),
            readout: model.readout(embed.pooling),
            pool_weights: model.pool_weights(embed.pooling, batch.rows()),
        };
        Side::compute(&self.runner, &batch, outputs, way, control).await
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

/// How a vector comes about.
struct Way {
    layout: MapLayout,
    unit_length: bool,
    readout: Option<Readout>,
    pool_weights: Option<Vec<f64>>,
}

/// One input and what a model made of it.
struct Side {
    way: Way,
    tokens: usize,
    vector: Vec<f32>,
    /// The rows that are pooled.
    states: Vec<f32>,
    /// Each carried into the space of vectors.
    carried: Vec<f32>,
}

impl Side {
    async fn compute<E: Encoder>(
        runner: &Runner<E>,
        batch: &Batch,
        [vector, states, carried]: [&str; 3],
        way: Way,
        control: &dyn Control,
    ) -> Result<Self, Error> {
        control.checkpoint().await?;
        let mut outputs = vec![vector, states];
        // Where nothing stands between states and vectors they are the same.
        outputs.extend((carried != states).then_some(carried));
        let mut values = runner.run(batch, &outputs, control).await?.into_iter();
        let mut next = || values.next().unwrap_or_default();
        let (vector, states) = (next(), next());
        let carried = if outputs.len() == 3 { next() } else { states.clone() };
        Ok(Self { way, tokens: batch.rows(), vector, states, carried })
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

    fn against_vector(&self, query: &[f32], metric: Metric) -> Explanation {
        Explanation {
            score: score(query, &self.vector, metric) as f32,
            similarity: cosines(query, 1, &self.carried, self.tokens),
            shape: [1, self.tokens],
            query: None,
            passage: self.explained(query, metric),
        }
    }

    fn explained(&self, other: &[f32], metric: Metric) -> ExplainedSide {
        let readout = self.way.readout.as_ref();
        let contributions = readout.map(|readout| self.contributions(readout, other, metric));
        let weights = self.way.pool_weights.as_ref();
        let pool_weights = weights.map(|weights| weights.iter().map(|&weight| weight as f32).collect());
        ExplainedSide { layout: self.way.layout.clone(), contributions, pool_weights }
    }

    /// With token vectors `t`, weights `w` and the constant `c`, the vector is `Σ w (t − c) + c`, divided by its
    /// length where it has unit length; of its product with the other one, each token gave a term.
    fn contributions(&self, readout: &Readout, other: &[f32], metric: Metric) -> Vec<f32> {
        let weights = readout.weights(self.tokens);
        let total: f64 = weights.iter().sum();
        let constant = readout.constant();
        let constant_at = |i: usize| constant.get(i).copied().unwrap_or_default();
        let width = other.len();
        let rows = || self.carried.chunks_exact(width).zip(&weights);
        let mut raw: Vec<f64> = (0..width).map(|i| constant_at(i) * (1.0 - total)).collect();
        for (row, weight) in rows() {
            raw.iter_mut().zip(row).for_each(|(sum, &t)| *sum += weight * f64::from(t));
        }
        let length = |squares: f64| if squares > 0.0 { squares.sqrt() } else { 1.0 };
        let scale = match (self.way.unit_length, metric) {
            (true, Metric::Dot) => 1.0 / length(raw.iter().map(|v| v * v).sum()),
            (false, Metric::Dot) => 1.0,
            (_, Metric::Cosine) => {
                1.0 / (length(raw.iter().map(|v| v * v).sum()) * length(product(other, other)))
            }
        };
        let of_constant: f64 = other.iter().enumerate().map(|(i, &u)| f64::from(u) * constant_at(i)).sum();
        let share = of_constant * (1.0 - total) / total;
        rows().map(|(row, weight)| (scale * weight * (product(row, other) + share)) as f32).collect()
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
        Metric::Cosine => {
            let squares = product(a, a) * product(b, b);
            if squares > 0.0 { product(a, b) / squares.sqrt() } else { 0.0 }
        }
    }
}

fn product(a: &[f32], b: &[f32]) -> f64 {
    a.iter().zip(b).map(|(&a, &b)| f64::from(a) * f64::from(b)).sum()
}
