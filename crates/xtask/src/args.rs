//! Reading a command line this small needs no library.

use std::str::FromStr;

use anyhow::{Context, Result, bail};

/// What follows `cargo xtask`; each question takes its answer out, so that [`Args::finish`] can name
/// whatever nobody asked for.
pub struct Args(Vec<String>);

impl Args {
    pub fn from_env() -> Self {
        Self(std::env::args().skip(1).collect())
    }

    /// The first word.
    pub fn command(&mut self) -> Option<String> {
        (!self.0.is_empty()).then(|| self.0.remove(0))
    }

    /// Is `--name` there?
    pub fn flag(&mut self, name: &str) -> bool {
        let at = self.0.iter().position(|arg| arg == name);
        at.map(|at| self.0.remove(at)).is_some()
    }

    /// The value of `--name VALUE` or `--name=VALUE`.
    pub fn value<T: FromStr<Err: std::error::Error + Send + Sync + 'static>>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>> {
        let Some(at) = self.0.iter().position(|arg| {
            arg.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('='))
        }) else {
            return Ok(None);
        };
        let arg = self.0.remove(at);
        let value = match arg.split_once('=') {
            Some((_, value)) => value.to_owned(),
            None if at < self.0.len() => self.0.remove(at),
            None => bail!("{name} needs a value"),
        };
        let parsed = value.parse().with_context(|| format!("{name} {value}"))?;
        Ok(Some(parsed))
    }

    /// The next word that is no option.
    pub fn word(&mut self) -> Option<String> {
        let at = self.0.iter().position(|arg| !arg.starts_with('-'))?;
        Some(self.0.remove(at))
    }

    /// Everything has been read.
    pub fn finish(self) -> Result<()> {
        match self.0.as_slice() {
            [] => Ok(()),
            rest => bail!("unexpected arguments: {} (see `cargo xtask help`)", rest.join(" ")),
        }
    }
}
