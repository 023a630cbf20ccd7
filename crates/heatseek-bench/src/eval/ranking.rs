//! The nearest documents of each query.

use std::sync::Arc;

use heatseek_cpu::CpuKernels;
use heatseek_ops::{Dtype, Gemm, HostKernels, Op, Operand, Operands, Tensor};

use super::vectors::Vectors;
use crate::failure::Failure;

/// Vectors of queries and of documents that are multiplied at once: their products, 4 MB, stay near the processor.
const BLOCK: usize = 1024;

/// For each query the `depth` best documents, best first; of equals the first comes first. Where texts have several
/// vectors the score is MaxSim. `done` is told how many queries are.
pub fn rank(
    queries: &Vectors,
    documents: &Vectors,
    depth: usize,
    done: &dyn Fn(usize),
) -> Result<Vec<Vec<usize>>, Failure> {
    let kernels = CpuKernels::new();
    let mut rankings = Vec::with_capacity(queries.ends.len());
    let mut products = Vec::new();
    while rankings.len() < queries.ends.len() {
        let block = queries.block(rankings.len(), BLOCK);
        let mut scores = vec![vec![0.0; documents.ends.len()]; block.len()];
        let mut next = 0;
        while next < documents.ends.len() {
            let others = documents.block(next, BLOCK);
            let (a, b) = (queries.of(block.clone()), documents.of(others.clone()));
            let (rows, columns) = (a.len() / queries.width, b.len() / documents.width);
            products.clear();
            products.resize(rows * columns, 0.0f32);
            if rows * columns > 0 {
                let op = Op::Gemm(Gemm::linear(documents.width, columns));
                let tensor = Tensor::new(&[columns, documents.width], b.to_vec());
                let packed: Vec<_> = kernels
                    .pack(&op, "weight", &tensor, Dtype::F32)
                    .map(|b| ("weight", Arc::new(b)))
                    .into_iter()
                    .collect();
                let bias = vec![0.0; columns];
                let inputs =
                    vec![("x", Operand::F32(a)), ("weight", Operand::Packed), ("bias", Operand::F32(&bias))];
                let mut operands = Operands::new(inputs, [("y", products.as_mut_slice())]);
                let product = kernels.run(&op, rows, &packed, &mut operands);
                product.map_err(|error| Failure::internal(format!("multiplying vectors: {error}")))?;
            }
            let mut row = 0;
            for (scores, query) in scores.iter_mut().zip(block.clone()) {
                let count = queries.of(query..query + 1).len() / queries.width;
                for products in products.chunks_exact(columns.max(1)).skip(row).take(count) {
                    let mut column = 0;
                    for document in others.clone() {
                        let count = documents.of(document..document + 1).len() / documents.width;
                        let of_document = &products[column..column + count];
                        if count > 0 {
                            scores[document] += of_document.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                        }
                        column += count;
                    }
                }
                row += count;
            }
            next = others.end;
        }
        rankings.extend(scores.into_iter().map(|scores| best(&scores, depth)));
        done(rankings.len());
    }
    Ok(rankings)
}

fn best(scores: &[f32], depth: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..scores.len()).collect();
    let before = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
    if depth < order.len() {
        order.select_nth_unstable_by(depth, before);
        order.truncate(depth);
    }
    order.sort_unstable_by(before);
    order
}

#[cfg(test)]
mod tests {
    use super::*;

    fn vectors(width: usize, texts: &[&[f32]]) -> Vectors {
        let mut all = Vectors { width, ..Vectors::default() };
        texts.iter().for_each(|text| all.push(text));
        all
    }

    fn ranked(queries: &Vectors, documents: &Vectors, depth: usize) -> Vec<Vec<usize>> {
        rank(queries, documents, depth, &|_| ()).unwrap()
    }

    #[test]
    fn the_nearest_come_first_and_of_equals_the_first() {
        let documents = vectors(2, &[&[0.0, 2.0], &[1.0, 1.0], &[5.0, 0.0], &[3.0, 3.0]]);
        let queries = vectors(2, &[&[1.0, 0.0], &[0.0, 1.0], &[-1.0, -0.5]]);
        assert_eq!(ranked(&queries, &documents, 3), [[2, 1, 3], [0, 1, 3], [0, 2, 1]]);
        assert_eq!(ranked(&queries, &documents, 9)[0], [2, 1, 3, 0]);
    }

    #[test]
    fn several_vectors_are_compared_by_max_sim() {
        // 2 sqrt(1/2), 1 + 1, 1 + 0, nothing.
        let documents = vectors(2, &[&[1.0, 1.0], &[1.0, 0.0, 0.0, 1.0], &[1.0, 0.0], &[]]);
        let queries = vectors(2, &[&[1.0, 0.0, 0.0, 1.0], &[], &[0.0, 1.0]]);
        assert_eq!(ranked(&queries, &documents, 4), [[1, 0, 2, 3], [0, 1, 2, 3], [1, 0, 2, 3]]);
    }

    #[test]
    fn many_vectors_are_ranked_as_one_by_one() {
        let values = |seed: usize, len: usize| -> Vec<f32> {
            (0..len).map(|i| ((i * 7919 + seed * 104_729) % 1009) as f32 - 504.0).collect()
        };
        let mut queries = Vectors { width: 24, ..Vectors::default() };
        let mut documents = Vectors { width: 24, ..Vectors::default() };
        (0..300).for_each(|at| queries.push(&values(at, 24 * (at % 9))));
        (0..400).for_each(|at| documents.push(&values(at + 1000, 24 * (1 + at % 11))));
        let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(a * b)).sum::<f64>();
        for (at, ranking) in ranked(&queries, &documents, 5).iter().enumerate() {
            let score = |document: usize| -> f64 {
                let others = documents.of(document..document + 1);
                let most = |q| others.chunks(24).map(|d| dot(q, d)).fold(f64::NEG_INFINITY, f64::max);
                queries.of(at..at + 1).chunks(24).map(most).sum()
            };
            let mut all: Vec<f64> = (0..400).map(score).collect();
            let got: Vec<f64> = ranking.iter().map(|&document| all[document]).collect();
            all.sort_by(|a, b| b.total_cmp(a));
            for (got, expected) in got.iter().zip(&all[..5]) {
                assert!((got - expected).abs() < 1e-4, "query {at}: {got}, expected {expected}");
            }
        }
    }
}
