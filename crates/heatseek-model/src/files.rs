//! The files of a model, and which of them to fetch.

use std::collections::{BTreeMap, BTreeSet};

use crate::checkpoint::Checkpoint;
use crate::config::Config;
use crate::modules::{Kind, MODULES, Pipeline, is_inside, read_modules};
use crate::prompts::Prompts;
use crate::{ModelError, SharedBytes, VisionConfig, json};

/// Model-wide settings of sentence-transformers.
pub(crate) const SENTENCE_TRANSFORMERS: &str = "config_sentence_transformers.json";
/// Weights of a module, below its folder.
pub(crate) const WEIGHTS: &str = "model.safetensors";
/// What an image processor does to pictures.
const PREPROCESSOR: &str = "preprocessor_config.json";
const WEIGHTS_INDEX: &str = "model.safetensors.index.json";
const PICKLED_WEIGHTS: &str = "pytorch_model.bin";

/// A model's files by relative path (`/` between folders).
#[derive(Clone, Debug, Default)]
pub struct ModelFiles {
    files: BTreeMap<String, SharedBytes>,
    absent: BTreeSet<String>,
}

/// A file to fetch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedFile {
    /// Relative path.
    pub path: String,
    /// Whether the model cannot do without it; if not, [`ModelFiles::mark_absent`] says it is not there.
    pub required: bool,
}

impl ModelFiles {
    /// No files yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds or replaces a file.
    pub fn insert(&mut self, path: &str, bytes: impl Into<SharedBytes>) {
        self.absent.remove(path);
        self.files.insert(path.to_owned(), bytes.into());
    }

    /// Records that a file does not exist, so that it is not wanted again.
    pub fn mark_absent(&mut self, path: &str) {
        self.absent.insert(path.to_owned());
    }

    /// The bytes of a file.
    pub fn get(&self, path: &str) -> Option<&SharedBytes> {
        self.files.get(path)
    }

    /// The bytes of a file that must be there; `purpose` says what for.
    ///
    /// # Errors
    /// [`ModelError::MissingFile`].
    pub fn require(&self, path: &str, purpose: &str) -> Result<&SharedBytes, ModelError> {
        self.get(path).ok_or_else(|| ModelError::MissingFile {
            file: path.to_owned(),
            hint: format!("it holds {purpose}"),
        })
    }

    /// The bytes of the model's `tokenizer.json`.
    ///
    /// # Errors
    /// [`ModelError`] if it is missing, or `modules.json` cannot be read.
    pub fn tokenizer(&self) -> Result<&SharedBytes, ModelError> {
        let modules = read_modules(self)?;
        let folder = modules.first().map_or("", |m| &m.folder);
        self.require(&format!("{folder}tokenizer.json"), "the model's tokenizer")
    }

    /// All paths, sorted.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// What to fetch next, given what is known. Fetch these, [`insert`](Self::insert) each or
    /// [`mark_absent`](Self::mark_absent) it, and ask again until nothing is wanted. Small files come
    /// first and are checked, so that a model that cannot run fails before its weights are fetched.
    ///
    /// # Errors
    /// Whatever is already wrong with the known files, also required ones marked absent.
    pub fn wanted(&self) -> Result<Vec<WantedFile>, ModelError> {
        let mut wanted = Wanted { files: self, list: Vec::new() };
        wanted.add(MODULES, false);
        wanted.add(SENTENCE_TRANSFORMERS, false);
        if !wanted.list.is_empty() {
            return Ok(wanted.list);
        }
        let modules = read_modules(self)?;
        let transformer = modules.first().map_or("", |m| &m.folder);
        let config_file = format!("{transformer}config.json");
        wanted.add(&config_file, true);
        // Before the configuration is there nobody knows which kind of model it is of, and to ask for it alone
        // would cost a round trip: a model of texts misses its tokenizer later.
        if !self.is_vision() {
            for name in ["tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"] {
                wanted.add(&format!("{transformer}{name}"), false);
            }
        }
        if self.has_vision() && self.has_text() {
            // Who wants only vectors of texts can do without it.
            wanted.add(PREPROCESSOR, false);
        }
        for module in modules.iter().filter(|m| matches!(m.kind, Kind::Pooling | Kind::Dense)) {
            wanted.add(&format!("{}config.json", module.folder), true);
        }
        if !wanted.list.is_empty() {
            return Ok(wanted.list);
        }
        if self.is_vision() {
            VisionConfig::parse(&config_file, self.require(&config_file, "the model's sizes")?)?;
            wanted.add(PREPROCESSOR, true);
            wanted.add_weights(transformer)?;
            return Ok(wanted.list);
        }
        let config = Config::parse(&config_file, self.require(&config_file, "the model's sizes")?)?;
        Pipeline::read(self, &config)?;
        if !self.has_vision() {
            self.require(&format!("{transformer}tokenizer.json"), "the model's tokenizer")?;
        }
        if let Some(bytes) = self.get(SENTENCE_TRANSFORMERS) {
            Prompts::parse(SENTENCE_TRANSFORMERS, bytes)?;
        }
        for module in modules.iter().filter(|m| m.kind == Kind::Dense) {
            let weights = format!("{}{WEIGHTS}", module.folder);
            if self.absent.contains(&weights) {
                return Err(self.no_weights(&module.folder));
            }
            wanted.add(&weights, true);
        }
        wanted.add_weights(transformer)?;
        Ok(wanted.list)
    }

