//! Searches of random corpora against their definition: a plain one, of whole lists that are sorted, filtered first and
//! counted out. Where a list is cut it says where.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::path::PathBuf;

use heatseek::{
    ChunkOptions, DeviceChoice, Document, EmbedOptions, Filter, Fusion, Hybrid, Index, IndexOptions,
    IndexSearch, LoadOptions, Metric, Model, ModelFiles, NoControl, block_on,
};
use heatseek_testkit::{cosine, random};
use serde_json::{Value, json};

const DOCUMENTS: usize = 300;
const WORDS: [&str; 16] = [
    "bees", "honey", "hive", "find", "finds", "how", "way", "home", "sun", "sky", "light", "fly", "flies",
    "dance", "field", "flower",
];
const TAGS: [&str; 5] = ["bee", "sky", "home", "way", "sun"];
/// The second has a word twice, the third none that a passage has.
const QUERIES: [&str; 3] = ["bees dance in the sun", "honey, honey of the Hive", "xylophone"];
/// What either list of a hybrid search has at least: see `IndexSearch::hybrid`.
const FUSED: usize = 100;
/// How many times as long they become while too few hits are left of them.
const WIDER: usize = 4;
/// More than the error of a sum of 32 products of f32.
const TOLERANCE: f64 = 1e-5;

/// A passage, by the order in which they were added.
struct Passage {
    id: String,
    start: usize,
    metadata: Value,
    words: Vec<String>,
}

/// What a filter says, of a document's metadata.
type Meets = fn(&Value) -> bool;

/// A hit: which passage, and its score.
type Ranked = Vec<(usize, f32)>;

fn model() -> Model {
    let dir = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/models/bert-no-st");
    let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
    block_on(Model::load(ModelFiles::from_dir(&dir).unwrap(), options, &NoControl)).unwrap()
}

/// Documents of one to five sentences, of which some are changed and every `kept`th is left.
fn corpus(model: &Model, metric: Metric, seed: u64, kept: usize) -> Index {
    let mut numbers = random(seed, 1 << 15).into_iter();
    let mut below = |end: usize| (numbers.next().unwrap() >> 20) as usize % end;
    let mut document = |id: usize| {
        let mut text = String::new();
        for _ in 0..=below(5) {
            let words: Vec<&str> = (0..2 + below(4)).map(|_| WORDS[below(WORDS.len())]).collect();
            let sentence = words.join(" ");
            let (first, rest) = sentence.split_at(1);
            text += &format!("{}{rest}. ", first.to_uppercase());
        }
        let metadata = json!({ "year": 2000 + below(20), "tag": TAGS[below(TAGS.len())] });
        Document { id: id.to_string(), text, metadata }
    };
    let options = ChunkOptions { tokens: 40, sentences: Some(1), overlap: 0, ..ChunkOptions::default() };
    let mut index = Index::new(model, IndexOptions { metric, ..IndexOptions::default() }).unwrap();
    let all = (0..DOCUMENTS).map(&mut document).collect();
    block_on(index.add(model, all, Some(options), &NoControl)).unwrap();
    // What words were read before it is changed.
    let by_words = IndexSearch { hybrid: Some(Hybrid::default()), ..IndexSearch::default() };
    found(&index, model, QUERIES[0], &by_words);
    (0..DOCUMENTS).filter(|id| id % kept != 0).for_each(|id| assert!(index.remove(&id.to_string())));
    let some = (0..DOCUMENTS).step_by(7).map(&mut document).collect();
    block_on(index.add(model, some, Some(options), &NoControl)).unwrap();
    index
}

fn found(index: &Index, model: &Model, query: &str, options: &IndexSearch<'_>) -> Vec<(String, usize, f32)> {
    let hits = block_on(index.search(model, query, options, &NoControl)).unwrap();
    hits.into_iter().map(|hit| (hit.id, hit.chunk.start, hit.score)).collect()
}

/// All passages that a search finds which leaves none out, and what model's vectors say of them and `query`, in f64.
fn passages(index: &Index, model: &Model, metric: Metric, query: &str) -> (Vec<Passage>, Vec<f64>) {
    let everything = IndexSearch { top_k: usize::MAX, ..IndexSearch::default() };
    let hits = block_on(index.search(model, query, &everything, &NoControl)).unwrap();
    assert_eq!(hits.len(), index.len());
    let places: HashMap<String, usize> = index.iter().map(|document| document.id.clone()).zip(0..).collect();
    let mut chunks: Vec<_> =
        hits.into_iter().map(|hit| (places[&hit.id], hit.chunk, hit.id, hit.document.metadata)).collect();
    chunks.sort_by_key(|(place, chunk, ..)| (*place, chunk.start));
    let texts: Vec<&str> = chunks.iter().map(|(_, chunk, ..)| &chunk.text[..]).collect();
    let vectors = block_on(model.embed(&texts, &EmbedOptions::default(), &NoControl)).unwrap();
    let asked = block_on(model.embed(&[query], &EmbedOptions::default(), &NoControl)).unwrap();
    let compared = (0..texts.len()).map(|at| compare(metric, vectors.row(at), asked.row(0))).collect();
    let split = |text: &str| {
        let words = text.split(|c: char| !c.is_alphanumeric()).filter(|word| !word.is_empty());
        words.map(str::to_lowercase).collect()
    };
    let passages = chunks.iter().map(|(_, chunk, id, metadata)| Passage {
        id: id.clone(),
        start: chunk.start,
        metadata: metadata.clone(),
        words: split(&chunk.text),
    });
    (passages.collect(), compared)
}

