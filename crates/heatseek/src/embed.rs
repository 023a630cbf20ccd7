//! Texts to vectors.

use heatseek_ops::{Batch, HIDDEN};
use heatseek_pool::{Params, Pooler, PoolerSpec};
use heatseek_text::Encoding;

use crate::packer::{Packed, Packer};
use crate::way::{Collected, Input, Wanted, Way, sizes};
use crate::{Control, EmbedOptions, Error, Mark, Model, Progress, Stage};

/// The vectors of texts: one each, or with a pooling that gives several, as many as `counts` says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Embeddings {
    /// The vectors, `shape[0] × shape[1]`, row-major; those of a text follow each other.
    pub data: Vec<f32>,
    /// Vectors, elements a vector.
    pub shape: [usize; 2],
    /// Vectors of each text, where the pooling gives several; to be compared by [`max_sim`](crate::max_sim).
    pub counts: Option<Vec<usize>>,
    /// If asked for: how much each token weighed, of each text `[vectors, tokens]` row-major. `None` also where
    /// tokens have no weight, as with the maximum.
    pub weights: Option<Vec<Vec<f32>>>,
    /// That another pooling was asked for than the model's own.
    pub warning: Option<String>,
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
    /// Vector `index`: of text `index`, if each text has one.
    pub fn row(&self, index: usize) -> &[f32] {
        &self.data[index * self.shape[1]..][..self.shape[1]]
    }

    /// The vector or vectors of each text.
    pub(crate) fn each(&self) -> impl Iterator<Item = &[f32]> {
        let counts = (0..self.tokens.len()).map(|text| self.counts.as_ref().map_or(1, |counts| counts[text]));
        counts.scan(0, |first, count| {
            let vectors = &self.data[*first * self.shape[1]..][..count * self.shape[1]];
            *first += count;
            Some(vectors)
        })
    }
}

/// Options made ready for texts.
pub(crate) struct Ready {
    pub(crate) way: Way,
    pub(crate) prompt: String,
    /// Tokens from the first on that do not count in pooling.
    pub(crate) skip: usize,
    pub(crate) max_length: usize,
}

/// A text made ready.
pub(crate) struct Encoded {
    /// The text behind its prompt.
    pub(crate) text: String,
    pub(crate) encoding: Encoding,
    pub(crate) input: Input,
}

impl Model {
    /// The pooler that `spec` asks for, for the states of this model.
    ///
    /// # Errors
    /// [`Error::Pool`]: an unknown name or option, parameters that are missing or do not fit.
    pub fn pooler(&self, spec: &PoolerSpec, params: Option<&Params>) -> Result<Pooler, Error> {
        Ok(Pooler::new(spec, params, sizes(self.text_model()))?)
    }

    /// Embeds `texts`, in their order. A text gets the same vectors whatever it is batched with.
    ///
    /// # Errors
    /// [`Error`]: an unknown prompt or pooling, a `max_length` the model cannot do, cancellation, a device that
    /// cannot go on.
    pub async fn embed<S: AsRef<str>>(
        &self,
        texts: &[S],
        options: &EmbedOptions,
        control: &dyn Control,
    ) -> Result<Embeddings, Error> {
        let ready = self.ready(options)?;
        let way = &ready.way;
        let also: &[&str] = if options.hidden { &[HIDDEN] } else { &[] };
        let mut result = Embeddings {
            shape: [0, way.width()],
            counts: way.gives_several().then(Vec::new),
            weights: options.weights.then(Vec::new),
            warning: way.warning.clone(),
            hidden: options.hidden.then(Vec::new),
            ..Embeddings::default()
        };
        let progress = |loaded| Progress { stage: Stage::Embed, loaded, total: texts.len() };
        control.progress(progress(0));
        let mut packer = Packer::new(self, &ready, texts);
        while !packer.is_done() {
            control.checkpoint().await?;
            control.mark(Mark::Begun);
            let budget = if way.alone() { 1 } else { self.runner.active().plan.preferred_rows() };
            let Packed { mut batch, inputs, encodings } = packer.next(budget)?;
            control.mark(Mark::Prepared);
            for encoding in encodings {
                result.tokens.push(encoding.ids.len());
                result.truncated.push(encoding.truncated);
                result.ids.push(encoding.ids);
            }
            let (pooled, values) = way.vectors(&self.runner, &mut batch, &inputs, also, control).await?;
            if let (Some(all), Some(hidden)) = (&mut result.hidden, values.first()) {
                let width = self.text_model().config().hidden_size;
                let rows = |s: &heatseek_ops::Sequence| hidden[s.start * width..][..s.len * width].to_vec();
                all.extend(batch.sequences().iter().map(rows));
            }
            let ([count, _], data) = (&mut result.shape, &mut result.data);
            let (counts, weights) = (&mut result.counts, &mut result.weights);
            Collected { data, count, counts, weights }.extend(pooled);
            control.progress(progress(packer.done()));
        }
        Ok(result)
    }

