//! An index that outlives the process: what of it is to be stored, and the index of what was.

use std::collections::{BTreeMap, BTreeSet};

use heatseek_search::store::{
    ARCHIVE_PREFIX_BYTES, Batch, Check, Identity, Opening, Segment, SegmentVectors, StoreError, StoredChunk,
    StoredDocument, archive_entries, write_archive,
};
use heatseek_text::Chunk;

use super::fingerprint::fingerprint_of_weights;
use super::{Document, Entry, Index, IndexOptions, Made, Passage};
use crate::{Error, Model};

/// What has changed since it was last stored.
#[derive(Debug, Default)]
pub(super) struct Changes {
    since: Step,
    /// What is being stored.
    under_way: Option<Step>,
}

#[derive(Debug, Default)]
struct Step {
    /// Places of documents.
    added: BTreeSet<usize>,
    /// Their ids, also of such that are not stored.
    removed: BTreeSet<String>,
}

impl Changes {
    pub(super) fn added(&mut self, place: usize) {
        self.since.added.insert(place);
    }

    pub(super) fn removed(&mut self, place: usize, id: &str) {
        self.since.added.remove(&place);
        self.since.removed.insert(id.to_owned());
    }

    /// Documents have other places now, but for those that were removed.
    pub(super) fn moved(&mut self, places: &[Option<usize>]) {
        for step in self.under_way.iter_mut().chain([&mut self.since]) {
            let added = std::mem::take(&mut step.added);
            step.added.extend(added.into_iter().filter_map(|place| places[place]));
        }
    }
}

impl Index {
    /// What vectors of this index are made with. `pooling_weights` count by their sum.
    pub fn identity(&self, model: &Model) -> Identity {
        // Where they are compared is nobody's concern.
        let IndexOptions {
            metric,
            storage,
            pooling,
            pooling_weights,
            include_prompt,
            truncate_dim,
            late,
            scan: _,
        } = &self.options;
        let mut settings = BTreeMap::new();
        let mut set = |name: &str, value: Option<String>| {
            settings.extend(value.map(|value| (name.to_owned(), value)));
        };
        set("include_prompt", include_prompt.map(|include| include.to_string()));
        set("truncate_dim", truncate_dim.map(|elements| elements.to_string()));
        set("late", late.then(|| "true".to_owned()));
        set("storage", Some(storage.to_string()));
        set("pooling_weights", pooling_weights.as_ref().map(|weights| fingerprint_of_weights(weights)));
        let spec = model.text_model().spec();
        Identity {
            model: format!(
                "{} with {} elements, {} layers",
                spec.model_type, spec.hidden_size, spec.num_hidden_layers
            ),
            fingerprint: model.fingerprint.clone(),
            pooling: pooling.as_ref().map_or_else(|| "auto".to_owned(), ToString::to_string),
            metric: metric.to_string(),
            dtype: self.vectors.dtype(),
            width: self.vectors.width() as u32,
            settings,
        }
    }

    /// The index that was stored as `segments`, with the `options` it was made with. It knows what changes from now on:
    /// see [`batch`](Self::batch). Without any it is a new one that does.
    ///
    /// # Errors
    /// As [`Index::new`]; [`Error::Search`] if the vectors are not what they should be.
    pub fn restore(model: &Model, options: IndexOptions, segments: Vec<Segment>) -> Result<Self, Error> {
        let mut index = Self::new(model, options)?;
        let mut stored = SegmentVectors::new(index.vectors.dtype(), index.vectors.width() as u32);
        let mut counts = Vec::new();
        for segment in segments {
            let row_bytes = segment.vectors.dtype.row_bytes(segment.vectors.width);
            let mut of_documents: Vec<Vec<StoredChunk>> = vec![Vec::new(); segment.documents.len()];
            for chunk in segment.chunks {
                of_documents[chunk.document as usize].push(chunk);
            }
            for (document, chunks) in segment.documents.into_iter().zip(of_documents) {
                let mut passages = Vec::new();
                for StoredChunk { start, end, first_row, rows, .. } in chunks {
                    let (start, end) = (start as usize, end as usize);
                    let of_rows = first_row as usize..(first_row + rows) as usize;
                    stored
                        .data
                        .extend(&segment.vectors.data[of_rows.start * row_bytes..of_rows.end * row_bytes]);
                    if !segment.vectors.scales.is_empty() {
                        stored.scales.extend(&segment.vectors.scales[of_rows]);
                    }
                    counts.push(rows);
                    passages.push(Chunk { start, end });
                }
                let StoredDocument { id, text, metadata } = document;
                index.push(Document { id, text, metadata }, &passages);
            }
        }
        index.vectors.restore(stored, &counts)?;
        index.changes = Some(Changes::default());
        Ok(index)
    }

