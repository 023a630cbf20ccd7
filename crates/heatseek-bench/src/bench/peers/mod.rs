//! Others that do the same work, each in a process of its own: see bench/peers/README.md.

mod child;

use std::cell::RefCell;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::dtype::Dtype;
use super::synthetic::Folder;
use super::work::Work;
use crate::failure::Failure;
use child::Child;

/// Those that can be asked for, with what they do.
const PEERS: [(&str, Task); 8] = [
    ("torch", Task::Forward),
    ("torch-tf32", Task::Forward),
    ("torch-compile", Task::Forward),
    ("sentence-transformers", Task::EndToEnd),
    ("onnxruntime", Task::Forward),
    ("onnxruntime-fused", Task::Forward),
    ("candle", Task::Forward),
    ("rten", Task::Forward),
];

/// Carried along, so that the binary alone is enough.
const FILES: [(&str, &str); 4] = [
    ("serve.py", include_str!("../../../../../bench/peers/serve.py")),
    ("torch_peer.py", include_str!("../../../../../bench/peers/torch_peer.py")),
    (
        "sentence_transformers_peer.py",
        include_str!("../../../../../bench/peers/sentence_transformers_peer.py"),
    ),
    ("onnxruntime_peer.py", include_str!("../../../../../bench/peers/onnxruntime_peer.py")),
];

/// Imports of PyTorch and weights from a slow disk take this long at most.
const START: Duration = Duration::from_secs(240);
/// Compilation for a shape, and a run.
const ANSWER: Duration = Duration::from_secs(180);

/// What is timed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Task {
    /// From token ids or pixels to vectors.
    Forward,
    /// From strings or decoded pictures to vectors.
    EndToEnd,
}

impl Task {
    pub fn name(self) -> &'static str {
        match self {
            Self::Forward => "forward",
            Self::EndToEnd => "end_to_end",
        }
    }
}

/// Where a peer runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Place {
    Cpu,
    /// A CUDA device if the peer has one, else the CPU.
    Gpu,
}

/// The known peer of this name.
pub fn known(name: &str) -> Result<&'static str, String> {
    let names = || PEERS.map(|(name, _)| name).join(", ");
    PEERS
        .iter()
        .find(|(known, _)| *known == name)
        .map(|(known, _)| *known)
        .ok_or_else(|| format!("expected {}", names()))
}

fn task(name: &str) -> Task {
    PEERS.iter().find(|(known, _)| *known == name).map_or(Task::Forward, |(_, task)| *task)
}

/// How peers are started.
pub struct Setup<'a> {
    pub python: &'a Path,
    pub model: &'a Path,
    pub threads: usize,
    pub pooling: String,
    pub normalize: bool,
}

/// What a peer says of itself.
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct About {
    pub name: String,
    pub version: String,
    /// Its GPU, or `cpu`.
    pub device: String,
    /// Whether it could use CUDA.
    pub cuda: bool,
}

/// A peer as the report names it.
#[derive(Clone, Debug, Serialize)]
pub struct PeerRun {
    #[serde(flatten)]
    pub about: About,
    pub dtype: Dtype,
}

/// A peer that runs.
pub struct Peer {
    pub about: About,
    pub task: Task,
    child: Child,
}

/// A peer that differs from others in what it has to load.
type Key = (&'static str, Dtype, Place);

/// Peers, started when they are first needed and kept for all cases and devices.
pub struct Pool<'a> {
    setup: Setup<'a>,
    // Before the folder, so that nobody runs in it when it goes.
    started: HashMap<Key, Result<Rc<RefCell<Peer>>, String>>,
    /// Those that have not greeted yet.
    starting: HashMap<Key, Result<Child, String>>,
    folder: Folder,
}

impl<'a> Pool<'a> {
    pub fn new(setup: Setup<'a>) -> Result<Self, Failure> {
        let folder = Folder::new("peers")?;
        for (name, text) in FILES {
            folder.write(name, text.as_bytes())?;
        }
        Ok(Self { setup, started: HashMap::new(), starting: HashMap::new(), folder })
    }

    /// Starts the peer `name` and does not wait, so that several can import and load at the same time.
    pub fn begin(&mut self, name: &'static str, dtype: Dtype, place: Place) {
        let key = self.key(name, dtype, place);
        if !self.started.contains_key(&key) && !self.starting.contains_key(&key) {
            let child = self.start(key);
            self.starting.insert(key, child);
        }
    }