    /// Checks options.
    pub(crate) fn ready(&self, options: &EmbedOptions) -> Result<Ready, Error> {
        let way = Way::new(
            self.text_model(),
            Wanted {
                pooling: options.pooling.as_ref(),
                params: options.pooling_weights.as_deref(),
                normalize: options.normalize,
                truncate_dim: options.truncate_dim,
                weights: options.weights,
            },
        )?;
        let model = self.text_model();
        // These read a text up to its first separator, or one as long as the limit.
        if way.landmarks().is_some() && (model.config().text_end.is_some() || model.padding().is_some()) {
            return Err(Error::InvalidInput {
                what: "pooling landmark".into(),
                got: format!("a model of type `{}`, whose texts end at a separator", model.spec().model_type),
                expected: "a model that reads several parts, such as BERT".into(),
            });
        }
        let prompt = self.prompt(options)?;
        let counts = options.include_prompt.unwrap_or(model.pipeline().include_prompt);
        let skip = if counts { 0 } else { self.tokenizer.prompt_tokens(&prompt)? };
        Ok(Ready { way, prompt, skip, max_length: self.max_length(options)? })
    }

    /// `text` as tokens, with what its pooler needs to know.
    pub(crate) fn encoded(&self, ready: &Ready, text: &str) -> Result<Encoded, Error> {
        let prompted = format!("{}{text}", ready.prompt);
        let Some(every) = ready.way.landmarks() else {
            let encoding = self.tokenizer.encode(&prompted, Some(ready.max_length))?;
            return self.read(ready, (text, prompted), encoding);
        };
        let (encoding, landmarks) =
            self.tokenizer.encode_with_landmarks(&prompted, every, ready.max_length)?;
        let mut encoded = self.read(ready, (text, prompted), encoding)?;
        encoded.input.landmarks = landmarks;
        Ok(encoded)
    }

    /// [`encoded`](Self::encoded) for each of `texts`, on all cores where there are threads.
    pub(crate) fn encoded_all(&self, ready: &Ready, texts: &[&str]) -> Result<Vec<Encoded>, Error> {
        if ready.way.landmarks().is_some() {
            return texts.iter().map(|text| self.encoded(ready, text)).collect();
        }
        let prompted: Vec<_> = texts.iter().map(|text| format!("{}{text}", ready.prompt)).collect();
        let made = self.tokenizer.encode_all(&prompted, Some(ready.max_length))?;
        let each = texts.iter().copied().zip(prompted).zip(made);
        each.map(|(text, encoding)| self.read(ready, text, encoding)).collect()
    }

    /// A text, and the same behind its prompt, with its tokens.
    fn read(&self, ready: &Ready, text: (&str, String), encoding: Encoding) -> Result<Encoded, Error> {
        let (text, prompted) = text;
        let encoding = self.counted(encoding)?;
        let mut input = Input::default();
        if ready.way.on_host() {
            input.offsets = characters(&prompted, ready.prompt.len(), &encoding.offsets);
            let behind = text.chars().enumerate().filter(|(_, c)| *c == '\n').map(|(at, _)| at + 1);
            input.lines = std::iter::once(0).chain(behind).collect();
        }
        Ok(Encoded { text: prompted, encoding, input })
    }

    /// Appends a text to `batch`.
    pub(crate) fn push(&self, batch: &mut Batch, ready: &Ready, encoding: &Encoding) -> Result<(), Error> {
        self.text_model().push_sequence(batch, &encoding.ids, &encoding.type_ids)?;
        batch.skip_first(ready.skip);
        Ok(())
    }

    /// `text` behind its prompt, and the same as tokens, cut to its length.
    pub(crate) fn encoding(&self, text: &str, options: &EmbedOptions) -> Result<(String, Encoding), Error> {
        let text = format!("{}{text}", self.prompt(options)?);
        let encoding = self.encode(&text, self.max_length(options)?)?;
        Ok((text, encoding))
    }

    fn encode(&self, text: &str, max_length: usize) -> Result<Encoding, Error> {
        self.counted(self.tokenizer.encode(text, Some(max_length))?)
    }

    /// The tokens that the model reads: all, or those up to where its texts end.
    fn counted(&self, mut encoding: Encoding) -> Result<Encoding, Error> {
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

/// Bytes of a text behind its prompt as characters of the text alone; what is of the prompt covers nothing.
fn characters(prompted: &str, prompt: usize, offsets: &[(usize, usize)]) -> Vec<(usize, usize)> {
    let mut before = vec![0; prompted.len() + 1];
    let mut count = 0;
    for (at, place) in before.iter_mut().enumerate() {
        *place = count;
        count += usize::from(at >= prompt && at < prompted.len() && prompted.is_char_boundary(at + 1));
    }
    offsets.iter().map(|&(start, end)| (before[start], before[end])).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_are_those_of_the_text_alone() {
        let offsets = [(0, 0), (0, 3), (4, 6), (3, 7), (6, 10), (10, 11)];
        assert_eq!(
            characters("q: é x🐝", 3, &[(0, 2), (3, 5), (6, 7), (7, 11)]),
            [(0, 0), (0, 1), (2, 3), (3, 4)]
        );
        assert_eq!(characters("abcdefghijk", 0, &offsets), offsets);
    }
}
