//! An index that outlives the process: documents, chunks and vectors in files, natively and in the browser.
//!
//! Nothing here waits for a file. To open an index, [`Opening`] says which files it wants and is given their bytes; to
//! change it, [`Store`] gives a [`Commit`], which says what to write and to remove, in which order. Wherever that is cut
//! off, the index opens as it was before the commit or after it. [`FolderStore`] does all that for a folder.
//!
//! The format is described in `docs/index-format.md`.
//!
//! ```
//! # fn main() -> Result<(), heatseek_search::store::StoreError> {
//! use heatseek_search::store::{Batch, Check, FolderStore, Identity, Segment, StoredDocument, VectorDtype};
//!
//! let identity = Identity {
//!     model: "all-MiniLM-L6-v2".into(),
//!     fingerprint: "53aa5117".into(),
//!     pooling: "mean".into(),
//!     metric: "cosine".into(),
//!     dtype: VectorDtype::F32,
//!     width: 384,
//!     settings: Default::default(),
//! };
//! # let folder = std::env::temp_dir().join(format!("heatseek-example-{}", std::process::id()));
//! let (mut index, _) = FolderStore::open(&folder, &identity, Check::Length)?;
//! let mut add = Segment::new(VectorDtype::F32, 384);
//! add.documents.push(StoredDocument { id: "bees".into(), text: "Bees dance.".into(), metadata: Default::default() });
//! index.commit(&Batch { add, remove: Vec::new() })?;
//! drop(index);
//!
//! let contents = FolderStore::read(&folder, None, Check::Full)?;
//! assert_eq!(contents.segments[0].documents[0].text, "Bees dance.");
//! # std::fs::remove_dir_all(folder).unwrap();
//! # Ok(())
//! # }
//! ```

mod archive;
mod commit;
mod compaction;
mod error;
mod export;
#[cfg(not(target_arch = "wasm32"))]
mod folder;
mod gathering;
mod identity;
mod manifest;
mod names;
mod opening;
mod segment;
mod state;
mod tensors;

pub use archive::{ARCHIVE_PREFIX_BYTES, Archive, archive_entries, write_archive};
pub use commit::{Commit, Files};
pub use compaction::{Compaction, CompactionPolicy};
pub use error::{Difference, StoreError};
pub use export::{write_documents_jsonl, write_scales_npy, write_vectors_npy};
#[cfg(not(target_arch = "wasm32"))]
pub use folder::{FolderContents, FolderStore};
pub use identity::{Identity, VectorDtype};
pub use manifest::FORMAT_VERSION;
pub use opening::{Check, Opened, Opening, Skipped};
pub use segment::{Segment, SegmentVectors, StoredChunk, StoredDocument};
pub use state::{Batch, Store};
