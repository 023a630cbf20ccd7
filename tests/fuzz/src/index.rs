//! Stored indexes: manifests with a right sum over them, as whoever means harm would write it, and what an index goes
//! through.

use std::collections::BTreeMap;

use heatseek_search::store::{Batch, Check, CompactionPolicy, Files, Opening, Segment, Store, StoreError};
use sha2::{Digest, Sha256};

/// The manifest whose body is `body`.
pub fn sign(body: &[u8]) -> Vec<u8> {
    let sum: String = Sha256::digest(body).iter().map(|byte| format!("{byte:02x}")).collect();
    [b"{\"sha256\":\"", sum.as_bytes(), b"\",\"manifest\":", body, b"}\n"].concat()
}

/// The same manifest with its sum made right, if there is a place for one.
pub fn signed(manifest: &[u8]) -> Vec<u8> {
    // `{"sha256":"`, 64 digits, `","manifest":`, the body, `}` and a line end.
    const BODY: usize = 11 + 64 + 13;
    match manifest.get(BODY..manifest.len().saturating_sub(2)) {
        Some(body) => sign(body),
        None => manifest.to_vec(),
    }
}

/// Files in memory.
#[derive(Clone, Default)]
pub struct Disk(pub BTreeMap<String, Vec<u8>>);

impl Files for Disk {
    type Error = StoreError;

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        self.0.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), StoreError> {
        self.0.remove(name);
        Ok(())
    }
}

/// Opens the index that `disk` holds and does with it whatever can be done.
pub fn open_and_use(mut disk: Disk) -> Result<(), StoreError> {
    let mut opening = Opening::new(disk.0.keys(), None, Check::Length)?;
    loop {
        let wanted = opening.wanted();
        if wanted.is_empty() {
            break;
        }
        for name in wanted {
            opening.give(&name, disk.0.get(&name).cloned())?;
        }
    }
    let opened = opening.finish()?;
    let (mut store, segments) = (opened.store, opened.segments);
    opened.tidy.perform(&mut disk)?;
    store.finish(opened.tidy)?;
    let removed = segments.iter().flat_map(|segment| &segment.documents).step_by(2);
    let remove = removed.map(|document| document.id.clone()).collect();
    let add = match segments.into_iter().next() {
        // Every document takes the place of itself.
        Some(segment) => segment,
        None => Segment::new(store.identity().dtype, store.identity().width),
    };
    carry_out(&mut store, &mut disk, &Batch { add, remove })?;
    drop(store.archive()?);
    // Sums may be wrong here, and then compaction refuses.
    while let Some(mut compaction) = store.due(&CompactionPolicy::thorough()) {
        for name in compaction.wanted() {
            compaction.give(&name, disk.0.get(&name).cloned())?;
        }
        let commit = store.compact(compaction)?;
        commit.perform(&mut disk)?;
        store.finish(commit)?;
    }
    Ok(())
}

fn carry_out(store: &mut Store, disk: &mut Disk, batch: &Batch) -> Result<(), StoreError> {
    let commit = store.commit(batch)?;
    commit.perform(disk)?;
    store.finish(commit)
}
