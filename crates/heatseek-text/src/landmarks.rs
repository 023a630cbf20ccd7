//! Landmarks: separators put into a text, whose states stand for what is before them.

use crate::{Encoding, TextError, Tokenizer};

impl Tokenizer {
    /// Tokens of `text` with a landmark behind every `every` of them and behind the last, and where the landmarks
    /// are: `[CLS] c_1 SEP c_2 SEP …`, as "LMK > CLS: Landmark Pooling for Dense Embeddings" puts them. A landmark is
    /// the token that texts end with. What is more than `max_length` is cut at the end; if no landmark is left, the
    /// last token gives way to one. Padding, where texts have any, is left out.
    ///
    /// # Errors
    /// [`TextError::NoLandmark`] if texts do not end with a token of their own, [`TextError::NoRoom`] if not even
    /// the special tokens fit, [`TextError::Encode`].
    pub fn encode_with_landmarks(
        &self,
        text: &str,
        every: usize,
        max_length: usize,
    ) -> Result<(Encoding, Vec<usize>), TextError> {
        let whole = self.encode(text, None)?;
        let tokens = whole.ids.len();
        let begin = whole.special.iter().position(|special| !special).unwrap_or(tokens.saturating_sub(1));
        let end = whole.special.iter().rposition(|special| !special).map_or(begin, |last| last + 1);
        let Some(&landmark) = whole.ids.get(end) else { return Err(TextError::NoLandmark) };
        if max_length < begin + 1 {
            return Err(TextError::NoRoom { max_length, special: begin + 1 });
        }
        let kind = whole.type_ids[end];
        let mut made = Encoding::default();
        let mut landmarks = Vec::new();
        let copied = |made: &mut Encoding, token: usize| {
            made.ids.push(whole.ids[token]);
            made.type_ids.push(whole.type_ids[token]);
            made.offsets.push(whole.offsets[token]);
            made.special.push(whole.special[token]);
        };
        (0..begin).for_each(|token| copied(&mut made, token));
        let mut mark = |made: &mut Encoding| {
            landmarks.push(made.ids.len());
            made.ids.push(landmark);
            made.type_ids.push(kind);
            made.offsets.push((0, 0));
            made.special.push(true);
        };
        for (place, token) in (begin..end).enumerate() {
            if place > 0 && place % every.max(1) == 0 {
                mark(&mut made);
            }
            copied(&mut made, token);
        }
        mark(&mut made);
        made.truncated = made.ids.len() > max_length;
        landmarks.retain(|&place| place < max_length);
        made.ids.truncate(max_length);
        made.type_ids.truncate(max_length);
        made.offsets.truncate(max_length);
        made.special.truncate(max_length);
        if landmarks.is_empty() {
            let last = max_length - 1;
            (made.ids[last], made.type_ids[last], made.offsets[last]) = (landmark, kind, (0, 0));
            made.special[last] = true;
            landmarks.push(last);
        }
        Ok((made, landmarks))
    }

    /// Tokens that `prompt` has at the beginning of a text, as sentence-transformers counts them: those of the prompt
    /// encoded alone, special ones included, without the one it ends with if that is special.
    ///
    /// # Errors
    /// [`TextError::Encode`].
    pub fn prompt_tokens(&self, prompt: &str) -> Result<usize, TextError> {
        if prompt.is_empty() {
            return Ok(0);
        }
        let special = self.encode(prompt, None)?.special;
        Ok(special.len() - usize::from(special.last() == Some(&true)))
    }
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::random;

    use super::*;
    use crate::chunk::tests::tokenizer_json;

    const CLS: u32 = 2;
    const SEP: u32 = 3;

    fn tokenizer() -> Tokenizer {
        Tokenizer::from_json(&tokenizer_json()).unwrap()
    }

    #[test]
    fn by_hand() {
        let tokenizer = tokenizer();
        let (made, landmarks) = tokenizer.encode_with_landmarks("one two three four five", 2, 99).unwrap();
        assert_eq!(made.ids, [CLS, 4, 5, SEP, 6, 7, SEP, 8, SEP]);
        assert_eq!((landmarks, made.truncated), (vec![3, 6, 8], false));
        assert_eq!((made.offsets[4], made.offsets[6]), ((8, 13), (0, 0)));
        let (empty, landmarks) = tokenizer.encode_with_landmarks("", 32, 99).unwrap();
        assert_eq!((empty.ids, landmarks), (vec![CLS, SEP], vec![1]));
    }

    #[test]
    fn without_its_landmarks_a_text_is_what_it_was() {
        let tokenizer = tokenizer();
        let words = ["one", "two", "three", "日", "é", "."];
        for seed in 0..40 {
            let text: Vec<&str> =
                random(seed, seed as usize).iter().map(|r| words[(r % 6) as usize]).collect();
            let text = text.join(" ");
            let plain = tokenizer.encode(&text, None).unwrap();
            let n = plain.ids.len() - 2;
            for every in [1, 2, 7, 100] {
                let (made, landmarks) = tokenizer.encode_with_landmarks(&text, every, 9999).unwrap();
                let chunks = n.div_ceil(every).max(1);
                assert_eq!(landmarks.len(), chunks);
                let full = landmarks[..chunks - 1].iter().enumerate();
                full.for_each(|(i, &place)| assert_eq!(place, (i + 1) * (every + 1)));
                assert_eq!(landmarks.last(), Some(&(made.ids.len() - 1)));
                let kept: Vec<_> = (0..made.ids.len()).filter(|place| !landmarks.contains(place)).collect();
                let of = |values: &[u32]| kept.iter().map(|&at| values[at]).collect::<Vec<_>>();
                assert_eq!(of(&made.ids), plain.ids[..n + 1]);
                assert!(kept.iter().zip(&plain.offsets).all(|(&at, offset)| made.offsets[at] == *offset));
                if every >= n {
                    assert_eq!(made, plain, "one landmark is the separator that was there");
                }
                for max_length in 2..made.ids.len() + 2 {
                    let (cut, left) = tokenizer.encode_with_landmarks(&text, every, max_length).unwrap();
                    assert_eq!(cut.ids.len(), max_length.min(made.ids.len()));
                    assert_eq!(cut.truncated, max_length < made.ids.len());
                    assert!(!left.is_empty() && left.iter().all(|&place| cut.ids[place] == SEP));
                    let same = cut.ids.iter().zip(&made.ids).filter(|(a, b)| a == b).count();
                    assert!(same + 1 >= cut.ids.len());
                }
            }
        }
        let refused = tokenizer.encode_with_landmarks("one", 2, 1).unwrap_err();
        assert_eq!(refused, TextError::NoRoom { max_length: 1, special: 2 });
    }

    #[test]
    fn tokens_of_a_prompt_count_without_the_separator() {
        let tokenizer = tokenizer();
        assert_eq!(tokenizer.prompt_tokens("").unwrap(), 0);
        assert_eq!(tokenizer.prompt_tokens("one two.").unwrap(), 4);
    }
}
