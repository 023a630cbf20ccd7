//! What a writer knows of the index it writes to.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;

use super::error::Fault;
use super::manifest::{FileEntry, Manifest, SegmentEntry};
use super::names::{MANIFESTS, Name};
use super::segment::{Place, Segment};
use super::{Commit, Identity, StoreError};

/// The writer's side of an index. It holds no vectors and no texts, and writes nothing itself: every change is a
/// [`Commit`] for the host to carry out.
///
/// Whoever holds one must be the only writer: natively [`super::FolderStore`] sees to that with a lock on a file, in a
/// browser the page takes a Web Lock of the index's name.
#[derive(Debug)]
pub struct Store {
    pub(crate) manifest: Manifest,
    next: Next,
    pub(crate) states: Vec<SegmentState>,
    places: HashMap<String, Place>,
    /// Files of commits that failed.
    leftovers: BTreeSet<String>,
    is_tidy: bool,
}

/// What the next commit is to use. Nothing is used twice, also if a commit fails: a manifest that was written after all
/// would find files of another commit under the names of its own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Next {
    pub(crate) slot: usize,
    pub(crate) generation: u64,
    pub(crate) segment: u32,
}

/// A segment, and what has become of it.
#[derive(Clone, Debug)]
pub(crate) struct SegmentState {
    pub(crate) entry: SegmentEntry,
    /// Its documents that were removed.
    pub(crate) dead: BTreeSet<u32>,
    /// Documents of other segments that it removed.
    pub(crate) removes: Vec<Place>,
}

/// Documents to add and to remove, all or none.
#[derive(Clone, Debug, PartialEq)]
pub struct Batch {
    /// What to add; a document takes the place of one of its id.
    pub add: Segment,
    /// Ids of documents to remove; those that are not there are ignored.
    pub remove: Vec<String>,
}

/// What a commit does to the [`Store`].
#[derive(Debug)]
pub(crate) struct Change {
    /// The generation it continues.
    base: u64,
    step: Option<Step>,
}

#[derive(Debug)]
struct Step {
    manifest: Manifest,
    slot: usize,
    /// Segments that give way.
    replaced: Range<usize>,
    segment: Option<SegmentState>,
    dead: Vec<Place>,
    forgotten: Vec<String>,
    placed: Vec<(String, Place)>,
}

impl Store {
    pub(crate) fn new(
        manifest: Manifest,
        next: Next,
        states: Vec<SegmentState>,
        places: HashMap<String, Place>,
    ) -> Self {
        Self { manifest, next, states, places, leftovers: BTreeSet::new(), is_tidy: false }
    }

    /// What the index was made with.
    pub fn identity(&self) -> &Identity {
        &self.manifest.identity
    }

    /// Counts commits, also failed ones.
    pub fn generation(&self) -> u64 {
        self.manifest.generation
    }

    /// Documents held.
    pub fn documents(&self) -> usize {
        self.places.len()
    }

