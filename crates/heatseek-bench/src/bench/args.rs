//! The command line of `heatseek bench`.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use heatseek::DeviceChoice;

use super::case::Case;
use super::dtype::Dtype;

/// `heatseek bench`.
#[derive(Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct BenchArgs {
    #[command(subcommand)]
    pub command: Option<BenchCommand>,
    /// The model: a folder as Hugging Face lays it out.
    #[arg(long, value_name = "DIR", conflicts_with = "synthetic")]
    pub model: Option<PathBuf>,
    /// Random weights in the shapes of a known model instead: all-MiniLM-L6-v2, bge-base, dinov2-small, dinov2-base
    /// or clip-vit-b32 [default: all-MiniLM-L6-v2].
    #[arg(long, value_name = "NAME")]
    pub synthetic: Option<String>,
    /// Devices, with commas between them: reference, cpu, gpu or cuda [default: all but the reference].
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = device)]
    pub devices: Option<Vec<DeviceChoice>>,
    /// What weights and activations are stored as, with commas between: f32, f16, bf16 or int8.
    #[arg(long, value_delimiter = ',', value_name = "LIST", default_value = "f32", value_parser = Dtype::from_name)]
    pub dtype: Vec<Dtype>,
    /// Cases, with commas between them: 32x128 is 32 texts of exactly 128 tokens, mixed:256 is 256 texts of 8 to
    /// 128; of pictures 8x224 is 8 pictures of 224 pixels a side [default: some that suit each device].
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = Case::from_name)]
    pub cases: Option<Vec<Case>>,
    /// Peers to time in the same rounds, with commas between them: torch, torch-tf32, torch-compile,
    /// sentence-transformers, onnxruntime, onnxruntime-fused, candle or rten.
    #[arg(long, value_delimiter = ',', value_name = "LIST", value_parser = super::peers::known)]
    pub against: Vec<&'static str>,
    /// A Python that has those.
    #[arg(long, default_value = "python3")]
    pub python: PathBuf,
    /// Few small cases, few rounds, and no ceilings: less than half a minute.
    #[arg(long)]
    pub quick: bool,
    /// Before a case is timed, choose a GPU's kernels for it by measuring them, and keep them for later sessions.
    #[arg(long)]
    pub tune: bool,
    /// Rounds of each case [default: as many as go into a few seconds].
    #[arg(long, value_name = "COUNT")]
    pub rounds: Option<usize>,
    /// Threads on the CPU, of us and of peers [default: as many as there are cores].
    #[arg(long, value_name = "COUNT")]
    pub threads: Option<usize>,
    /// Write report.json, report.md and charts as SVG into this folder.
    #[arg(long, value_name = "DIR")]
    pub out: Option<PathBuf>,
    /// Print the report as one JSON object instead of tables.
    #[arg(long)]
    pub json: bool,
}

/// What else `heatseek bench` can do.
#[derive(Subcommand)]
pub enum BenchCommand {
    /// Compare two reports: of each row that both have, the second's time beside the first's.
    Compare {
        /// A report.json, before.
        before: PathBuf,
        /// A report.json, after.
        after: PathBuf,
    },
}

fn device(name: &str) -> Result<DeviceChoice, String> {
    DeviceChoice::from_name(name).map_err(|error| error.to_string())
}
