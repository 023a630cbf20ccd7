//! The nearest documents of each query.

use std::num::NonZero;
use std::thread;

use super::vectors::Vectors;

/// For each query the `depth` best documents, best first; of equals the first comes first. Where texts have several
/// vectors the score is MaxSim.
pub fn rank(queries: &Vectors, documents: &Vectors, depth: usize) -> Vec<Vec<usize>> {
    let count = queries.ends.len();
    let threads = thread::available_parallelism().map_or(1, NonZero::get);
    let mut rankings = vec![Vec::new(); count];
    thread::scope(|scope| {
        for (part, rankings) in rankings.chunks_mut(count.div_ceil(threads).max(1)).enumerate() {
            let first = part * count.div_ceil(threads);
            scope.spawn(move || {
                for (at, ranking) in rankings.iter_mut().enumerate() {
                    let query = queries.of(first + at);
                    let score = |document| max_sim(query, documents.of(document), documents.width);
                    *ranking = best((0..documents.ends.len()).map(score).collect(), depth);
                }
            });
        }
    });
    rankings
}

fn best(scores: Vec<f32>, depth: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let before = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    if depth < order.len() {
        order.select_nth_unstable_by(depth, before);
        order.truncate(depth);
    }
    order.sort_unstable_by(before);
    order
}

/// The sum over the query's vectors of the greatest product with one of the document's; 0 without any.
fn max_sim(query: &[f32], document: &[f32], width: usize) -> f32 {
    if document.is_empty() {
        return 0.0;
    }
    let best = |row: &[f32]| {
        document.chunks_exact(width).map(|other| dot(row, other)).fold(f32::NEG_INFINITY, f32::max)
    };
    query.chunks_exact(width).map(best).sum()
}

/// Sixteen sums side by side, which compilers turn into SIMD.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let (a, b) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    let mut sums = [0.0f32; 16];
    for (a, b) in a.0.iter().zip(b.0) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + a.1.iter().zip(b.1).map(|(a, b)| a * b).sum::<f32>()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(width: usize, texts: &[&[f32]]) -> Vectors {
        let mut all = Vectors { width, ..Vectors::default() };
        texts.iter().for_each(|text| all.push(text));
        all
    }

    #[test]
    fn the_nearest_come_first_and_of_equals_the_first() {
        let documents = vectors(2, &[&[0.0, 2.0], &[1.0, 1.0], &[5.0, 0.0], &[3.0, 3.0]]);
        let queries = vectors(2, &[&[1.0, 0.0], &[0.0, 1.0], &[-1.0, -0.5]]);
        assert_eq!(rank(&queries, &documents, 3), [[2, 1, 3], [0, 1, 3], [0, 2, 1]]);
        assert_eq!(rank(&queries, &documents, 9)[0], [2, 1, 3, 0]);
    }

    #[test]
    fn several_vectors_are_compared_by_max_sim() {
        let documents = vectors(2, &[&[1.0, 1.0], &[1.0, 0.0, 0.0, 1.0], &[1.0, 0.0]]);
        let queries = vectors(2, &[&[1.0, 0.0, 0.0, 1.0]]);
        // 2 sqrt(1/2), 1 + 1, 1 + 0.
        assert_eq!(rank(&queries, &documents, 3), [[1, 0, 2]]);
        assert!((max_sim(queries.of(0), documents.of(0), 2) - 2f32.sqrt()).abs() < 1e-6);
    }

    #[test]
    fn long_vectors_are_multiplied_whole() {
        let (a, b): (Vec<f32>, Vec<f32>) = (1..=37u8).map(|i| (f32::from(i), f32::from(i % 3))).unzip();
        assert_eq!(dot(&a, &b), (1..=37u32).map(|i| i * (i % 3)).sum::<u32>() as f32);
    }
}