fn compare(metric: Metric, a: &[f32], b: &[f32]) -> f64 {
    let pairs = a.iter().zip(b).map(|(&a, &b)| (f64::from(a), f64::from(b)));
    match metric {
        Metric::Cosine => cosine(a, b),
        Metric::Dot => pairs.map(|(a, b)| a * b).sum(),
        Metric::Euclidean => -pairs.map(|(a, b)| (a - b) * (a - b)).sum::<f64>().sqrt(),
    }
}

/// Best first, equal ones in the order they were added.
fn sorted(mut all: Ranked) -> Ranked {
    all.sort_by(|a, b| match b.1.total_cmp(&a.1) {
        Ordering::Equal => a.0.cmp(&b.0),
        order => order,
    });
    all
}

/// BM25 by its formula: see `TextIndex`.
fn by_words(passages: &[Passage], query: &str) -> Ranked {
    let (k1, b) = (f64::from(1.2f32), 0.75);
    let all = passages.len() as f64;
    let mean = passages.iter().map(|passage| passage.words.len()).sum::<usize>() as f64 / all;
    let times =
        |passage: &Passage, word: &str| passage.words.iter().filter(|own| *own == word).count() as f64;
    let query = query.to_lowercase();
    let asked: Vec<&str> = query.split(|c: char| !c.is_alphanumeric()).filter(|w| !w.is_empty()).collect();
    let score = |passage: &Passage| -> f64 {
        let part = |word: &str| {
            let having = passages.iter().filter(|other| times(other, word) > 0.0).count() as f64;
            let (times, length) = (times(passage, word), passage.words.len() as f64);
            (1.0 + (all - having + 0.5) / (having + 0.5)).ln()
                * (times / (times + k1 * (1.0 - b + b * (length / mean))))
        };
        asked.iter().map(|word| part(word)).sum()
    };
    let scored = passages.iter().map(|passage| score(passage) as f32).enumerate();
    sorted(scored.filter(|(_, score)| *score > 0.0).collect())
}

/// Both lists as one.
fn fused(meaning: &[(usize, f32)], words: &[(usize, f32)], Hybrid { fusion, weight }: Hybrid) -> Ranked {
    let parts = |list: &[(usize, f32)], weight: f32| -> HashMap<usize, f64> {
        let scores = || list.iter().map(|(_, score)| f64::from(*score));
        let (low, high) = (scores().fold(f64::MAX, f64::min), scores().fold(f64::MIN, f64::max));
        let part = |at: usize, score: f64| match fusion {
            Fusion::ReciprocalRank { k } => 1.0 / (f64::from(k) + at as f64 + 1.0),
            Fusion::ScoreSum if high == low => 1.0,
            Fusion::ScoreSum => (score - low) / (high - low),
        };
        let of = |(at, (id, score)): (usize, &(usize, f32))| {
            (*id, f64::from(weight) * part(at, f64::from(*score)))
        };
        list.iter().enumerate().map(of).collect()
    };
    let (meaning, words) = (parts(meaning, 1.0 - weight), parts(words, weight));
    let ids: std::collections::BTreeSet<usize> = meaning.keys().chain(words.keys()).copied().collect();
    let sum = |id: usize| meaning.get(&id).unwrap_or(&0.0) + words.get(&id).unwrap_or(&0.0);
    sorted(ids.into_iter().map(|id| (id, sum(id) as f32)).collect())
}

/// What a search is asked for, with the filter as a function too.
struct Asked<'a> {
    options: IndexSearch<'a>,
    meets: Meets,
}

