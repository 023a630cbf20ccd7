//! From a question to passages.

use std::cell::RefCell;
use std::collections::HashMap;

use heatseek_pool::Iem;
use heatseek_search::{
    Facet, Filter, Fusion, Metric, Scored, SearchOptions, TopK, at_least, diversify, facets, fuse, group,
};

use super::on_gpu::Step;
use super::vectors::ChunkVectors;
use super::{Entry, Hit, HitChunk, Index};
use crate::{Control, Error, Model};

/// How many times as many passages as are wanted a second stage looks at.
const CANDIDATES: usize = 4;
/// The least that either list of a hybrid search has, so that ranks mean something when few hits are wanted. That lists end
/// is a part of what fusion means: see [`IndexSearch::hybrid`].
const FUSED: usize = 100;

/// How to search an index.
#[derive(Clone, Debug)]
pub struct IndexSearch<'a> {
    /// The most hits.
    pub top_k: usize,
    /// Which documents may be found, by their metadata.
    pub filter: Option<Filter>,
    /// Whether words count beside meaning. Scores are then what the fusion makes of both lists: of each the best 100 passages
    /// that meet the filter, or as many as later stages look at (`top_k`, or `4 · top_k`) if that is more; one that is
    /// further down counts as if it were not in that list. Where `per_document` leaves fewer hits than these, lists are made
    /// four times as long until it leaves enough. The words of passages are read by the first search that asks for them.
    pub hybrid: Option<Hybrid>,
    /// A second stage: the best `4 · top_k` are scored again, each as a pair with the query by its symmetric branch, and
    /// hits have that score; it is given vectors as the index compares them, of unit length under the cosine.
    pub rerank: Option<&'a Iem>,
    /// The most hits of one document.
    pub per_document: Option<usize>,
    /// The least score of a hit: of the fusion's, or the second stage's, if there is one.
    pub threshold: Option<f32>,
    /// Hits are chosen of the best `4 · top_k` one by one, for their score and for being unlike those before: maximal
    /// marginal relevance, of which this is `1 − λ`, 0 to 1. They come in the order they were chosen. Scores that are no
    /// cosines are scaled to 0 to 1 for it.
    pub diversity: Option<f32>,
    /// How many candidates for each hit are found by their signs, where vectors are binary.
    pub oversampling: usize,
}

impl Default for IndexSearch<'_> {
    fn default() -> Self {
        Self {
            top_k: 10,
            filter: None,
            hybrid: None,
            rerank: None,
            per_document: None,
            threshold: None,
            diversity: None,
            oversampling: SearchOptions::default().oversampling,
        }
    }
}

/// How much words count, which are ranked by BM25 over the same passages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Hybrid {
    /// How both rankings become one.
    pub fusion: Fusion,
    /// What words weigh, 0 to 1; meaning weighs the rest.
    pub weight: f32,
}

impl Default for Hybrid {
    fn default() -> Self {
        Self { fusion: Fusion::default(), weight: 0.5 }
    }
}

impl IndexSearch<'_> {
    /// As many hits as the stages behind the first look at.
    fn enough(&self) -> usize {
        let looks_twice = self.rerank.is_some() || self.diversity.is_some();
        self.top_k.saturating_mul(if looks_twice { CANDIDATES } else { 1 })
    }

    /// As many as are looked for at first.
    fn first(&self) -> usize {
        if self.hybrid.is_some() { self.enough().max(FUSED) } else { self.enough() }
    }
}

/// An index that is searched.
enum Lent<'a> {
    Whole(&'a Index),
    /// Others may change it at every await.
    Shared(&'a RefCell<Index>),
}

impl Lent<'_> {
    fn with<T>(&self, look: impl FnOnce(&Index) -> T) -> T {
        match self {
            Self::Whole(index) => look(index),
            Self::Shared(index) => look(&index.borrow()),
        }
    }

    async fn search(
        &self,
        model: &Model,
        query: &str,
        options: &IndexSearch<'_>,
        control: &dyn Control,
    ) -> Result<Vec<Hit>, Error> {
        let (embed, is_one) =
            self.with(|index| (index.options.embed(), matches!(index.vectors, ChunkVectors::One(_))));
        let embeddings = model.embed(&[query], &embed, control).await?;
        let vector = if is_one { embeddings.row(0) } else { &embeddings.data };
        if options.hybrid.is_some() {
            while self.with(Index::read_passage) {
                if control.is_due() {
                    control.checkpoint().await?;
                }
            }
        }
        let near = self.near(model, vector, options).await;
        self.with(|index| index.hits(query, vector, near, options))
    }

    /// Passages among which are the nearest, from the GPU if that is to look at them.
    async fn near(&self, model: &Model, vector: &[f32], options: &IndexSearch<'_>) -> Option<Vec<u64>> {
        let gpu = model.runner.active().gpu.clone()?;
        let step = || {
            self.with(|index| {
                let ChunkVectors::One(vectors) = &index.vectors else { return None };
                let wanted = (vector, options.first().min(index.len()), options.oversampling);
                let allowed = || index.allowed(options);
                index.on_gpu.step(index.options.scan, &gpu, vectors, wanted, &allowed)
            })
        };
        let mut next = step()?;
        if let Step::Copy(arriving) = next {
            let outcome = arriving.await;
            self.with(|index| index.on_gpu.copied(index.len(), outcome));
            next = step()?;
        }
        let Step::Ask(question) = next else { return None };
        let answer = question.ask().await;
        self.with(|index| match &index.vectors {
            ChunkVectors::One(vectors) => index.on_gpu.answered(vectors, answer),
            ChunkVectors::Several(_) => None,
        })
    }
}

