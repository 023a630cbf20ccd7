//! What happens in the pauses of a call that takes long: others have their turn, and it can be stopped.

use std::cell::{Cell, RefCell};
use std::path::Path;

use heatseek::{
    Cancelled, ChunkOptions, Control, DeviceChoice, Document, EmbedOptions, Hybrid, Index, IndexOptions,
    IndexSearch, LoadOptions, LocalFuture, Mark, Model, ModelFiles, NoControl, Progress, block_on,
};

fn model() -> Model {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models/bert-no-st");
    let options = LoadOptions { device: DeviceChoice::Cpu, checked: true, ..LoadOptions::default() };
    block_on(Model::load(ModelFiles::from_dir(&folder).unwrap(), options, &NoControl)).unwrap()
}

fn embed(model: &Model, texts: &[&str], control: &dyn Control) -> Result<Vec<f32>, heatseek::Error> {
    block_on(model.embed(texts, &EmbedOptions::default(), control)).map(|found| found.data)
}

/// Asks for a pause before every step, does something in each, and stops where that says so.
struct Pausing<'a> {
    pauses: Cell<usize>,
    batches: Cell<usize>,
    meanwhile: &'a dyn Fn(usize) -> Result<(), Cancelled>,
}

impl<'a> Pausing<'a> {
    fn new(meanwhile: &'a dyn Fn(usize) -> Result<(), Cancelled>) -> Self {
        Self { pauses: Cell::new(0), batches: Cell::new(0), meanwhile }
    }
}

impl Control for Pausing<'_> {
    fn progress(&self, _: Progress) {}

    fn checkpoint(&self) -> LocalFuture<'_, Result<(), Cancelled>> {
        self.pauses.set(self.pauses.get() + 1);
        Box::pin(std::future::ready((self.meanwhile)(self.pauses.get())))
    }

    fn is_due(&self) -> bool {
        true
    }

    fn mark(&self, mark: Mark) {
        self.batches.set(self.batches.get() + usize::from(mark == Mark::Begun));
    }
}

const TEXTS: [&str; 3] =
    ["the bees find honey", "a house", "the bees dance and dance, and fly home to the hive"];

#[test]
fn a_run_in_the_pauses_of_another_changes_neither() {
    let model = model();
    let (many, one) =
        (embed(&model, &TEXTS, &NoControl).unwrap(), embed(&model, &["flowers"], &NoControl).unwrap());
    let runs = Cell::new(0);
    let meanwhile = |pause: usize| {
        // Smaller than what is paused, and as large.
        if pause.is_multiple_of(3) {
            assert_eq!(embed(&model, &["flowers"], &NoControl).unwrap(), one);
            assert_eq!(embed(&model, &TEXTS, &NoControl).unwrap(), many);
            runs.set(runs.get() + 1);
        }
        Ok(())
    };
    let pausing = Pausing::new(&meanwhile);
    assert_eq!(embed(&model, &TEXTS, &pausing).unwrap(), many);
    assert_eq!(pausing.batches.get(), 1);
    assert!(runs.get() > 3, "{} runs in the midst of a batch", runs.get());
    assert_eq!(embed(&model, &TEXTS[..2], &pausing).unwrap(), many[..2 * many.len() / 3]);
}

#[test]
fn a_call_that_is_stopped_in_the_midst_of_a_batch_does_no_more() {
    let model = model();
    let whole = embed(&model, &TEXTS, &NoControl).unwrap();
    let mut stop = 1;
    loop {
        let meanwhile = |pause: usize| if pause < stop { Ok(()) } else { Err(Cancelled) };
        let pausing = Pausing::new(&meanwhile);
        match embed(&model, &TEXTS, &pausing) {
            Ok(found) => break assert_eq!(found, whole),
            Err(error) => assert_eq!(error.code(), "aborted"),
        }
        assert_eq!(pausing.pauses.get(), stop, "nothing is asked any more");
        assert_eq!(embed(&model, &TEXTS, &NoControl).unwrap(), whole, "after a stop at pause {stop}");
        stop += 1;
    }
    assert!(stop > 10, "{stop} pauses");
}

#[test]
fn a_long_text_is_cut_in_parts_between_which_it_can_be_stopped() {
    let model = model();
    let text = "the bees find honey and fly home ".repeat(8000);
    let stop = |pause: usize| if pause < 3 { Ok(()) } else { Err(Cancelled) };
    let chunk = ChunkOptions { tokens: 20, overlap: 0, ..ChunkOptions::default() };
    let pausing = Pausing::new(&stop);
    let options = EmbedOptions::default();
    let error = block_on(model.embed_chunks(&text, chunk, false, &options, &pausing)).unwrap_err();
    assert_eq!((error.code(), pausing.batches.get()), ("aborted", 0), "it was not yet embedding");
    let mut index = Index::new(&model, IndexOptions::default()).unwrap();
    let document = Document { id: "long".into(), text, ..Document::default() };
    let pausing = Pausing::new(&stop);
    let error = block_on(index.add(&model, vec![document], Some(chunk), &pausing)).unwrap_err();
    assert_eq!((error.code(), pausing.batches.get()), ("aborted", 0));
    assert!(index.is_empty());
}

