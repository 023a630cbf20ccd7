//! Opening an index, given its files.

use std::collections::{BTreeSet, HashMap};

use super::error::Fault;
use super::gathering::Gathering;
use super::manifest::{Manifest, SegmentEntry, Unusable};
use super::names::{MANIFESTS, Name};
use super::segment::{Place, Segment};
use super::state::{Next, SegmentState};
use super::{Commit, Identity, Store, StoreError};

/// How closely the files of an index are looked at when it is opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Check {
    /// That they are there and of the right length, and that whatever in them counts or points is in bounds. A changed
    /// byte among the vectors or in a text is not seen.
    #[default]
    Length,
    /// Also that each has the SHA-256 it was written with.
    Full,
}

/// A newer manifest that could not be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Skipped {
    /// Its generation, if it can be read. A commit that was cut off leaves a manifest that cannot; one that can, but
    /// whose files are damaged, says that something else happened to the files.
    pub generation: Option<u64>,
    /// Why not; of one that can be read also what it had added and removed, which is lost with it.
    pub reason: String,
}

/// An index on its way in. Give it the files it wants, in any order, until it wants none.
#[derive(Debug)]
pub struct Opening {
    identity: Option<Identity>,
    check: Check,
    listed: BTreeSet<Name>,
    slots: [Slot; 2],
    candidate: Option<Candidate>,
    skipped: Vec<Skipped>,
    unused: Vec<Manifest>,
}

/// What stands at a manifest's place.
#[derive(Debug)]
enum Slot {
    Absent,
    Wanted,
    Torn,
    Whole(Box<Manifest>),
    /// One that is the candidate, or was.
    Taken,
}

#[derive(Debug)]
struct Candidate {
    slot: usize,
    manifest: Manifest,
    gathering: Gathering,
    contents: Option<Contents>,
}

#[derive(Debug)]
struct Contents {
    segments: Vec<Segment>,
    states: Vec<SegmentState>,
    places: HashMap<String, Place>,
}

/// An opened index.
#[derive(Debug)]
pub struct Opened {
    /// To write to it.
    pub store: Store,
    /// What it holds, in the order it was added; removed documents are left out.
    pub segments: Vec<Segment>,
    /// To be carried out by a writer before it writes anything else, and finished by [`Store::finish`]: makes an index
    /// that is new, and removes what a dead writer left. Readers let it be.
    pub tidy: Commit,
    /// Manifests that were newer but could not be used.
    pub skipped: Vec<Skipped>,
}

impl Opening {
    /// Begins to open the index whose files are `names`; others are ignored. It must have been made with `identity`,
    /// and is made with it if there is none; `None` opens whatever there is.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if the identity's width is none.
    pub fn new<S: AsRef<str>>(
        names: impl IntoIterator<Item = S>,
        identity: Option<&Identity>,
        check: Check,
    ) -> Result<Self, StoreError> {
        if let Some(identity) = identity {
            identity.check_width().map_err(Fault::in_call)?;
        }
        // One after the other, here and elsewhere: to collect a set brings a sort of its own into the module.
        let mut listed = BTreeSet::new();
        listed.extend(names.into_iter().filter_map(|name| Name::parse(name.as_ref())));
        let slots = [0, 1]
            .map(|slot| if listed.contains(&Name::Manifest(slot)) { Slot::Wanted } else { Slot::Absent });
        let (skipped, unused) = (Vec::new(), Vec::new());
        Ok(Self { identity: identity.cloned(), check, listed, slots, candidate: None, skipped, unused })
    }

    /// Names of the files to read next: [`give`](Self::give) each, and ask again until there are none. Small ones come
    /// first and are checked, so that an index that cannot be opened fails before its vectors are read.
    pub fn wanted(&self) -> Vec<String> {
        let wanted = |slot: &usize| matches!(self.slots[*slot], Slot::Wanted);
        let manifests: Vec<String> = (0..2).filter(wanted).map(|slot| MANIFESTS[slot].to_owned()).collect();
        match &self.candidate {
            Some(candidate) if candidate.contents.is_none() => candidate.gathering.wanted(),
            _ => manifests,
        }
    }

    /// The bytes of a file that is wanted; `None` if it turns out not to be there. A file that is not wanted is
    /// ignored.
    ///
    /// # Errors
    /// [`StoreError::Version`] or [`StoreError::Identity`] if the index cannot be opened like this.
    pub fn give(&mut self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        match Name::parse(name) {
            Some(Name::Manifest(slot)) if matches!(self.slots[slot], Slot::Wanted) => {
                self.give_manifest(slot, bytes)?;
                if self.slots.iter().all(|slot| !matches!(slot, Slot::Wanted)) {
                    self.choose()?;
                }
                Ok(())
            }
            Some(Name::Vectors(_) | Name::Documents(_)) => self.give_file(name, bytes),
            _ => Ok(()),
        }
    }

