//! Eigenvalues and eigenvectors of a small symmetric matrix, by Jacobi's rotations: slow for large ones, but exact
//! to rounding, also where values repeat.

/// Rounds over all pairs. Convergence is quadratic: from 10 on nothing changes, whatever the matrix.
const ROUNDS: usize = 30;

/// Eigenvalues with their unit eigenvectors, largest first, of the symmetric `matrix` `[n, n]`.
pub(crate) fn symmetric(mut matrix: Vec<f64>, n: usize) -> Vec<(f64, Vec<f64>)> {
    let mut vectors = vec![0.0; n * n];
    (0..n).for_each(|i| vectors[i * n + i] = 1.0);
    let size: f64 = matrix.iter().map(|v| v * v).sum();
    for _ in 0..ROUNDS {
        let beside: f64 =
            (0..n).flat_map(|i| (0..i).map(move |j| i * n + j)).map(|at| matrix[at].powi(2)).sum();
        if beside <= 1e-30 * size {
            break;
        }
        for p in 0..n {
            for q in p + 1..n {
                rotate(&mut matrix, &mut vectors, n, p, q);
            }
        }
    }
    // Row i of `vectors` is the eigenvector of value i.
    let mut pairs: Vec<(f64, Vec<f64>)> = Vec::with_capacity(n);
    for i in 0..n {
        let value = matrix[i * n + i];
        let place = pairs.partition_point(|(before, _)| before.total_cmp(&value).is_ge());
        pairs.insert(place, (value, vectors[i * n..][..n].to_vec()));
    }
    pairs
}

/// Makes `matrix[p, q]` zero (Golub & Van Loan, "Matrix Computations", §8.5).
fn rotate(matrix: &mut [f64], vectors: &mut [f64], n: usize, p: usize, q: usize) {
    let beside = matrix[p * n + q];
    if beside == 0.0 {
        return;
    }
    let tau = (matrix[q * n + q] - matrix[p * n + p]) / (2.0 * beside);
    let t = tau.signum() / (tau.abs() + tau.hypot(1.0));
    let c = 1.0 / t.hypot(1.0);
    let s = t * c;
    for k in 0..n {
        let (a, b) = (matrix[k * n + p], matrix[k * n + q]);
        (matrix[k * n + p], matrix[k * n + q]) = (c * a - s * b, s * a + c * b);
    }
    for values in [matrix, vectors] {
        for k in 0..n {
            let (a, b) = (values[p * n + k], values[q * n + k]);
            (values[p * n + k], values[q * n + k]) = (c * a - s * b, s * a + c * b);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_and_vectors_satisfy_their_equation() {
        // Eigenvalues 4, 1, 1: one repeats.
        let matrix = vec![2.0, 1.0, 1.0, 1.0, 2.0, 1.0, 1.0, 1.0, 2.0];
        let found = symmetric(matrix.clone(), 3);
        for ((value, vector), expected) in found.iter().zip([4.0, 1.0, 1.0]) {
            assert!((value - expected).abs() < 1e-12);
            let norm: f64 = vector.iter().map(|v| v * v).sum();
            assert!((norm - 1.0).abs() < 1e-12);
            for (row, v) in matrix.chunks_exact(3).zip(vector) {
                let product: f64 = row.iter().zip(vector).map(|(a, b)| a * b).sum();
                assert!((product - value * v).abs() < 1e-12);
            }
        }
        assert!(symmetric(Vec::new(), 0).is_empty());
    }
}
