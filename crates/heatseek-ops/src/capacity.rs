//! How large the batches of a plan may be, and what its buffers take then.

use crate::{ATTENTION_TILE_QUERIES, Batch, Buffer, Dtype, Rows, Table};

/// The smallest capacity, rows and sequences: growing from one by one would reallocate for nothing.
const MIN_CAPACITY: usize = 16;

/// How large batches may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Packed rows.
    pub rows: usize,
    /// Sequences.
    pub sequences: usize,
}

impl Capacity {
    /// The least that holds `batch`.
    pub fn of(batch: &Batch) -> Self {
        Self { rows: batch.rows(), sequences: batch.sequences().len() }
    }

    /// Whether a batch of `other` fits in.
    pub fn holds(self, other: Self) -> bool {
        self.rows >= other.rows && self.sequences >= other.sequences
    }

    /// A capacity for this and for `previous`, with room to grow: powers of two, so that a plan
    /// reallocates a few times and then never again.
    #[must_use]
    pub fn grown(self, previous: Option<Self>) -> Self {
        let grow = |now: usize, before: usize| now.max(before).max(MIN_CAPACITY).next_power_of_two();
        let (rows, sequences) = previous.map_or((0, 0), |p| (p.rows, p.sequences));
        Self { rows: grow(self.rows, rows), sequences: grow(self.sequences, sequences) }
    }

    fn count(self, rows: Rows) -> usize {
        match rows {
            Rows::Tokens => self.rows,
            Rows::Sequences => self.sequences,
            // Only captures have them.
            Rows::Queries | Rows::TokenPairs | Rows::QueryPairs => 0,
        }
    }

    /// Bytes of the data of `buffer`, stored as `dtype`, at this capacity; 0 for weights, which do not grow, and for
    /// what a run allocates.
    pub fn bytes(self, buffer: &Buffer, dtype: Dtype) -> u64 {
        let elements = match buffer {
            Buffer::Weight(_) | Buffer::Capture { .. } => 0,
            Buffer::Activation { rows, width } => self.count(*rows) as u64 * *width as u64,
            Buffer::Input { width, .. } => self.rows as u64 * *width as u64,
            Buffer::Table(Table::Tokens) => 4 * self.rows as u64,
            Buffer::Table(Table::Sequences) => 3 * self.sequences as u64,
            // Each sequence ends in at most one tile that is not full.
            Buffer::Table(Table::AttentionTiles) => {
                4 * (self.rows / ATTENTION_TILE_QUERIES + self.sequences) as u64
            }
            Buffer::Table(Table::TokenSpans | Table::QuerySpans) => 0,
        };
        dtype.size_bytes() as u64 * elements
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn capacities_grow_in_powers_of_two_and_never_shrink() {
        let needed = Capacity { rows: 100, sequences: 3 };
        let first = needed.grown(None);
        assert_eq!(first, Capacity { rows: 128, sequences: 16 });
        let next = Capacity { rows: 20, sequences: 40 }.grown(Some(first));
        assert_eq!(next, Capacity { rows: 128, sequences: 64 });
        assert!(next.holds(needed) && !first.holds(next));
    }

    #[test]
    fn the_tile_table_has_room_for_every_batch_of_its_capacity() {
        for lengths in [&[65; 16][..], &[1; 16], &[64, 65, 129, 0], &[256]] {
            let batch = Batch::of_lengths(lengths);
            let bytes = Capacity::of(&batch).bytes(&Buffer::Table(Table::AttentionTiles), Dtype::F32);
            assert!(bytes >= 16 * batch.attention_tiles().len() as u64, "{lengths:?}");
        }
    }
}
