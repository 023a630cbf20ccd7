//! The interaction emulation module of D2LLM: a small network that scores a pair of vectors, for ranking anew what
//! a search found (row 1).

use crate::matrix::Matrix;
use crate::{Params, PoolError};

/// Scores of pairs: of the same meaning whichever comes first, and of a passage as the answer to a query.
///
/// `u = ReLU([a; b] W_1 + b_1)`, then for each of two branches `ReLU(u P + c) W_2 + b_2`. There is no honest form
/// without learned weights.
#[derive(Clone, Debug)]
pub struct Iem {
    hidden: Matrix,
    sym: Matrix,
    asym: Matrix,
    score: Matrix,
}

impl Iem {
    /// Reads `W_1` `[2D, h]`, `P_sym` and `P_asym` `[h, h]`, `W_2` `[h, 1]`, and `b_1` `[h]`, `c_sym`, `c_asym` `[h]`,
    /// `b_2` `[1]`, which are 0 where they are missing. The shape of `W_1` says what D and h are.
    ///
    /// # Errors
    /// [`PoolError::Tensor`] if one is missing or does not fit.
    pub fn read(params: &Params) -> Result<Self, PoolError> {
        let (inputs, h) = match params.get("W_1") {
            Some((&[inputs, h], _)) if inputs > 0 && inputs % 2 == 0 && h > 0 => (inputs, h),
            found => {
                let got = found.map_or("missing".to_owned(), |(shape, _)| format!("F32 {shape:?}"));
                return Err(PoolError::Tensor { tensor: "W_1".into(), got, expected: "F32 [2D, h]".into() });
            }
        };
        Ok(Self {
            hidden: Matrix::read(params, "W_1", "b_1", [inputs, h])?,
            sym: Matrix::read(params, "P_sym", "c_sym", [h, h])?,
            asym: Matrix::read(params, "P_asym", "c_asym", [h, h])?,
            score: Matrix::read(params, "W_2", "b_2", [h, 1])?,
        })
    }

    /// D, the width of the vectors it compares.
    pub fn width(&self) -> usize {
        self.hidden.inputs() / 2
    }

    /// Scores of `a` (the query) with `b` (the passage), `[D]` each: symmetric and asymmetric task. Neither is
    /// symmetric in its arguments.
    ///
    /// # Errors
    /// [`PoolError::States`] if they are of another width.
    pub fn score(&self, a: &[f32], b: &[f32]) -> Result<[f32; 2], PoolError> {
        for (what, vector) in [("the query", a), ("the passage", b)] {
            if vector.len() != self.width() {
                return Err(PoolError::States {
                    pooler: "iem",
                    what: format!("the width of {what}"),
                    got: vector.len().to_string(),
                    expected: format!("{}, half the rows of W_1", self.width()),
                });
            }
        }
        let pair: Vec<f64> = a.iter().chain(b).map(|&v| f64::from(v)).collect();
        let relu =
            |map: &Matrix, x: &[f64]| -> Vec<f64> { map.apply(x).into_iter().map(|v| v.max(0.0)).collect() };
        let hidden = relu(&self.hidden, &pair);
        Ok([&self.sym, &self.asym].map(|branch| self.score.apply(&relu(branch, &hidden))[0] as f32))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use heatseek_testkit::values;

    fn params(d: usize, h: usize) -> Params {
        let tensor = |seed, name: &str, shape: &[usize]| {
            (name.to_owned(), shape.to_vec(), values(seed, shape.iter().product(), 1.0))
        };
        Params::from_tensors(vec![
            tensor(1, "W_1", &[2 * d, h]),
            tensor(2, "b_1", &[h]),
            tensor(3, "P_sym", &[h, h]),
            tensor(4, "c_sym", &[h]),
            tensor(5, "P_asym", &[h, h]),
            tensor(6, "W_2", &[h, 1]),
            tensor(7, "b_2", &[1]),
        ])
    }

    #[test]
    fn which_comes_first_matters_and_the_branches_differ() {
        let iem = Iem::read(&params(6, 8)).unwrap();
        let (a, b) = (values(8, 6, 1.0), values(9, 6, 1.0));
        let (there, back) = (iem.score(&a, &b).unwrap(), iem.score(&b, &a).unwrap());
        assert!(there[0] != back[0] && there[1] != back[1] && there[0] != there[1]);
    }

    #[test]
    fn by_hand() {
        let tensor =
            |name: &str, shape: &[usize], values: &[f32]| (name.to_owned(), shape.to_vec(), values.to_vec());
        let params = Params::from_tensors(vec![
            tensor("W_1", &[2, 2], &[1.0, -1.0, 2.0, 1.0]),
            tensor("P_sym", &[2, 2], &[1.0, 0.0, 0.0, 1.0]),
            tensor("P_asym", &[2, 2], &[0.0, -1.0, 1.0, 0.0]),
            tensor("c_asym", &[2], &[0.5, 20.0]),
            tensor("W_2", &[2, 1], &[3.0, 10.0]),
            tensor("b_2", &[1], &[0.25]),
        ]);
        // u = ReLU([3 + 2·4, −3 + 4]) = [11, 1]; the asymmetric branch is ReLU([1.5, 9]).
        let iem = Iem::read(&params).unwrap();
        assert_eq!(iem.score(&[3.0], &[4.0]), Ok([43.25, 94.75]));
        assert!(iem.score(&[3.0, 1.0], &[4.0]).is_err());
        assert!(Iem::read(&Params::default()).is_err());
    }
}
