//! What a person sees: one heading a step, on stderr, so that stdout stays for results.

use std::time::Duration;

/// Announces a step.
pub fn heading(text: &str) {
    eprintln!("\n==> {text}");
}

/// One remark below a heading.
pub fn note(text: &str) {
    eprintln!("    {text}");
}

/// `83 s`, or `12 min 5 s`.
pub fn duration(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    match seconds {
        0..=9 => format!("{:.1} s", elapsed.as_secs_f64()),
        10..=119 => format!("{seconds} s"),
        _ => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// `1234567` as `1 234 567`: sizes are compared by eye.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
