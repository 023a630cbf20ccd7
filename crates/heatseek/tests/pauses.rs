//! What happens in the pauses of a call that takes long: others have their turn, and it can be stopped.

use std::cell::{Cell, RefCell};
use std::path::Path;

use heatseek::{
    Cancelled, ChunkOptions, Control, DeviceChoice, Document, EmbedOptions, Index, IndexOptions, IndexSearch,
    LoadOptions, LocalFuture, Mark, Model, ModelFiles, NoControl, Progress, block_on,
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
