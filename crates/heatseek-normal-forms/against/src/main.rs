//! Compares heatseek-normal-forms with unicode-normalization-alignments: every character, every pair that either
//! composes, and texts at random, in all four forms. With `--write`, the tables are written from that crate instead.

use std::fmt::Debug;

use heatseek_normal_forms::UnicodeNormalization as Ours;
use unicode_normalization_alignments::UnicodeNormalization as Theirs;
use unicode_normalization_alignments::char as theirs;

const TABLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../src/tables.bin");
const CANONICAL: u32 = 0;
const COMPOSES: u32 = 1;
const COMPATIBLE: u32 = 2;

fn main() {
    if std::env::args().any(|argument| argument == "--write") {
        std::fs::write(TABLES, tables()).expect("writing the tables");
        println!("written; run again without --write");
        return;
    }
    compare();
}

fn all() -> impl Iterator<Item = char> {
    '\0'..=char::MAX
}

fn is_hangul(c: char) -> bool {
    ('\u{ac00}'..='\u{d7a3}').contains(&c)
}

fn canonical(c: char) -> Vec<char> {
    let mut parts = Vec::new();
    theirs::decompose_canonical(c, |part| parts.push(part));
    parts
}

fn compatible(c: char) -> Vec<char> {
    let mut parts = Vec::new();
    theirs::decompose_compatible(c, |part| parts.push(part));
    parts
}

/// Whether anything is composed to `c`: then its parts are, one after another.
fn composes(parts: &[char], c: char) -> bool {
    parts.len() > 1 && parts[1..].iter().try_fold(parts[0], |a, &b| theirs::compose(a, b)) == Some(c)
}

/// As heatseek-normal-forms/src/tables.rs reads them.
fn tables() -> Vec<u8> {
    let mut decompositions = Vec::new();
    for c in all().filter(|c| !is_hangul(*c)) {
        let (parts, also) = (canonical(c), compatible(c));
        if parts != [c] {
            let kind = if composes(&parts, c) { COMPOSES } else { CANONICAL };
            decompositions.push((c, kind, parts.clone()));
        }
        if also != parts {
            decompositions.push((c, COMPATIBLE, also));
        }
    }
    let mut bytes = Vec::new();
    number(&mut bytes, decompositions.len() as u32);
    let mut before = 0;
    for (c, kind, parts) in decompositions {
        number(&mut bytes, u32::from(c) - before);
        before = u32::from(c);
        number(&mut bytes, kind + 4 * parts.len() as u32);
        parts.iter().for_each(|part| number(&mut bytes, u32::from(*part)));
    }
    runs(
        &mut bytes,
        |c| Some(theirs::canonical_combining_class(c)).filter(|class| *class > 0),
        |bytes, class| {
            number(bytes, u32::from(class));
        },
    );
    runs(&mut bytes, |c| theirs::is_combining_mark(c).then_some(()), |_, ()| {});
    bytes
}

/// Runs of characters of one value.
fn runs<T: Copy + PartialEq>(
    bytes: &mut Vec<u8>,
    of: impl Fn(char) -> Option<T>,
    write: impl Fn(&mut Vec<u8>, T),
) {
    let mut runs: Vec<(u32, u32, T)> = Vec::new();
    for c in all() {
        let (at, Some(value)) = (u32::from(c), of(c)) else { continue };
        match runs.last_mut() {
            Some((_, last, same)) if *last + 1 == at && *same == value => *last = at,
            _ => runs.push((at, at, value)),
        }
    }
    number(bytes, runs.len() as u32);
    let mut end = 0;
    for (first, last, value) in runs {
        number(bytes, first - end);
        number(bytes, last - first);
        write(bytes, value);
        end = last;
    }
}

fn number(bytes: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        bytes.push(value as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn compare() {
    for c in all() {
        assert_eq!(heatseek_normal_forms::is_combining_mark(c), theirs::is_combining_mark(c), "{c:?}");
        same(&c.to_string());
        // Between marks, which tells its class.
        same(&format!("a{c}\u{5b0}{c}\u{345}\u{334}{c}"));
        // Taken apart, and what it may be a half of.
        same(&canonical(c).iter().collect::<String>());
        same(&format!("{c}\u{301}\u{323}\u{308}"));
    }
    let halves: Vec<char> =
        all().filter(|c| canonical(*c) != [*c] && !is_hangul(*c)).flat_map(canonical).collect();
    let mut halves: Vec<char> =
        halves.into_iter().chain(all().filter(|c| canonical(*c).len() > 1 && !is_hangul(*c))).collect();
    halves.sort_unstable();
    halves.dedup();
    for &a in &halves {
        for &b in &halves {
            if theirs::compose(a, b).is_some() || b > '\u{300}' {
                same(&String::from_iter([a, b]));
            }
        }
    }
    // Knuth's MMIX generator.
    let mut state = 1u64;
    let mut random = |below: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % below
    };
    let (every, marks): (Vec<char>, Vec<char>) =
        (all().collect(), all().filter(|c| theirs::is_combining_mark(*c)).collect());
    for _ in 0..200_000 {
        let pick = |random: &mut dyn FnMut(usize) -> usize| match random(5) {
            0 => every[random(every.len())],
            1 => marks[random(marks.len())],
            2 => halves[random(halves.len())],
            3 => every[0xac00 + random(11_172)],
            _ => every[random(0x3000)],
        };
        let length = 1 + random(12);
        same(&(0..length).map(|_| pick(&mut random)).collect::<String>());
    }
    println!("the same in every form: all characters, pairs of {} halves, 200000 texts", halves.len());
}

fn same(text: &str) {
    equal(text, "NFD", Ours::nfd(text), Theirs::nfd(text));
    equal(text, "NFKD", Ours::nfkd(text), Theirs::nfkd(text));
    equal(text, "NFC", Ours::nfc(text), Theirs::nfc(text));
    equal(text, "NFKC", Ours::nfkc(text), Theirs::nfkc(text));
}

fn equal<T: Debug + PartialEq>(
    text: &str,
    form: &str,
    ours: impl Iterator<Item = T>,
    theirs: impl Iterator<Item = T>,
) {
    assert_eq!(ours.collect::<Vec<_>>(), theirs.collect::<Vec<_>>(), "{form} of {text:?}");
}
