//! An index that is changed for long: a text is embedded once, and what is found and stored is as if only what is left had
//! ever been added.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::path::Path;

use heatseek::{
    Cancelled, ChunkOptions, Control, DeviceChoice, Document, Hybrid, Index, IndexOptions, IndexSearch,
    LoadOptions, LocalFuture, Mark, Model, ModelFiles, NoControl, PoolerSpec, Progress, block_on,
};
use heatseek_testkit::random;
use serde_json::json;

fn model() -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models/bert-no-st");
    let options = LoadOptions { device: DeviceChoice::Cpu, checked: true, ..LoadOptions::default() };
    block_on(Model::load(ModelFiles::from_dir(&folder).unwrap(), options, &NoControl)).unwrap()
}

fn document(id: &str, text: &str) -> Document {
    Document { id: id.into(), text: text.into(), ..Document::default() }
}

/// Counts batches: of a call for one text, the texts that are embedded.
#[derive(Default)]
struct Count(Cell<usize>);

impl Control for Count {
    fn progress(&self, _: Progress) {}

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        Box::pin(std::future::ready(Ok(())))
    }

    fn mark(&self, mark: Mark) {
        self.0.set(self.0.get() + usize::from(mark == Mark::Begun));
    }
}

/// Adds a document whole; says how many texts were embedded for it.
fn embedded(index: &mut Index, model: &Model, id: &str, text: &str) -> usize {
    let count = Count::default();
    block_on(index.add(model, vec![document(id, text)], None, &count)).unwrap();
    count.0.get()
}

#[test]
fn a_text_is_embedded_once_while_a_document_has_it() {
    let model = model();
    let mut index = Index::new(&model, IndexOptions::default()).unwrap();
    let mut add = |id: &str, text: &str| embedded(&mut index, &model, id, text);
    assert_eq!([add("a", "bees"), add("b", "bees"), add("c", "honey")], [1, 0, 1]);
    assert!(index.remove("b"));
    assert_eq!(embedded(&mut index, &model, "d", "bees"), 0, "`a` has it still");
    assert!(index.remove("d") && index.remove("a"));
    assert_eq!(embedded(&mut index, &model, "e", "bees"), 1, "nobody has it any more");

    let texts: Vec<String> = (0..8).map(|text| format!("{text} bees")).collect();
    let mut living = BTreeMap::new();
    let mut index = Index::new(&model, IndexOptions::default()).unwrap();
    for (step, number) in random(1, 600).into_iter().enumerate() {
        let (id, text) = ((number >> 20) % 12, &texts[(number >> 40) as usize % 8]);
        if number % 8 < 3 {
            assert_eq!(index.remove(&id.to_string()), living.remove(&id).is_some());
        } else {
            let expected = usize::from(!living.values().any(|other| *other == text));
            assert_eq!(embedded(&mut index, &model, &id.to_string(), text), expected, "step {step}");
            living.insert(id, text);
        }
        if step % 100 == 99 {
            let archive = index.export(&model).unwrap();
            index = Index::new(&model, IndexOptions::default()).unwrap();
            index.import(&model, &archive).unwrap();
        }
    }
}

#[test]
fn twins_are_found_with_the_same_score() {
    let model = model();
    let mut index = Index::new(&model, IndexOptions::default()).unwrap();
    for (id, text) in [("a", "bees find honey"), ("other", "the sun"), ("b", "bees find honey")] {
        embedded(&mut index, &model, id, text);
    }
    let hits =
        block_on(index.search(&model, "bees find honey", &IndexSearch::default(), &NoControl)).unwrap();
    let ids: Vec<&str> = hits.iter().map(|hit| &hit.id[..]).collect();
    assert_eq!((&ids[..], hits[0].score), (&["a", "b", "other"][..], hits[1].score));
}

#[test]
fn what_is_left_is_found_and_stored_as_if_nothing_else_had_been_added() {
    let model = model();
    let chunk = Some(ChunkOptions { tokens: 20, sentences: Some(1), overlap: 0, ..ChunkOptions::default() });
    for pooling in [None, Some(PoolerSpec::named("none"))] {
        let options = IndexOptions { pooling, ..IndexOptions::default() };
        let mut index = Index::restore(&model, options.clone(), Vec::new()).unwrap();
        // What is in it, in the order it was added, and what a store would have.
        let (mut left, mut stored) = (Vec::<Document>::new(), BTreeMap::new());
        let mut numbers = random(2, 2000).into_iter();
        let mut below = |end: usize| (numbers.next().unwrap() >> 20) as usize % end;
        for step in 0..240 {
            let id = below(60).to_string();
            // It grows, shrinks to a few, and so on.
            if below(10) < if step / 60 % 2 == 0 { 8 } else { 2 } {
                let text = format!("{} bees dance. The {} flies home.", below(9), ["sun", "bee"][below(2)]);
                let new = Document { metadata: json!({"step": step}), ..document(&id, &text) };
                left.retain(|other| other.id != id);
                left.push(new.clone());
                block_on(index.add(&model, vec![new], chunk, &NoControl)).unwrap();
            } else {
                // Of an id that is not there, another.
                let id = left.get(below(60)).map_or(id, |document| document.id.clone());
                left.retain(|other| other.id != id);
                index.remove(&id);
            }
            if below(4) == 0
                && let Some(batch) = index.batch()
            {
                // Others may change it while that is under way.
                if let Some(gone) = (below(2) == 0).then(|| left.pop()).flatten() {
                    assert!(index.remove(&gone.id));
                }
                let works = below(3) > 0;
                if works {
                    batch.remove.iter().for_each(|id| drop(stored.remove(id)));
                    stored.extend(batch.add.documents.into_iter().map(|new| (new.id, new.text)));
                }
                index.settle(works);
            }
            if step % 20 != 19 {
                continue;
            }
            assert_eq!(index.iter().collect::<Vec<_>>(), left.iter().collect::<Vec<_>>(), "step {step}");
            let mut fresh = Index::new(&model, options.clone()).unwrap();
            block_on(fresh.add(&model, left.clone(), chunk, &NoControl)).unwrap();
            for hybrid in [None, Some(Hybrid::default())] {
                let all = IndexSearch { top_k: 200, hybrid, ..IndexSearch::default() };
                let [found, expected] = [&index, &fresh]
                    .map(|index| block_on(index.search(&model, "3 bees", &all, &NoControl)).unwrap());
                assert_eq!(found, expected, "step {step}");
            }
        }
        if let Some(batch) = index.batch() {
            batch.remove.iter().for_each(|id| drop(stored.remove(id)));
            stored.extend(batch.add.documents.into_iter().map(|new| (new.id, new.text)));
        }
        let expected: BTreeMap<_, _> =
            left.into_iter().map(|document| (document.id, document.text)).collect();
        assert_eq!(stored, expected);
    }
}
