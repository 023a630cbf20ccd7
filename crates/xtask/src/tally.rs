//! Counting what test runners print, so that one line at the end can say how many passed.

/// Tests that passed and failed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub struct Tally {
    pub passed: usize,
    pub failed: usize,
}

impl Tally {
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Reads one line of output; knows the summaries of cargo, Node and vitest.
    pub fn read(&mut self, line: &str) {
        let line = without_colours(line);
        let line = line.trim();
        if let Some(rest) = line.strip_prefix("test result: ").or_else(|| line.strip_prefix("Tests  ")) {
            // cargo: `test result: ok. 12 passed; 0 failed; 0 ignored; …`
            // vitest: `Tests  1 failed | 11 passed (12)`
            self.passed += number_before(rest, " passed");
            self.failed += number_before(rest, " failed");
        } else if let Some(rest) = line.strip_prefix("# ").or_else(|| line.strip_prefix("ℹ ")) {
            // Node: `# pass 12`, or `ℹ pass 12` on a terminal
            let number =
                |word: &str| rest.strip_prefix(word).and_then(|n| n.trim().parse().ok()).unwrap_or(0);
            self.passed += number("pass ");
            self.failed += number("fail ");
        }
    }
}

/// The test that a line says failed, as cargo, Node and vitest say it while they run.
pub fn failed_test(line: &str) -> Option<String> {
    let line = without_colours(line);
    let line = line.trim();
    // cargo: `test kernels::add ... FAILED`
    let cargo = line.strip_prefix("test ").and_then(|rest| rest.strip_suffix(" ... FAILED"));
    // Node: `not ok 3 - name`, or `✖ name (12ms)` on a terminal; vitest: `× file > name 12ms`
    let node = || line.strip_prefix("not ok ").and_then(|rest| Some(rest.split_once(" - ")?.1));
    let marked = || line.strip_prefix("✖ ").or_else(|| line.strip_prefix("× "));
    cargo.or_else(node).or_else(marked).map(str::to_owned)
}

fn number_before(text: &str, word: &str) -> usize {
    let Some((before, _)) = text.split_once(word) else { return 0 };
    before.rsplit(|c: char| !c.is_ascii_digit()).next().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// `\x1b[32mok\x1b[0m` as `ok`.
fn without_colours(line: &str) -> String {
    let mut out = String::new();
    let mut chars = line.chars();
    while let Some(c) = chars.next() {
        if c == '\u{1b}' {
            chars.by_ref().find(|c| c.is_ascii_alphabetic());
        } else {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(lines: &[&str]) -> (usize, usize) {
        let mut tally = Tally::default();
        lines.iter().for_each(|line| tally.read(line));
        (tally.passed, tally.failed)
    }

    #[test]
    fn reads_cargo_with_colours() {
        let line =
            "test result: \u{1b}[31mFAILED\u{1b}[0m. 12 passed; 3 failed; 0 ignored; finished in 1.00s";
        assert_eq!(tally(&[line, "test result: ok. 1 passed; 0 failed; 0 ignored"]), (13, 3));
    }

    #[test]
    fn reads_node_and_vitest() {
        assert_eq!(tally(&["# tests 5", "# pass 4", "# fail 1", "ℹ pass 2"]), (6, 1));
        assert_eq!(tally(&["      Tests  1 failed | 11 passed (12)"]), (11, 1));
        assert_eq!(tally(&[" Test Files  3 passed (3)", "      Tests  9 passed (9)"]), (9, 0));
    }

    #[test]
    fn names_what_failed() {
        let failed = |line| failed_test(line);
        assert_eq!(failed("test ops::add ... FAILED").as_deref(), Some("ops::add"));
        assert_eq!(failed("    not ok 3 - packs twice").as_deref(), Some("packs twice"));
        assert_eq!(failed("\u{1b}[31m✖ packs twice (12ms)\u{1b}[0m").as_deref(), Some("packs twice (12ms)"));
        assert_eq!(
            failed(" \u{1b}[31m×\u{1b}[39m a.test.mjs > loads 12ms").as_deref(),
            Some("a.test.mjs > loads 12ms")
        );
        assert_eq!(failed("test ops::add ... ok").or(failed("ok 3 - packs")).or(failed(" ✓ loads")), None);
    }

    #[test]
    fn counts_nothing_in_ordinary_output() {
        assert_eq!(tally(&["# passing by", "all 3 passed the gate", "Tests are fun"]), (0, 0));
    }
}
