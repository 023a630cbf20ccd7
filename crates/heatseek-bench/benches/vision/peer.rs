//! ONNX Runtime in a process of its own: see tests/bench/onnxruntime_peer.py.

use std::error::Error;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use heatseek::Pixels;
use serde::Deserialize;

/// A session that has answered once.
pub struct Peer {
    /// What it is called in tables.
    pub name: String,
    /// The class token of each picture.
    pub vectors: Vec<Vec<f32>>,
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

#[derive(Deserialize)]
struct Greeting {
    version: String,
    vectors: Vec<Vec<f32>>,
}

impl Peer {
    /// Starts one on the graph in `folder`.
    pub fn start(
        python: &Path,
        folder: &Path,
        threads: usize,
        pixels: &[Pixels],
    ) -> Result<Self, Box<dyn Error>> {
        let bytes: Vec<u8> =
            pixels.iter().flat_map(|p| &p.data).flat_map(|value| value.to_le_bytes()).collect();
        let file = std::env::temp_dir().join(format!("heatseek-vision-{}.f32", std::process::id()));
        std::fs::write(&file, bytes)?;
        let mut child = Command::new(python)
            .arg("tests/bench/onnxruntime_peer.py")
            .args([&folder.join("onnx/model.onnx"), Path::new(&threads.to_string()), &file])
            .arg(pixels.len().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let requests = child.stdin.take().ok_or("the peer has no stdin")?;
        let mut answers = BufReader::new(child.stdout.take().ok_or("the peer has no stdout")?);
        let mut line = String::new();
        answers.read_line(&mut line)?;
        std::fs::remove_file(&file)?;
        let Greeting { version, vectors } = serde_json::from_str(&line)
            .map_err(|_| format!("{} did not start: see its message above", folder.display()))?;
        let graph = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        Ok(Self { name: format!("ONNX Runtime {version}, {graph}"), vectors, child, requests, answers })
    }

    /// Milliseconds of one more run.
    pub fn time(&mut self) -> Result<f64, Box<dyn Error>> {
        writeln!(self.requests)?;
        let mut line = String::new();
        self.answers.read_line(&mut line)?;
        Ok(line.trim().parse()?)
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        // Whatever its state, it is not wanted any more.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
