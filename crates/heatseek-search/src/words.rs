//! The words of a text, as keyword search compares them.

use heatseek_normal_forms::is_combining_mark;
use unicode_segmentation::UnicodeSegmentation;

use crate::folding::fold;

/// The words of `text`, in its order. A text and a query match where these are the same.
///
/// - Words are what lies between the boundaries of Unicode's annex 29 and has a letter or a digit: `can't`, `3.14` and
///   `example.com` are one each, punctuation and emoji are none.
/// - Annex 29 finds no words where a script writes none apart, and Korean joins particles to words. So Han, kana,
///   Bopomofo, Hangul, Thai, Lao, Khmer, Burmese and Tai scripts give each of their characters, with its marks, and
///   every two that touch: `東京都` gives `東`, `京`, `東京`, `都`, `京都`. A query of one character finds it, and a
///   longer one ranks those first that have its pairs.
/// - Case is folded as Unicode's CaseFolding.txt says (`Straße` is `strasse`; ten historical Cyrillic letters stay), in
///   the normal form KC of Unicode 9 (`ﬁ` is `fi`, `１` is `1`; an accent may be part of its letter or follow it). The
///   typographic apostrophe is the plain one; soft hyphens, joiners and other invisible characters are left out.
/// - With `fold_accents`, marks above, below or across letters, the strokes of `đħłøŧ` and the points of Hebrew and
///   Arabic are left out, too, and `ı` is `i`: `Crème` is `creme`, `IŞIK` and `ışık` are `isik`. Vowel signs of Indic
///   scripts and the marks that make か into が stay, for they make other words.
/// - Nothing is stemmed and no word is left out: both would take knowing the language.
pub fn words(text: &str, fold_accents: bool) -> Vec<String> {
    let mut words = Vec::new();
    for_each_word(text, fold_accents, &mut |word| words.push(word.to_owned()));
    words
}

/// As [`words`], without a `String` for each.
pub(crate) fn for_each_word(text: &str, fold_accents: bool, found: &mut dyn FnMut(&str)) {
    let mut folded = String::new();
    // The last character of a script without spaces, and where in `text` its word ended.
    let (mut before, mut before_end) = (String::new(), usize::MAX);
    for (start, word) in text.unicode_word_indices() {
        folded.clear();
        if word.is_ascii() {
            folded.push_str(word);
            folded.make_ascii_lowercase();
            found(&folded);
            continue;
        }
        fold(word, fold_accents, &mut folded);
        if start != before_end {
            before.clear();
        }
        for (piece, spaced) in pieces(&folded) {
            found(piece);
            if spaced {
                before.clear();
                continue;
            }
            if !before.is_empty() {
                before.push_str(piece);
                found(&before);
                before.clear();
            }
            before.push_str(piece);
        }
        before_end = start + word.len();
    }
}

/// What `folded` is made of: each character of a script without spaces, with its marks, and what is between them; and
/// whether it is of a script with spaces.
fn pieces(folded: &str) -> impl Iterator<Item = (&str, bool)> {
    let mut rest = folded;
    std::iter::from_fn(move || {
        let first = rest.chars().next()?;
        let spaced = !is_unspaced(first);
        let goes_on = |c: char| (spaced && !is_unspaced(c)) || is_combining_mark(c);
        let end =
            rest[first.len_utf8()..].find(|c| !goes_on(c)).map_or(rest.len(), |at| at + first.len_utf8());
        let (piece, behind) = rest.split_at(end);
        rest = behind;
        Some((piece, spaced))
    })
}

