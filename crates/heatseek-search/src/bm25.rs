//! Keyword search: BM25 over texts.
//!
//! Why not a crate: `bm25` 2.3.2 holds the average length at what it was when its embedder was made, so that scores
//! after additions and removals are others than those of the same texts indexed at once, and sorts all matches without
//! a filter; `tantivy` and the like are search engines of megabytes.

use std::collections::HashMap;

use foldhash::fast::RandomState;

use crate::postings::Postings;
use crate::words::for_each_word;
use crate::{RankingError, Scored, TopK};

/// How texts are read and scored.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TextOptions {
    /// How much a word counts that occurs again: at 0 only whether it is there, and the higher, the more. 0 or more;
    /// 1.2 is what Lucene takes.
    pub k1: f32,
    /// How much long texts are held to repeat themselves: 0 not at all, 1 in full. 0.75 is what Lucene takes.
    pub b: f32,
    /// Whether accents do not count: see [`words`](crate::words).
    pub fold_accents: bool,
}

impl Default for TextOptions {
    fn default() -> Self {
        Self { k1: 1.2, b: 0.75, fold_accents: false }
    }
}

/// What a word of a query gave to a text's score.
#[derive(Clone, Debug, PartialEq)]
pub struct WordScore {
    /// The word, as [`words`](crate::words) gives it.
    pub word: String,
    /// How often the text has it.
    pub frequency: u32,
    /// How many texts have it.
    pub texts: usize,
    /// Its part of the score.
    pub score: f32,
}

/// Texts by id, found by the [`words`](crate::words) they share with a query.
///
/// A text scores the sum over the query's words `w`, as often as the query has them, of
/// `ln(1 + (N − n + ½) / (n + ½)) · f / (f + k1 · (1 − b + b · L / mean L))`, where the text has `w` `f` times among its
/// `L` words, and `n` of the `N` texts have `w`. That is BM25 as Lucene has had it since version 8 (LUCENE-8563), with
/// exact lengths where Lucene rounds them to a byte: "Lucene (accurate)" of Kamphuis et al., "Which BM25 Do You Mean?",
/// 2020. Its first factor is never negative; Robertson's further factor `k1 + 1` would change no order.
///
/// Adding, replacing and removing in any order leaves scores as if only the texts that are left had been added.
#[derive(Clone, Debug)]
pub struct TextIndex {
    options: TextOptions,
    /// The standard library's hash would make adding a tenth slower.
    words: HashMap<Box<str>, Postings, RandomState>,
    /// Each added text, in order, also those removed since.
    texts: Vec<Text>,
    places: HashMap<u64, usize>,
    /// Words of all texts that are not removed.
    total_len: u64,
}

#[derive(Clone, Copy, Debug)]
struct Text {
    id: u64,
    /// In words.
    len: u32,
    removed: bool,
}

impl Default for TextIndex {
    /// An empty one with the options that Lucene takes.
    fn default() -> Self {
        Self::of(TextOptions::default())
    }
}

impl TextIndex {
    /// An empty index.
    ///
    /// # Errors
    /// [`RankingError::Setting`] if `k1` is negative or `b` is not 0 to 1.
    pub fn new(options: TextOptions) -> Result<Self, RankingError> {
        RankingError::check("k1", options.k1, f32::MAX, "a number of 0 or more")?;
        RankingError::check("b", options.b, 1.0, "a number from 0 to 1")?;
        Ok(Self::of(options))
    }

    fn of(options: TextOptions) -> Self {
        let (words, texts, places) = (HashMap::default(), Vec::new(), HashMap::new());
        Self { options, words, texts, places, total_len: 0 }
    }

    /// How texts are read and scored.
    pub fn options(&self) -> TextOptions {
        self.options
    }

    /// Texts held.
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it holds none.
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// Whether it holds a text of this id.
    pub fn contains(&self, id: u64) -> bool {
        self.places.contains_key(&id)
    }

    /// Adds `text`, or replaces the one that has this id. One without words counts as a text that nothing finds. The
    /// text itself is not kept.
    pub fn add(&mut self, id: u64, text: &str) {
        self.remove(id);
        let (place, mut len) = (self.texts.len(), 0);
        for_each_word(text, self.options.fold_accents, &mut |word| {
            match self.words.get_mut(word) {
                Some(postings) => postings.add(place as u32, 1),
                None => self.words.entry(word.into()).or_default().add(place as u32, 1),
            }
            len += 1;
        });
        self.texts.push(Text { id, len, removed: false });
        self.places.insert(id, place);
        self.total_len += u64::from(len);
    }

