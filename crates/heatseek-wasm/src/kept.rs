//! Indexes that are stored. What is to be written is said here; pkg/src writes it.

use std::rc::Rc;

use heatseek::IndexOptions;
use heatseek::store::{Check, Commit, CompactionPolicy, Opening, Store};
use js_sys::{Array, Object, Reflect, Uint8Array};
use wasm_bindgen::prelude::*;

use crate::error::Thrown;
use crate::index::Index;

/// Where an index is stored, and what is being written.
pub struct Kept {
    store: Store,
    /// What opening it left to do.
    tidy: Option<Commit>,
    under_way: Option<UnderWay>,
    skipped: Vec<String>,
}

struct UnderWay {
    commit: Commit,
    /// Whether it has documents in it.
    is_batch: bool,
}

/// A stored index on its way in: give it the files it wants, until it wants none.
#[wasm_bindgen]
pub struct IndexOpening {
    model: Rc<heatseek::Model>,
    options: IndexOptions,
    opening: Opening,
    /// Whether a last change that is damaged is given up.
    recover: bool,
}

impl IndexOpening {
    pub fn new(
        model: &Rc<heatseek::Model>,
        options: IndexOptions,
        names: Vec<String>,
        recover: bool,
        check: Check,
    ) -> Result<Self, JsValue> {
        let empty = heatseek::Index::new(model, options.clone()).map_err(Thrown::from)?;
        let opening = Opening::new(names, Some(&empty.identity(model)), check).map_err(Thrown::from)?;
        Ok(Self { model: Rc::clone(model), options, opening, recover })
    }
}

#[wasm_bindgen]
impl IndexOpening {
    /// Names of the files to read next.
    pub fn wanted(&self) -> Vec<String> {
        self.opening.wanted()
    }

    /// The bytes of one of them; undefined if it is not there.
    pub fn give(&mut self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), JsValue> {
        Ok(self.opening.give(name, bytes).map_err(Thrown::from)?)
    }

    /// The index.
    pub fn finish(self) -> Result<Index, JsValue> {
        let Self { model, options, opening, recover } = self;
        let opened = if recover { opening.recover() } else { opening.finish() }.map_err(Thrown::from)?;
        let index = heatseek::Index::restore(&model, options, opened.segments).map_err(Thrown::from)?;
        let damaged = opened.skipped.into_iter().filter(|skipped| skipped.generation.is_some());
        let skipped = damaged.map(|skipped| skipped.reason).collect();
        let kept = Kept { store: opened.store, tidy: Some(opened.tidy), under_way: None, skipped };
        Ok(Index::of(&model, index, Some(kept)))
    }
}

#[wasm_bindgen]
impl Index {
    /// What was given up of the stored index, whose files were damaged: which, and what was in them.
    pub fn skipped(&self) -> Vec<String> {
        self.kept.borrow().as_ref().map(|kept| kept.skipped.clone()).unwrap_or_default()
    }

    /// What is to be written for what has changed since the last commit, `IndexCommit` of pkg/src/protocol.ts; undefined
    /// if nothing has. Say then what came of it, by `finish` or `abandon`, before the next. The first after opening is
    /// what a dead writer left.
    pub fn commit(&self) -> Result<JsValue, JsValue> {
        let mut kept = self.kept.borrow_mut();
        let Some(kept) = &mut *kept else { return Ok(JsValue::UNDEFINED) };
        kept.check_idle()?;
        if let Some(tidy) = kept.tidy.take() {
            if !tidy.files.is_empty() || tidy.manifest.is_some() || !tidy.remove.is_empty() {
                return kept.begin(tidy, false);
            }
            kept.store.finish(tidy).map_err(Thrown::from)?;
        }
        let mut index = self.index.borrow_mut();
        let Some(batch) = index.batch() else { return Ok(JsValue::UNDEFINED) };
        match kept.store.commit(&batch) {
            Ok(commit) => kept.begin(commit, true),
            Err(error) => {
                index.settle(false);
                Err(Thrown::from(error).into())
            }
        }
    }

    /// The last commit was carried out.
    pub fn finish(&self) -> Result<(), JsValue> {
        let mut kept = self.kept.borrow_mut();
        let Some(kept) = &mut *kept else { return Ok(()) };
        let Some(UnderWay { commit, is_batch }) = kept.under_way.take() else { return Ok(()) };
        kept.store.finish(commit).map_err(Thrown::from)?;
        if is_batch {
            self.index.borrow_mut().settle(true);
        }
        Ok(())
    }

    /// The last commit could not be carried out: gives names of files to remove. What was in it is in the next.
    pub fn abandon(&self) -> Vec<String> {
        let mut kept = self.kept.borrow_mut();
        let Some(kept) = &mut *kept else { return Vec::new() };
        let Some(UnderWay { commit, is_batch }) = kept.under_way.take() else { return Vec::new() };
        let names = kept.store.abandon(commit);
        if is_batch {
            self.index.borrow_mut().settle(false);
        }
        names
    }

    /// Names of files that are worth being written anew as fewer; undefined if none are.
    pub fn compaction(&self) -> Option<Vec<String>> {
        let kept = self.kept.borrow();
        let kept = kept.as_ref().filter(|kept| kept.tidy.is_none() && kept.under_way.is_none())?;
        Some(kept.store.due(&CompactionPolicy::default())?.wanted())
    }

    /// What is to be written in their place, as [`commit`](Self::commit) says it: `files` are their bytes, in that order.
    pub fn compact(&self, files: Vec<Uint8Array>) -> Result<JsValue, JsValue> {
        let mut kept = self.kept.borrow_mut();
        let Some(kept) = &mut *kept else { return Ok(JsValue::UNDEFINED) };
        kept.check_idle()?;
        let Some(mut due) = kept.store.due(&CompactionPolicy::default()) else {
            return Ok(JsValue::UNDEFINED);
        };
        for (name, bytes) in due.wanted().into_iter().zip(files) {
            due.give(&name, Some(bytes.to_vec())).map_err(Thrown::from)?;
        }
        let commit = kept.store.compact(due).map_err(Thrown::from)?;
        kept.begin(commit, false)
    }
}

impl Kept {
    fn check_idle(&self) -> Result<(), Thrown> {
        match self.under_way {
            None => Ok(()),
            Some(_) => {
                Err(Thrown::new("internal", "internal error: a commit is under way; please report this"))
            }
        }
    }

    /// Gives the bytes out and keeps the rest until it is known what came of it.
    fn begin(&mut self, mut commit: Commit, is_batch: bool) -> Result<JsValue, JsValue> {
        let set = |to: &Object, name: &str, value: &JsValue| Reflect::set(to, &name.into(), value);
        let file = |name: &str, bytes: Vec<u8>| -> Result<JsValue, JsValue> {
            let file = Object::new();
            set(&file, "name", &name.into())?;
            set(&file, "bytes", &Uint8Array::from(&bytes[..]))?;
            Ok(file.into())
        };
        let (given, files) = (Object::new(), Array::new());
        for (name, bytes) in &mut commit.files {
            files.push(&file(name, std::mem::take(bytes))?);
        }
        set(&given, "files", &files)?;
        if let Some((name, bytes)) = &mut commit.manifest {
            set(&given, "manifest", &file(name, std::mem::take(bytes))?)?;
        }
        let remove: Array = commit.remove.iter().map(|name| JsValue::from(name.as_str())).collect();
        set(&given, "remove", &remove)?;
        self.under_way = Some(UnderWay { commit, is_batch });
        Ok(given.into())
    }
}
