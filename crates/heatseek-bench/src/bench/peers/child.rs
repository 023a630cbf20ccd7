//! A process that answers JSON lines with JSON lines, or is given up.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use serde_json::Value;

/// The process. It ends when this is dropped.
pub struct Child {
    process: std::process::Child,
    requests: ChildStdin,
    answers: Receiver<String>,
    /// What it says on stderr.
    log: PathBuf,
}

impl Child {
    /// Starts `program`, whose stderr goes to the file `log`.
    pub fn start(program: &Path, args: &[&str], log: PathBuf) -> Result<Self, String> {
        let stderr = std::fs::File::create(&log).map_err(|error| format!("{}: {error}", log.display()))?;
        let mut process = Command::new(program)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|error| format!("could not start {}: {error}", program.display()))?;
        let (Some(requests), Some(stdout)) = (process.stdin.take(), process.stdout.take()) else {
            return Err("it has no stdin or stdout".into());
        };
        let (sender, answers) = channel();
        // A thread, because a pipe cannot be read with a timeout. It ends with the process.
        thread::spawn(move || {
            let lines = BufReader::new(stdout).lines();
            lines.map_while(Result::ok).try_for_each(|line| sender.send(line))
        });
        Ok(Self { process, requests, answers, log })
    }

    /// Sends a request.
    pub fn ask(&mut self, request: &Value) -> Result<(), String> {
        let sent = writeln!(self.requests, "{request}").and_then(|()| self.requests.flush());
        sent.map_err(|_| self.last_words())
    }

    /// Waits for an answer; an `error` in it is one.
    pub fn answer(&mut self, patience: Duration) -> Result<Value, String> {
        let line = match self.answers.recv_timeout(patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => return Err(self.last_words()),
            Err(RecvTimeoutError::Timeout) => {
                // What it would say later would answer another request.
                self.end();
                return Err(format!("it did not answer within {} s", patience.as_secs()));
            }
        };
        let answer: Value =
            serde_json::from_str(&line).map_err(|error| format!("it answered nonsense: {error}"))?;
        match answer["error"].as_str() {
            Some(reason) => Err(reason.to_owned()),
            None => Ok(answer),
        }
    }

    fn last_words(&self) -> String {
        let said = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last = said.lines().rev().find(|line| !line.trim().is_empty());
        format!("it ended: {}", last.unwrap_or("without a word").trim())
    }

    fn end(&mut self) {
        // Whatever its state, it is not wanted any more.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.end();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::synthetic::Folder;

    const PATIENCE: Duration = Duration::from_secs(20);

    fn shell(name: &str, script: &str) -> (Child, Folder) {
        let folder = Folder::new(name).unwrap();
        let child = Child::start(Path::new("sh"), &["-c", script], folder.path().join("log")).unwrap();
        (child, folder)
    }

    #[test]
    fn requests_are_answered_and_errors_are_errors() {
        let script = r#"read line; echo "{\"got\": $line}"; echo '{"error": "no such op"}'"#;
        let (mut child, _folder) = shell("child-answers", script);
        child.ask(&Value::from(7)).unwrap();
        assert_eq!(child.answer(PATIENCE).unwrap()["got"], 7);
        assert_eq!(child.answer(PATIENCE).unwrap_err(), "no such op");
    }

    #[test]
    fn who_ends_or_is_silent_is_given_up() {
        let (mut child, _folder) = shell("child-ends", "echo 'No module named torch' >&2");
        assert_eq!(child.answer(PATIENCE).unwrap_err(), "it ended: No module named torch");
        let (mut child, _folder) = shell("child-silent", "sleep 60");
        assert!(child.answer(Duration::from_millis(10)).unwrap_err().contains("did not answer"));
        let missing = Child::start(Path::new("/no/python"), &[], _folder.path().join("log"));
        assert!(missing.err().unwrap().contains("/no/python"));
    }
}
