//! Files in memory, as a host has them that has no folder.

use std::collections::BTreeMap;
use std::convert::Infallible;

use heatseek_search::store::{
    Check, Commit, CompactionPolicy, Files, Identity, Opened, Opening, Store, StoreError,
};

use crate::corpus::Operation;

/// Files by name.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Disk(pub BTreeMap<String, Vec<u8>>);

impl Disk {
    /// Opens what is there, and changes nothing.
    pub fn open(&self, identity: Option<&Identity>, check: Check) -> Result<Opened, StoreError> {
        self.gathered(identity, check)?.finish()
    }

    /// As it was before its last change, if that is damaged.
    pub fn recover(&self, identity: Option<&Identity>, check: Check) -> Result<Opened, StoreError> {
        self.gathered(identity, check)?.recover()
    }

    fn gathered(&self, identity: Option<&Identity>, check: Check) -> Result<Opening, StoreError> {
        let mut opening = Opening::new(self.0.keys(), identity, check)?;
        loop {
            let wanted = opening.wanted();
            if wanted.is_empty() {
                return Ok(opening);
            }
            for name in wanted {
                opening.give(&name, self.0.get(&name).cloned())?;
            }
        }
    }

    /// Opens it to be written to.
    pub fn writer(&mut self, identity: &Identity) -> Store {
        let Opened { mut store, tidy, .. } = self.open(Some(identity), Check::Full).unwrap();
        self.carry_out(&mut store, tidy);
        store
    }

    pub fn carry_out(&mut self, store: &mut Store, commit: Commit) {
        let Ok(()) = commit.perform(self);
        store.finish(commit).unwrap();
    }

    /// The commits of an operation, each carried out before the next is prepared.
    pub fn apply(&mut self, store: &mut Store, operation: &Operation) {
        while let Some(commit) = self.prepare(store, operation) {
            self.carry_out(store, commit);
            if matches!(operation, Operation::Commit(_)) {
                break;
            }
        }
    }

    /// The first commit of an operation; `None` if there is nothing to compact.
    pub fn prepare(&self, store: &mut Store, operation: &Operation) -> Option<Commit> {
        match operation {
            Operation::Commit(batch) => Some(store.commit(batch).unwrap()),
            Operation::Compact(policy) => self.compaction(store, policy),
        }
    }

    fn compaction(&self, store: &mut Store, policy: &CompactionPolicy) -> Option<Commit> {
        let mut compaction = store.due(policy)?;
        for name in compaction.wanted() {
            compaction.give(&name, self.0.get(&name).cloned()).unwrap();
        }
        Some(store.compact(compaction).unwrap())
    }
}

impl Files for Disk {
    type Error = Infallible;

    fn write(&mut self, name: &str, bytes: &[u8]) -> Result<(), Infallible> {
        self.0.insert(name.to_owned(), bytes.to_vec());
        Ok(())
    }

    fn sync(&mut self) -> Result<(), Infallible> {
        Ok(())
    }

    fn remove(&mut self, name: &str) -> Result<(), Infallible> {
        self.0.remove(name);
        Ok(())
    }
}
