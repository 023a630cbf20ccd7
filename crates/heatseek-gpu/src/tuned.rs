//! Which kernels were chosen by measuring.

use heatseek_wgsl::RowBand;
use serde::{Deserialize, Serialize};

/// The kernel that was the fastest for ops of a shape.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Choice {
    /// The shape, as [`heatseek_wgsl::shape`] names it: `gemm_f32_norm_in 384x1152`.
    pub shape: String,
    /// The most rows it was chosen for; the least are half of them and one.
    pub rows: usize,
    /// Name of the kernel.
    pub kernel: String,
    /// Time it took, in percent of what the kernel from the tables took; 100 if it is that one.
    pub percent: u32,
    /// Whether it was measured in an earlier session.
    #[serde(default)]
    pub cached: bool,
}

/// The choices of a device.
#[derive(Debug, Default)]
pub(crate) struct Choices {
    all: Vec<Choice>,
    version: u32,
}

impl Choices {
    /// Another one after every change.
    pub(crate) fn version(&self) -> u32 {
        self.version
    }

    pub(crate) fn all(&self) -> &[Choice] {
        &self.all
    }

    pub(crate) fn get(&self, shape: &str, band: RowBand) -> Option<&Choice> {
        self.all.iter().find(|choice| choice.shape == shape && choice.rows == band.rows())
    }

    pub(crate) fn extend(&mut self, choices: impl IntoIterator<Item = Choice>) {
        for choice in choices {
            self.all.retain(|known| (&known.shape, known.rows) != (&choice.shape, choice.rows));
            self.all.push(choice);
        }
        self.version += 1;
    }

    pub(crate) fn clear(&mut self) -> bool {
        self.version += 1;
        !std::mem::take(&mut self.all).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_choice_takes_the_place_of_another_for_the_same_shape_and_rows() {
        let choice = |shape: &str, rows, kernel: &str| Choice {
            shape: shape.into(),
            rows,
            kernel: kernel.into(),
            percent: 90,
            cached: false,
        };
        let mut choices = Choices::default();
        choices.extend([choice("a", 16, "x"), choice("b", 16, "x"), choice("a", 32, "x")]);
        let before = choices.version();
        choices.extend([choice("a", 16, "y")]);
        assert_ne!(choices.version(), before);
        assert_eq!(choices.all().len(), 3);
        assert_eq!(choices.get("a", RowBand::of(12)).unwrap().kernel, "y");
        assert_eq!(choices.get("a", RowBand::of(17)).unwrap().kernel, "x");
        assert_eq!(choices.get("a", RowBand::of(33)), None);
        assert!(choices.clear() && !choices.clear());
    }
}
