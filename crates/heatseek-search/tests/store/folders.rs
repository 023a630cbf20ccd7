//! An index in a folder.

use std::fs;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use heatseek_search::store::{Batch, Check, CompactionPolicy, FolderStore, Segment, StoreError, VectorDtype};

use crate::corpus::{Draw, Holdings, Operation, batch, identity, operation};

/// A folder that is removed again.
pub struct Folder(pub PathBuf);

impl Folder {
    pub fn new(name: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn one_writes_and_many_read() {
    let folder = Folder::new("one-writer");
    let identity = identity(VectorDtype::F16, 5);
    assert!(matches!(FolderStore::read(&folder.0, None, Check::Full), Err(StoreError::NotFound)));
    assert!(!folder.0.exists(), "to read makes nothing");
    let (mut index, contents) = FolderStore::open(&folder.0.join("deeper"), &identity, Check::Full).unwrap();
    assert_eq!(contents.segments, []);
    let second = FolderStore::open(&folder.0.join("deeper"), &identity, Check::Full);
    let message = second.unwrap_err().to_string();
    assert!(
        message.starts_with("another process or part of this one is writing to the index in "),
        "{message}"
    );
    let mut holdings = Holdings::default();
    for k in 1..=20 {
        let operation = operation(&identity, 3, k);
        match &operation {
            Operation::Commit(batch) => index.commit(batch).unwrap(),
            Operation::Compact(policy) => drop(index.compact(policy).unwrap()),
        }
        holdings.apply(&operation);
        let read = FolderStore::read(&folder.0.join("deeper"), Some(&identity), Check::Full).unwrap();
        assert!(Holdings::of(&read.segments) == holdings);
    }
    index.compact(&CompactionPolicy::thorough()).unwrap();
    drop(index);
    let (index, contents) = FolderStore::open(&folder.0.join("deeper"), &identity, Check::Full).unwrap();
    assert!(Holdings::of(&contents.segments) == holdings);
    assert_eq!(index.store().segments(), 1);
}

#[test]
fn a_reader_sees_whole_states_while_somebody_writes() {
    let folder = Folder::new("reader");
    let identity = identity(VectorDtype::Bits, 40);
    let (mut index, _) = FolderStore::open(&folder.0, &identity, Check::Full).unwrap();
    let mut states = vec![Holdings::default()];
    for k in 1..=40 {
        let mut next = states[states.len() - 1].clone();
        next.apply(&operation(&identity, 4, k));
        states.push(next);
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for k in 1..=40 {
                match operation(&identity, 4, k) {
                    Operation::Commit(batch) => index.commit(&batch).unwrap(),
                    Operation::Compact(policy) => drop(index.compact(&policy).unwrap()),
                }
                // Nobody commits so often that a reader never gets to the end.
                std::thread::sleep(Duration::from_millis(5));
            }
            done.store(true, Ordering::Release);
        });
        let (mut at, mut reads) = (0, 0);
        while !done.load(Ordering::Acquire) {
            let read = FolderStore::read(&folder.0, Some(&identity), Check::Full).unwrap();
            let held = Holdings::of(&read.segments);
            let now = states.iter().skip(at).position(|state| *state == held);
            at += now.expect("a state that is not older than the last one seen");
            reads += 1;
        }
        assert!(reads > 3 && at > 0, "{reads} reads up to {at}");
    });
}

#[test]
fn a_write_that_fails_changes_nothing_and_the_next_goes_on() {
    let folder = Folder::new("failing");
    let identity = identity(VectorDtype::F32, 5);
    let (mut index, _) = FolderStore::open(&folder.0, &identity, Check::Full).unwrap();
    let first = batch(&identity, &mut Draw::new(1));
    index.commit(&first).unwrap();
    // A folder stands where the next manifest should be written.
    let blocked = folder.0.join("manifest-a.json");
    fs::remove_file(&blocked).unwrap();
    fs::create_dir(&blocked).unwrap();
    let second = batch(&identity, &mut Draw::new(2));
    let error = index.commit(&second).unwrap_err();
    assert!(matches!(&error, StoreError::Io { action: "create", path, .. } if *path == blocked), "{error}");
    fs::remove_dir(&blocked).unwrap();
    let files = |start: &str| {
        let names = fs::read_dir(&folder.0).unwrap().map(|entry| entry.unwrap().file_name());
        names.filter(|name| name.to_string_lossy().starts_with(start)).count()
    };
    assert_eq!(files("vectors"), 1, "what was written of it is gone");
    let mut holdings = Holdings::default();
    holdings.apply(&Operation::Commit(first));
    let read = FolderStore::read(&folder.0, None, Check::Full).unwrap();
    assert!(Holdings::of(&read.segments) == holdings);
    index.commit(&second).unwrap();
    holdings.apply(&Operation::Commit(second));
    let read = FolderStore::read(&folder.0, None, Check::Full).unwrap();
    assert!(Holdings::of(&read.segments) == holdings);
}

#[test]
fn an_empty_batch_writes_nothing() {
    let folder = Folder::new("empty");
    let identity = identity(VectorDtype::F32, 5);
    let (mut index, _) = FolderStore::open(&folder.0, &identity, Check::Full).unwrap();
    let batch = Batch { add: Segment::new(VectorDtype::F32, 5), remove: vec!["nobody".into()] };
    index.commit(&batch).unwrap();
    assert_eq!((index.store().generation(), index.store().segments()), (1, 0));
    assert_eq!(index.compact(&CompactionPolicy::thorough()).unwrap(), 0);
}
