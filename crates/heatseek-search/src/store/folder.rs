//! An index in a folder.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use super::archive::{ARCHIVE_PREFIX_BYTES, archive_entries, write_archive};
use super::names::MANIFESTS;
use super::opening::{Check, Opened, Opening, Skipped};
use super::{Batch, Commit, CompactionPolicy, Files, Identity, Segment, Store, StoreError};

/// Whoever writes to an index has a lock on this file, which the system lets go of when the process ends, however it
/// ends.
const LOCK: &str = "writer.lock";
/// How often a reader begins again because a writer removed what it was about to read.
const READ_TRIES: usize = 10;

/// An index in a folder, open to be written to. Only one is at a time, among all processes of the machine.
#[derive(Debug)]
pub struct FolderStore {
    files: FolderFiles,
    store: Store,
    /// Let go of when it is dropped.
    _lock: File,
}

/// What an index in a folder holds.
#[derive(Debug)]
pub struct FolderContents {
    /// What it was made with.
    pub identity: Identity,
    /// Counts commits, also failed ones.
    pub generation: u64,
    /// Bytes of its files but the manifests.
    pub bytes: u64,
    /// Documents with their chunks and vectors, in the order they were added.
    pub segments: Vec<Segment>,
    /// Manifests that were newer but could not be used: cut off, or damaged and given up by [`FolderStore::recover`].
    pub skipped: Vec<Skipped>,
}

impl FolderStore {
    /// Opens the index in `folder` to read and write; makes it if there is none. What a writer left that was killed is
    /// removed.
    ///
    /// # Errors
    /// [`StoreError::Locked`] if it is open already, [`StoreError::Identity`] if it was made with another identity,
    /// [`StoreError::Lost`] if its last change is damaged, and what else is wrong with the files or the file system.
    pub fn open(
        folder: &Path,
        identity: &Identity,
        check: Check,
    ) -> Result<(Self, FolderContents), StoreError> {
        Self::write(folder, identity, check, Opening::finish)
    }

    /// As [`open`](Self::open), but an index whose last change is damaged opens as it was before that;
    /// [`FolderContents::skipped`] says so then. What is left of the change is gone with the next one.
    ///
    /// # Errors
    /// As [`open`](Self::open), without [`StoreError::Lost`].
    pub fn recover(
        folder: &Path,
        identity: &Identity,
        check: Check,
    ) -> Result<(Self, FolderContents), StoreError> {
        Self::write(folder, identity, check, Opening::recover)
    }

    fn write(
        folder: &Path,
        identity: &Identity,
        check: Check,
        finish: fn(Opening) -> Result<Opened, StoreError>,
    ) -> Result<(Self, FolderContents), StoreError> {
        let (mut files, lock) = FolderFiles::lock(folder)?;
        let opening = gathered(folder, Some(identity), check)?;
        let Opened { mut store, segments, tidy, skipped } = finish(opening)?;
        tidy.perform(&mut files)?;
        store.finish(tidy)?;
        let contents = FolderContents::of(&store, segments, skipped);
        Ok((Self { files, store, _lock: lock }, contents))
    }

    /// Reads the index in `folder`, whether or not somebody writes to it.
    ///
    /// # Errors
    /// [`StoreError::NotFound`] if there is none; else as [`open`](Self::open).
    pub fn read(
        folder: &Path,
        identity: Option<&Identity>,
        check: Check,
    ) -> Result<FolderContents, StoreError> {
        if !folder.is_dir() {
            return Err(StoreError::NotFound);
        }
        let mut tries = 1;
        loop {
            // A new one is not made: without an identity there is nothing to make it with.
            let opened = gathered(folder, None, check).and_then(Opening::finish);
            // A manifest that is cut off is just being written, and the one before it holds.
            let disturbed = matches!(opened, Err(StoreError::NoManifest { .. } | StoreError::Lost { .. }));
            if disturbed && tries < READ_TRIES {
                tries += 1;
                continue;
            }
            let Opened { store, segments, skipped, .. } = opened?;
            if let Some(given) = identity {
                store.identity().check(given)?;
            }
            return Ok(FolderContents::of(&store, segments, skipped));
        }
    }