    /// What the index was made with, once its manifests are here.
    pub fn identity(&self) -> Option<&Identity> {
        self.candidate.as_ref().map(|candidate| &candidate.manifest.identity)
    }

    /// The index, once nothing is wanted.
    ///
    /// # Errors
    /// [`StoreError::Lost`] if what was committed last is damaged, which [`recover`](Self::recover) gives up;
    /// [`StoreError`] if there is none, no manifest can be used, or files are still wanted.
    pub fn finish(self) -> Result<Opened, StoreError> {
        let opened = self.recover()?;
        let mut damaged = opened.skipped.iter().filter(|skipped| skipped.generation.is_some());
        match damaged.next() {
            None => Ok(opened),
            Some(Skipped { reason, .. }) => Err(StoreError::Lost { reasons: reason.clone() }),
        }
    }

    /// The index as it was before its last change, if that is damaged; [`Opened::skipped`] says so then. What is left of
    /// the change is gone with the next one.
    ///
    /// # Errors
    /// [`StoreError`] if there is none, no manifest can be used, or files are still wanted.
    pub fn recover(self) -> Result<Opened, StoreError> {
        if let Some(name) = self.wanted().first() {
            return Err(Fault::new("files", "every one that is wanted", format!("not {name}")).in_call());
        }
        let candidate = self.candidate.as_ref().map(|candidate| &candidate.manifest);
        let seen = || self.slots.iter().filter_map(Slot::manifest).chain(&self.unused).chain(candidate);
        // What any manifest calls its own, or somebody may have left, is not written again, also if nobody uses it.
        let left = self.listed.iter().filter_map(|name| name.segment()).max().unwrap_or(0);
        let next_segment =
            seen().map(|seen| seen.next_segment).max().unwrap_or(1).max(left.saturating_add(1));
        let next_generation = seen().map(|seen| seen.generation).max().unwrap_or(0) + 1;
        match self.candidate {
            Some(Candidate { slot, manifest, contents: Some(contents), .. }) => {
                let newer = self.unused.iter().filter(|other| other.generation > manifest.generation);
                let entries = newer.chain([&manifest]).flat_map(|manifest| &manifest.segments);
                let mut needed = BTreeSet::new();
                needed
                    .extend(entries.flat_map(SegmentEntry::files).filter_map(|file| Name::parse(&file.name)));
                let left = self.listed.difference(&needed).filter(|name| name.segment().is_some());
                let remove = left.map(Name::to_string).collect();
                let Contents { segments, states, places } = contents;
                let next = Next { slot: 1 - slot, generation: next_generation, segment: next_segment };
                let store = Store::new(manifest, next, states, places);
                let tidy = store.nothing(remove);
                Ok(Opened { store, segments, tidy, skipped: self.skipped })
            }
            _ => Self::create(self.identity, &self.slots, &self.listed, &self.skipped),
        }
    }

    /// A new index, if there are no files of another. The first manifest is written before any segment, so that files
    /// of segments without one are damage and no beginning.
    fn create(
        identity: Option<Identity>,
        slots: &[Slot; 2],
        listed: &BTreeSet<Name>,
        skipped: &[Skipped],
    ) -> Result<Opened, StoreError> {
        let fresh = matches!(slots, [Slot::Absent | Slot::Torn, Slot::Absent]);
        if !fresh || listed.iter().any(|name| name.segment().is_some()) {
            let reasons: Vec<&str> = skipped.iter().map(|skipped| skipped.reason.as_str()).collect();
            let reasons = if reasons.is_empty() { "there is none".to_owned() } else { reasons.join("; ") };
            return Err(StoreError::NoManifest { reasons });
        }
        let identity = identity.ok_or(StoreError::NotFound)?;
        let (segments, skipped) = (Vec::new(), Vec::new());
        let next = Next { slot: 0, generation: 1, segment: 1 };
        let mut store = Store::new(Manifest::new(identity), next, Vec::new(), HashMap::new());
        let tidy = store.creation()?;
        Ok(Opened { store, segments, tidy, skipped })
    }

    fn give_manifest(&mut self, slot: usize, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        let Some(bytes) = bytes else {
            self.slots[slot] = Slot::Absent;
            return Ok(());
        };
        self.slots[slot] = match Manifest::parse(Name::Manifest(slot), &bytes) {
            Ok(manifest) => Slot::Whole(Box::new(manifest)),
            Err(Unusable::Torn(reason)) => {
                self.skipped.push(Skipped { generation: None, reason });
                Slot::Torn
            }
            Err(Unusable::Refused(error)) => return Err(error),
        };
        Ok(())
    }

