//! Texts to batches: tokenized some way ahead, and as many at once as the device likes.

use std::collections::VecDeque;

use heatseek_ops::Batch;
use heatseek_text::Encoding;

use crate::Error;
use crate::embed::{Encoded, Ready};
use crate::model::Model;
use crate::way::Input;

/// Bytes of text for each row of a batch that are tokenized at once. Words are shorter, so that about a batch is: enough
/// for every core, and no longer than the device takes between two looks at whether to go on.
const BYTES_PER_ROW: usize = 8;

/// Texts on their way to the device, in their order.
pub(crate) struct Packer<'a, S> {
    model: &'a Model,
    ready: &'a Ready,
    texts: &'a [S],
    /// Tokenized, and in no batch yet.
    ahead: VecDeque<Encoded>,
    done: usize,
}

/// A batch of the next texts.
pub(crate) struct Packed {
    pub(crate) batch: Batch,
    /// What the pooler needs to know of each.
    pub(crate) inputs: Vec<Input>,
    pub(crate) encodings: Vec<Encoding>,
}

impl<'a, S: AsRef<str>> Packer<'a, S> {
    pub(crate) fn new(model: &'a Model, ready: &'a Ready, texts: &'a [S]) -> Self {
        Self { model, ready, texts, ahead: VecDeque::new(), done: 0 }
    }

    /// How many texts are in batches.
    pub(crate) fn done(&self) -> usize {
        self.done
    }

    /// Whether all are.
    pub(crate) fn is_done(&self) -> bool {
        self.done == self.texts.len()
    }

    /// A batch of at most `budget` rows; of more only if its single text has more.
    pub(crate) fn next(&mut self, budget: usize) -> Result<Packed, Error> {
        let mut packed = Packed { batch: Batch::new(), inputs: Vec::new(), encodings: Vec::new() };
        while !self.is_done() && packed.batch.rows() < budget {
            if self.ahead.is_empty() {
                self.read_ahead(BYTES_PER_ROW * budget)?;
            }
            let rows = packed.batch.rows();
            let fits = |next: &mut Encoded| rows == 0 || rows + next.encoding.ids.len() <= budget;
            let Some(Encoded { encoding, input, .. }) = self.ahead.pop_front_if(fits) else { break };
            self.model.push(&mut packed.batch, self.ready, &encoding)?;
            packed.inputs.push(input);
            packed.encodings.push(encoding);
            self.done += 1;
        }
        Ok(packed)
    }

    /// Tokenizes the next texts, up to the one that reaches `most` bytes.
    fn read_ahead(&mut self, most: usize) -> Result<(), Error> {
        let mut bytes = 0;
        let within = |text: &&str| {
            let more = bytes < most;
            // An empty text has its special tokens.
            bytes += text.len().max(BYTES_PER_ROW);
            more
        };
        let texts: Vec<&str> = self.texts[self.done..].iter().map(S::as_ref).take_while(within).collect();
        self.ahead.extend(self.model.encoded_all(self.ready, &texts)?);
        Ok(())
    }
}
