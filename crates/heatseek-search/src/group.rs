//! From chunks to the documents they are of.

use std::collections::HashMap;
use std::hash::Hash;

use crate::Scored;

/// A document and the best of its chunks.
#[derive(Clone, Debug, PartialEq)]
pub struct Group<D> {
    /// The document.
    pub document: D,
    /// Its hits, best first; never empty. The document is as good as the first.
    pub hits: Vec<Scored>,
}

/// The best `k` documents of `hits`, which are best first: each with its best `per_document` hits. Documents come in the
/// order of their first hits. That `k` can be found takes hits enough to be of `k` documents: all of them, or more
/// asked for while fewer come.
pub fn group<D: Clone + Eq + Hash>(
    hits: &[Scored],
    document_of: impl Fn(u64) -> D,
    per_document: usize,
    k: usize,
) -> Vec<Group<D>> {
    let (mut groups, mut places) = (Vec::<Group<D>>::new(), HashMap::new());
    if per_document == 0 {
        return groups;
    }
    for hit in hits {
        let document = document_of(hit.id);
        match places.get(&document) {
            Some(&at) => {
                let of: &mut Group<D> = &mut groups[at];
                if of.hits.len() < per_document {
                    of.hits.push(*hit);
                }
            }
            None if groups.len() < k => {
                places.insert(document.clone(), groups.len());
                groups.push(Group { document, hits: vec![*hit] });
            }
            None => {}
        }
    }
    groups
}

/// Those of `hits`, which are best first, that score `least` or more.
pub fn at_least(hits: &[Scored], least: f32) -> &[Scored] {
    &hits[..hits.partition_point(|hit| hit.score >= least)]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_come_by_their_best_chunk() {
        // Tens are documents.
        let ids = [31u64, 12, 32, 11, 33, 50, 13];
        let hits: Vec<Scored> =
            ids.iter().zip(0..).map(|(&id, at)| Scored { id, score: -(at as f32) }).collect();
        let grouped = |per_document, k| -> Vec<(u64, Vec<u64>)> {
            let groups = group(&hits, |id| id / 10, per_document, k);
            groups.iter().map(|of| (of.document, of.hits.iter().map(|hit| hit.id).collect())).collect()
        };
        assert_eq!(grouped(2, 9), [(3, vec![31, 32]), (1, vec![12, 11]), (5, vec![50])]);
        assert_eq!(grouped(usize::MAX, 2), [(3, vec![31, 32, 33]), (1, vec![12, 11, 13])]);
        assert_eq!(grouped(1, 1), [(3, vec![31])]);
        assert!(grouped(0, 9).is_empty() && grouped(9, 0).is_empty());
        assert!(group(&[], |id| id, 1, 1).is_empty());
    }

    #[test]
    fn a_threshold_keeps_what_reaches_it() {
        let hits: Vec<Scored> =
            [0.9, 0.5, 0.5, 0.1].iter().zip(0..).map(|(&score, id)| Scored { id, score }).collect();
        for (least, kept) in [(1.0, 0), (0.9, 1), (0.5, 3), (0.2, 3), (0.0, 4), (f32::NEG_INFINITY, 4)] {
            assert_eq!(at_least(&hits, least).len(), kept, "{least}");
        }
    }
}
