//! `heatseek poolers`: the table of poolers.

use std::io::{self, Write};

use heatseek::{Pooler, RowInfo, Sizes};

use crate::args::PoolersArgs;
use crate::failure::Failure;

/// Sizes of a model to try poolers with, those of all-MiniLM-L6-v2: what is told depends on none.
const SIZES: Sizes = Sizes { hidden_size: 384, num_hidden_layers: 6, num_attention_heads: 12 };

fn print(info: &RowInfo, out: &mut impl Write) -> io::Result<()> {
    let names: Vec<&str> = std::iter::once(info.name).chain(info.aliases.iter().copied()).collect();
    let kind = match info.kind {
        "either" => "with or without weights",
        "learned" => "needs weights",
        free => free,
    };
    writeln!(out, "{}  ({kind})", names.join(", "))?;
    let parts = [
        ("is", info.equation),
        ("options", info.options),
        ("weights", info.tensors),
        ("expect", info.expect),
    ];
    for (what, text) in parts.iter().filter(|(_, text)| !text.is_empty()) {
        writeln!(out, "  {what:<8} {text}")?;
    }
    info.papers.iter().try_for_each(|paper| writeln!(out, "  {:<8} {}", "paper", paper.title))?;
    writeln!(out)
}

/// Runs `heatseek poolers`.
pub fn run(args: &PoolersArgs) -> Result<(), Failure> {
    let mut out = io::BufWriter::new(io::stdout().lock());
    for info in RowInfo::all(|spec| Pooler::new(spec, None, SIZES).ok()) {
        if args.json {
            serde_json::to_writer(&mut out, &info).map_err(io::Error::from)?;
            writeln!(out)?;
        } else {
            print(&info, &mut out)?;
        }
    }
    Ok(out.flush()?)
}
