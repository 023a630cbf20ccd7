//! What was measured.

use std::fmt;

use serde::Serialize;

use super::case::Case;
use super::dtype::Dtype;
use super::environment::Environment;
use super::kernels::{Ceilings, OpRow};
use super::measure::Times;
use super::peers::{PeerRun, Task};
use super::truth::Source;

/// The whole, as report.json has it.
#[derive(Serialize)]
pub struct Report {
    pub environment: Environment,
    pub model: ModelFacts,
    pub devices: Vec<DeviceRun>,
    pub peers: Vec<PeerRun>,
    pub rows: Vec<Row>,
    /// That this process held in memory at most, for all devices, the reference and ceilings; without peers, which are
    /// processes of their own. `None` where the system does not say.
    pub peak_resident_bytes: Option<u64>,
    /// Answers that were wrong, and so not timed.
    pub refused: Vec<Absent>,
    /// What could not be measured here.
    pub missing: Vec<Absent>,
}

/// The model.
#[derive(Serialize)]
pub struct ModelFacts {
    pub name: String,
    /// Whether its weights are random.
    pub synthetic: bool,
    pub parameters: usize,
    pub pooling: String,
    pub pictures: bool,
}

/// A device with a storage type.
#[derive(Serialize)]
pub struct DeviceRun {
    pub device: String,
    pub dtype: Dtype,
    pub name: String,
    pub backend: String,
    pub kernels: String,
    pub cold_start: ColdStart,
    /// The last are those of as many threads as it ran with.
    pub ceilings: Vec<Ceilings>,
    /// What 100 % of peak is; `None` without ceilings.
    pub peak: Option<Peak>,
    /// Where the time of `ops_case` goes, by runs of each op alone.
    pub ops: Vec<OpRow>,
    pub ops_case: Option<Case>,
}

/// The best rate that anything measured on a device reached: its own large GEMM, an op of the model, or a whole case. So
/// nothing is above it.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Peak {
    pub gflops: f64,
    /// What reached it.
    pub of: String,
}

/// From a folder to the first vector, in milliseconds.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct ColdStart {
    /// Mapping the files and reading the small ones.
    pub files_ms: f64,
    /// Opening the device, tokenizer, checking weights; on the CPU all that follows, too, as it does not tell them apart.
    pub read_ms: f64,
    /// Laying out and uploading weights, compiling kernels.
    pub prepare_ms: Option<f64>,
    /// Comparing a GPU with the CPU.
    pub self_check_ms: Option<f64>,
    /// The first run of the smallest case, from strings or pictures.
    pub first_run_ms: f64,
}

/// One task of one case on one device, beside one peer if there is one.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    pub case: Case,
    pub inputs: usize,
    pub tokens: usize,
    /// How many runs of the device its inputs are split into.
    pub runs: usize,
    pub device: String,
    pub dtype: Dtype,
    pub task: Task,
    #[serde(flatten)]
    pub times: Times,
    /// How long the device was at the kernels, by its own clock: the median of the same rounds; of `forward` only, and
    /// where the device tells.
    pub device_ms: Option<f64>,
    /// Of which before the device has anything to do; of `end_to_end` only.
    pub tokenise_ms: Option<f64>,
    pub inputs_per_s: f64,
    pub tokens_per_s: f64,
    /// Of one run of the case.
    pub flops: u64,
    /// The same: weights and activations, each once where it is read or written.
    pub bytes: u64,
    pub gflops: f64,
    /// Of the device's [`Peak`]; known when all cases of the device are measured.
    pub share_of_peak: Option<f64>,
    pub cosine_to_reference: f64,
    pub checked_against: Source,
    #[serde(flatten)]
    pub peer: Option<PeerResult>,
}

/// What a peer did in the same rounds.
#[derive(Clone, Debug, Serialize)]
pub struct PeerResult {
    pub peer: String,
    pub peer_device: String,
    pub peer_ms: f64,
    pub peer_min_ms: f64,
    pub peer_max_ms: f64,
    pub peer_cosine: f64,
    /// The median of the peer's time by ours, of each round; above 1 we are faster.
    pub ratio: f64,
    pub ratio_min: f64,
    pub ratio_max: f64,
}

/// What is not there, and why.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Absent {
    pub what: String,
    pub reason: String,
    /// The error's, where it was an error of ours.
    pub code: Option<&'static str>,
}

impl fmt::Display for Absent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.what, self.reason)?;
        self.code.map_or(Ok(()), |code| write!(f, " [{code}]"))
    }
}

impl Report {
    /// For programs.
    pub fn json(&self) -> String {
        // Numbers and strings alone: there is nothing that JSON could not hold.
        serde_json::to_string_pretty(self).unwrap_or_default()
    }
}

impl Peak {
    /// The best of them. Ops count that are a GEMM: what has few operations takes too short a time to divide by.
    pub fn of_all(ceilings: &Ceilings, ops: &[OpRow], rows: &[Row]) -> Self {
        let square = format!("gemm {0} × {0} × {0}", ceilings.gemm_size);
        let gemms = ops.iter().filter(|op| op.op.starts_with("gemm"));
        let gemms = gemms.filter_map(|op| Some(Self { gflops: op.gflops?, of: op.op.clone() }));
        let cases = rows.iter().map(|row| Self { gflops: row.gflops, of: row.case.to_string() });
        let better = |best: Self, other: Self| if other.gflops > best.gflops { other } else { best };
        gemms.chain(cases).fold(Self { gflops: ceilings.gemm_gflops, of: square }, better)
    }
}

impl PeerResult {
    /// `own` and `theirs` are times of the same rounds.
    pub fn new(name: &str, device: &str, cosine: f64, own: &[f64], theirs: &[f64]) -> Self {
        let ratios: Vec<f64> = own.iter().zip(theirs).map(|(own, theirs)| theirs / own).collect();
        let (times, ratios) = (Times::of(theirs), Times::of(&ratios));
        Self {
            peer: name.to_owned(),
            peer_device: device.to_owned(),
            peer_ms: times.median_ms,
            peer_min_ms: times.min_ms,
            peer_max_ms: times.max_ms,
            peer_cosine: cosine,
            ratio: ratios.median_ms,
            ratio_min: ratios.min_ms,
            ratio_max: ratios.max_ms,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_peak_is_the_best_that_was_measured() {
        let ceilings = Ceilings { threads: None, gemm_gflops: 3.0, gemm_size: 256, copy_gb_per_s: 1.0 };
        let op = |op: &str, gflops| OpRow {
            op: op.into(),
            count: 1,
            flops: 1,
            bytes: 1,
            share_of_flops: 1.0,
            ms: None,
            share_of_time: None,
            gflops,
        };
        let peak = |ops: &[OpRow]| Peak::of_all(&ceilings, ops, &[]);
        assert_eq!(peak(&[op("gemm 8→8", None)]), Peak { gflops: 3.0, of: "gemm 256 × 256 × 256".into() });
        let ops = [op("gemm 8→8", Some(4.0)), op("gemm 8→9", Some(2.0)), op("embed", Some(1e9))];
        assert_eq!(peak(&ops), Peak { gflops: 4.0, of: "gemm 8→8".into() });
    }

    #[test]
    fn ratios_are_taken_within_rounds() {
        let result = PeerResult::new("torch", "cpu", 1.0, &[1.0, 2.0, 4.0], &[3.0, 4.0, 4.0]);
        assert_eq!((result.ratio, result.ratio_min, result.ratio_max), (2.0, 1.0, 3.0));
        assert_eq!(result.peer_ms, 4.0);
    }
}
