//! Texts to vectors.

use heatseek_ops::{Batch, HIDDEN};
use heatseek_text::Encoding;

use crate::{Control, EmbedOptions, Error, Model, Progress, Stage};

/// One vector per text.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// The vectors, `shape[0] × shape[1]`, row-major.
    pub data: Vec<f32>,
    /// Texts, elements a vector.
    pub shape: [usize; 2],
    /// Tokens of each text, special ones included, after cutting.
    pub tokens: Vec<usize>,
    /// Whether a text was cut to the limit.
    pub truncated: Vec<bool>,
    /// Token ids of each text, after cutting.
    pub ids: Vec<Vec<u32>>,
    /// If asked for: the last hidden state of each text, `[tokens, hidden_size]` row-major.
    pub hidden: Option<Vec<Vec<f32>>>,
}

impl Embeddings {
    /// The vector of text `index`.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.shape[1]..][..self.shape[1]]
    }
}

impl Model {
    /// Embeds `texts`, in their order. A text gets the same vector whatever it is batched with.
    ///
    /// # Errors
    /// [`Error`]: an unknown prompt, a `max_length` the model cannot do, cancellation, a device that
    /// cannot go on.
    pub async fn embed<S: AsRef<str>>(
        &self,
        texts: &[S],
        options: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Embeddings, Error> {
        let prompt = self.prompt(options)?;
        let max_length = self.max_length(options)?;
        let spec = self.text_model().spec();
        let pooled = self.text_model().vector_output(options.pooling, options.normalize);
        let mut outputs = vec![pooled.as_str()];
        if options.hidden {
            outputs.push(HIDDEN);
        }
        let mut result = Embeddings {
            data: Vec::with_capacity(texts.len() * spec.embedding_dim),
            shape: [texts.len(), spec.embedding_dim],
            hidden: options.hidden.then(Vec::new),
            ..Embeddings::default()
        };
        let progress = |loaded| Progress { stage: Stage::Embed, loaded, total: texts.len() };
        control.progress(progress(0));
        let mut next = 0;
        while next < texts.len() {
            control.checkpoint().await?;
            let budget = self.runner.active().plan.preferred_rows();
            let mut batch = Batch::new();
            while next < texts.len() && batch.rows() < budget {
                let text = texts[next].as_ref();
                let encoding = self.encode(&prompt, text, max_length)?;
                // A batch may exceed its budget only by being a single text.
                if batch.rows() > 0 && batch.rows() + encoding.ids.len() > budget {
                    break;
                }
                self.text_model().push_sequence(&mut batch, &encoding.ids, &encoding.type_ids)?;
                result.tokens.push(encoding.ids.len());
                result.truncated.push(encoding.truncated);
                result.ids.push(encoding.ids);
                next += 1;
            }
            let mut values = self.runner.run(&batch, &outputs, control).await?;
            if let (Some(all), Some(hidden)) = (&mut result.hidden, values.get(1)) {
                let width = self.text_model().config().hidden_size;
                let rows = |s: &heatseek_ops::Sequence| hidden[s.start * width..][..s.len * width].to_vec();
                all.extend(batch.sequences().iter().map(rows));
            }
            result.data.append(&mut values[0]);
            control.progress(progress(next));
        }
        Ok(result)
    }

    /// `text` behind its prompt, and the same as tokens, cut to its length.
    pub(crate) fn encoding(&self, text: &str, options: &EmbedOptions) -> Result<(String, Encoding), Error> {
        let text = format!("{}{text}", self.prompt(options)?);
        let encoding = self.encode("", &text, self.max_length(options)?)?;
        Ok((text, encoding))
    }

    fn encode(&self, prompt: &str, text: &str, max_length: usize) -> Result<Encoding, Error> {
        let prompted;
        let text = if prompt.is_empty() {
            text
        } else {
            prompted = format!("{prompt}{text}");
            &prompted
        };
        let mut encoding = self.tokenizer.encode(text, Some(max_length))?;
        let counted = self.text_model().counted_tokens(&encoding.ids)?;
        encoding.ids.truncate(counted);
        encoding.type_ids.truncate(counted);
        encoding.offsets.truncate(counted);
        encoding.special.truncate(counted);
        Ok(encoding)
    }

    fn prompt(&self, options: &EmbedOptions) -> Result<String, Error> {
        match (&options.prompt_name, &options.prompt) {
            (Some(name), Some(_)) => Err(Error::InvalidInput {
                what: "prompt".into(),
                got: format!("both a literal prompt and prompt_name `{name}`"),
                expected: "one of them".into(),
            }),
            (None, Some(prompt)) => Ok(prompt.clone()),
            (name, None) => Ok(self.text_model().prompts().resolve(name.as_deref())?.to_owned()),
        }
    }

    fn max_length(&self, options: &EmbedOptions) -> Result<usize, Error> {
        let Some(wanted) = options.max_length else { return Ok(self.text_model().spec().max_length) };
        let limit = self.text_model().config().max_position_embeddings;
        if wanted == 0 || wanted > limit {
            return Err(Error::InvalidInput {
                what: "max_length".into(),
                got: wanted.to_string(),
                expected: format!("1 to {limit}, the model's max_position_embeddings"),
            });
        }
        Ok(wanted)
    }
}
