//! A pattern finds the same in another module as in this one, and as the crate that it is in place of.

use std::rc::Rc;

use heatseek_testkit::random;
use regex_automata::meta;

use crate::{Engine, Linked, PatternError, as_fancy_regex, as_regex, install, linked, remote};

/// What tokenizers split texts by: GPT-2 and all byte-level ones, CLIP, cl100k (Qwen, Llama 3), o200k, and what
/// SigLIP and T5 replace.
const SPLITS: &[&str] = &[
    r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+",
    r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+",
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+",
    r"[^\r\n\p{L}\p{N}]?[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]*[\p{Ll}\p{Lm}\p{Lo}\p{M}]+|\p{N}{1,3}|\s+",
    r"(?<!\n)\n(?!\n)",
    r#"[!"\#\$%\&'\(\)\*\+,\-\.:;=\?@\[\\\]\^_`\{\|\}\~]"#,
    r"\s+",
    " ",
    "",
];

/// What `tokenizers` asks of the crate regex.
const PLAIN: &[&str] = &[r"\w+|[^\w\s]+", r"^\w", r"\w$", r"^\s*", r"\s*$"];

/// Every character there is, 997 at a time, so that each meets others; then words in many scripts, at random.
fn texts() -> Vec<String> {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    let mut texts: Vec<String> = all.chunks(997).map(String::from_iter).collect();
    let parts = [
        " ",
        "  ",
        "\n",
        "\r\n",
        "\u{85}",
        "\u{a0}",
        "\u{3000}",
        "\u{feff}",
        "\u{200d}",
        "it's",
        "IT'LL",
        "ſ",
        "İ",
        "e\u{301}",
        "Straße",
        "日本語",
        "ไทย",
        "हिन्दी",
        "\u{1f41d}",
        "²³",
        "١٢",
        "12345",
        "…",
        "_",
        "-",
        "'",
        "<|endoftext|>",
        "\0",
    ];
    for seed in 0..400 {
        let chosen = random(seed, 1 + seed as usize % 40);
        texts.push(chosen.iter().map(|r| parts[*r as usize % parts.len()]).collect());
    }
    texts
}

#[test]
fn another_module_finds_what_this_one_finds() {
    install(Rc::new(Linked::default()));
    for pattern in SPLITS.iter().chain(PLAIN) {
        let (here, there) = (linked::Pattern::new(pattern).unwrap(), remote::Pattern::new(pattern).unwrap());
        for text in texts() {
            for most in [0, 1, usize::MAX] {
                assert_eq!(here.find(&text, most), there.find(&text, most), "{pattern} in {text:?}");
            }
        }
    }
}

#[test]
fn the_crate_regex_is_replaced_by_its_like() {
    for pattern in PLAIN {
        let (ours, theirs) = (as_regex::Regex::new(pattern).unwrap(), meta::Regex::new(pattern).unwrap());
        for text in texts() {
            let found: Vec<_> = ours.find_iter(&text).map(|found| found.start()..found.end()).collect();
            let expected: Vec<_> = theirs.find_iter(&text).map(|found| found.range()).collect();
            assert_eq!(found, expected, "{pattern} in {text:?}");
            let first = ours.find(&text).map(|found| found.start()..found.end());
            assert_eq!(first, expected.first().cloned(), "{pattern} in {text:?}");
            assert_eq!(ours.is_match(&text), theirs.is_match(&text), "{pattern} in {text:?}");
        }
    }
}

#[test]
fn an_escaped_text_finds_itself() {
    for text in texts() {
        let pattern = as_regex::escape(&text);
        assert_eq!(pattern, regex_syntax::escape(&text));
        let found = as_fancy_regex::Regex::new(&pattern).unwrap().find_iter(&text).next().unwrap().unwrap();
        assert_eq!((found.start(), found.end()), (0, text.len()));
    }
}

#[test]
fn patterns_come_and_go() {
    let linked = Linked::default();
    let [first, second] = ["a", "b"].map(|pattern| linked.compile(pattern).unwrap());
    assert_eq!(linked.find(second, "abb", 9), [1, 2, 2, 3]);
    linked.release(first);
    assert_eq!(linked.find(first, "abb", 9), [] as [u32; 0]);
    assert_eq!(linked.compile("bb").unwrap(), first, "its number is free");
    assert_eq!(linked.find(first, "abb", 9), [1, 3]);
    linked.release(99);
    assert!(linked.compile("(").unwrap_err().contains("parenthesis"));

    assert_eq!(remote::Pattern::new("a").unwrap_err(), PatternError::NoEngine);
    let linked = Rc::new(linked);
    install(linked.clone());
    let refused = remote::Pattern::new("(").unwrap_err();
    assert!(matches!(&refused, PatternError::Refused { why } if why.contains("parenthesis")), "{refused}");
    drop(remote::Pattern::new("a").unwrap());
    assert_eq!(linked.compile("c").unwrap(), 2, "dropping one releases it");
}
