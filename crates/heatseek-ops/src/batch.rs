//! A packed batch: the concatenation of its sequences, with no padding anywhere.

use thiserror::Error;

/// Queries one attention tile holds at most: one workgroup of 64 invocations takes one query each.
pub const ATTENTION_TILE_QUERIES: usize = 64;

/// Where one sequence's rows lie in the packed batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sequence {
    /// First row.
    pub start: usize,
    /// Number of rows; may be 0.
    pub len: usize,
    /// Those of them, from the first, that do not count when it is pooled.
    pub skip: usize,
}

/// Sequences packed into `sum(len)` rows: of tokens, which a Program looks up, or of floats (the patches of a
/// picture), which it takes as they are.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Batch {
    tokens: Vec<[u32; 4]>,
    inputs: Vec<Vec<f32>>,
    sequences: Vec<Sequence>,
    /// Rows asked about, if not all.
    queries: Option<Vec<usize>>,
    residual: f32,
}

/// Why a sequence cannot join a batch.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// Token ids and token type ids differ in number.
    #[error("a sequence of {ids} token ids came with {type_ids} token type ids; they must be as many")]
    LengthMismatch {
        /// Token ids given.
        ids: usize,
        /// Token type ids given.
        type_ids: usize,
    },
    /// The sequences of a batch have different numbers of float inputs.
    #[error("a sequence came with {got} float inputs; those before it in the batch had {expected}")]
    InputCount {
        /// Inputs of the earlier sequences.
        expected: usize,
        /// Inputs of this one.
        got: usize,
    },
    /// A row is asked about that is not there.
    #[error("row {row} is asked about, but the batch has {rows}")]
    NoSuchRow {
        /// The row.
        row: usize,
        /// Rows of the batch.
        rows: usize,
    },
}

impl Batch {
    /// An empty batch.
    pub fn new() -> Self {
        Self::default()
    }

    /// A batch of sequences of the given lengths with token id, type and position counting up: the
    /// shape of a batch where only its tables matter (op cases, capacity planning).
    pub fn of_lengths(lengths: &[usize]) -> Self {
        let mut batch = Self::new();
        for &len in lengths {
            let start = batch.tokens.len();
            batch.tokens.extend((0..len).map(|i| [i as u32, i as u32, 0, 0]));
            batch.sequences.push(Sequence { start, len, skip: 0 });
        }
        batch
    }

    /// Appends one sequence: token ids and token type ids `[len]`; positions count from
    /// `first_position` (0 for BERT).
    ///
    /// # Errors
    /// [`BatchError::LengthMismatch`] if the two differ in length; [`BatchError::InputCount`] if the batch has
    /// sequences given as floats.
    pub fn push(&mut self, ids: &[u32], type_ids: &[u32], first_position: u32) -> Result<(), BatchError> {
        if ids.len() != type_ids.len() {
            return Err(BatchError::LengthMismatch { ids: ids.len(), type_ids: type_ids.len() });
        }
        if !self.inputs.is_empty() {
            return Err(BatchError::InputCount { expected: self.inputs.len(), got: 0 });
        }
        let start = self.tokens.len();
        let rows = ids.iter().zip(type_ids).zip(first_position..);
        self.tokens.extend(rows.map(|((&id, &kind), position)| [id, position, kind, 0]));
        self.sequences.push(Sequence { start, len: ids.len(), skip: 0 });
        Ok(())
    }

    /// Appends one sequence of `len` rows given as floats: input `i` is `inputs[i]`, `[len, width of that
    /// input]` row-major.
    ///
    /// # Errors
    /// [`BatchError::InputCount`] if an earlier sequence came with another number of inputs.
    pub fn push_rows(&mut self, len: usize, inputs: &[&[f32]]) -> Result<(), BatchError> {
        if self.sequences.is_empty() {
            self.inputs = vec![Vec::new(); inputs.len()];
        }
        if self.inputs.len() != inputs.len() {
            return Err(BatchError::InputCount { expected: self.inputs.len(), got: inputs.len() });
        }
        for (all, new) in self.inputs.iter_mut().zip(inputs) {
            all.extend_from_slice(new);
        }
        self.sequences.push(Sequence { start: self.tokens.len(), len, skip: 0 });
        self.tokens.resize(self.tokens.len() + len, [0; 4]);
        Ok(())
    }

    /// Leaves the first `rows` rows of the sequence pushed last out when it is pooled, all of them if it has fewer:
    /// see [`crate::Pool`]. They are encoded like the others.
    pub fn skip_first(&mut self, rows: usize) {
        if let Some(last) = self.sequences.last_mut() {
            last.skip = rows.min(last.len);
        }
    }

    /// [`Batch::skip_first`] of every sequence.
    #[cfg(feature = "cases")]
    pub(crate) fn skip_of_each(&mut self, rows: usize) {
        self.sequences.iter_mut().for_each(|sequence| sequence.skip = rows.min(sequence.len));
    }

    /// Asks about these packed rows only, where outputs are of queries: what they looked at. Without, about all.
    ///
    /// # Errors
    /// [`BatchError::NoSuchRow`].
    pub fn ask_about(&mut self, rows: &[usize]) -> Result<(), BatchError> {
        if let Some(&row) = rows.iter().find(|&&row| row >= self.rows()) {
            return Err(BatchError::NoSuchRow { row, rows: self.rows() });
        }
        self.queries = Some(rows.to_vec());
        Ok(())
    }

    /// Sets the share that the residual connection has in a step of a rollout: 0, the default, to 1.
    pub fn set_residual(&mut self, share: f32) {
        self.residual = share;
    }

    /// The share of the residual connection in a step of a rollout.
    pub fn residual(&self) -> f32 {
        self.residual
    }