    /// Whether a document has this id.
    pub fn contains(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// Segments held, which [`due`](Self::due) keeps few.
    pub fn segments(&self) -> usize {
        self.states.len()
    }

    /// Bytes of all files but the manifests.
    pub fn bytes(&self) -> u64 {
        self.states.iter().map(|state| state.entry.bytes()).fold(0, u64::saturating_add)
    }

    /// The commit that adds and removes what `batch` says, in one new segment. Costs a copy of its vectors and a sum
    /// over it.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the batch does not fit together or into this index.
    pub fn commit(&mut self, batch: &Batch) -> Result<Commit, StoreError> {
        self.check_tidy()?;
        batch.add.check(self.identity()).map_err(Fault::in_call)?;
        let added = batch.add.documents.iter().map(|document| &document.id);
        let mut known: BTreeMap<Place, &String> = BTreeMap::new();
        known.extend(batch.remove.iter().chain(added).filter_map(|id| Some((*self.places.get(id)?, id))));
        let removes: Vec<Place> = known.keys().copied().collect();
        if removes.is_empty() && batch.add.documents.is_empty() {
            return Ok(self.nothing(Vec::new()));
        }
        let forgotten = known.into_values().cloned().collect();
        let end = self.states.len();
        self.replace(end..end, Some(&batch.add), removes.clone(), removes, forgotten)
    }

    /// Adopts what a commit did, once it is carried out. From now on the next may be prepared.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if another was finished since it was prepared.
    pub fn finish(&mut self, commit: Commit) -> Result<(), StoreError> {
        let Change { base, step } = commit.change;
        if base != self.generation() {
            return Err(StoreError::Stale { base, current: self.generation() });
        }
        self.is_tidy = true;
        for name in &commit.remove {
            self.leftovers.remove(name);
        }
        let Some(Step { manifest, slot, replaced, segment, dead, forgotten, placed }) = step else {
            return Ok(());
        };
        self.manifest = manifest;
        self.next.slot = 1 - slot;
        let places: HashMap<u32, usize> =
            self.states.iter().enumerate().map(|(at, state)| (state.entry.number, at)).collect();
        for Place { segment, document } in dead {
            if let Some(&at) = places.get(&segment) {
                self.states[at].dead.insert(document);
            }
        }
        self.states.splice(replaced, segment);
        for id in &forgotten {
            self.places.remove(id);
        }
        self.places.extend(placed);
        Ok(())
    }

    /// Lets go of a commit that could not be carried out; the index stays as it was. Gives the names of its files, for
    /// the host to remove what is there of them; the next commit tries again.
    pub fn abandon(&mut self, commit: Commit) -> Vec<String> {
        let names: Vec<String> = commit.files.into_iter().map(|(name, _)| name).collect();
        self.leftovers.extend(names.iter().cloned());
        names
    }

    /// A commit that changes no state.
    pub(crate) fn nothing(&self, mut remove: Vec<String>) -> Commit {
        remove.extend(self.leftovers.iter().cloned());
        let change = Change { base: self.generation(), step: None };
        Commit { files: Vec::new(), manifest: None, remove, change }
    }

    /// The commit that makes the index.
    pub(crate) fn creation(&mut self) -> Result<Commit, StoreError> {
        self.replace(0..0, None, Vec::new(), Vec::new(), Vec::new())
    }

    pub(crate) fn check_tidy(&self) -> Result<(), StoreError> {
        if self.is_tidy {
            return Ok(());
        }
        let expected = "the opening's `tidy` carried out and finished before it";
        Err(Fault::new("commit", expected, "none").in_call())
    }

    /// The commit in which `segment`, if there is one, stands for the segments of `replaced`. It `removes` documents of
    /// other segments, of which `dead` lived until now.
    pub(crate) fn replace(
        &mut self,
        replaced: Range<usize>,
        segment: Option<&Segment>,
        removes: Vec<Place>,
        dead: Vec<Place>,
        forgotten: Vec<String>,
    ) -> Result<Commit, StoreError> {
        let Next { slot, generation, segment: number } = self.next;
        let mut entries: Vec<SegmentEntry> = self.states.iter().map(|state| state.entry.clone()).collect();
        let remove =
            entries[replaced.clone()].iter().flat_map(SegmentEntry::files).map(|file| file.name.clone());
        let remove: Vec<String> = remove.collect();
        let (mut files, mut placed, mut state) = (Vec::new(), Vec::new(), None);
        if let Some(segment) = segment {
            self.next.segment = number
                .checked_add(1)
                .ok_or_else(|| Fault::new("commit", "fewer than 2^32 segments ever", "more").in_call())?;
            let mut file = |name: Name, bytes: Vec<u8>| {
                let entry = FileEntry::of(name, &bytes);
                files.push((name.to_string(), bytes));
                entry
            };
            let counts = segment.counts(removes.len());
            let bytes = segment.encode_vectors(&removes).map_err(Fault::in_call)?;
            let vectors = file(Name::Vectors(number), bytes);
            let documents = segment.encode_documents().map_err(Fault::in_call)?;
            let documents = (counts.documents > 0).then(|| file(Name::Documents(number), documents));
            let ids = segment.documents.iter().zip(0..);
            placed.extend(ids.map(|(of, document)| (of.id.clone(), Place { segment: number, document })));
            state = Some(SegmentState::new(SegmentEntry { number, counts, vectors, documents }, removes));
        }
        entries.splice(replaced.clone(), state.as_ref().map(|state| state.entry.clone()));
        let mut manifest = self.manifest.next(generation, self.next.segment);
        manifest.segments = entries;
        let bytes = manifest.render().map_err(Fault::in_call)?;
        self.next.generation += 1;
        let step = Step { manifest, slot, replaced, segment: state, dead, forgotten, placed };
        let mut commit = self.nothing(remove);
        commit.files = files;
        commit.manifest = Some((MANIFESTS[slot].to_owned(), bytes));
        commit.change.step = Some(step);
        Ok(commit)
    }
}

impl SegmentState {
    pub(crate) fn new(entry: SegmentEntry, removes: Vec<Place>) -> Self {
        Self { entry, dead: BTreeSet::new(), removes }
    }
}
