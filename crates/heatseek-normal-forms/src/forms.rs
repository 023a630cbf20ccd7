//! Decomposing, ordering and composing.

use crate::tables;

/// The normal forms of a text: its characters, each with how many more there are up to it than in the text so far. It
/// is 0 where a character stands for one, 1 where it was added, −n where it stands for n more than one.
pub trait UnicodeNormalization {
    /// Canonical decomposition.
    fn nfd(self) -> std::vec::IntoIter<(char, isize)>;

    /// Compatibility decomposition.
    fn nfkd(self) -> std::vec::IntoIter<(char, isize)>;

    /// Canonical decomposition, then canonical composition.
    fn nfc(self) -> std::vec::IntoIter<(char, isize)>;

    /// Compatibility decomposition, then canonical composition.
    fn nfkc(self) -> std::vec::IntoIter<(char, isize)>;
}

impl UnicodeNormalization for &str {
    fn nfd(self) -> std::vec::IntoIter<(char, isize)> {
        decomposed(self, false).into_iter()
    }

    fn nfkd(self) -> std::vec::IntoIter<(char, isize)> {
        decomposed(self, true).into_iter()
    }

    fn nfc(self) -> std::vec::IntoIter<(char, isize)> {
        composed(decomposed(self, false)).into_iter()
    }

    fn nfkc(self) -> std::vec::IntoIter<(char, isize)> {
        composed(decomposed(self, true)).into_iter()
    }
}

// The Hangul syllables and the jamo they are made of (Unicode 9, section 3.12).
const S_BASE: u32 = 0xac00;
const L_BASE: u32 = 0x1100;
const V_BASE: u32 = 0x1161;
const T_BASE: u32 = 0x11a7;
const L_COUNT: u32 = 19;
const V_COUNT: u32 = 21;
const T_COUNT: u32 = 28;
const S_COUNT: u32 = L_COUNT * V_COUNT * T_COUNT;

/// `text` decomposed and in canonical order.
fn decomposed(text: &str, compatible: bool) -> Vec<(char, isize)> {
    let mut chars: Vec<(char, isize)> = Vec::with_capacity(text.len());
    // Where those begin that may still change places: behind the last that is no mark.
    let mut pending = 0;
    for c in text.chars() {
        let first = chars.len();
        if c.is_ascii() {
            chars.push((c, 0));
        } else if let Some(syllable) = u32::from(c).checked_sub(S_BASE).filter(|s| *s < S_COUNT) {
            let (lv, trailing) = (syllable / T_COUNT, syllable % T_COUNT);
            let jamo = [L_BASE + lv / V_COUNT, V_BASE + lv % V_COUNT, T_BASE + trailing];
            let count = if trailing == 0 { 2 } else { 3 };
            chars.extend(jamo[..count].iter().filter_map(|&jamo| Some((char::from_u32(jamo)?, 1))));
        } else {
            match tables::decomposition(c, compatible) {
                Some(parts) => chars.extend(parts.iter().map(|&part| (part, 1))),
                None => chars.push((c, 1)),
            }
        }
        chars[first].1 = 0;
        for at in first..chars.len() {
            if tables::combining_class(chars[at].0) == 0 {
                order(&mut chars[pending..at]);
                pending = at;
            }
        }
    }
    order(&mut chars[pending..]);
    chars
}

/// Sorts marks by their class; those of one class keep their order.
fn order(marks: &mut [(char, isize)]) {
    if marks.len() > 1 {
        marks.sort_by_key(|(c, _)| tables::combining_class(*c));
    }
}

/// What is decomposed, with every pair composed that can be and has nothing in between that blocks it.
fn composed(decomposed: Vec<(char, isize)>) -> Vec<(char, isize)> {
    let mut chars: Vec<(char, isize)> = Vec::with_capacity(decomposed.len());
    // The last that is no mark, and the class of the last mark behind it that was left.
    let (mut starter, mut last_class) = (None, None);
    for (c, change) in decomposed {
        let class = tables::combining_class(c);
        let Some(at) = starter else {
            starter = (class == 0).then_some(chars.len());
            chars.push((c, change));
            continue;
        };
        let blocked = last_class.is_some_and(|last| last >= class);
        let (before, changed): (char, isize) = chars[at];
        if let (false, Some(both)) = (blocked, compose(before, c)) {
            chars[at] = (both, changed + change - 1);
            continue;
        }
        if class == 0 {
            (starter, last_class) = (Some(chars.len()), None);
        } else {
            last_class = Some(class);
        }
        chars.push((c, change));
    }
    chars
}

fn compose(a: char, b: char) -> Option<char> {
    let (l, v, t) = (
        u32::from(a).wrapping_sub(L_BASE),
        u32::from(b).wrapping_sub(V_BASE),
        u32::from(b).wrapping_sub(T_BASE),
    );
    if l < L_COUNT && v < V_COUNT {
        return char::from_u32(S_BASE + (l * V_COUNT + v) * T_COUNT);
    }
    let syllable = u32::from(a).wrapping_sub(S_BASE);
    if syllable < S_COUNT && syllable % T_COUNT == 0 && (1..T_COUNT).contains(&t) {
        return char::from_u32(u32::from(a) + t);
    }
    tables::composition(a, b)
}
