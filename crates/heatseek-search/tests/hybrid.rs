//! Keyword search, vectors, filters, fusion and facets together on random corpora, against the definitions written down
//! plainly.

use std::collections::{BTreeMap, BTreeSet};

use heatseek_search::{
    Filter, FlatIndex, Fusion, Metric, Scored, SearchOptions, Storage, TextIndex, TextOptions, at_least,
    facets, fuse, group,
};
use heatseek_testkit::{cosine, random, values};
use serde_json::{Value, json};

const DIM: usize = 6;
const WORDS: [&str; 12] =
    ["bee", "Honey", "hive", "蜂", "蜂蜜", "Straße", "strasse", "café", "3.14", "танец", "the", "꿀벌"];

struct Chunk {
    id: u64,
    text: String,
    vector: Vec<f32>,
    metadata: Value,
}

/// Few words, values and directions, so that ties and empty results come up.
fn corpus(seed: u64, n: usize) -> Vec<Chunk> {
    let chances = random(seed, n * 16);
    (0..n)
        .map(|at| {
            let chance = &chances[at * 16..][..16];
            let text: Vec<&str> =
                chance[..chance[15] as usize % 9].iter().map(|r| WORDS[(*r % (*r >> 32) % 12) as usize]).collect();
            let tags: Vec<u64> = chance[9..11].iter().map(|r| r % 3).collect();
            let mut metadata = json!({ "year": 2018 + chance[11] % 5, "tags": tags, "by": { "name": format!("n{}", chance[12] % 3) } });
            if chance[13].is_multiple_of(4) {
                metadata.as_object_mut().unwrap().remove("year");
            }
            let vector = values(seed * 1000 + chance[14] % 20, DIM, 1.0);
            Chunk { id: (at as u64 * 7919) % 10_007, text: text.join(" "), vector, metadata }
        })
        .collect()
}

/// What a person would do by hand: each word its own list, Chinese and Korean taken apart.
fn plain_words(text: &str) -> Vec<&str> {
    text.split(' ')
        .flat_map(|word| match word {
            "Honey" => vec!["honey"],
            "Straße" => vec!["strasse"],
            "蜂蜜" => vec!["蜂", "蜜", "蜂蜜"],
            "꿀벌" => vec!["꿀", "벌", "꿀벌"],
            "" => vec![],
            word => vec![word],
        })
        .collect()
}

fn plain_bm25(chunks: &[Chunk], query: &str) -> BTreeMap<u64, f64> {
    let texts: Vec<Vec<&str>> = chunks.iter().map(|chunk| plain_words(&chunk.text)).collect();
    let mean = texts.iter().map(Vec::len).sum::<usize>() as f64 / texts.len() as f64;
    let mut scores = BTreeMap::new();
    for (chunk, text) in chunks.iter().zip(&texts) {
        for word in plain_words(query) {
            let having = texts.iter().filter(|other| other.contains(&word)).count() as f64;
            let frequency = text.iter().filter(|other| **other == word).count() as f64;
            if frequency > 0.0 {
                let idf = (1.0 + (texts.len() as f64 - having + 0.5) / (having + 0.5)).ln();
                let length = 1.2 * (0.25 + 0.75 * text.len() as f64 / mean);
                *scores.entry(chunk.id).or_insert(0.0) += idf * frequency / (frequency + length);
            }
        }
    }
    scores
}

fn year(chunk: &Chunk) -> Option<u64> {
    chunk.metadata["year"].as_u64()
}

fn has_tag(chunk: &Chunk, tag: u64) -> bool {
    chunk.metadata["tags"].as_array().unwrap().contains(&json!(tag))
}

fn is_by(chunk: &Chunk, name: &str) -> bool {
    chunk.metadata["by"]["name"] == name
}

type Plain = fn(&Chunk) -> bool;

fn filters() -> Vec<(Value, Plain)> {
    vec![
        (json!({}), |_| true),
        (json!({ "year": { "$gte": 2019, "$lt": 2022 } }), |c| {
            year(c).is_some_and(|y| (2019..2022).contains(&y))
        }),
        (json!({ "tags": 1, "by.name": { "$ne": "n2" } }), |c| has_tag(c, 1) && !is_by(c, "n2")),
        (
            json!({ "$or": [{ "by.name": { "$in": ["n0", "x"] } }, { "$not": { "tags": { "$nin": [0, 2] } } }] }),
            |c| is_by(c, "n0") || has_tag(c, 0) || has_tag(c, 2),
        ),
        (json!({ "year": { "$exists": false } }), |c| year(c).is_none()),
        (json!({ "year": 1 }), |_| false),
    ]
}

/// Best first, ties by id: the order that f32 gives, for a sum in another order may differ in f64.
fn ranked(scores: impl IntoIterator<Item = (u64, f64)>) -> Vec<Scored> {
    let mut all: Vec<Scored> =
        scores.into_iter().map(|(id, score)| Scored { id, score: score as f32 }).collect();
    all.sort_by(|a, b| b.score.partial_cmp(&a.score).unwrap().then(a.id.cmp(&b.id)));
    all
}

/// The same ids with nearly the same scores, in the same order but where scores are nearly the same.
fn assert_same(found: &[Scored], expected: &[Scored], what: &str) {
    let ids = |hits: &[Scored]| hits.iter().map(|hit| hit.id).collect::<BTreeSet<_>>();
    assert_eq!(found.len(), expected.len(), "{what}");
    assert_eq!(ids(found), ids(expected), "{what}");
    for (hit, other) in found.iter().zip(expected) {
        assert!((hit.score - other.score).abs() < 2e-6, "{what}: {hit:?} {other:?}");
        let own = expected.iter().find(|other| other.id == hit.id).unwrap();
        assert!((hit.score - own.score).abs() < 2e-6, "{what}: {hit:?} {own:?}");
    }
}

