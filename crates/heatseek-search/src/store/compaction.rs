//! Few segments of live documents in place of many of dead ones.

use std::ops::Range;

use super::error::Fault;
use super::gathering::Gathering;
use super::segment::{Place, Segment};
use super::state::SegmentState;
use super::{Check, Commit, Store, StoreError};

/// When segments are worth being written anew.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompactionPolicy {
    /// Segments are not put together to more bytes than this, and so much is read and written at a time.
    pub max_bytes: u64,
    /// How many segments of about one size are put together. More make fewer rewrites and more files.
    pub fan: usize,
    /// The part of a segment's documents that must be dead for it to be written anew by itself, 0 to 1.
    pub dead: f64,
}

impl Default for CompactionPolicy {
    /// A segment is rewritten when what came behind it has grown to half of it, so that an index of n bytes is written
    /// about log₂ n times in all; and at most half of it is dead.
    fn default() -> Self {
        // 64 MiB are 43 000 vectors of 384 floats: a second's work in a browser.
        Self { max_bytes: 64 << 20, fan: 8, dead: 0.5 }
    }
}

impl CompactionPolicy {
    /// Puts together what fits, and leaves nothing dead.
    pub fn thorough() -> Self {
        Self { fan: 2, dead: 0.0, ..Self::default() }
    }
}

/// Segments to be written anew. Give it the files it wants, then hand it to [`Store::compact`].
#[derive(Debug)]
pub struct Compaction {
    base: u64,
    run: Range<usize>,
    gathering: Gathering,
}

impl Compaction {
    /// Names of the files to read.
    pub fn wanted(&self) -> Vec<String> {
        self.gathering.wanted()
    }

    /// One of them; any other is ignored.
    ///
    /// # Errors
    /// [`StoreError::Damaged`] if it is not what was written, byte by byte: compaction gives no fault a fresh sum.
    pub fn give(&mut self, name: &str, bytes: Option<Vec<u8>>) -> Result<(), StoreError> {
        self.gathering.give(name, bytes)
    }
}

impl Store {
    /// What to compact next, if anything is worth it: a run of neighbours, so that documents keep their order. Ask again
    /// when it is done.
    pub fn due(&self, policy: &CompactionPolicy) -> Option<Compaction> {
        let run =
            self.groups(policy.max_bytes).into_iter().find_map(|group| self.worthwhile(group, policy))?;
        let entries = self.states[run.clone()].iter().map(|state| state.entry.clone()).collect();
        let gathering = Gathering::new(self.identity().clone(), entries, Check::Full);
        Some(Compaction { base: self.generation(), run, gathering })
    }

    /// The commit that puts one segment of what lives in place of the compaction's.
    ///
    /// # Errors
    /// [`StoreError::Stale`] if a commit was finished since it was due, [`StoreError::Invalid`] if it was not given all
    /// files.
    pub fn compact(&mut self, compaction: Compaction) -> Result<Commit, StoreError> {
        self.check_tidy()?;
        let Compaction { base, run, gathering } = compaction;
        if base != self.generation() {
            return Err(StoreError::Stale { base, current: self.generation() });
        }
        let mut all = Segment::new(self.identity().dtype, self.identity().width);
        for ((_, mut segment, _), state) in gathering.finish()?.into_iter().zip(&self.states[run.clone()]) {
            segment.remove(&state.dead);
            all.append(segment);
        }
        all.check(self.identity()).map_err(Fault::in_call)?;
        let removes = self.live_tombstones(&run);
        let segment = (!all.documents.is_empty() || !removes.is_empty()).then_some(&all);
        self.replace(run, segment, removes, Vec::new(), Vec::new())
    }

    /// Runs of neighbours whose live parts fit into one segment together, as long as can be.
    fn groups(&self, max_bytes: u64) -> Vec<Range<usize>> {
        let mut groups: Vec<Range<usize>> = Vec::new();
        let mut bytes = 0u64;
        for (at, state) in self.states.iter().enumerate() {
            match groups.last_mut() {
                Some(group) if bytes.saturating_add(state.live_bytes()) <= max_bytes => {
                    group.end = at + 1;
                    bytes += state.live_bytes();
                }
                _ => {
                    groups.push(at..at + 1);
                    bytes = state.live_bytes();
                }
            }
        }
        groups
    }

    /// The part of a group that is to be written anew.
    fn worthwhile(&self, group: Range<usize>, policy: &CompactionPolicy) -> Option<Range<usize>> {
        let decayed = |at: &usize| self.is_decayed(*at, policy.dead);
        if let Some(at) = group.clone().find(decayed) {
            return Some(at..at + 1);
        }
        // From the newest back, as long as none is more than twice as large as all behind it together.
        let mut run = group.end..group.end;
        let mut bytes = 0u64;
        for at in group.rev() {
            let more = self.states[at].live_bytes();
            if policy.fan > 2 && !run.is_empty() && more > bytes.saturating_mul(2) {
                break;
            }
            run.start = at;
            bytes = bytes.saturating_add(more);
        }
        (run.len() >= policy.fan.max(2)).then_some(run)
    }

    /// Whether a segment's dead documents are more than a part of all, or nothing of it has any effect.
    fn is_decayed(&self, at: usize, part: f64) -> bool {
        let state = &self.states[at];
        let (documents, dead) = (f64::from(state.entry.counts.documents), state.dead.len() as f64);
        dead > documents * part || dead == documents && self.live_tombstones(&(at..at + 1)).is_empty()
    }

    /// What the segments of a run removed from those outside.
    fn live_tombstones(&self, run: &Range<usize>) -> Vec<Place> {
        let is_outside = |number: u32| {
            let mut states = self.states.iter().enumerate();
            states.any(|(at, state)| state.entry.number == number && !run.contains(&at))
        };
        let removes = self.states[run.clone()].iter().flat_map(|state| &state.removes);
        removes.filter(|place| is_outside(place.segment)).copied().collect()
    }
}

impl SegmentState {
    /// About how many bytes it would have without its dead documents.
    fn live_bytes(&self) -> u64 {
        let documents = u64::from(self.entry.counts.documents);
        if documents == 0 {
            return self.entry.bytes();
        }
        let live = documents - (self.dead.len() as u64).min(documents);
        (u128::from(self.entry.bytes()) * u128::from(live) / u128::from(documents)) as u64
    }
}
