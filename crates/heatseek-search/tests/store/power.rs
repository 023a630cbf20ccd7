//! Power fails at every step of a commit, and within every write.

use std::convert::Infallible;

use heatseek_search::store::{Check, Commit, Files, Identity, VectorDtype};

use crate::corpus::{Draw, Holdings, operation};
use crate::disk::Disk;

/// What a commit does to files.
#[derive(Clone, Debug)]
enum Event {
    Write(String, Vec<u8>),
    Sync,
    Remove(String),
}

#[derive(Default)]
struct Recorder(Vec<Event>);

impl Files for Recorder {
    type Error = Infallible;

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.push(Event::Write(name.to_owned(), bytes.to_vec()));
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Infallible> {
        self.0.push(Event::Sync);
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), Infallible> {
        self.0.push(Event::Remove(name.to_owned()));
        Ok(())
    }
}

fn events_of(commit: &Commit) -> Vec<Event> {
    let mut recorder = Recorder::default();
    let Ok(()) = commit.perform(&mut recorder);
    recorder.0
}

/// What a file of `new` bytes may be after a cut while it is written over `old`.
fn torn(old: Option<&Vec<u8>>, new: &[u8]) -> Vec<Vec<u8>> {
    let every = (new.len() / 40).max(1);
    let mut lengths: Vec<usize> = (0..new.len()).step_by(every).collect();
    lengths.extend([1, 7, 8, 9, new.len().saturating_sub(1)].iter().filter(|&&length| length < new.len()));
    let mut states: Vec<Vec<u8>> = lengths.iter().map(|&length| new[..length].to_vec()).collect();
    for length in [0, new.len() / 3, new.len().saturating_sub(2)] {
        // Room was made, but not everything had arrived in it.
        let mut zeros = new[..length].to_vec();
        zeros.resize(new.len(), 0);
        states.push(zeros);
        // Written in place.
        if let Some(rest) = old.and_then(|old| old.get(length..)) {
            states.push([&new[..length], rest].concat());
        }
    }
    states
}

/// All that may be on the disk when power fails while `events` happen: what was synced is there; of what was not, each
/// file may be as before, whole, or torn.
fn cut_off(before: &Disk, events: &[Event]) -> Vec<(Disk, bool)> {
    let mut states = Vec::new();
    let mut durable = before.clone();
    let mut pending: Vec<&Event> = Vec::new();
    let mut manifest_is_durable = false;
    for event in events {
        if let Event::Sync = event {
            for event in pending.drain(..) {
                happen(&mut durable, event);
                manifest_is_durable |= matches!(event, Event::Write(name, _) if name.starts_with("manifest"));
            }
            states.push((durable.clone(), manifest_is_durable));
            continue;
        }
        pending.push(event);
        // Any of the others may have arrived or not.
        for others in 0..1u32 << (pending.len() - 1).min(4) {
            let mut state = durable.clone();
            for (at, other) in pending[..pending.len() - 1].iter().enumerate() {
                if others & (1 << at.min(3)) != 0 {
                    happen(&mut state, other);
                }
            }
            if let Event::Write(name, bytes) = event {
                for torn in torn(state.0.get(name), bytes) {
                    let mut state = state.clone();
                    state.0.insert(name.clone(), torn);
                    states.push((state, manifest_is_durable));
                }
            }
            states.push((state.clone(), manifest_is_durable));
            happen(&mut state, event);
            states.push((state, manifest_is_durable));
        }
    }
    states
}

fn happen(disk: &mut Disk, event: &Event) {
    match event {
        Event::Write(name, bytes) => drop(disk.0.insert(name.clone(), bytes.clone())),
        Event::Remove(name) => drop(disk.0.remove(name)),
        Event::Sync => {}
    }
}

/// What is wrong with what a disk holds after a cut, if anything is.
fn violation(disk: &Disk, identity: &Identity, allowed: &[&Holdings]) -> Option<String> {
    for check in [Check::Full, Check::Length] {
        let opened = match disk.open(Some(identity), check) {
            Ok(opened) => opened,
            Err(error) => return Some(format!("{check:?}: {error}")),
        };
        let holdings = Holdings::of(&opened.segments);
        if !allowed.contains(&&holdings) {
            return Some(format!("{check:?}: it holds something else: {} documents", holdings.0.len()));
        }
        if let Some(skipped) = opened.skipped.iter().find(|skipped| skipped.generation.is_some()) {
            return Some(format!("{check:?}: a whole manifest is of no use: {}", skipped.reason));
        }
    }
    None
}

