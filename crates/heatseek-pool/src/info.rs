//! The table of poolers as data, for people and programs outside.

use serde::Serialize;

use crate::{Kind, Pooler, PoolerSpec, Row, rows};

/// A [`Row`], and what a pooler made of it tells.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct RowInfo {
    /// See [`Row::name`].
    pub name: &'static str,
    /// See [`Row::aliases`].
    pub aliases: &'static [&'static str],
    /// See [`Row::papers`].
    pub papers: Vec<Paper>,
    /// See [`Row::equation`].
    pub equation: &'static str,
    /// See [`Row::options`].
    pub options: &'static str,
    /// See [`Row::tensors`].
    pub tensors: &'static str,
    /// See [`Row::kind`]: `training-free`, `either` or `learned`.
    pub kind: &'static str,
    /// See [`Row::expect`].
    pub expect: &'static str,
    /// Whether a device computes it without options and weights; absent if it needs weights.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<bool>,
    /// Whether a text then gets several vectors; absent likewise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub several: Option<bool>,
}

/// A paper, and its row in the table of mechanisms.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Paper {
    /// Its row.
    pub row: u16,
    /// Its title.
    pub title: &'static str,
}

impl RowInfo {
    /// Of all rows; `make` makes a pooler without weights, `None` if it needs them.
    pub fn all(make: impl Fn(&PoolerSpec) -> Option<Pooler>) -> Vec<Self> {
        rows().map(|row| Self::new(row, make(&PoolerSpec::named(row.name)).as_ref())).collect()
    }

    fn new(row: &Row, plain: Option<&Pooler>) -> Self {
        Self {
            name: row.name,
            aliases: row.aliases,
            papers: row.papers.iter().map(|&(row, title)| Paper { row, title }).collect(),
            equation: row.equation,
            options: row.options,
            tensors: row.tensors,
            kind: match row.kind {
                Kind::TrainingFree => "training-free",
                Kind::Either => "either",
                Kind::Learned => "learned",
            },
            expect: row.expect,
            device: plain.map(|pooler| pooler.device_form().is_some()),
            several: plain.map(Pooler::gives_several),
        }
    }
}