#[test]
fn all_that_a_search_does_agrees_with_the_definitions() {
    let mut found_something = [0; 6];
    for seed in 1..=24u64 {
        let chunks = corpus(seed, 1 + seed as usize * 4);
        let mut texts = TextIndex::new(TextOptions::default()).unwrap();
        let mut vectors = FlatIndex::new(DIM, Metric::Cosine, Storage::F32);
        for chunk in &chunks {
            texts.add(chunk.id, &chunk.text);
            vectors.add(chunk.id, &chunk.vector).unwrap();
        }
        let by_id: BTreeMap<u64, &Chunk> = chunks.iter().map(|chunk| (chunk.id, chunk)).collect();
        let query: Vec<&str> = random(seed + 500, 3).iter().map(|r| WORDS[(r % 12) as usize]).collect();
        let (query, asked) = (query.join(" "), values(seed + 900, DIM, 1.0));
        for (nth, (filter, plain)) in filters().into_iter().enumerate() {
            let what = format!("seed {seed}, {query}, {filter}");
            let filter = Filter::parse(&filter).unwrap();
            let allowed = |id: u64| filter.matches(&by_id[&id].metadata);

            let by_words = texts.search(&query, usize::MAX, Some(&allowed));
            let expected = plain_bm25(&chunks, &query).into_iter().filter(|(id, _)| plain(by_id[id]));
            let expected_by_words = ranked(expected);
            assert_same(&by_words, &expected_by_words, &what);

            let mut by_vectors = vectors.search(&asked, usize::MAX, &SearchOptions::default()).unwrap();
            by_vectors.retain(|hit| allowed(hit.id));
            let expected = chunks.iter().filter(|c| plain(c)).map(|c| (c.id, cosine(&c.vector, &asked)));
            assert_same(&by_vectors, &ranked(expected), &what);
            found_something[nth] += by_words.len();

            // What follows is compared for the lists as they were found: nearly equal hits may change places.
            let share = seed as f32 / 24.0;
            let lists = [(&by_words[..], share), (&by_vectors[..], 1.0 - share)];
            for (fusion, plain) in [
                (Fusion::default(), plain_ranks as fn(&[Scored], &Scored) -> f64),
                (Fusion::ScoreSum, plain_scores),
            ] {
                let mut sums = BTreeMap::<u64, f64>::new();
                for (hits, weight) in lists {
                    for hit in hits {
                        *sums.entry(hit.id).or_default() += f64::from(weight) * plain(hits, hit);
                    }
                }
                let fused = fuse(&lists, fusion, usize::MAX).unwrap();
                assert_same(&fused, &ranked(sums), &what);
                assert_eq!(fused, fuse(&lists, fusion, usize::MAX).unwrap(), "{what}");
                check_groups(&fused, &what);
            }
            check_facets(&chunks.iter().filter(|c| plain(c)).collect::<Vec<_>>(), &what);
        }
    }
    // Only the last finds nothing.
    assert!(
        found_something[..5].iter().all(|hits| *hits > 50) && found_something[5] == 0,
        "{found_something:?}"
    );
}

fn plain_ranks(hits: &[Scored], hit: &Scored) -> f64 {
    1.0 / (61.0 + hits.iter().position(|other| other == hit).unwrap() as f64)
}

fn plain_scores(hits: &[Scored], hit: &Scored) -> f64 {
    let scores: Vec<f64> = hits.iter().map(|hit| f64::from(hit.score)).collect();
    let lowest = scores.iter().copied().reduce(f64::min).unwrap();
    let highest = scores.iter().copied().reduce(f64::max).unwrap();
    if lowest == highest { 1.0 } else { (f64::from(hit.score) - lowest) / (highest - lowest) }
}

fn check_groups(fused: &[Scored], what: &str) {
    let document_of = |id: u64| id % 4;
    for group in group(fused, document_of, 2, 3) {
        let all = fused.iter().filter(|hit| document_of(hit.id) == group.document);
        assert_eq!(group.hits, all.copied().take(2).collect::<Vec<_>>(), "{what}");
    }
    let firsts: Vec<u64> = group(fused, document_of, 1, 9).iter().map(|group| group.hits[0].id).collect();
    let mut seen = BTreeSet::new();
    let expected: Vec<u64> =
        fused.iter().map(|hit| hit.id).filter(|id| seen.insert(document_of(*id))).collect();
    assert_eq!(firsts, expected, "{what}");
    if let Some(middle) = fused.get(fused.len() / 2) {
        assert_eq!(
            at_least(fused, middle.score),
            fused.iter().copied().filter(|hit| hit.score >= middle.score).collect::<Vec<_>>()
        );
    }
}

fn check_facets(allowed: &[&Chunk], what: &str) {
    let found = facets(allowed.iter().map(|chunk| &chunk.metadata), &["tags", "year"], 9);
    let count_of = |has: &dyn Fn(&Chunk) -> bool| allowed.iter().filter(|chunk| has(chunk)).count();
    let tags = (0..3).map(|tag| (tag, count_of(&|chunk| has_tag(chunk, tag))));
    let years = (2018..2023).map(|y| (y, count_of(&|chunk| year(chunk) == Some(y))));
    for (facet, expected) in found.iter().zip([tags.collect::<Vec<_>>(), years.collect()]) {
        let mut expected: Vec<(u64, usize)> = expected.into_iter().filter(|(_, count)| *count > 0).collect();
        expected.sort_by_key(|(value, count)| (usize::MAX - count, *value));
        let counts: Vec<(u64, usize)> =
            facet.counts.iter().map(|(value, n)| (value.as_u64().unwrap(), *n)).collect();
        assert_eq!(counts, expected, "{what} {}", facet.field);
    }
}