    /// Whether these are the files of a model of pictures alone ([`crate::VisionModel`]), as far as its
    /// `config.json` is there to tell.
    pub fn is_vision(&self) -> bool {
        self.has_vision() && !self.has_text()
    }

    /// Whether [`crate::VisionModel`] is the one to load these files, or a half of them.
    pub fn has_vision(&self) -> bool {
        self.get("config.json").is_some_and(|bytes| VisionConfig::is_vision(bytes))
    }

    /// Whether [`crate::TextModel`] is the one to load these files, or a half of them: always, unless the
    /// `config.json` is of a model of pictures alone.
    pub fn has_text(&self) -> bool {
        !self.has_vision() || self.get("config.json").is_some_and(|bytes| Config::is_text(bytes))
    }

    /// The bytes of a vision model's `preprocessor_config.json`.
    ///
    /// # Errors
    /// [`ModelError::MissingFile`].
    pub fn preprocessor(&self) -> Result<&SharedBytes, ModelError> {
        self.require(PREPROCESSOR, "how pictures are made the model's input")
    }

    /// The weights in `folder`: one file, or shards by an index.
    pub(crate) fn checkpoint(&self, folder: &str) -> Result<Checkpoint, ModelError> {
        let single = format!("{folder}{WEIGHTS}");
        if let Some(bytes) = self.get(&single) {
            return Checkpoint::parse(&single, bytes.clone());
        }
        let index = format!("{folder}{WEIGHTS_INDEX}");
        let Some(bytes) = self.get(&index) else { return Err(self.no_weights(folder)) };
        let parts = shards(&index, folder, bytes)?;
        let parse =
            |shard: &String| Checkpoint::parse(shard, self.require(shard, "part of the weights")?.clone());
        let parts: Vec<Checkpoint> = parts.iter().map(parse).collect::<Result<_, _>>()?;
        Checkpoint::join(&index, parts)
    }

    fn no_weights(&self, folder: &str) -> ModelError {
        let expected = format!("{folder}{WEIGHTS}");
        let pickled = format!("{folder}{PICKLED_WEIGHTS}");
        if self.files.contains_key(&pickled) {
            return ModelError::PickledWeights { file: pickled, expected };
        }
        let hint = "it holds the weights; if there is only a `pytorch_model.bin`, convert it to safetensors";
        ModelError::MissingFile { file: expected, hint: hint.into() }
    }
}

struct Wanted<'a> {
    files: &'a ModelFiles,
    list: Vec<WantedFile>,
}

