//! How one token's attention in one head came about: bertviz's neuron view.

use heatseek_attention::neuron;
use heatseek_ops::Batch;

use crate::attention::MapLayout;
use crate::look::{Layers, chosen, invalid};
use crate::runner::Runner;
use crate::{Control, EmbedOptions, Error, ImageModel, Model, Picture};

/// Which token of which head, all counted from 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NeuronOptions {
    /// The layer.
    pub layer: usize,
    /// The head.
    pub head: usize,
    /// The token that looks.
    pub query: usize,
}

/// From a query and keys to attention.
#[derive(Clone, Debug, PartialEq)]
pub struct NeuronView {
    /// The token's query `[d]`.
    pub q: Vec<f32>,
    /// Every token's key `[tokens, d]`.
    pub k: Vec<f32>,
    /// `q·k / √d` for each token: the sum of the products of `q` and its key, scaled.
    pub scores: Vec<f32>,
    /// What the token looked at: the softmax of the scores of the tokens it sees, and 0 for the others.
    pub probabilities: Vec<f32>,
    /// What the tokens are.
    pub layout: MapLayout,
}

impl Model {
    /// Query, keys, scores and attention of one token of `text` in one head.
    ///
    /// # Errors
    /// As [`Model::attention`].
    pub async fn neuron(
        &self,
        text: &str,
        options: NeuronOptions,
        embed: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<NeuronView, Error> {
        let (batch, layout) = self.looked_at(text, embed)?;
        let causal = self.text_model().is_causal();
        let output = self.text_model().qkv_output(options.layer);
        view(&self.runner, (batch, layout), (options, output, causal), control).await
    }
}

impl ImageModel {
    /// Query, keys, scores and attention of one token of `picture` in one head.
    ///
    /// # Errors
    /// As [`ImageModel::attention`].
    pub async fn neuron(
        &self,
        picture: &Picture,
        options: NeuronOptions,
        control: &dyn Control,
    ) -> Result<NeuronView, Error> {
        let looked_at = self.looked_at(&self.preprocessor().pixels(picture)?)?;
        let output = self.model().qkv_output(options.layer);
        view(&self.runner, looked_at, (options, output, false), control).await
    }
}

async fn view<E: Layers>(
    runner: &Runner<E>,
    (batch, layout): (Batch, MapLayout),
    (options, output, causal): (NeuronOptions, String, bool),
    control: &dyn Control,
) -> Result<NeuronView, Error> {
    let NeuronOptions { layer, head, query } = options;
    let ([layers, heads, width], tokens) = (runner.encoder.sizes(), batch.rows());
    chosen("layer", Some(&[layer]), layers)?;
    chosen("head", Some(&[head]), heads)?;
    if query >= tokens {
        let expected = format!("one of the input's {tokens} tokens, counted from 0");
        return Err(invalid("query", query.to_string(), &expected));
    }
    control.checkpoint().await?;
    let values = runner.run(&batch, &[&output], control).await?;
    let d = width / heads;
    let part = |token: usize, part: usize| &values[0][(3 * token + part) * width + head * d..][..d];
    let q = part(query, 0).to_vec();
    let k: Vec<f32> = (0..tokens).flat_map(|token| part(token, 1)).copied().collect();
    let scores = neuron(&q, &k)?.scores;
    let seen = if causal { query + 1 } else { tokens };
    let mut probabilities = neuron(&q, &k[..seen * d])?.probabilities;
    probabilities.resize(tokens, 0.0);
    Ok(NeuronView { q, k, scores, probabilities, layout })
}