/// Runs operations, each cut off in every way, with events in the order that `arrange` makes; the first violation.
fn first_violation(seed: u64, steps: u64, arrange: fn(Vec<Event>) -> Vec<Event>) -> Option<String> {
    let identity = identity_of(seed);
    let mut disk = Disk::default();
    let mut draw = Draw::new(seed);
    let mut holdings = Holdings::default();
    // The first step is the making of the index.
    let opened = disk.open(Some(&identity), Check::Full).unwrap();
    let (mut store, mut next) = (opened.store, Some(opened.tidy));
    for k in 0..=steps {
        let operation = operation(&identity, seed, k.max(1));
        let mut after = holdings.clone();
        if k > 0 {
            after.apply(&operation);
            next = disk.prepare(&mut store, &operation);
        }
        while let Some(commit) = next.take() {
            let changes = commit.manifest.is_some();
            for (mut state, switched) in cut_off(&disk, &arrange(events_of(&commit))) {
                let allowed: &[&Holdings] =
                    if switched && changes { &[&after] } else { &[&holdings, &after] };
                if let Some(violation) = violation(&state, &identity, allowed) {
                    return Some(format!("step {k}: {violation}"));
                }
                // Now and then somebody goes on from there, and is cut off again.
                if draw.below(40) == 0 {
                    let violation = again(&mut state, &identity, &mut draw);
                    if let Some(violation) = violation {
                        return Some(format!("step {k}, then again: {violation}"));
                    }
                }
            }
            disk.carry_out(&mut store, commit);
            if k > 0 && matches!(operation, crate::corpus::Operation::Compact(_)) {
                next = disk.prepare(&mut store, &operation);
            }
            holdings = after.clone();
        }
    }
    assert!(!holdings.0.is_empty(), "nothing was stored");
    None
}

/// Goes on from what a cut left, with one operation, which is cut off in turn.
fn again(disk: &mut Disk, identity: &Identity, draw: &mut Draw) -> Option<String> {
    let before = Holdings::of(&disk.open(Some(identity), Check::Full).unwrap().segments);
    let mut store = disk.writer(identity);
    let operation = operation(identity, draw.next() >> 40, 1);
    let commit = disk.prepare(&mut store, &operation)?;
    let mut after = before.clone();
    after.apply(&operation);
    let states = cut_off(disk, &events_of(&commit));
    // Nothing happens in a commit of nothing.
    let (state, switched) = states.get(draw.next() as usize % states.len().max(1))?;
    let allowed: &[&Holdings] = if *switched { &[&after] } else { &[&before, &after] };
    violation(state, identity, allowed)
}

fn identity_of(seed: u64) -> Identity {
    let dtypes = [VectorDtype::I8, VectorDtype::Bits, VectorDtype::F16, VectorDtype::F32];
    crate::corpus::identity(dtypes[seed as usize % 4], 9)
}

#[test]
fn nothing_committed_is_lost_wherever_power_fails() {
    for seed in 0..4 {
        assert_eq!(first_violation(seed, 8, |events| events), None, "seed {seed}");
    }
}

/// The test must see the faults that it is there for.
#[test]
fn wrong_orders_are_caught() {
    let is_manifest = |event: &Event| matches!(event, Event::Write(name, _) if name.starts_with("manifest"));
    assert!(is_manifest(&Event::Write("manifest-a.json".into(), Vec::new())));

    let manifest_before_segments = |mut events: Vec<Event>| {
        let is_manifest =
            |event: &Event| matches!(event, Event::Write(name, _) if name.starts_with("manifest"));
        if let Some(at) = events.iter().position(is_manifest) {
            let manifest = events.remove(at);
            events.splice(0..0, [manifest, Event::Sync]);
        }
        events
    };
    let no_sync_between = |mut events: Vec<Event>| {
        if let Some(at) = events.iter().position(|event| matches!(event, Event::Sync)) {
            events.remove(at);
        }
        events
    };
    let removed_first = |mut events: Vec<Event>| {
        events.sort_by_key(|event| !matches!(event, Event::Remove(_)));
        events
    };
    let one_place = |mut events: Vec<Event>| {
        for event in &mut events {
            if let Event::Write(name, _) = event
                && name.starts_with("manifest")
            {
                *name = "manifest-a.json".into();
            }
        }
        events
    };
    for (name, arrange) in [
        ("manifest before segments", manifest_before_segments as fn(Vec<Event>) -> Vec<Event>),
        ("no sync between", no_sync_between),
        ("removed first", removed_first),
        ("always the same manifest", one_place),
    ] {
        let seen = (0..4).find_map(|seed| first_violation(seed, 12, arrange));
        println!("{name}: {seen:?}");
        assert!(seen.is_some(), "{name} was not seen");
    }
}