    /// Removes the text that has this id; `false` if there is none. What it took is given back once half of all texts
    /// have been removed.
    pub fn remove(&mut self, id: u64) -> bool {
        let Some(place) = self.places.remove(&id) else { return false };
        let text = &mut self.texts[place];
        text.removed = true;
        self.total_len -= u64::from(text.len);
        if self.texts.len() > 2 * self.places.len() {
            self.compact();
        }
        true
    }

    /// The best `k` of the texts whose ids `allow` accepts (`None`: all) and that have a word of `query`, best first, ties by ascending
    /// id; fewer if there are fewer. All texts count in what a word is worth, also those not allowed: a filter changes
    /// no score.
    ///
    /// Costs one pass over the texts that have each word, and one over all. `allow` is asked only for texts that would be
    /// among the best so far.
    pub fn search(&self, query: &str, k: usize, allow: Option<&dyn Fn(u64) -> bool>) -> Vec<Scored> {
        let (mut scores, mut hits) = (vec![0.0; self.texts.len()], Vec::new());
        for_each_word(query, self.options.fold_accents, &mut |word| {
            self.hits(word, &mut hits);
            let weight = self.weight(hits.len());
            for &(place, frequency) in &hits {
                scores[place as usize] += weight * self.saturation(place as usize, frequency);
            }
        });
        let mut top = TopK::new(k);
        for (text, score) in self.texts.iter().zip(scores) {
            let hit = Scored { id: text.id, score: score as f32 };
            let wanted = score > 0.0 && top.would_keep(&hit);
            if wanted && allow.is_none_or(|allow| allow(text.id)) {
                top.offer(hit);
            }
        }
        top.into_sorted()
    }

    /// What each word of `query` that the text has gave to its score, as often and in the order as the query has them;
    /// nothing if there is no text of this id. Their sum is its score in [`search`](Self::search).
    pub fn explain(&self, query: &str, id: u64) -> Vec<WordScore> {
        let Some(&place) = self.places.get(&id) else { return Vec::new() };
        let (mut hits, mut given) = (Vec::new(), Vec::new());
        for_each_word(query, self.options.fold_accents, &mut |word| {
            self.hits(word, &mut hits);
            if let Ok(at) = hits.binary_search_by_key(&(place as u32), |(place, _)| *place) {
                let (word, frequency, texts) = (word.to_owned(), hits[at].1, hits.len());
                let score = (self.weight(texts) * self.saturation(place, frequency)) as f32;
                given.push(WordScore { word, frequency, texts, score });
            }
        });
        given
    }

    /// Puts into `hits` the places of all texts that have `word`, ascending, and how often.
    fn hits(&self, word: &str, hits: &mut Vec<(u32, u32)>) {
        hits.clear();
        let all = self.words.get(word).into_iter().flat_map(Postings::iter);
        hits.extend(all.filter(|(place, _)| !self.texts[*place as usize].removed));
    }

    /// What a word is worth that `texts` have.
    fn weight(&self, texts: usize) -> f64 {
        let (all, having) = (self.len() as f64, texts as f64);
        (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
    }

    /// What of a word's worth its frequency in a text earns, 0 to 1.
    fn saturation(&self, place: usize, frequency: u32) -> f64 {
        let (k1, b) = (f64::from(self.options.k1), f64::from(self.options.b));
        let mean = self.total_len as f64 / self.len() as f64;
        let relative = f64::from(self.texts[place].len) / mean;
        let frequency = f64::from(frequency);
        frequency / (frequency + k1 * (1.0 - b + b * relative))
    }

    /// Forgets removed texts, and words that no other has.
    fn compact(&mut self) {
        let mut left = 0;
        let moved: Vec<Option<u32>> = self
            .texts
            .iter()
            .map(|text| {
                left += u32::from(!text.removed);
                (!text.removed).then(|| left - 1)
            })
            .collect();
        self.words.retain(|_, postings| {
            let mut kept = Postings::default();
            for (place, frequency) in postings.iter() {
                if let Some(place) = moved[place as usize] {
                    kept.add(place, frequency);
                }
            }
            *postings = kept;
            postings.iter().next().is_some()
        });
        self.words.shrink_to_fit();
        self.texts.retain(|text| !text.removed);
        self.places = self.texts.iter().zip(0..).map(|(text, place)| (text.id, place)).collect();
    }
}