    /// The writer's view of the index.
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Adds and removes what `batch` says; when it returns, all of it is on the disk.
    ///
    /// # Errors
    /// [`StoreError`] if the batch does not fit the index, or could not be written: the index is unchanged then.
    pub fn commit(&mut self, batch: &Batch) -> Result<(), StoreError> {
        let commit = self.store.commit(batch)?;
        self.carry_out(commit)
    }

    /// Writes anew whatever is worth it; gives how many runs of segments were. What the index holds does not change.
    ///
    /// # Errors
    /// [`StoreError`] if files cannot be read or written, or are damaged; what was done before stays done.
    pub fn compact(&mut self, policy: &CompactionPolicy) -> Result<usize, StoreError> {
        let mut runs = 0;
        while let Some(mut compaction) = self.store.due(policy) {
            for name in compaction.wanted() {
                compaction.give(&name, read_if_any(&self.files.folder, &name)?)?;
            }
            let commit = self.store.compact(compaction)?;
            self.carry_out(commit)?;
            runs += 1;
        }
        Ok(runs)
    }

    /// Makes `folder`, in which there is no index, the one that `archive` holds, after a full check; open it then.
    ///
    /// # Errors
    /// [`StoreError`] if the archive is none, is damaged, or holds something else; there is still no index then.
    pub fn import(archive: &mut (impl Read + Seek), folder: &Path) -> Result<(), StoreError> {
        let read = || failed("read the archive for", folder);
        let total = archive.seek(SeekFrom::End(0)).map_err(read())?;
        archive.rewind().map_err(read())?;
        let mut prefix = Vec::new();
        let limit = ARCHIVE_PREFIX_BYTES as u64;
        archive.by_ref().take(limit).read_to_end(&mut prefix).map_err(read())?;
        let entries = archive_entries(&prefix, total)?;
        let (mut files, _lock) = FolderFiles::lock(folder)?;
        if let Some(name) = list(folder)?.into_iter().find(|name| super::names::Name::parse(name).is_some()) {
            let (what, expected) = ("folder".into(), "one without an index".into());
            return Err(StoreError::Invalid { what, expected, got: format!("one with {name}") });
        }
        let mut manifest = None;
        let mut copy = || -> Result<(), StoreError> {
            for (name, range) in &entries {
                archive.seek(SeekFrom::Start(range.start)).map_err(read())?;
                let mut part = archive.by_ref().take(range.end - range.start);
                if *name == MANIFESTS[0] {
                    let mut bytes = Vec::new();
                    part.read_to_end(&mut bytes).map_err(read())?;
                    manifest = Some(bytes);
                } else {
                    files.copy(name, &mut part)?;
                }
            }
            files.sync()?;
            let names = entries.iter().map(|(name, _)| name);
            let mut opening = Opening::new(names, None, Check::Full)?;
            opening.give(MANIFESTS[0], manifest.clone())?;
            read_all(&mut opening, folder)?;
            let skipped = opening.finish()?.skipped;
            debug_assert!(skipped.is_empty(), "there is no older manifest to take");
            files.write(MANIFESTS[0], manifest.as_deref().unwrap_or_default())?;
            files.sync()
        };
        copy().inspect_err(|_| {
            // The error tells what was wrong; a rest that stays is refused by the next import.
            entries.iter().for_each(|(name, _)| drop(fs::remove_file(folder.join(name))));
        })
    }

    fn carry_out(&mut self, commit: Commit) -> Result<(), StoreError> {
        match commit.perform(&mut self.files) {
            Ok(()) => self.store.finish(commit),
            Err(error) => {
                for name in self.store.abandon(commit) {
                    // The next commit tries again.
                    let _ = self.files.remove(&name);
                }
                Err(error)
            }
        }
    }
}

