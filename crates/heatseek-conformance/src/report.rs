//! What a suite found.

use std::fmt;

use serde::Serialize;

/// Checks made and the ones that failed.
#[must_use = "a report that nobody reads lets failures pass"]
#[derive(Clone, Debug, Default, Serialize)]
pub struct Report {
    /// Checks that held.
    pub passed: usize,
    /// Each failure in words, with where it happened.
    pub failures: Vec<String>,
    /// Figures worth printing, e.g. the worst difference met.
    pub figures: Vec<String>,
}

impl Report {
    /// Counts one check.
    pub fn check(&mut self, name: &str, outcome: Result<(), String>) {
        match outcome {
            Ok(()) => self.passed += 1,
            Err(why) => self.failures.push(format!("{name}: {why}")),
        }
    }

    /// Panics with every failure; a suite that checked nothing fails as well.
    pub fn assert(&self) {
        println!("{self}");
        assert!(self.failures.is_empty(), "{self}");
        assert!(self.passed > 0, "no check was made");
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{} checks passed, {} failed", self.passed, self.failures.len())?;
        self.figures.iter().try_for_each(|figure| writeln!(f, "  {figure}"))?;
        self.failures.iter().try_for_each(|failure| writeln!(f, "FAILED {failure}"))
    }
}