impl Index {
    /// The passages that match `query` best, best first; ties in the order they were added.
    ///
    /// # Errors
    /// As [`Model::embed`]; [`Error::InvalidInput`] for a pair scorer or diversity where texts have several vectors,
    /// [`Error::Pool`] for a scorer of vectors of another width, [`Error::Ranking`] for settings out of range.
    pub async fn search(
        &self,
        model: &Model,
        query: &str,
        options: &IndexSearch<'_>,
        control: &dyn Control,
    ) -> Result<Vec<Hit>, Error> {
        Lent::Whole(self).search(model, query, options, control).await
    }

    /// [`Index::search`] in an index that others change meanwhile: it is borrowed for moments only.
    ///
    /// # Errors
    /// As [`Index::search`].
    pub async fn search_shared(
        index: &RefCell<Self>,
        model: &Model,
        query: &str,
        options: &IndexSearch<'_>,
        control: &dyn Control,
    ) -> Result<Vec<Hit>, Error> {
        Lent::Shared(index).search(model, query, options, control).await
    }

    fn hits(
        &self,
        query: &str,
        vector: &[f32],
        near: Option<Vec<u64>>,
        options: &IndexSearch<'_>,
    ) -> Result<Vec<Hit>, Error> {
        let found = self.find(query, vector, near, options)?;
        let hit = |scored: &Scored| {
            let (entry, chunk) = self.chunk(scored.id)?;
            let chunk = HitChunk {
                text: entry.document.text[chunk.start..chunk.end].to_owned(),
                start: chunk.start,
                end: chunk.end,
            };
            let document = entry.document.clone();
            Some(Hit { id: document.id.clone(), score: scored.score, document, chunk })
        };
        Ok(found.iter().filter_map(hit).collect())
    }

    /// How often each value of `fields`, dotted paths as in a filter, occurs among the documents that meet `filter`: of
    /// each field the `most` frequent.
    pub fn facets(&self, fields: &[&str], filter: Option<&Filter>, most: usize) -> Vec<Facet> {
        let met =
            self.iter().filter(|document| filter.is_none_or(|filter| filter.matches(&document.metadata)));
        facets(met.map(|document| &document.metadata), fields, most)
    }

    fn find(
        &self,
        query: &str,
        vector: &[f32],
        near: Option<Vec<u64>>,
        options: &IndexSearch<'_>,
    ) -> Result<Vec<Scored>, Error> {
        let mut hits = self.candidates(query, vector, near, options)?;
        if let Some(iem) = options.rerank {
            hits = self.rerank(iem, vector, &hits)?;
        }
        if let Some(least) = options.threshold {
            hits = at_least(&hits, least).to_vec();
        }
        if let Some(diversity) = options.diversity {
            hits = self.diversify(&hits, diversity, options)?;
        }
        hits.truncate(options.top_k);
        Ok(hits)
    }

    /// Which of `chunks` may be found, if not all may.
    fn allowed(&self, options: &IndexSearch<'_>) -> Option<Vec<bool>> {
        options.filter.as_ref().map(|filter| {
            let meets = |entry: &Entry| filter.matches(&entry.document.metadata);
            let documents: Vec<bool> =
                self.documents.iter().map(|entry| entry.as_ref().is_some_and(meets)).collect();
            self.chunks.iter().map(|passage| documents[passage.document]).collect()
        })
    }