    /// What has changed since the last batch that was [`settled`](Self::settle), to be stored; nothing if nothing has, or
    /// if the index was not [`restored`](Self::restore). Give it to a [`Store`](heatseek_search::store::Store), and say
    /// what came of it.
    pub fn batch(&mut self) -> Option<Batch> {
        let changes = self.changes.as_mut()?;
        if changes.under_way.is_none() {
            let step = std::mem::take(&mut changes.since);
            if step.added.is_empty() && step.removed.is_empty() {
                return None;
            }
            changes.under_way = Some(step);
        }
        let step = self.changes.as_ref()?.under_way.as_ref()?;
        let add = self.segment(step.added.iter().filter_map(|&place| self.documents[place].as_ref()));
        Some(Batch { add, remove: step.removed.iter().cloned().collect() })
    }

    /// Documents with their passages and vectors.
    fn segment<'a>(&'a self, entries: impl Iterator<Item = &'a Entry> + Clone) -> Segment {
        let ids = entries.clone().flat_map(|entry| entry.chunks.clone()).map(|chunk| chunk as u64);
        let (vectors, counts) = self.vectors.stored(&ids.collect::<Vec<_>>());
        let mut segment = Segment { documents: Vec::new(), chunks: Vec::new(), vectors };
        let (mut first_row, mut counts) = (0, counts.into_iter());
        for (entry, document) in entries.zip(0..) {
            for Passage { chunk: Chunk { start, end }, .. } in &self.chunks[entry.chunks.clone()] {
                let rows = counts.next().unwrap_or_default();
                let (start, end) = (*start as u32, *end as u32);
                segment.chunks.push(StoredChunk { document, start, end, first_row, rows });
                first_row += rows;
            }
            let Document { id, text, metadata } = entry.document.clone();
            segment.documents.push(StoredDocument { id, text, metadata });
        }
        segment
    }

    /// All of it as one file, which [`import`](Self::import) reads: see docs/index-format.md.
    ///
    /// # Errors
    /// [`Error::Store`] if it is too large for a file.
    pub fn export(&self, model: &Model) -> Result<Vec<u8>, Error> {
        let all = self.segment(self.documents.iter().flatten());
        Ok(write_archive(&self.identity(model), all)?.concat())
    }

    /// Adds all that an index had that was exported; documents take the place of those of their ids. Gives their number.
    ///
    /// # Errors
    /// [`Error::Store`] if it was made with another model or other settings, or is damaged; nothing is added then.
    pub fn import(&mut self, model: &Model, archive: &[u8]) -> Result<usize, Error> {
        let prefix = &archive[..archive.len().min(ARCHIVE_PREFIX_BYTES)];
        let entries = archive_entries(prefix, archive.len() as u64)?;
        let names = entries.iter().map(|(name, _)| name);
        let mut opening = Opening::new(names, Some(&self.identity(model)), Check::Full)?;
        while let Some(name) = opening.wanted().into_iter().next() {
            let range = entries.iter().find(|(known, _)| *known == name).map(|(_, range)| range.clone());
            let range = range.map(|range| range.start as usize..range.end as usize);
            opening.give(&name, range.and_then(|range| archive.get(range)).map(<[u8]>::to_vec))?;
        }
        let opened = opening.finish()?;
        if let Some(skipped) = opened.skipped.into_iter().next() {
            let (file, expected) = ("archive".into(), "one whose files are whole".into());
            return Err(StoreError::Damaged { file, expected, got: skipped.reason }.into());
        }
        let other = Self::restore(model, self.options.clone(), opened.segments)?;
        let count = other.documents();
        for entry in other.documents.iter().flatten() {
            let chunks: Vec<Chunk> =
                other.chunks[entry.chunks.clone()].iter().map(|passage| passage.chunk).collect();
            let ids = entry.chunks.clone().map(|id| id as u64);
            let vectors = ids.map(|id| Made::Stored(other.vectors.stored(&[id]).0)).collect();
            self.insert(entry.document.clone(), &chunks, vectors)?;
        }
        Ok(count)
    }

    /// What came of the last batch: if it was not `stored`, the next has it too.
    pub fn settle(&mut self, stored: bool) {
        let Some(changes) = &mut self.changes else { return };
        let Some(step) = changes.under_way.take().filter(|_| !stored) else { return };
        changes.since.removed.extend(step.removed);
        let alive = step.added.into_iter().filter(|&place| self.documents[place].is_some());
        changes.since.added.extend(alive);
    }
}
