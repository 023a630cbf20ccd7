//! The table of poolers: a row each.

use crate::options::Options;
use crate::pooler::Sizes;
use crate::poolers::{self, Pool};
use crate::{Params, PoolError};

/// Makes a pooler of its options and parameters.
pub(crate) type Make = fn(&mut Options<'_>, Option<&Params>, Sizes) -> Result<Box<dyn Pool>, PoolError>;

/// Whether a pooler works without learned weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// It has none.
    TrainingFree,
    /// It has an honest form without, and another with.
    Either,
    /// Only with them.
    Learned,
}

/// What there is to know of a pooler.
#[derive(Debug)]
pub struct Row {
    /// Our name.
    pub name: &'static str,
    /// Other names it is known by.
    pub aliases: &'static [&'static str],
    /// Rows of the table of mechanisms and the papers they are of.
    pub papers: &'static [(u16, &'static str)],
    /// What is computed.
    pub equation: &'static str,
    /// Options, each with its default, in words.
    pub options: &'static str,
    /// Learned tensors with their shapes, in words; empty if there are none.
    pub tensors: &'static str,
    /// Whether it works without those.
    pub kind: Kind,
    /// What to expect of it.
    pub expect: &'static str,
    /// Makes one.
    pub(crate) make: Make,
}

/// All of them, by file.
const ROWS: &[&[Row]] = &[
    poolers::basic::ROWS,
    poolers::none::ROWS,
    poolers::span::ROWS,
    poolers::landmark::ROWS,
    poolers::cluster::ROWS,
    poolers::layer::ROWS,
    poolers::map_weighted::ROWS,
    poolers::max_seq::ROWS,
    poolers::gram::ROWS,
    poolers::gram_cls::ROWS,
    poolers::multi_source::ROWS,
    poolers::levels::ROWS,
    poolers::latent::ROWS,
    poolers::stats::ROWS,
    poolers::gem::ROWS,
    poolers::mix::ROWS,
    poolers::tree::ROWS,
    poolers::score_pool::ROWS,
    poolers::attn_stats::ROWS,
    poolers::gauss::ROWS,
    poolers::qkv_pool::ROWS,
    poolers::simpool::ROWS,
    poolers::pma::ROWS,
    poolers::bottleneck::ROWS,
    poolers::random_attention::ROWS,
];

/// All of them, in the order of the table.
pub fn rows() -> impl Iterator<Item = &'static Row> {
    ROWS.iter().copied().flatten()
}

/// The row of this name, in any spelling.
pub(crate) fn find(name: &str) -> Result<&'static Row, PoolError> {
    let found = rows().find(|row| row.name == name || row.aliases.contains(&name));
    found.ok_or_else(|| PoolError::Unknown {
        got: name.to_owned(),
        known: rows().map(|row| row.name).collect::<Vec<_>>().join(", "),
    })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn no_name_means_two_things() {
        let mut seen = HashSet::new();
        for name in rows().flat_map(|row| row.aliases.iter().chain([&row.name])) {
            assert!(seen.insert(name), "{name}");
        }
        assert!(find("auto").is_err());
    }
}
