//! Running a table of cases to its end.

use std::fmt::Debug;

/// Runs `check` on every case and panics with all failures, not just the first. An empty table fails.
#[track_caller]
pub fn run_all<C: Debug>(cases: &[C], mut check: impl FnMut(&C) -> Result<(), String>) {
    assert!(!cases.is_empty(), "the table of cases is empty");
    let failures: Vec<String> =
        cases.iter().filter_map(|case| check(case).err().map(|why| format!("{case:?}\n  {why}"))).collect();
    assert!(
        failures.is_empty(),
        "{} of {} cases failed:\n{}",
        failures.len(),
        cases.len(),
        failures.join("\n")
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_cases_run() {
        let mut seen = Vec::new();
        run_all(&[1, 2, 3], |case| {
            seen.push(*case);
            Ok(())
        });
        assert_eq!(seen, [1, 2, 3]);
    }

    #[test]
    #[should_panic(expected = "2 of 3 cases failed:\n1\n  odd\n3\n  odd")]
    fn every_failure_is_told() {
        run_all(&[1, 2, 3], |case| if case % 2 == 1 { Err("odd".into()) } else { Ok(()) });
    }

    #[test]
    #[should_panic(expected = "empty")]
    fn nothing_checked_is_a_failure() {
        run_all::<u8>(&[], |_| Ok(()));
    }
}
