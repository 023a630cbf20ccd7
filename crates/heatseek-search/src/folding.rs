//! One form for all ways to write a word.

use heatseek_normal_forms::{UnicodeNormalization, combining_class};

/// Appends `word` in the form that is compared: see [`words`](crate::words).
pub(crate) fn fold(word: &str, fold_accents: bool, folded: &mut String) {
    let start = folded.len();
    let settled = word.chars().all(|c| {
        let settled = is_settled(c, fold_accents);
        if settled {
            push_folded(c, fold_accents, folded);
        }
        settled
    });
    if settled {
        return;
    }
    folded.truncate(start);
    let mut decomposed = String::with_capacity(word.len() + 8);
    for (c, _) in word.nfkd() {
        if !(fold_accents && is_accent(c)) {
            push_folded(c, fold_accents, &mut decomposed);
        }
    }
    folded.extend(decomposed.nfc().map(|(c, _)| c));
}

/// Appends what is compared of a character that cannot be decomposed, or need not be.
fn push_folded(c: char, fold_accents: bool, folded: &mut String) {
    match c {
        // Where folding is not the lower case (CaseFolding.txt, classes C and F).
        'ß' | 'ẞ' => folded.push_str("ss"),
        'ς' => folded.push('σ'),
        '\u{345}' => folded.push('ι'),
        '’' => folded.push('\''),
        _ if is_invisible(c) => {}
        // What is known to be lower case or to have none: the search for it is slow.
        'à'..='ö' | 'ù'..='ÿ' | 'ά'..='ώ' | 'а'..='џ' => folded.push(c),
        '\u{590}'..='\u{109f}' | '\u{3000}'..='\u{9fff}' | '\u{ac00}'..='\u{d7ff}' => folded.push(c),
        _ => {
            let lower = c.to_lowercase();
            folded.extend(lower.map(|c| if fold_accents { without_stroke(c) } else { c }));
        }
    }
}

/// Marks that write a word more precisely, by the place that their combining class says (UAX #44, table 15): across
/// letters, the points of Hebrew, Arabic and Syriac, and all around letters. Of the other classes, 7 to 9 and 84 to 132
/// are parts of letters in India, Japan and Thailand.
fn is_accent(c: char) -> bool {
    // The iota below Greek vowels is a letter of its own when it is folded.
    matches!(combining_class(c), 1 | 10..=36 | 200..) && c != '\u{345}'
}

/// Letters of Latin alphabets in use whose stroke, or missing dot, Unicode does not take apart.
fn without_stroke(c: char) -> char {
    match c {
        'đ' => 'd',
        'ħ' => 'h',
        'ł' => 'l',
        'ø' => 'o',
        'ŧ' => 't',
        'ı' => 'i',
        c => c,
    }
}

/// Characters that show nothing (Default_Ignorable_Code_Point of DerivedCoreProperties.txt, but for Hangul's fillers).
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{17b4}'..='\u{17b5}' | '\u{180b}'..='\u{180f}'
        | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}'
        | '\u{feff}' | '\u{e0000}'..='\u{e0fff}')
}

/// Characters of which [`fold`] makes the same with and without decomposing them and composing them again, so that most
/// words need no tables: with accents they may be composed of others. None is composed with one before it, and none
/// changes places with another.
fn is_settled(c: char, fold_accents: bool) -> bool {
    match c {
        '\0'..='\u{7f}' | '’' => true,
        'Α'..='Ρ' | 'Σ'..='Ω' | 'α'..='ω' => true,
        'А'..='И' | 'К'..='и' | 'к'..='я' => true,
        // Hebrew and Arabic.
        'א'..='ת' | 'ء' | 'ا'..='ي' | '٠'..='٩' | 'ٱ'..='ٴ' | 'ٹ'..='ڿ' | 'ہ' | 'ۃ'..='ے' => {
            true
        }
        // Devanagari with its vowel signs and virama.
        'ऀ'..='न' | 'प'..='र' | 'ल'..='ळ' | 'व'..='\u{93b}' | 'ऽ'..='ॐ' | 'ॠ'..='ॿ' => {
            true
        }
        // Thai.
        'ก'..='า' | 'ิ'..='ื' | 'เ'..='็' => true,
        // Japanese, Chinese, Korean.
        '々'..='〇' | 'ぁ'..='ゖ' | 'ゝ'..='ゞ' | 'ァ'..='ヾ' => true,
        '㐀'..='䶵' | '一'..='鿕' | '가'..='힣' => true,
        // Letters with accents.
        'À'..='ı' | 'Ĵ'..='ľ' | 'Ł'..='ň' | 'Ŋ'..='ž' => !fold_accents,
        'Ά' | 'Έ'..='Ί' | 'Ό' | 'Ύ'..='ΐ' | 'Ϊ'..='ΰ' | 'ϊ'..='ώ' => !fold_accents,
        'Ѐ'..='ҁ' | 'Ҋ'..='ԯ' => !fold_accents,
        'ؠ'..='ي' | 'ۀ'..='ۓ' => !fold_accents,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn settled_characters_need_no_tables() {
        let parts = |c: char| -> Vec<char> { c.to_string().nfd().map(|(c, _)| c).collect() };
        let all = || '\0'..='\u{ffff}';
        let behind: BTreeSet<char> = all().flat_map(|c| parts(c).into_iter().skip(1)).collect();
        for fold_accents in [false, true] {
            let mut settled = 0;
            for c in all().filter(|c| is_settled(*c, fold_accents)) {
                // A letter before it keeps it from the way without tables.
                let (mut short, mut long) = (String::new(), String::new());
                fold(&c.to_string(), fold_accents, &mut short);
                fold(&format!("ﬁ{c}"), fold_accents, &mut long);
                assert_eq!(format!("fi{short}"), long, "{c}");
                assert!(!behind.contains(&c), "{c} is composed with what is before it");
                assert!(matches!(combining_class(c), 0 | 9), "{c} could change places");
                settled += 1;
            }
            assert!(settled > 30_000, "{settled}");
        }
    }
}