#[test]
fn an_index_is_searched_and_changed_while_documents_are_added() {
    let model = model();
    let document = |id: &str| Document { id: id.into(), text: format!("{id} bees"), ..Document::default() };
    let mut index = Index::new(&model, IndexOptions::default()).unwrap();
    block_on(index.add(&model, vec![document("old"), document("gone")], None, &NoControl)).unwrap();
    let index = RefCell::new(index);
    let searches = Cell::new(0);
    let all = IndexSearch::default();
    let found = || {
        let hits = block_on(Index::search_shared(&index, &model, "bees", &all, &NoControl)).unwrap();
        let mut ids: Vec<_> = hits.into_iter().map(|hit| hit.id).collect();
        ids.sort();
        ids
    };
    let meanwhile = |_: usize| {
        index.borrow_mut().remove("gone");
        assert_eq!(found(), ["old"], "all that is added comes at once");
        searches.set(searches.get() + 1);
        Ok(())
    };
    let new = vec![document("new"), document("newer"), document("gone")];
    let pausing = Pausing::new(&meanwhile);
    assert_eq!(block_on(Index::add_shared(&index, &model, new, None, &pausing)).unwrap(), 3);
    assert!(searches.get() > 5);
    assert_eq!(found(), ["gone", "new", "newer", "old"]);
}

/// By words alone, whose ranking is that of these.
fn by_words() -> IndexSearch<'static> {
    let hybrid = Some(Hybrid { weight: 1.0, ..Hybrid::default() });
    IndexSearch { top_k: 3, hybrid, ..IndexSearch::default() }
}

#[test]
fn a_search_by_words_can_be_stopped_after_each_passage_that_it_reads() {
    const PASSAGES: usize = 150;
    let model = model();
    let mut index = Index::new(&model, IndexOptions::default()).unwrap();
    let document =
        |id: usize| Document { id: id.to_string(), text: format!("{id} bees"), ..Document::default() };
    block_on(index.add(&model, (0..PASSAGES).map(document).collect(), None, &NoControl)).unwrap();
    // So many pauses there are before any is read.
    let plain = Pausing::new(&|_| Ok(()));
    block_on(index.search(&model, "77", &IndexSearch::default(), &plain)).unwrap();
    let embedding = plain.pauses.get();
    let mut stopped = 0;
    let found = loop {
        let meanwhile = |pause: usize| if pause <= embedding { Ok(()) } else { Err(Cancelled) };
        let pausing = Pausing::new(&meanwhile);
        match block_on(index.search(&model, "77", &by_words(), &pausing)) {
            Ok(found) => break found,
            Err(error) => assert_eq!((error.code(), pausing.pauses.get()), ("aborted", embedding + 1)),
        }
        stopped += 1;
    };
    assert_eq!(stopped, PASSAGES, "each search goes on where the one before was stopped");
    assert_eq!(found[0].id, "77");
}

#[test]
fn words_are_read_while_an_index_is_changed() {
    let model = model();
    let document =
        |id: usize| Document { id: id.to_string(), text: format!("{id} bees"), ..Document::default() };
    let mut index = Index::new(&model, IndexOptions::default()).unwrap();
    block_on(index.add(&model, (0..150).map(document).collect(), None, &NoControl)).unwrap();
    let index = RefCell::new(index);
    // More than half of it goes, so that it is numbered anew in the midst of that; and some comes.
    let meanwhile = |pause: usize| {
        index.borrow_mut().remove(&(pause * 7 % 150).to_string());
        if pause.is_multiple_of(20) {
            let new = vec![document(1000 + pause)];
            block_on(Index::add_shared(&index, &model, new, None, &NoControl)).unwrap();
        }
        Ok(())
    };
    let pausing = Pausing::new(&meanwhile);
    let found = block_on(Index::search_shared(&index, &model, "1040 bees", &by_words(), &pausing)).unwrap();
    let index = index.into_inner();
    assert!(index.documents() < 70 && index.get("1040").is_some(), "{} documents", index.documents());
    let left = index.iter().cloned().collect();
    let mut fresh = Index::new(&model, IndexOptions::default()).unwrap();
    block_on(fresh.add(&model, left, None, &NoControl)).unwrap();
    let expected = block_on(fresh.search(&model, "1040 bees", &by_words(), &NoControl)).unwrap();
    assert_eq!((&found, &found[0].id[..]), (&expected, "1040"));
}
