//! Gaps that removed documents left.

use super::{Index, Passage, Words};

impl Index {
    /// Closes the gaps once they are more than what is there, so that an index that is changed for long does not grow by
    /// that. Passages are numbered anew in their order, which is that of equal scores; what search by words has read, it
    /// reads again.
    pub(super) fn compact(&mut self) {
        if self.documents.len() <= 2 * self.places.len() && self.chunks.len() <= 2 * self.len() {
            return;
        }
        let mut left = 0;
        let places: Vec<Option<usize>> = self
            .documents
            .iter()
            .map(|entry| {
                left += usize::from(entry.is_some());
                entry.as_ref().map(|_| left - 1)
            })
            .collect();
        // Of each passage its new number; of one that was removed, that of the last twin before it that was not.
        let mut ids: Vec<Option<usize>> = Vec::with_capacity(self.chunks.len());
        let mut chunks = Vec::new();
        for (id, &Passage { document, chunk, older }) in self.chunks.iter().enumerate() {
            let older = if older < id { ids[older] } else { None };
            ids.push(places[document].map_or(older, |document| {
                let id = chunks.len();
                chunks.push(Passage { document, chunk, older: older.unwrap_or(id) });
                Some(id)
            }));
        }
        self.chunks = chunks;
        self.documents.retain(Option::is_some);
        self.documents.shrink_to_fit();
        let mut first = 0;
        for entry in self.documents.iter_mut().flatten() {
            let end = first + entry.chunks.len();
            entry.chunks = first..end;
            first = end;
        }
        // None of these was removed.
        self.places.values_mut().for_each(|place| *place = places[*place].unwrap_or_default());
        self.vectors.renumber(&|id| ids[id as usize].unwrap_or_default() as u64);
        let twins = std::mem::take(&mut self.twins).into_iter();
        self.twins = twins.filter_map(|(hash, id)| Some((hash, ids[id]?))).collect();
        *self.words.get_mut() = Words::default();
        if let Some(changes) = &mut self.changes {
            changes.moved(&places);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use heatseek_text::ChunkOptions;

    use super::*;
    use crate::{DeviceChoice, Document, IndexOptions, LoadOptions, Model, ModelFiles, NoControl, block_on};

    #[test]
    fn an_index_that_is_changed_for_long_does_not_grow() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models/bert-no-st");
        let options = LoadOptions { device: DeviceChoice::Cpu, checked: true, ..LoadOptions::default() };
        let model =
            block_on(Model::load(ModelFiles::from_dir(&folder).unwrap(), options, &NoControl)).unwrap();
        let mut index = Index::new(&model, IndexOptions::default()).unwrap();
        let chunk = ChunkOptions { tokens: 20, sentences: Some(1), overlap: 0, ..ChunkOptions::default() };
        let add = |index: &mut Index, id: usize, text: &str| {
            let document = Document { id: id.to_string(), text: text.into(), ..Document::default() };
            block_on(index.add(&model, vec![document], Some(chunk), &NoControl)).unwrap();
        };
        let room = |index: &Index| (index.documents.len(), index.chunks.len(), index.twins.len());
        (0..40).for_each(|id| add(&mut index, id, "Bees fly. They dance."));
        assert_eq!(room(&index), (40, 80, 2));
        for round in 0..200 {
            add(&mut index, round % 40, &format!("Bees fly. {round} dance."));
            let (documents, chunks, twins) = room(&index);
            assert!(documents <= 81 && chunks <= 162 && twins <= 162, "{:?} in round {round}", room(&index));
        }
        (0..30).for_each(|id| assert!(index.remove(&id.to_string())));
        assert_eq!((index.documents(), index.len()), (10, 20));
        let (documents, chunks, twins) = room(&index);
        assert!(documents <= 20 && chunks <= 40 && twins <= 40, "{:?} of 10 documents", room(&index));
        assert!(index.documents.capacity() <= 40, "{}", index.documents.capacity());
        // One document may have most of the passages.
        add(&mut index, 100, &"They dance. ".repeat(500));
        assert!(index.remove("100"));
        assert!(room(&index).1 <= 40, "{:?}", room(&index));
        (30..40).for_each(|id| assert!(index.remove(&id.to_string())));
        assert_eq!(room(&index), (0, 0, 0));
    }
}