impl FolderContents {
    fn of(store: &Store, segments: Vec<Segment>, skipped: Vec<Skipped>) -> Self {
        let (generation, bytes) = (store.generation(), store.bytes());
        Self { identity: store.identity().clone(), generation, bytes, segments, skipped }
    }

    /// All of it as one file, which [`FolderStore::import`] reads, in parts to be written one behind the other. It has
    /// one segment, and nothing of what was removed. Has the vectors in memory twice.
    ///
    /// # Errors
    /// [`StoreError::Invalid`] if it is more than a segment may hold.
    pub fn export(self) -> Result<Vec<Vec<u8>>, StoreError> {
        let mut all = Segment::new(self.identity.dtype, self.identity.width);
        self.segments.into_iter().for_each(|segment| all.append(segment));
        write_archive(&self.identity, all)
    }
}

/// The files of an index's folder.
#[derive(Debug)]
struct FolderFiles {
    folder: PathBuf,
}

impl FolderFiles {
    /// Those of `folder`, which is made if it is not there, and the lock of its writer.
    fn lock(folder: &Path) -> Result<(Self, File), StoreError> {
        if !folder.is_dir() {
            fs::create_dir_all(folder).map_err(failed("create", folder))?;
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync_folder(parent)?;
            }
        }
        let path = folder.join(LOCK);
        let lock = OpenOptions::new().create(true).truncate(false).write(true).open(&path);
        let lock = lock.map_err(failed("open", &path))?;
        match lock.try_lock() {
            Ok(()) => Ok((Self { folder: folder.to_owned() }, lock)),
            Err(TryLockError::WouldBlock) => Err(StoreError::Locked { path: folder.to_owned() }),
            Err(TryLockError::Error(source)) => Err(failed("lock", &path)(source)),
        }
    }

    fn copy(&mut self, name: &str, from: &mut impl Read) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        let mut file = File::create(&path).map_err(failed("create", &path))?;
        io::copy(from, &mut file).map_err(failed("write", &path))?;
        file.sync_all().map_err(failed("sync", &path))
    }
}

impl Files for FolderFiles {
    type Error = StoreError;

    fn write(&mut self, name: &str, mut bytes: &[u8]) -> Result<(), StoreError> {
        self.copy(name, &mut bytes)
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        // The files themselves are synced as they are written.
        sync_folder(&self.folder)
    }

    fn remove(&mut self, name: &str) -> Result<(), StoreError> {
        let path = self.folder.join(name);
        fs::remove_file(&path).map_err(failed("remove", &path))
    }
}

/// The opening of the index in `folder`, with all that it wants.
fn gathered(folder: &Path, identity: Option<&Identity>, check: Check) -> Result<Opening, StoreError> {
    let mut opening = Opening::new(list(folder)?, identity, check)?;
    read_all(&mut opening, folder)?;
    Ok(opening)
}

fn read_all(opening: &mut Opening, folder: &Path) -> Result<(), StoreError> {
    // One at a time: a file that cannot be used makes the rest unwanted.
    while let Some(name) = opening.wanted().into_iter().next() {
        opening.give(&name, read_if_any(folder, &name)?)?;
    }
    Ok(())
}

fn list(folder: &Path) -> Result<Vec<String>, StoreError> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder).map_err(failed("list", folder))? {
        let entry = entry.map_err(failed("list", folder))?;
        // A name that is no UTF-8 is none of ours.
        names.extend(entry.file_name().into_string());
    }
    Ok(names)
}

fn read_if_any(folder: &Path, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
    let path = folder.join(name);
    match fs::read(&path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(failed("read", &path)(error)),
    }
}

/// Puts the names of a folder's files on the disk. Windows does so by itself, and cannot open a folder.
fn sync_folder(folder: &Path) -> Result<(), StoreError> {
    if cfg!(unix) {
        let synced = File::open(folder).and_then(|open| open.sync_all());
        synced.map_err(failed("sync", folder))?;
    }
    Ok(())
}

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> StoreError + use<> {
    let path = path.to_owned();
    move |source| StoreError::Io { action, path, source }
}
