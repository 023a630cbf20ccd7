//! `heatseek poolers`: the table of poolers.

use std::io::{self, Write};

use heatseek::{Kind, Pooler, PoolerSpec, Row, Sizes};
use serde::Serialize;

use crate::args::PoolersArgs;
use crate::failure::Failure;

/// Sizes of a model to try poolers with, those of all-MiniLM-L6-v2: what is told depends on none.
const SIZES: Sizes = Sizes { hidden_size: 384, num_hidden_layers: 6, num_attention_heads: 12 };

/// One line of `--json`.
#[derive(Serialize)]
struct Info {
    name: &'static str,
    aliases: &'static [&'static str],
    papers: Vec<Paper>,
    equation: &'static str,
    options: &'static str,
    tensors: &'static str,
    /// `training-free`, `either` or `learned`.
    kind: &'static str,
    expect: &'static str,
    /// Whether a device computes it as it is without options and weights; absent if there is no such form.
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<bool>,
    /// Whether a text then gets several vectors.
    #[serde(skip_serializing_if = "Option::is_none")]
    several: Option<bool>,
}

#[derive(Serialize)]
struct Paper {
    row: u16,
    title: &'static str,
}

impl Info {
    fn of(row: &Row) -> Self {
        let plain = Pooler::new(&PoolerSpec::named(row.name), None, SIZES).ok();
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
            device: plain.as_ref().map(|pooler| pooler.device_form().is_some()),
            several: plain.as_ref().map(Pooler::gives_several),
        }
    }

    fn print(&self, out: &mut impl Write) -> io::Result<()> {
        let names: Vec<&str> = std::iter::once(self.name).chain(self.aliases.iter().copied()).collect();
        let kind = match self.kind {
            "either" => "with or without weights",
            "learned" => "needs weights",
            free => free,
        };
        writeln!(out, "{}  ({kind})", names.join(", "))?;
        let parts = [
            ("is", self.equation),
            ("options", self.options),
            ("weights", self.tensors),
            ("expect", self.expect),
        ];
        for (what, text) in parts.iter().filter(|(_, text)| !text.is_empty()) {
            writeln!(out, "  {what:<8} {text}")?;
        }
        self.papers.iter().try_for_each(|paper| writeln!(out, "  {:<8} {}", "paper", paper.title))?;
        writeln!(out)
    }
}

/// Runs `heatseek poolers`.
pub fn run(args: &PoolersArgs) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for info in heatseek::rows().map(Info::of) {
        if args.json {
            serde_json::to_writer(&mut out, &info).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            info.print(&mut out)?;
        }
    }
    Ok(out.flush()?)
}