/// What it has to find, of lists of which `first` are fused, or more if too few are left; and how long they were.
fn expected(
    passages: &[Passage],
    (meaning, words): (&Ranked, &Ranked),
    Asked { options, meets }: &Asked<'_>,
    first: usize,
) -> (Ranked, usize) {
    let met = |list: &Ranked| -> Ranked {
        list.iter().filter(|(id, _)| meets(&passages[*id].metadata)).copied().collect()
    };
    let (meaning, words) = (met(meaning), met(words));
    let cut = |list: &Ranked, length: usize| list[..list.len().min(length)].to_vec();
    let mut length = first;
    loop {
        let mut hits = match options.hybrid {
            None => meaning.clone(),
            Some(hybrid) => fused(&cut(&meaning, length), &cut(&words, length), hybrid),
        };
        if let Some(most) = options.per_document {
            let mut counts: HashMap<&str, usize> = HashMap::new();
            hits.retain(|(id, _)| {
                let count = counts.entry(&passages[*id].id).or_default();
                *count += 1;
                *count <= most
            });
        }
        if hits.len() < options.top_k && length < meaning.len() {
            length *= WIDER;
            continue;
        }
        hits.retain(|(_, score)| options.threshold.is_none_or(|least| *score >= least));
        return (cut(&hits, options.top_k), length);
    }
}

/// Every combination of what a search can be asked for.
fn questions() -> Vec<Asked<'static>> {
    let filters: [(Value, Meets); 4] = [
        (json!({}), |_| true),
        (json!({"year": {"$gte": 2005}}), |of| of["year"].as_u64() >= Some(2005)),
        (json!({"tag": {"$in": ["bee", "way"]}, "year": {"$lt": 2012}}), |of| {
            (of["tag"] == "bee" || of["tag"] == "way") && of["year"].as_u64() < Some(2012)
        }),
        (json!({"year": 1999}), |of| of["year"] == 1999),
    ];
    let rank = |k, weight| Some(Hybrid { fusion: Fusion::ReciprocalRank { k }, weight });
    let sum = |weight| Some(Hybrid { fusion: Fusion::ScoreSum, weight });
    let kinds = [None, rank(60.0, 0.5), rank(0.0, 0.3), sum(0.5), sum(0.0), sum(1.0)];
    let mut all = Vec::new();
    for top_k in [1, 10, 70, 150, 2000] {
        for (json, meets) in &filters {
            for hybrid in kinds {
                for per_document in [None, Some(1), Some(2)] {
                    let filter = (json != &json!({})).then(|| Filter::parse(json).unwrap());
                    let options =
                        IndexSearch { top_k, filter, hybrid, per_document, ..IndexSearch::default() };
                    all.push(Asked { options, meets: *meets });
                }
            }
        }
    }
    all
}

#[test]
fn a_search_finds_what_its_definition_says() {
    let model = model();
    // Lists that were fused longer than at first, and searches that longer lists would have answered otherwise.
    let (mut widened, mut cut) = (0, 0);
    for (metric, seed, kept) in [(Metric::Cosine, 1, 1), (Metric::Dot, 2, 2), (Metric::Euclidean, 3, 3)] {
        let index = corpus(&model, metric, seed, kept);
        for query in QUERIES {
            let (passages, exact) = passages(&index, &model, metric, query);
            let numbers: HashMap<(&str, usize), usize> =
                passages.iter().map(|passage| (&passage.id[..], passage.start)).zip(0..).collect();
            let ranked = |options: &IndexSearch<'_>| -> Ranked {
                let hits = found(&index, &model, query, options);
                hits.iter().map(|(id, start, score)| (numbers[&(&id[..], *start)], *score)).collect()
            };
            // Meaning alone and all of it is exact, but for the rounding of sums.
            let meaning = ranked(&IndexSearch { top_k: passages.len(), ..IndexSearch::default() });
            assert_eq!(meaning.len(), passages.len());
            assert_eq!(meaning, sorted(meaning.clone()), "{metric:?} {query}");
            for (id, score) in &meaning {
                let error = (f64::from(*score) - exact[*id]).abs();
                assert!(error <= TOLERANCE * exact[*id].abs().max(1.0), "{metric:?} {query}: {error}");
            }
            // Whatever else is asked for follows from that, and from words.
            let words = by_words(&passages, query);
            for mut asked in questions() {
                let first = asked.options.top_k.max(FUSED);
                let (all, length) = expected(&passages, (&meaning, &words), &asked, first);
                widened += usize::from(asked.options.hybrid.is_some() && length > first);
                cut += usize::from(all != expected(&passages, (&meaning, &words), &asked, usize::MAX).0);
                // None, the score of a hit in the middle, and more than any has.
                let middle = all.get(all.len() / 2).map(|(_, score)| *score);
                for threshold in [None, middle, Some(f32::MAX)] {
                    asked.options.threshold = threshold;
                    let hits = ranked(&asked.options);
                    let wanted = expected(&passages, (&meaning, &words), &asked, first).0;
                    assert_eq!(hits, wanted, "{metric:?} {query} {:?}", asked.options);
                }
            }
        }
    }
    assert!(widened > 50 && cut > 50, "{widened} lists were made longer, {cut} searches saw that they end");
}