impl Wanted<'_> {
    fn add(&mut self, path: &str, required: bool) {
        let known = self.files.files.contains_key(path) || self.files.absent.contains(path);
        if !known && !self.list.iter().any(|w| w.path == path) {
            self.list.push(WantedFile { path: path.to_owned(), required });
        }
    }

    /// The weights in `folder`, and what is known to be missing of them.
    fn add_weights(&mut self, folder: &str) -> Result<(), ModelError> {
        let files = self.files;
        let single = format!("{folder}{WEIGHTS}");
        self.add(&single, false);
        if files.absent.contains(&single) {
            let index = format!("{folder}{WEIGHTS_INDEX}");
            self.add(&index, false);
            if let Some(bytes) = files.get(&index) {
                shards(&index, folder, bytes)?.iter().for_each(|shard| self.add(shard, true));
            } else if files.absent.contains(&index) {
                return Err(files.no_weights(folder));
            }
        }
        Ok(())
    }
}

/// The files an index of shards names, each once.
fn shards(index: &str, folder: &str, bytes: &[u8]) -> Result<BTreeSet<String>, ModelError> {
    let value = json::parse(index, bytes)?;
    let file = json::Object::new(index, "(the whole file)", &value)?;
    let map = file.get("weight_map").ok_or_else(|| file.wrong("weight_map", "an object"))?;
    let map = json::Object::new(index, "weight_map", map)?;
    let mut all = BTreeSet::new();
    for name in map.fields.keys() {
        let inside = |path: &&str| is_inside(path) && path.ends_with(".safetensors");
        let shard = map.optional_str(name)?.filter(inside);
        let shard = shard.ok_or_else(|| map.wrong(name, "the name of a .safetensors file"))?;
        all.insert(format!("{folder}{shard}"));
    }
    Ok(all)
}

#[cfg(not(target_family = "wasm"))]
mod native {
    use std::fs::{self, File};
    use std::io::ErrorKind;
    use std::path::Path;

    use super::{ModelFiles, PICKLED_WEIGHTS, WEIGHTS};
    use crate::{ModelError, SharedBytes};

    impl ModelFiles {
        /// The files of a model folder that Heatseek wants; weights are memory-mapped and must not be
        /// changed while they are in use.
        ///
        /// # Errors
        /// [`ModelError::Io`] if `dir` is no folder or a file cannot be read, and what
        /// [`ModelFiles::wanted`] finds wrong.
        pub fn from_dir(dir: &Path) -> Result<Self, ModelError> {
            let io = |file: &Path, source| ModelError::Io { file: file.display().to_string(), source };
            fs::read_dir(dir).map_err(|e| io(dir, e))?;
            let mut files = Self::new();
            loop {
                let wanted = files.wanted_or_pickled(dir)?;
                if wanted.is_empty() {
                    return Ok(files);
                }
                for path in wanted {
                    let full = dir.join(&path);
                    let read = if path.ends_with(".safetensors") {
                        map(&full)
                    } else {
                        fs::read(&full).map(Into::into)
                    };
                    match read {
                        Ok(bytes) => files.insert(&path, bytes),
                        Err(e) if e.kind() == ErrorKind::NotFound => files.mark_absent(&path),
                        Err(e) => return Err(io(&full, e)),
                    }
                }
            }
        }

        /// [`ModelFiles::wanted`] with a better reason where the weights are only there as a pickle.
        fn wanted_or_pickled(&self, dir: &Path) -> Result<Vec<String>, ModelError> {
            match self.wanted() {
                Ok(wanted) => Ok(wanted.into_iter().map(|w| w.path).collect()),
                Err(ModelError::MissingFile { file, hint }) => {
                    let pickled = file.replace(WEIGHTS, PICKLED_WEIGHTS);
                    if pickled != file && dir.join(&pickled).exists() {
                        return Err(ModelError::PickledWeights { file: pickled, expected: file });
                    }
                    Err(ModelError::MissingFile { file, hint })
                }
                Err(e) => Err(e),
            }
        }
    }

    fn map(path: &Path) -> std::io::Result<SharedBytes> {
        let file = File::open(path)?;
        // SAFETY: nothing here writes to the file. If another process truncates or rewrites it meanwhile,
        // reads may fault or change; `from_dir` documents that it must not, as every memory-mapping
        // reader of safetensors does.
        let mapped = unsafe { memmap2::Mmap::map(&file) }?;
        Ok(SharedBytes::new(mapped))
    }
}
