//! MaxSim: texts of several vectors compared (Khattab & Zaharia, "ColBERT", 2020).

use crate::error::check_finite;
use crate::{Metric, SearchError};

/// The sum, over the vectors of `query [q, width]`, of the greatest dot product with a vector of
/// `document [d, width]`. Of unit vectors each term is a cosine, so the most is `q`; it is not divided by that, for
/// it is the same for all documents of a query. 0 where either has no vectors. `q · d · width` multiplications.
///
/// ```
/// let score = heatseek_search::max_sim(&[1.0, 0.0, 0.0, 1.0], &[0.6, 0.8], 2)?;
/// assert!((score - 1.4).abs() < 1e-6);
/// # Ok::<(), heatseek_search::SearchError>(())
/// ```
///
/// # Errors
/// [`SearchError::Rows`] if one is not made of rows of `width`, [`SearchError::NotFinite`].
pub fn max_sim(query: &[f32], document: &[f32], width: usize) -> Result<f32, SearchError> {
    for (what, rows) in [("the query", query), ("the document", document)] {
        check_rows(what, rows, width)?;
        check_finite(&what, rows)?;
    }
    Ok(sum_of_best(query, document, width, Metric::Dot))
}

/// [`max_sim`] of sound vectors, and what it is of negated distances. A document of no vectors has nothing in common with
/// a query, and is farther from it than any.
pub(crate) fn sum_of_best(query: &[f32], document: &[f32], width: usize, metric: Metric) -> f32 {
    let score = match metric {
        Metric::Cosine | Metric::Dot => dot,
        Metric::Euclidean => closeness,
    };
    if document.is_empty() && metric != Metric::Euclidean {
        return 0.0;
    }
    let best = |row: &[f32]| {
        document.chunks_exact(width).map(|other| score(row, other)).fold(f32::NEG_INFINITY, f32::max)
    };
    query.chunks_exact(width).map(best).sum()
}

/// The negated Euclidean distance.
fn closeness(a: &[f32], b: &[f32]) -> f32 {
    -a.iter().zip(b).map(|(a, b)| (a - b) * (a - b)).sum::<f32>().sqrt()
}

/// A dot product in sixteen running sums, which the compiler keeps in vector registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    let ((a_main, a_tail), (b_main, b_tail)) = (a.as_chunks::<16>(), b.as_chunks::<16>());
    for (a, b) in a_main.iter().zip(b_main) {
        for i in 0..16 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + a_tail.iter().zip(b_tail).map(|(a, b)| a * b).sum::<f32>()
}

/// Fails unless `rows` is a whole number of rows of `width`, at least 1.
pub(crate) fn check_rows(what: &str, rows: &[f32], width: usize) -> Result<(), SearchError> {
    match width > 0 && rows.len().is_multiple_of(width) {
        true => Ok(()),
        false => Err(SearchError::Rows { what: what.to_owned(), width, got: rows.len() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::values;

    #[test]
    fn it_is_the_sum_of_the_best_of_each_query_vector() {
        let (query, document) = (values(1, 5 * 7, 1.0), values(2, 9 * 7, 1.0));
        let mut sum = 0.0f64;
        for row in query.chunks(7) {
            let dots = document
                .chunks(7)
                .map(|other| row.iter().zip(other).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>());
            sum += dots.fold(f64::NEG_INFINITY, f64::max);
        }
        assert!((f64::from(max_sim(&query, &document, 7).unwrap()) - sum).abs() < 1e-5);
        // The order of a document's vectors is nothing, and a vector twice changes nothing.
        let turned: Vec<f32> = document.chunks(7).rev().chain([&document[..7]]).flatten().copied().collect();
        assert_eq!(max_sim(&query, &turned, 7), max_sim(&query, &document, 7));
    }

    #[test]
    fn of_one_vector_each_it_is_the_dot_product_and_of_none_nothing() {
        assert_eq!(max_sim(&[1.0, 2.0], &[3.0, -4.0], 2), Ok(-5.0));
        assert_eq!(max_sim(&[1.0, 2.0], &[], 2), Ok(0.0));
        assert_eq!(max_sim(&[], &[1.0, 2.0], 2), Ok(0.0));
    }

    #[test]
    fn rows_must_be_whole_and_finite() {
        let error = max_sim(&[1.0, 2.0, 3.0], &[1.0, 2.0], 2).unwrap_err();
        assert_eq!(error.to_string(), "the query has 3 elements, which is no whole number of vectors of 2");
        assert!(max_sim(&[1.0], &[1.0], 0).is_err());
        assert!(max_sim(&[1.0], &[f32::NAN], 1).is_err());
    }
}
