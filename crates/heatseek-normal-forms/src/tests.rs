//! Examples of UAX #15 and laws that hold for all texts. `against/` compares every character with the crate that this is
//! in place of.

use crate::UnicodeNormalization;

fn forms(text: &str) -> [String; 4] {
    [text.nfd(), text.nfc(), text.nfkd(), text.nfkc()].map(|form| form.map(|(c, _)| c).collect())
}

fn changes(form: impl Iterator<Item = (char, isize)>) -> Vec<isize> {
    form.map(|(_, change)| change).collect()
}

#[test]
fn examples_of_the_standard() {
    for (text, expected) in [
        ("Åffin", ["A\u{30a}ffin", "Åffin", "A\u{30a}ffin", "Åffin"]),
        // Figure 3: singletons are never composed again.
        ("\u{212b}\u{2126}", ["A\u{30a}Ω", "ÅΩ", "A\u{30a}Ω", "ÅΩ"]),
        // Figure 5: marks in the order of their classes, and composed past one another.
        ("\u{1e9b}\u{323}", ["\u{17f}\u{323}\u{307}", "\u{1e9b}\u{323}", "s\u{323}\u{307}", "\u{1e69}"]),
        ("d\u{307}\u{323}", ["d\u{323}\u{307}", "\u{1e0d}\u{307}", "d\u{323}\u{307}", "\u{1e0d}\u{307}"]),
        // Figure 6: compatibility.
        ("\u{fb01}2\u{2075}", ["\u{fb01}2\u{2075}", "\u{fb01}2\u{2075}", "fi25", "fi25"]),
        (
            "각값",
            [
                "\u{1100}\u{1161}\u{11a8}\u{1100}\u{1161}\u{11b9}",
                "각값",
                "\u{1100}\u{1161}\u{11a8}\u{1100}\u{1161}\u{11b9}",
                "각값",
            ],
        ),
        // Excluded from composition.
        ("\u{958}", ["\u{915}\u{93c}", "\u{915}\u{93c}", "\u{915}\u{93c}", "\u{915}\u{93c}"]),
        ("", [""; 4]),
    ] {
        assert_eq!(forms(text), expected.map(str::to_owned), "{text:?}");
    }
}

#[test]
fn changes_say_what_became_of_each_character() {
    assert_eq!(changes("aé\u{fb01}".nfkd()), [0, 0, 1, 0, 1]);
    assert_eq!(changes("e\u{301}x".nfc()), [-1, 0]);
    assert_eq!(changes("각".nfd()), [0, 1, 1]);
    assert_eq!(changes("\u{1100}\u{1161}\u{11a8}".nfc()), [-2]);
    assert_eq!(changes("é".nfc()), [0]);
}

#[test]
fn a_form_of_a_form_is_the_form() {
    let all: Vec<char> = ('\0'..=char::MAX).collect();
    for text in all.chunks(61).map(String::from_iter) {
        let [nfd, nfc, nfkd, nfkc] = forms(&text);
        assert_eq!(forms(&nfd)[..2], [nfd.clone(), nfc.clone()]);
        assert_eq!(forms(&nfc), [nfd, nfc, nfkd.clone(), nfkc.clone()]);
        assert_eq!(forms(&nfkd), [nfkd.clone(), nfkc.clone(), nfkd, nfkc]);
    }
}

#[test]
fn marks_are_marks() {
    assert!("\u{301}\u{903}\u{20dd}".chars().all(crate::is_combining_mark));
    assert!(!"a1^\u{b4}日".chars().any(crate::is_combining_mark));
}
