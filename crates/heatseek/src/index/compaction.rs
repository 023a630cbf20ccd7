//! Gaps that removed documents left.

use std::collections::HashMap;

use super::{Index, Words};

impl Index {
    /// Closes the gaps once they are more than what is there, so that an index that is changed for long does not grow by
    /// that. Passages are numbered anew in their order, which is that of equal scores; what search by words has read, it
    /// reads again. Costs a pass over all texts.
    pub(super) fn compact(&mut self) {
        if self.documents.len() <= 2 * self.places.len() && self.chunks.len() <= 2 * self.len() {
            return;
        }
        let (documents, chunks) = (std::mem::take(&mut self.documents), std::mem::take(&mut self.chunks));
        let (mut places, mut ids) = (vec![None; documents.len()], vec![0; chunks.len()]);
        self.twins = HashMap::new();
        for (entry, place) in documents.into_iter().zip(&mut places) {
            let Some(entry) = entry else { continue };
            *place = Some(self.documents.len());
            let mut passages = Vec::new();
            for id in entry.chunks {
                ids[id] = (self.chunks.len() + passages.len()) as u64;
                passages.push(chunks[id].chunk);
            }
            self.push(entry.document, &passages);
        }
        self.vectors.renumber(&|id| ids[id as usize]);
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
            add(&mut index, round % 40, &format!("Bees fly. Dance {round}."));
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