    /// The newest manifest that is left becomes the candidate; none if none is left.
    fn choose(&mut self) -> Result<(), StoreError> {
        self.candidate = None;
        let generations = [0, 1].map(|slot| self.slots[slot].manifest().map(|m| m.generation));
        let slot = usize::from(generations[1] > generations[0]);
        let taken = std::mem::replace(&mut self.slots[slot], Slot::Taken);
        let Slot::Whole(manifest) = taken else {
            self.slots[slot] = taken;
            return Ok(());
        };
        let manifest = *manifest;
        if let Some(given) = &self.identity {
            manifest.identity.check(given)?;
        }
        let gathering = Gathering::new(manifest.identity.clone(), manifest.segments.clone(), self.check);
        let absent = gathering
            .wanted()
            .into_iter()
            .find(|file| Name::parse(file).is_none_or(|name| !self.listed.contains(&name)));
        self.candidate = Some(Candidate { slot, manifest, gathering, contents: None });
        if let Some(file) = absent {
            return self.skip(StoreError::Damaged { file, expected: "a file".into(), got: "none".into() });
        }
        self.complete()
    }

    fn give_file(&mut self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        let Some(candidate) = &mut self.candidate else { return Ok(()) };
        match candidate.gathering.give(name, bytes) {
            Ok(()) => self.complete(),
            Err(error) => self.skip(error),
        }
    }

    /// Puts the candidate's segments together, if all are here.
    fn complete(&mut self) -> Result<(), StoreError> {
        let Some(candidate) = &mut self.candidate else { return Ok(()) };
        if candidate.contents.is_some() || !candidate.gathering.is_complete() {
            return Ok(());
        }
        let empty = Gathering::new(candidate.manifest.identity.clone(), Vec::new(), self.check);
        let gathering = std::mem::replace(&mut candidate.gathering, empty);
        match gathering.finish().and_then(Contents::of) {
            Ok(contents) => candidate.contents = Some(contents),
            Err(error) => return self.skip(error),
        }
        Ok(())
    }

    /// Gives the candidate up for the one before it.
    fn skip(&mut self, error: StoreError) -> Result<(), StoreError> {
        if let Some(Candidate { slot, manifest, .. }) = self.candidate.take() {
            let reason = match error {
                // Without what to do, which is said once.
                StoreError::Damaged { file, expected, got } => {
                    format!("{file}: expected {expected}, got {got}")
                }
                other => other.to_string(),
            };
            let reason = format!("{}: {reason}{}", MANIFESTS[slot], self.lost_with(&manifest));
            self.skipped.push(Skipped { generation: Some(manifest.generation), reason });
            self.unused.push(manifest);
        }
        self.choose()
    }

    /// What `manifest` had changed since the one before it, if that is here.
    fn lost_with(&self, manifest: &Manifest) -> String {
        let Some(before) = self.slots.iter().find_map(Slot::manifest) else { return String::new() };
        let [documents, removed] = [0, 1].map(|which| {
            let of = |manifest: &Manifest| -> u64 {
                let counts = manifest.segments.iter().map(|segment| &segment.counts);
                counts.map(|counts| u64::from([counts.documents, counts.removed][which])).sum()
            };
            of(manifest).saturating_sub(of(before))
        });
        format!("; documents lost with it: {documents} added, {removed} removed")
    }
}

impl Slot {
    fn manifest(&self) -> Option<&Manifest> {
        match self {
            Self::Whole(manifest) => Some(manifest),
            _ => None,
        }
    }
}

impl Contents {
    /// Applies all tombstones.
    fn of(gathered: Vec<(SegmentEntry, Segment, Vec<Place>)>) -> Result<Self, StoreError> {
        let mut states: Vec<SegmentState> = gathered
            .iter()
            .map(|(entry, _, removed)| SegmentState::new(entry.clone(), removed.clone()))
            .collect();
        let at: HashMap<u32, usize> =
            states.iter().enumerate().map(|(at, state)| (state.entry.number, at)).collect();
        for (entry, _, removed) in &gathered {
            let damaged = |place: &Place, expected: &str| {
                Fault::new("tombstones", expected, format!("{place:?}")).in_file(&entry.vectors.name)
            };
            for place in removed {
                if place.segment >= entry.number {
                    return Err(damaged(place, "documents of segments before it"));
                }
                // A segment that is not there was compacted, and its tombstones with it.
                let Some(&of) = at.get(&place.segment) else { continue };
                if place.document >= states[of].entry.counts.documents {
                    return Err(damaged(place, "documents that are there"));
                }
                states[of].dead.insert(place.document);
            }
        }
        let mut places = HashMap::new();
        let mut segments = Vec::with_capacity(gathered.len());
        for ((entry, mut segment, _), state) in gathered.into_iter().zip(&states) {
            for (document, place) in segment.documents.iter().zip(0..) {
                let place = Place { segment: entry.number, document: place };
                if state.dead.contains(&place.document) {
                    continue;
                }
                if places.insert(document.id.clone(), place).is_some() {
                    let got = format!("`{}` again", document.id);
                    return Err(Fault::new("documents", "an id for each", got)
                        .in_file(format_args!("segment {}", entry.number)));
                }
            }
            segment.remove(&state.dead);
            segments.push(segment);
        }
        Ok(Self { segments, states, places })
    }
}
