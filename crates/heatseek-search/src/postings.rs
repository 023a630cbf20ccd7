//! Where a word occurs.

/// The chunks that have a word, in ascending order, and how often: two bytes for most of them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Postings {
    /// All but the last chunk: the distance from the one before, doubled, plus 1 if the word occurs once; else how often
    /// follows. Numbers are of 7 bits a byte, the lowest first, with the eighth bit where more follow.
    packed: Vec<u8>,
    /// One more than the last in `packed`.
    packed_end: u32,
    last: u32,
    /// How often it occurs in the last; 0 if there is none.
    frequency: u32,
}

impl Postings {
    /// Adds an occurrence in `chunk`, which is none before the last.
    pub fn add(&mut self, chunk: u32, times: u32) {
        if self.frequency > 0 && self.last == chunk {
            self.frequency += times;
            return;
        }
        if self.frequency > 0 {
            let distance = u64::from(self.last - self.packed_end) << 1;
            if self.frequency == 1 {
                self.push(distance | 1);
            } else {
                self.push(distance);
                self.push(self.frequency.into());
            }
            self.packed_end = self.last + 1;
        }
        (self.last, self.frequency) = (chunk, times);
    }

    /// Every chunk that has the word, and how often.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> {
        let (mut rest, mut end) = (&self.packed[..], 0);
        let packed = std::iter::from_fn(move || {
            let header = pull(&mut rest)?;
            let chunk = end + (header >> 1) as u32;
            end = chunk + 1;
            Some((chunk, if header & 1 == 1 { 1 } else { pull(&mut rest)? as u32 }))
        });
        packed.chain((self.frequency > 0).then_some((self.last, self.frequency)))
    }

    fn push(&mut self, mut number: u64) {
        while number > 0x7f {
            self.packed.push(number as u8 | 0x80);
            number >>= 7;
        }
        self.packed.push(number as u8);
    }
}

fn pull(bytes: &mut &[u8]) -> Option<u64> {
    let (mut number, mut shift) = (0, 0);
    loop {
        let (&byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7f) << shift;
        shift += 7;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
}

#[cfg(test)]
mod tests {
    use heatseek_testkit::random;

    use super::*;

    #[test]
    fn gives_what_was_added() {
        assert_eq!(Postings::default().iter().count(), 0);
        for first in [0, 1, 63, 64, 1 << 31] {
            let (mut postings, mut expected, mut chunk) = (Postings::default(), Vec::new(), first);
            for r in random(u64::from(first), 300) {
                let frequency = 1 + (r >> 32 & 0xff) as u32 * u32::from(r & 3 == 0);
                // One by one and at once are the same.
                if r & 4 == 0 {
                    postings.add(chunk, frequency);
                } else {
                    (0..frequency).for_each(|_| postings.add(chunk, 1));
                }
                expected.push((chunk, frequency));
                assert_eq!(postings.iter().last(), expected.last().copied());
                chunk += 1 + (r >> 8 & 0x3fff) as u32 * u32::from(r & 8 == 0);
            }
            assert_eq!(postings.iter().collect::<Vec<_>>(), expected);
        }
        let mut postings = Postings::default();
        postings.add(0, u32::MAX);
        postings.add(u32::MAX, 2);
        assert_eq!(postings.iter().collect::<Vec<_>>(), [(0, u32::MAX), (u32::MAX, 2)]);
    }
}
