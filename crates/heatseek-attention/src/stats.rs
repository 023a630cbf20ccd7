//! Where heads look, in a few numbers (Clark et al., "What Does BERT Look At?", 2019).

use crate::Map;

/// Numbers of one head; all but the entropy are shares of attention.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct HeadStats {
    /// Mean over tokens of the entropy of what they looked at, in nats: 0 where each looks at one token,
    /// `ln(tokens)` where all look at all alike.
    pub entropy: f64,
    /// What the special or prefix tokens got.
    pub special: f64,
    /// What tokens gave to the one before them; the first has none and does not count.
    pub previous: f64,
    /// What tokens gave to themselves.
    pub current: f64,
    /// What tokens gave to the next; the last has none and does not count.
    pub next: f64,
}

/// The numbers of `map`, whose tokens are `special` or not; tokens beyond its end are not. `tokens²` steps.
pub fn head_stats(map: Map<'_>, special: &[bool]) -> HeadStats {
    let tokens = map.tokens();
    let mut stats = HeadStats::default();
    for (query, row) in map.rows().enumerate() {
        for &a in row.iter().filter(|&&a| a > 0.0) {
            stats.entropy -= f64::from(a) * f64::from(a).ln();
        }
        let of_special = row.iter().zip(special).filter(|(_, special)| **special);
        stats.special += of_special.map(|(&a, _)| f64::from(a)).sum::<f64>();
        stats.current += f64::from(row[query]);
        stats.previous += query.checked_sub(1).map_or(0.0, |before| f64::from(row[before]));
        stats.next += row.get(query + 1).map_or(0.0, |&a| f64::from(a));
    }
    let (all, pairs) = (tokens.max(1) as f64, tokens.saturating_sub(1).max(1) as f64);
    HeadStats {
        entropy: stats.entropy / all,
        special: stats.special / all,
        previous: stats.previous / pairs,
        current: stats.current / all,
        next: stats.next / pairs,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stats(values: &[f32], tokens: usize, special: &[bool]) -> HeadStats {
        head_stats(Map::new(values, tokens).unwrap(), special)
    }

    fn shifted(tokens: usize, by: isize) -> Vec<f32> {
        let looks = |place: usize| (place / tokens).checked_add_signed(by) == Some(place % tokens);
        (0..tokens * tokens).map(|place| if looks(place) { 1.0 } else { 0.0 }).collect()
    }

    #[test]
    fn entropy_is_that_of_the_even_and_of_the_sharp() {
        let even = stats(&[0.2; 25], 5, &[]);
        assert!((even.entropy - 5f64.ln()).abs() < 1e-6);
        assert_eq!(stats(&shifted(5, 0), 5, &[]).entropy, 0.0);
    }

    #[test]
    fn a_head_of_one_offset_scores_one() {
        let before = stats(&shifted(5, -1), 5, &[]);
        assert_eq!((before.previous, before.current, before.next), (1.0, 0.0, 0.0));
        let itself = stats(&shifted(5, 0), 5, &[]);
        assert_eq!((itself.previous, itself.current, itself.next), (0.0, 1.0, 0.0));
        let after = stats(&shifted(5, 1), 5, &[]);
        assert_eq!((after.previous, after.current, after.next), (0.0, 0.0, 1.0));
    }

    #[test]
    fn special_tokens_are_those_named() {
        let map = [0.5, 0.25, 0.25, 0.25, 0.5, 0.25, 0.0, 0.0, 1.0];
        let found = stats(&map, 3, &[true, false, true]);
        assert!((found.special - (0.75 + 0.5 + 1.0) / 3.0).abs() < 1e-12);
    }

    #[test]
    fn no_token_and_one_token_are_sound() {
        assert_eq!(stats(&[], 0, &[]), HeadStats::default());
        assert_eq!(stats(&[1.0], 1, &[true]), HeadStats { special: 1.0, current: 1.0, ..Default::default() });
    }
}