    /// The peer `name`, or why there is none.
    pub fn get(
        &mut self,
        name: &'static str,
        dtype: Dtype,
        place: Place,
    ) -> Result<Rc<RefCell<Peer>>, String> {
        self.begin(name, dtype, place);
        let key = self.key(name, dtype, place);
        if let Some(child) = self.starting.remove(&key) {
            let peer = child.and_then(|child| greeted(name, child));
            self.started.insert(key, peer.map(|peer| Rc::new(RefCell::new(peer))));
        }
        self.started.get(&key).cloned().unwrap_or_else(|| Err("it was not started".into()))
    }

    fn key(&self, name: &'static str, dtype: Dtype, place: Place) -> Key {
        // Where one without CUDA runs already, another would be the same.
        let on_cpu = self.started.get(&(name, dtype, Place::Cpu));
        let only_cpu = matches!(on_cpu, Some(Ok(peer)) if !peer.borrow().about.cuda);
        (name, dtype, if only_cpu { Place::Cpu } else { place })
    }

    /// All that were started, and what they say of themselves.
    pub fn about(&self) -> Vec<PeerRun> {
        let run = |(key, peer): (&Key, &Result<Rc<RefCell<Peer>>, String>)| {
            let about = peer.as_ref().ok()?.borrow().about.clone();
            Some(PeerRun { about, dtype: key.1 })
        };
        let mut all: Vec<PeerRun> = self.started.iter().filter_map(run).collect();
        all.sort_by(|a, b| {
            (&a.about.name, a.dtype, &a.about.device).cmp(&(&b.about.name, b.dtype, &b.about.device))
        });
        all
    }

    fn start(&self, (name, dtype, place): Key) -> Result<Child, String> {
        let place = if place == Place::Cpu { "cpu" } else { "gpu" };
        let log = self.folder.path().join(format!("{name}-{place}-{}.log", dtype.name()));
        let Setup { python, model, threads, pooling, normalize } = &self.setup;
        let model = model.display().to_string();
        let (threads, normalize) = (threads.to_string(), u8::from(*normalize).to_string());
        let serve = self.folder.path().join("serve.py").display().to_string();
        let args = [
            &[&serve, name, "--model", &model, "--place", place, "--dtype", dtype.name()][..],
            &["--threads", &threads, "--pooling", pooling, "--normalize", &normalize],
        ];
        Child::start(python, &args.concat(), log)
    }

    /// The file that pictures are given to peers in.
    pub fn pixels_file(&self) -> PathBuf {
        self.folder.path().join("pixels.f32")
    }
}

/// Waits until it has loaded.
fn greeted(name: &str, mut child: Child) -> Result<Peer, String> {
    let about = child.answer(START)?;
    let about = serde_json::from_value(about).map_err(|error| format!("it answered nonsense: {error}"))?;
    Ok(Peer { about, task: task(name), child })
}

impl Peer {
    /// Gives it the inputs of a case and has it warm up; its vectors of the inputs `samples`.
    pub fn prepare(
        &mut self,
        work: &Work,
        samples: &[usize],
        pixels_file: &Path,
    ) -> Result<Vec<Vec<f32>>, String> {
        let request = match work {
            Work::Texts { texts, tokens } => {
                let (ids, types): (Vec<_>, Vec<_>) = tokens.iter().map(|(ids, types)| (ids, types)).unzip();
                json!({ "op": "prepare", "kind": "texts", "texts": texts, "ids": ids, "types": types,
                    "samples": samples })
            }
            Work::Pictures { pixels, .. } => {
                let values = pixels.iter().flat_map(|picture| &picture.data);
                let bytes: Vec<u8> = values.flat_map(|value| value.to_le_bytes()).collect();
                std::fs::write(pixels_file, bytes).map_err(|error| error.to_string())?;
                let side = pixels.first().map_or(0, |picture| picture.width);
                json!({ "op": "prepare", "kind": "pictures", "pixels": pixels_file, "count": pixels.len(),
                    "side": side, "samples": samples })
            }
        };
        self.child.ask(&request)?;
        let mut answer = self.child.answer(ANSWER)?;
        serde_json::from_value(answer["vectors"].take())
            .map_err(|error| format!("it answered nonsense: {error}"))
    }

    /// Milliseconds of one run.
    pub fn time(&mut self) -> Result<f64, String> {
        self.child.ask(&json!({ "op": "time" }))?;
        let answer: Value = self.child.answer(ANSWER)?;
        answer["ms"].as_f64().ok_or_else(|| "it answered without a time".to_owned())
    }
}
