//! What poolers are given and what they give.

use std::ops::Range;

use crate::PoolError;

/// Which hidden states a pooler needs: 0 are the embeddings, `layers` the last.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Layers {
    /// The last alone.
    #[default]
    Last,
    /// These, counted from 0, the embeddings.
    These(Vec<usize>),
}

/// An attention map a pooler needs: how heads are fused is always the mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Map {
    /// Of a layer counted from 0.
    Layer(usize),
    /// The rollout through all layers.
    Rollout,
}

/// What a pooler needs of the model besides the last hidden state.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Needs {
    /// Hidden states.
    pub layers: Layers,
    /// Attention maps `[tokens, tokens]`.
    pub maps: Vec<Map>,
    /// A separator is put behind every so many tokens of the text (row 59), and [`States::landmarks`] are their
    /// places.
    pub landmarks: Option<usize>,
}

/// The states of one text or picture of T tokens, D wide.
#[derive(Clone, Debug, Default)]
pub struct States<'a> {
    /// The hidden states asked for, in the order of [`Layers::These`]; one for [`Layers::Last`]. Each `[T, D]`.
    pub hidden: Vec<&'a [f32]>,
    /// T.
    pub tokens: usize,
    /// D.
    pub width: usize,
    /// Tokens before the first that counts: a prompt left out. The class token counts even so where it is asked
    /// for by name.
    pub skip: usize,
    /// The maps asked for, in that order, each `[T, T]`.
    pub maps: Vec<&'a [f32]>,
    /// First and last (exclusive) character of each token in the text; empty for pictures. Special tokens cover
    /// nothing.
    pub offsets: &'a [(usize, usize)],
    /// The first character of each line of the text; empty for pictures.
    pub lines: &'a [usize],
    /// Places of the separators that [`Needs::landmarks`] asked for.
    pub landmarks: &'a [usize],
    /// Of pictures: tokens before the patches, and rows and columns of these.
    pub grid: Option<(usize, usize, usize)>,
}

/// What came of it: M vectors, D' wide.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Pooled {
    /// `[M, D']`. M is 1 unless the pooler gives several.
    pub vectors: Vec<f32>,
    /// D'.
    pub width: usize,
    /// How much each token weighed, `[M, T]`, 0 of tokens that do not count; `None` where tokens have no weight.
    pub weights: Option<Vec<f32>>,
}

impl<'a> States<'a> {
    /// The last hidden state given.
    pub fn last(&self) -> &'a [f32] {
        self.hidden.last().copied().unwrap_or_default()
    }

    /// Row `token` of `hidden`.
    pub fn row<'h>(&self, hidden: &'h [f32], token: usize) -> &'h [f32] {
        &hidden[token * self.width..][..self.width]
    }

    /// The tokens that count.
    pub fn counted(&self) -> Range<usize> {
        self.skip.min(self.tokens)..self.tokens
    }

    /// Fails unless everything is as long as its shape says.
    ///
    /// # Errors
    /// [`PoolError::States`].
    pub(crate) fn check(&self, pooler: &'static str, needs: &Needs) -> Result<(), PoolError> {
        let wrong = |what: &str, got: usize, expected: usize| {
            let (got, expected) = (got.to_string(), expected.to_string());
            Err(PoolError::States { pooler, what: what.to_owned(), got, expected })
        };
        let layers = match &needs.layers {
            Layers::Last => 1,
            Layers::These(layers) => layers.len(),
        };
        if self.hidden.len() != layers {
            return wrong("the number of hidden states", self.hidden.len(), layers);
        }
        for hidden in &self.hidden {
            if hidden.len() != self.tokens * self.width {
                return wrong("the length of a hidden state", hidden.len(), self.tokens * self.width);
            }
        }
        if self.maps.len() != needs.maps.len() {
            return wrong("the number of attention maps", self.maps.len(), needs.maps.len());
        }
        for map in &self.maps {
            if map.len() != self.tokens * self.tokens {
                return wrong("the length of an attention map", map.len(), self.tokens * self.tokens);
            }
        }
        Ok(())
    }
}
