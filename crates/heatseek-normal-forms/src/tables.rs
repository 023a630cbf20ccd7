//! What Unicode says of characters, as `against/` writes it down.

use std::sync::LazyLock;

/// Lists of numbers, each of 7 bits a byte, the lowest first, with the eighth bit where more follow:
/// - decompositions, their count first: how far the character is behind the one before, the kind plus 4 times how many
///   parts it has, and the parts. The kind is `CANONICAL`, `COMPOSES` or, where the compatibility decomposition is
///   another one, 2: a character may be there twice;
/// - characters of a combining class: how far the run is behind the last, its length, the class;
/// - marks: how far the run is behind the last, its length.
const PACKED: &[u8] = include_bytes!("tables.bin");

/// Decomposed canonically, but never composed.
const CANONICAL: u32 = 0;
/// Decomposed canonically, and composed.
const COMPOSES: u32 = 1;

static TABLES: LazyLock<Tables> = LazyLock::new(|| Tables::read(PACKED));

/// Sorted by character all of them.
#[derive(Default)]
struct Tables {
    canonical: Decompositions,
    compatible: Decompositions,
    /// Both halves, and what they are composed to.
    compositions: Vec<([char; 2], char)>,
    /// First and last of a run, and its class.
    classes: Vec<(char, char, u8)>,
    /// First and last of a run.
    marks: Vec<(char, char)>,
}

/// Characters and where their parts begin; they end where the next one's begin.
#[derive(Default)]
struct Decompositions {
    of: Vec<(char, usize)>,
    parts: Vec<char>,
}

impl Decompositions {
    fn get(&self, c: char) -> Option<&[char]> {
        let at = self.of.binary_search_by_key(&c, |(of, _)| *of).ok()?;
        let end = self.of.get(at + 1).map_or(self.parts.len(), |(_, start)| *start);
        Some(&self.parts[self.of[at].1..end])
    }
}

/// Numbers in `PACKED`.
struct Numbers<'a>(&'a [u8]);

impl Numbers<'_> {
    fn next(&mut self) -> u32 {
        let (mut value, mut shift) = (0, 0);
        while let Some((&byte, rest)) = self.0.split_first() {
            self.0 = rest;
            value |= u32::from(byte & 0x7f) << shift;
            shift += 7;
            if byte & 0x80 == 0 {
                break;
            }
        }
        value
    }

    fn char(&mut self, offset: u32) -> char {
        char::from_u32(offset + self.next()).unwrap_or_default()
    }

    /// The next run behind `end`.
    fn run(&mut self, end: &mut u32) -> (char, char) {
        let first = self.char(*end);
        *end = u32::from(first) + self.next();
        (first, char::from_u32(*end).unwrap_or_default())
    }
}

impl Tables {
    fn read(packed: &[u8]) -> Self {
        let mut numbers = Numbers(packed);
        let mut tables = Self::default();
        let mut c = '\0';
        let mut composed = Vec::new();
        for _ in 0..numbers.next() {
            c = numbers.char(u32::from(c));
            let header = numbers.next();
            let kind = header % 4;
            let list = if matches!(kind, CANONICAL | COMPOSES) {
                &mut tables.canonical
            } else {
                &mut tables.compatible
            };
            list.of.push((c, list.parts.len()));
            list.parts.extend((0..header / 4).map(|_| numbers.char(0)));
            if kind == COMPOSES {
                composed.push(c);
            }
        }
        // What is composed has one part more than another that is composed, or two.
        let parts_of = |c: &char| tables.canonical.get(*c);
        composed.sort_unstable_by(|a, b| parts_of(a).cmp(&parts_of(b)));
        let whole = |parts: &[char]| match *parts {
            [part] => Some(part),
            _ => composed.binary_search_by(|c| parts_of(c).cmp(&Some(parts))).ok().map(|at| composed[at]),
        };
        let halves = |&c: &char| {
            let (last, first) = parts_of(&c)?.split_last()?;
            Some(([whole(first)?, *last], c))
        };
        tables.compositions = composed.iter().filter_map(halves).collect();
        tables.compositions.sort_unstable();
        let mut end = 0;
        for _ in 0..numbers.next() {
            let (first, last) = numbers.run(&mut end);
            tables.classes.push((first, last, numbers.next() as u8));
        }
        end = 0;
        tables.marks = (0..numbers.next()).map(|_| numbers.run(&mut end)).collect();
        tables
    }
}

/// What `c` is decomposed to in full, if it is; no Hangul.
pub fn decomposition(c: char, compatible: bool) -> Option<&'static [char]> {
    // The first that is decomposed is the no-break space.
    if c < '\u{a0}' {
        return None;
    }
    let compatible = compatible.then(|| TABLES.compatible.get(c)).flatten();
    compatible.or_else(|| TABLES.canonical.get(c))
}

/// What `a` and `b` are composed to, if they are; no Hangul.
pub fn composition(a: char, b: char) -> Option<char> {
    let at = TABLES.compositions.binary_search_by_key(&[a, b], |(halves, _)| *halves).ok()?;
    Some(TABLES.compositions[at].1)
}

/// Where marks stand at a character: 0 for all that are none.
pub fn combining_class(c: char) -> u8 {
    // The first mark is the grave accent.
    if c < '\u{300}' {
        return 0;
    }
    let at = TABLES.classes.partition_point(|(_, last, _)| *last < c);
    TABLES.classes.get(at).filter(|(first, ..)| *first <= c).map_or(0, |(.., class)| *class)
}

/// Whether `c` is a mark (general category M).
pub fn is_combining_mark(c: char) -> bool {
    let at = TABLES.marks.partition_point(|(_, last)| *last < c);
    TABLES.marks.get(at).is_some_and(|(first, _)| *first <= c)
}