/// Characters of scripts that put no spaces between words, or as Korean between words and particles, by the blocks of
/// Blocks.txt that hold them.
fn is_unspaced(c: char) -> bool {
    // Most text is of scripts below the first.
    c >= '\u{e00}'
        && matches!(c, '\u{e00}'..='\u{eff}' // Thai, Lao
            | '\u{1000}'..='\u{109f}' // Myanmar
            | '\u{1100}'..='\u{11ff}' // Hangul Jamo
            | '\u{1780}'..='\u{17ff}' // Khmer
            | '\u{1950}'..='\u{19ff}' // Tai Le, New Tai Lue, Khmer Symbols
            | '\u{1a20}'..='\u{1aaf}' // Tai Tham
            | '\u{2e80}'..='\u{2fdf}' // radicals
            | '\u{3005}'..='\u{3007}' | '\u{3021}'..='\u{3029}' | '\u{3031}'..='\u{303c}' // marks that count as letters
            | '\u{3040}'..='\u{31ff}' // kana, Bopomofo, Hangul Compatibility Jamo
            | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' // Han
            | '\u{a960}'..='\u{a97f}' // Hangul Jamo
            | '\u{a9e0}'..='\u{a9ff}' | '\u{aa60}'..='\u{aadf}' // Myanmar, Tai Viet
            | '\u{ac00}'..='\u{d7ff}' // Hangul
            | '\u{f900}'..='\u{faff}' // Han
            | '\u{1aff0}'..='\u{1b16f}' // kana
            | '\u{20000}'..='\u{3ffff}') // Han
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, expected: &str) {
        assert_eq!(words(text, false).join("|"), expected, "{text}");
    }

    #[track_caller]
    fn check_without_accents(text: &str, expected: &str) {
        assert_eq!(words(text, true).join("|"), expected, "{text}");
    }

    #[test]
    fn words_are_those_of_annex_29() {
        check("", "");
        check("The quick (\"brown\") fox can't jump 32.3 feet!", "the|quick|brown|fox|can't|jump|32.3|feet");
        check("  \t\n—…🐝 _ ", "");
        check("snake_case foo-bar a.b, U.S.A.", "snake_case|foo|bar|a.b|u.s.a");
    }

    #[test]
    fn words_that_are_written_alike_are_the_same() {
        check("STRASSE Straße STRAẞE", "strasse|strasse|strasse");
        check("ΣΊΣΥΦΟΣ σίσυφος", "σίσυφοσ|σίσυφοσ");
        check("ᾼ ᾳ ΑΙ", "αι|αι|αι");
        check("cafe\u{301} CAFÉ", "café|café");
        check("ﬁne ＡＢＣ１ ｶﾞ", "fine|abc1|ガ");
        check("can’t data\u{ad}base \u{feff}x", "can't|database|x");
        // Turkish letters are others: CaseFolding.txt's classes C and F.
        check("ISI ısı İ", "isi|ısı|i\u{307}");
    }

    #[test]
    fn scripts_without_spaces_give_characters_and_pairs() {
        check("東京都", "東|京|東京|都|京都");
        check("東京、京都 都", "東|京|東京|京|都|京都|都");
        check("タワーへ", "タ|ワ|タワ|ー|ワー|へ|ーへ");
        check("API를 iPhone手機", "api|를|iphone|手|機|手機");
        check("한국어", "한|국|한국|어|국어");
        check("ไทย กิน", "ไ|ท|ไท|ย|ทย|กิ|น|กิน");
        check("人々 がき か\u{3099}", "人|々|人々|が|き|がき|が");
    }

    #[test]
    fn accents_are_folded_on_request_and_only_accents() {
        check("Crème brûlée", "crème|brûlée");
        check_without_accents("Crème brûlée Ångström Việt ŁÓDŹ", "creme|brulee|angstrom|viet|lodz");
        check_without_accents("ISI ısı İsi", "isi|isi|isi");
        check_without_accents("Ёлка й Άλφα", "елка|и|αλφα");
        check_without_accents("שָׁלוֹם مُحَمَّد", "שלום|محمد");
        // Vowel signs, the virama, voicing and Hangul's letters stay.
        check_without_accents("हिन्दी क़", "हिन्दी|क\u{93c}");
        check_without_accents("がき 한국 กิน", "が|き|がき|한|국|한국|กิ|น|กิน");
    }
}
