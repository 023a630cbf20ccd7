//! Between a GPU that computes right and the CPU: whichever is faster, by a short measurement.

use std::fmt::Write as _;
use std::rc::Rc;

use heatseek_ops::{Op, Program};
use serde::{Deserialize, Serialize};

use crate::device::{Active, Encoder};
use crate::{DeviceChoice, Error, LoadOptions, self_check, tuning};

/// Milliseconds since some moment.
pub type Clock = Rc<dyn Fn() -> f64>;

/// A query, as the self-check's probe is about one, and so many of it: some 500 tokens.
const COPIES: [usize; 2] = [1, 19];

/// What came of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Contest {
    /// Of the model: see [`work`].
    work: usize,
    dtype: String,
    /// Whether the GPU won.
    pub(crate) gpu: bool,
    /// What was measured.
    pub(crate) why: String,
}

impl Contest {
    pub(crate) fn is_of(&self, (work, dtype): (usize, &str)) -> bool {
        (self.work, &*self.dtype) == (work, dtype)
    }

    pub(crate) fn is_like(&self, other: &Self) -> bool {
        self.is_of((other.work, &other.dtype))
    }
}

/// Products that a row costs: what makes one model slower than another, however LayerNorm is done.
pub(crate) fn work(program: &Program) -> usize {
    let of = |op: &Op| if let Op::Gemm(gemm) = op { gemm.k * gemm.n } else { 0 };
    program.steps().iter().map(|step| of(&step.op)).sum()
}

/// Whether devices are to be measured for these options: somebody who asks for f16 has chosen a GPU.
pub(crate) fn is_open(options: &LoadOptions) -> bool {
    let cpu = heatseek_cpu::executor();
    options.device == DeviceChoice::Auto && heatseek_ops::Executor::stores(&cpu, options.dtype.on(&cpu)[0])
}

/// The clock of the options; natively there is always one.
pub(crate) fn clock(options: &LoadOptions) -> Option<Clock> {
    let given = options.clock.clone();
    #[cfg(not(target_arch = "wasm32"))]
    let given = given.or_else(|| {
        let began = std::time::Instant::now();
        Some(Rc::new(move || began.elapsed().as_secs_f64() * 1e3) as Clock)
    });
    given
}

/// Measures a GPU against what the CPU took for the probe. The GPU wins if it is as fast with a query; it is then faster yet
/// with more. Otherwise it wins if it is with a batch, for which the CPU takes as many times longer as it has more rows.
///
/// The CPU's time is one run of kernels that lay weights out as they go, with one thread, so as not to hold a second copy
/// of the weights: somewhat more than it would take, in the GPU's favour.
pub(crate) async fn contest(
    model: &dyn Encoder,
    active: &Active,
    options: &LoadOptions,
    cpu_ms: f64,
) -> Result<Option<Contest>, Error> {
    let Some(gpu) = active.gpu.as_ref().filter(|_| is_open(options)) else { return Ok(None) };
    let (work, dtype) = (work(&active.program), active.report.dtype);
    if let Some(kept) = tuning::kept_contest(options, gpu.adapter(), (work, dtype)) {
        return Ok(Some(kept));
    }
    let Some(clock) = clock(options) else { return Ok(None) };
    let mut contest = Contest { work, dtype: dtype.to_owned(), gpu: false, why: "measured:".to_owned() };
    for copies in COPIES {
        let batch = model.probe(copies)?;
        // Kernels for so many rows are compiled first.
        self_check::run(active, &batch).await?;
        let began = clock();
        self_check::run(active, &batch).await?;
        let (took, cpu) = (clock() - began, cpu_ms * copies as f64);
        let name = &active.report.name;
        // Writing to a string cannot fail.
        let _ = write!(contest.why, " {} rows took {name} {took:.1} ms and the CPU {cpu:.1};", batch.rows());
        contest.gpu = took <= cpu;
        if contest.gpu {
            break;
        }
    }
    contest.why.pop();
    #[cfg(not(target_arch = "wasm32"))]
    tuning::native::keep(options, gpu.adapter(), &contest);
    Ok(Some(contest))
}
