//! What is found out once and kept on disk: compiled kernels, and by `heatseek` which are the fastest. Nothing about the
//! cache can fail a load: what is missing, broken or cannot be written is found out again.

use std::ffi::OsString;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::{env, fs, process};

use sha2::{Digest, Sha256};

/// The folder of Heatseek's caches; empty for none.
const FOLDER: &str = "HEATSEEK_CACHE";
/// Begins every entry; another number for another format.
const MAGIC: &[u8; 16] = b"heatseek-cuda-1\n";

/// A folder of entries: magic, SHA-256 of what is kept, and that.
#[derive(Clone, Debug)]
pub struct Cache {
    folder: Option<PathBuf>,
}

impl Cache {
    /// The user's, in the folder `name` below `HEATSEEK_CACHE` if that is set, otherwise below `heatseek` in the user's
    /// cache folder. If it is set to nothing, or there is neither, nothing is kept.
    pub fn of_user(name: &str) -> Self {
        let set = |name: &str| env::var_os(name).filter(|value| !value.is_empty());
        let below = |base: OsString, names: &[&str]| {
            let path = names.iter().fold(PathBuf::from(base), |path, name| path.join(name));
            path.is_absolute().then(|| path.join("heatseek"))
        };
        let base = match env::var_os(FOLDER) {
            Some(folder) => (!folder.is_empty()).then(|| PathBuf::from(folder)),
            None if cfg!(windows) => set("LOCALAPPDATA").and_then(|base| below(base, &[])),
            None => set("XDG_CACHE_HOME")
                .and_then(|base| below(base, &[]))
                .or_else(|| set("HOME").and_then(|base| below(base, &[".cache"]))),
        };
        Self { folder: base.map(|base| base.join(name)) }
    }

    /// None at all.
    #[cfg(feature = "host")]
    pub(crate) fn none() -> Self {
        Self { folder: None }
    }

    /// This folder.
    #[cfg(test)]
    pub(crate) fn at(folder: PathBuf) -> Self {
        Self { folder: Some(folder) }
    }

    /// The folder, made if it is not there, if what is put will be kept.
    ///
    /// # Errors
    /// Why nothing is kept, in a sentence with what to do. It is no failure of anything else.
    pub fn check(&self) -> Result<&Path, String> {
        let Some(folder) = &self.folder else {
            return Err(format!(
                "nothing is kept between sessions, as there is no cache folder; set {FOLDER} to one"
            ));
        };
        let trial = folder.join(format!("trial.{}.part", process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&trial, MAGIC))
            .and_then(|()| fs::remove_file(&trial));
        match written {
            Ok(()) => Ok(folder),
            Err(error) => Err(format!(
                "nothing is kept between sessions, as {} cannot be written ({error}); set {FOLDER} to a folder that can",
                folder.display()
            )),
        }
    }

    /// The name of the entry for what `parts` decide.
    pub(crate) fn key(parts: &[&str]) -> String {
        let mut hash = Sha256::new();
        for part in parts {
            // With its length, so that no two lists of parts look the same.
            hash.update((part.len() as u64).to_le_bytes());
            hash.update(part.as_bytes());
        }
        hash.finalize().iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    }

    /// What is kept under this key, which must be a name of a file, if it is whole.
    pub fn get(&self, key: &str) -> Option<Vec<u8>> {
        let mut entry = fs::read(self.folder.as_ref()?.join(key)).ok()?;
        let rest = entry.strip_prefix(MAGIC)?;
        let (hash, image) = rest.split_at_checked(32)?;
        if Sha256::digest(image)[..] != *hash {
            return None;
        }
        Some(entry.split_off(MAGIC.len() + 32))
    }

    /// Keeps `image`, if that is possible. Others may read and write at the same time: an entry appears whole.
    pub fn put(&self, key: &str, image: &[u8]) {
        static WRITTEN: AtomicUsize = AtomicUsize::new(0);
        let Some(folder) = &self.folder else { return };
        let entry = [&MAGIC[..], &Sha256::digest(image)[..], image].concat();
        let unique = WRITTEN.fetch_add(1, Ordering::Relaxed);
        let part = folder.join(format!("{key}.{}-{unique}.part", process::id()));
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(&part, entry))
            .and_then(|()| fs::rename(&part, folder.join(key)));
        if written.is_err() {
            let _ = fs::remove_file(&part);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folder(name: &str) -> PathBuf {
        let folder = env::temp_dir().join(format!("heatseek-cuda-{name}-{}", process::id()));
        let _ = fs::remove_dir_all(&folder);
        folder
    }

    #[test]
    fn what_was_put_is_found_and_what_is_broken_is_not() {
        let folder = folder("cache");
        let cache = Cache::at(folder.clone());
        let key = Cache::key(&["nvrtc 12.9 sm_90", "source"]);
        assert_eq!(cache.get(&key), None);
        cache.put(&key, b"image");
        assert_eq!(cache.get(&key).as_deref(), Some(&b"image"[..]));
        let path = folder.join(&key);
        let whole = fs::read(&path).unwrap();
        let mut broken = whole.clone();
        *broken.last_mut().unwrap() ^= 1;
        for wrong in [&broken[..], &whole[..20], b"", b"another format"] {
            fs::write(&path, wrong).unwrap();
            assert_eq!(cache.get(&key), None);
        }
        cache.put(&key, b"image");
        assert!(cache.get(&key).is_some());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "no part stays");
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_folder_that_cannot_be_is_no_cache_and_no_error() {
        let file = folder("file");
        fs::write(&file, "not a folder").unwrap();
        let cache = Cache::at(file.join("below"));
        cache.put("key", b"image");
        assert_eq!(cache.get("key"), None);
        let why = cache.check().unwrap_err();
        let named = why.contains(&file.join("below").display().to_string());
        assert!(named && why.contains("set HEATSEEK_CACHE"), "{why}");
        fs::remove_file(&file).unwrap();
        assert_eq!(cache.check(), Ok(&*file.join("below")), "it is made");
        assert_eq!(fs::read_dir(file.join("below")).unwrap().count(), 0, "nothing stays of the trial");
        fs::remove_dir_all(file).unwrap();
        assert!(Cache { folder: None }.check().unwrap_err().contains("set HEATSEEK_CACHE"));
    }

    /// As on a file system that is mounted read-only, even for root.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_folder_that_is_read_only_says_what_the_system_says() {
        let cache = Cache::at(PathBuf::from("/proc/heatseek"));
        cache.put("key", b"image");
        assert_eq!(cache.get("key"), None);
        let why = cache.check().unwrap_err();
        assert!(why.contains("/proc/heatseek cannot be written (") && why.contains("os error"), "{why}");
    }

    #[test]
    fn keys_tell_lists_of_parts_apart() {
        let keys = [&["ab", "c"][..], &["a", "bc"], &["abc"], &["abc", ""]].map(Cache::key);
        assert!((0..4).all(|i| (0..i).all(|j| keys[i] != keys[j])));
        assert_eq!(keys[0].len(), 64);
    }
}
