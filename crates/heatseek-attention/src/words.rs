//! Words instead of pieces of words (Clark et al., "What Does BERT Look At?", 2019, §4.1).

use std::ops::Range;

use unicode_segmentation::UnicodeSegmentation;

use crate::{AnalysisError, Map};

/// The tokens of each word of `text`, as ranges that follow each other and cover all tokens. Words are those of
/// Unicode's annex 29: a token belongs to the one in which it begins. A special token, or one that covers nothing, is
/// a word of its own.
///
/// `offsets` are the first and last (exclusive) byte of each token; `special` says which were added.
pub fn words(text: &str, offsets: &[(usize, usize)], special: &[bool]) -> Vec<Range<usize>> {
    let begins: Vec<usize> = text.split_word_bound_indices().map(|(start, _)| start).collect();
    let alone =
        |token: usize| special.get(token).copied().unwrap_or(false) || offsets[token].0 >= offsets[token].1;
    let word_of = |token: usize| begins.partition_point(|begin| *begin <= offsets[token].0);
    let mut words: Vec<Range<usize>> = Vec::new();
    for token in 0..offsets.len() {
        // Tokens may overlap: both halves of a letter that the tokenizer took apart begin where the letter does.
        let goes_on = token > 0 && !alone(token) && !alone(token - 1) && word_of(token) == word_of(token - 1);
        match words.last_mut() {
            Some(word) if goes_on => word.end = token + 1,
            _ => words.push(token..token + 1),
        }
    }
    words
}

/// `map` between words, `[words, words]` row-major: what the pieces of a word got is added up, what they looked at
/// is averaged. Rows that sum to 1 still do.
///
/// # Errors
/// [`AnalysisError::Range`] unless `words` cover the tokens of the map one after another.
pub fn word_map(map: Map<'_>, words: &[Range<usize>]) -> Result<Vec<f32>, AnalysisError> {
    let mut end = 0;
    for word in words {
        if word.start != end || word.end <= end {
            return Err(uncovered(format!("{}..{} behind {end}", word.start, word.end)));
        }
        end = word.end;
    }
    if end != map.tokens() {
        return Err(uncovered(format!("{end} of {}", map.tokens())));
    }
    let mut result = Vec::with_capacity(words.len() * words.len());
    for rows in words {
        for columns in words {
            let sum: f64 = rows
                .clone()
                .map(|query| map.row(query)[columns.clone()].iter().map(|&a| f64::from(a)).sum::<f64>())
                .sum();
            result.push((sum / rows.len() as f64) as f32);
        }
    }
    Ok(result)
}

fn uncovered(got: String) -> AnalysisError {
    let expected = "ranges of tokens, one after another, that cover all of the map's";
    AnalysisError::Range { what: "words", expected, got }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::{Tolerance, assert_close};

    #[test]
    fn pieces_join_and_punctuation_does_not() {
        // [CLS] em ##bed ##dings can ' t fly . [SEP]
        let text = "embeddings can't fly.";
        let offsets =
            [(0, 0), (0, 2), (2, 5), (5, 10), (11, 14), (14, 15), (15, 16), (17, 20), (20, 21), (0, 0)];
        let special = [true, false, false, false, false, false, false, false, false, true];
        assert_eq!(words(text, &offsets, &special), [0..1, 1..4, 4..7, 7..8, 8..9, 9..10]);
    }

    #[test]
    fn letters_of_a_script_without_spaces_are_words() {
        assert_eq!(words("蜜蜂", &[(0, 3), (3, 6)], &[false; 2]), [0..1, 1..2]);
        assert_eq!(words("", &[(0, 0), (0, 0)], &[true; 2]), [0..1, 1..2]);
    }

    #[test]
    fn pieces_of_one_letter_are_one_word() {
        // 꿀 and 은 are three letters each to a tokenizer that takes syllables apart.
        let offsets = [(0, 3), (0, 3), (3, 6), (7, 10)];
        assert_eq!(words("꿀은 꿀", &offsets, &[false; 4]), [0..3, 3..4]);
    }

    #[test]
    fn columns_add_up_and_rows_are_averaged() {
        let map = [0.1, 0.2, 0.3, 0.4, 0.4, 0.3, 0.2, 0.1, 0.2, 0.2, 0.2, 0.4, 0.0, 0.5, 0.5, 0.0];
        let found = word_map(Map::new(&map, 4).unwrap(), &[0..1, 1..3, 3..4]).unwrap();
        let expected = [0.1, 0.5, 0.4, 0.3, 0.45, 0.25, 0.0, 1.0, 0.0];
        assert_close(&found, &expected, &[3, 3], Tolerance::Abs(1e-6));
        found.chunks_exact(3).for_each(|row| assert!((row.iter().sum::<f32>() - 1.0).abs() < 1e-6));
    }

    #[test]
    #[allow(clippy::single_range_in_vec_init, reason = "a list of one word is what is meant")]
    fn words_must_cover_the_tokens() {
        let map = Map::new(&[0.25; 4], 2).unwrap();
        for wrong in [&[0..1][..], &[0..3], &[1..2], &[0..1, 0..2], &[0..2, 2..2]] {
            assert!(word_map(map, wrong).is_err(), "{wrong:?}");
        }
    }
}