    /// How many rows are asked about.
    pub fn queries(&self) -> usize {
        self.queries.as_ref().map_or(self.rows(), Vec::len)
    }

    /// Float input `index` of all sequences, one after another; empty if they came without.
    pub fn input(&self, index: usize) -> &[f32] {
        self.inputs.get(index).map_or(&[], Vec::as_slice)
    }

    /// Packed rows: the sum of all lengths.
    pub fn rows(&self) -> usize {
        self.tokens.len()
    }

    /// Rows of the longest sequence.
    pub fn longest(&self) -> usize {
        self.sequences.iter().map(|s| s.len).max().unwrap_or(0)
    }

    /// The sequences, in the order they were pushed.
    pub fn sequences(&self) -> &[Sequence] {
        &self.sequences
    }

    /// The token table: `{token id, position, token type, 0}` for each row.
    pub fn token_table(&self) -> &[[u32; 4]] {
        &self.tokens
    }

    /// The sequence table: `{first row, rows, rows to skip}` for each sequence.
    pub fn sequence_table(&self) -> Vec<[u32; 3]> {
        self.sequences.iter().map(|s| [s.start, s.len, s.skip].map(|n| n as u32)).collect()
    }

    /// The span table of all tokens: `{row, first row of its sequence, rows of that}` for each row.
    pub fn token_spans(&self) -> Vec<[u32; 3]> {
        let span = |s: &Sequence| {
            let [start, len] = [s.start as u32, s.len as u32];
            (start..start + len).map(move |row| [row, start, len])
        };
        self.sequences.iter().flat_map(span).collect()
    }

    /// The same of the rows asked about, in the order in which they were.
    pub fn query_spans(&self) -> Vec<[u32; 3]> {
        let all = self.token_spans();
        match &self.queries {
            // Sequences lie one after another, so a row is its place in the table.
            Some(rows) => rows.iter().map(|&row| all[row]).collect(),
            None => all,
        }
    }

    /// The attention tile table: `{first query row, queries, first key row, keys}`, at most
    /// [`ATTENTION_TILE_QUERIES`] queries a tile, every key of the tile's sequence.
    pub fn attention_tiles(&self) -> Vec<[u32; 4]> {
        let mut tiles = Vec::new();
        for s in &self.sequences {
            for first in (0..s.len).step_by(ATTENTION_TILE_QUERIES) {
                let queries = ATTENTION_TILE_QUERIES.min(s.len - first);
                tiles.push([(s.start + first) as u32, queries as u32, s.start as u32, s.len as u32]);
            }
        }
        tiles
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tiles_cover_every_query_once_and_never_cross_a_sequence() {
        let batch = Batch::of_lengths(&[0, 1, 63, 64, 65, 200]);
        let mut seen = vec![0; batch.rows()];
        for [q0, queries, k0, keys] in batch.attention_tiles() {
            assert!(queries >= 1 && queries as usize <= ATTENTION_TILE_QUERIES);
            assert!(q0 >= k0 && q0 + queries <= k0 + keys);
            assert!(batch.sequences().contains(&Sequence {
                start: k0 as usize,
                len: keys as usize,
                skip: 0
            }));
            seen[q0 as usize..(q0 + queries) as usize].iter_mut().for_each(|n| *n += 1);
        }
        assert!(seen.iter().all(|&n| n == 1));
    }

    #[test]
    fn floats_are_packed_like_tokens_and_never_mixed_with_them() {
        let mut batch = Batch::new();
        batch.push_rows(2, &[&[1.0, 2.0], &[3.0; 4]]).unwrap();
        batch.push_rows(1, &[&[5.0], &[6.0; 2]]).unwrap();
        assert_eq!((batch.rows(), batch.input(0), batch.input(1).len()), (3, &[1.0, 2.0, 5.0][..], 6));
        assert_eq!(batch.sequences()[1], Sequence { start: 2, len: 1, skip: 0 });
        let mixed = BatchError::InputCount { expected: 2, got: 0 };
        assert_eq!(batch.push(&[1], &[0], 0).unwrap_err(), mixed);
        let mut tokens = Batch::new();
        tokens.push(&[1], &[0], 0).unwrap();
        let mixed = BatchError::InputCount { expected: 0, got: 1 };
        assert_eq!(tokens.push_rows(1, &[&[1.0]]).unwrap_err(), mixed);
    }

    #[test]
    fn spans_say_where_the_sequence_of_a_row_is() {
        let mut batch = Batch::of_lengths(&[2, 0, 3]);
        let all = [[0, 0, 2], [1, 0, 2], [2, 2, 3], [3, 2, 3], [4, 2, 3]];
        assert_eq!((batch.token_spans(), batch.query_spans()), (all.to_vec(), all.to_vec()));
        batch.ask_about(&[4, 1]).unwrap();
        assert_eq!((batch.queries(), batch.query_spans()), (2, vec![[4, 2, 3], [1, 0, 2]]));
        assert_eq!(batch.token_spans(), all);
        assert_eq!(batch.ask_about(&[5]).unwrap_err(), BatchError::NoSuchRow { row: 5, rows: 5 });
    }

    #[test]
    fn what_is_skipped_is_in_the_sequence_table() {
        let mut batch = Batch::new();
        batch.skip_first(1);
        for len in [3, 2, 4] {
            batch.push(&vec![7; len], &vec![0; len], 0).unwrap();
            batch.skip_first(len * (len - 2));
        }
        assert_eq!(batch.sequence_table(), [[0, 3, 3], [3, 2, 0], [5, 4, 4]]);
    }

    #[test]
    fn ids_and_types_must_agree() {
        let error = Batch::new().push(&[1, 2], &[0], 0).unwrap_err();
        assert_eq!(error, BatchError::LengthMismatch { ids: 2, type_ids: 1 });
    }
}
