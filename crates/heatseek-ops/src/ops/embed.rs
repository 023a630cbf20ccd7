//! `embed`: the sum of word, position and token type embeddings.

use crate::{Batch, Binding, Dim};

/// `y[r] = word[token] + position[pos] + token_type[type]` with `{token, pos, type, _} = tokens[r]`.
/// The LayerNorm that follows in BERT is the consumers'.
///
/// | binding | shape |
/// | --- | --- |
/// | `tokens` | the token table, `[rows, 4]` u32 |
/// | `word` | `[vocab_size, hidden_size]` |
/// | `position` | `[max_position_embeddings, hidden_size]` |
/// | `token_type` | `[type_vocab_size, hidden_size]` |
/// | out `y` | `[rows, hidden_size]` |
///
/// Indices must be in range: whoever builds the batch checks them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Embed {
    /// Width of a row.
    pub hidden_size: usize,
}

impl Embed {
    /// The buffers it binds.
    pub fn bindings(&self) -> Vec<Binding> {
        let width = Dim::Fixed(self.hidden_size);
        vec![
            Binding::table("tokens", Dim::Rows, 4),
            Binding::input("word", &[Dim::Any, width]),
            Binding::input("position", &[Dim::Any, width]),
            Binding::input("token_type", &[Dim::Any, width]),
            Binding::output("y", &[Dim::Rows, width]),
        ]
    }

    pub(crate) fn flops(&self, rows: usize, _: &Batch) -> u64 {
        2 * (rows * self.hidden_size) as u64
    }
}

#[cfg(feature = "cases")]
pub(crate) fn cases() -> Vec<crate::cases::Case> {
    use crate::Rows;
    use crate::cases::Case;
    let shapes: [(&[usize], usize); 6] =
        [(&[0], 8), (&[1], 4), (&[64], 4), (&[5, 0, 70], 36), (&[300], 384), (&[2, 3], 768)];
    shapes
        .iter()
        .map(|(lengths, hidden_size)| {
            let name = format!("{lengths:?}x{hidden_size}");
            Case::new(&name, Embed { hidden_size: *hidden_size }, Rows::Tokens, lengths)
        })
        .collect()
}