    /// As many hits as later stages look at, that meet the filter, no more of a document than are wanted, best first; fewer if
    /// there are fewer. `near` are passages among which are those [`IndexSearch::first`] nearest.
    fn candidates(
        &self,
        query: &str,
        vector: &[f32],
        mut near: Option<Vec<u64>>,
        options: &IndexSearch<'_>,
    ) -> Result<Vec<Scored>, Error> {
        let allowed = self.allowed(options);
        let allow = |id: u64| allowed.as_ref().is_none_or(|allowed| allowed.get(id as usize) == Some(&true));
        let document_of =
            |id: u64| self.chunks.get(id as usize).map_or(usize::MAX, |passage| passage.document);
        let scan = SearchOptions {
            oversampling: options.oversampling,
            allow: allowed.is_some().then_some(&allow as &dyn Fn(u64) -> bool),
        };
        let (enough, mut wanted) = (options.enough(), options.first());
        loop {
            wanted = wanted.min(self.len());
            let by_meaning = match (near.take(), &self.vectors) {
                (Some(near), ChunkVectors::One(vectors)) => vectors.among(vector, wanted, &near)?,
                _ => self.vectors.search(vector, wanted, &scan)?,
            };
            let is_all = by_meaning.len() < wanted || wanted >= self.len();
            let mut hits = match options.hybrid {
                None => by_meaning,
                Some(Hybrid { fusion, weight }) => {
                    // What others added meanwhile.
                    while self.read_passage() {}
                    let by_words = self.words.borrow().texts.search(query, wanted, scan.allow);
                    fuse(&[(&by_meaning, 1.0 - weight), (&by_words, weight)], fusion, usize::MAX)?
                }
            };
            if let Some(most) = options.per_document {
                let groups = group(&hits, document_of, most, usize::MAX);
                hits = groups.into_iter().flat_map(|group| group.hits).collect();
                hits.sort_unstable();
            }
            if is_all || hits.len() >= enough {
                hits.truncate(enough);
                return Ok(hits);
            }
            wanted = wanted.saturating_mul(CANDIDATES);
        }
    }

    fn rerank(&self, iem: &Iem, vector: &[f32], hits: &[Scored]) -> Result<Vec<Scored>, Error> {
        let ChunkVectors::One(vectors) = &self.vectors else {
            return Err(several("rerank", "a pair scorer compares two vectors"));
        };
        let query = vectors.compared(vector);
        let mut top = TopK::new(hits.len());
        for Scored { id, .. } in hits {
            let [score, _] = iem.score(&query, &vectors.vector(*id).unwrap_or_default())?;
            top.offer(Scored { id: *id, score });
        }
        Ok(top.into_sorted())
    }

    fn diversify(
        &self,
        hits: &[Scored],
        diversity: f32,
        options: &IndexSearch<'_>,
    ) -> Result<Vec<Scored>, Error> {
        if matches!(self.vectors, ChunkVectors::Several(_)) {
            return Err(several("diversity", "it compares the vectors of two passages"));
        }
        let vectors: Vec<_> = hits.iter().map(|hit| self.vectors.of(hit.id).unwrap_or_default()).collect();
        let vectors: Vec<&[f32]> = vectors.iter().map(|vector| &vector[..]).collect();
        let are_cosines =
            self.options.metric == Metric::Cosine && options.hybrid.is_none() && options.rerank.is_none();
        let weighed: Vec<Scored> = match (hits.first(), hits.last()) {
            (Some(best), Some(last)) if !are_cosines => {
                let range = best.score - last.score;
                let scaled = |score: f32| if range > 0.0 { (score - last.score) / range } else { 1.0 };
                hits.iter().map(|hit| Scored { score: scaled(hit.score), ..*hit }).collect()
            }
            _ => hits.to_vec(),
        };
        let chosen = diversify(&weighed, &vectors, 1.0 - diversity, options.top_k)?;
        let scores: HashMap<u64, f32> = hits.iter().map(|hit| (hit.id, hit.score)).collect();
        Ok(chosen.into_iter().map(|hit| Scored { score: scores[&hit.id], ..hit }).collect())
    }

    /// Reads the words of the next passage; `false` if all have been read.
    fn read_passage(&self) -> bool {
        let mut words = self.words.borrow_mut();
        let id = words.read;
        if id >= self.chunks.len() {
            return false;
        }
        words.read += 1;
        if let Some((entry, chunk)) = self.chunk(id as u64) {
            words.texts.add(id as u64, &entry.document.text[chunk.start..chunk.end]);
        }
        true
    }
}

fn several(what: &str, why: &str) -> Error {
    Error::InvalidInput {
        what: what.into(),
        got: "texts of several vectors".into(),
        expected: format!("a pooling that gives one, since {why}"),
    }
}
