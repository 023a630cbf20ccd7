//! Which kernels are the fastest for a model on its GPU: measured when there is time, kept for the next session.

use std::rc::Rc;

use heatseek_gpu::{AdapterReport, Choice, GpuDevice};
use heatseek_ops::{ExecutorError, Tuning};
use serde::{Deserialize, Serialize};

use crate::device::Active;
use crate::{Error, ImageModel, Model};

/// Adapters and drivers that are remembered, the newest ones.
const REMEMBERED: usize = 8;

/// What was chosen on one adapter, by one version of its driver and of Heatseek.
#[derive(Debug, Serialize, Deserialize)]
struct Table {
    heatseek: String,
    adapter: String,
    backend: String,
    driver: String,
    choices: Vec<Choice>,
}

impl Table {
    fn new(adapter: &AdapterReport, choices: Vec<Choice>) -> Self {
        Self {
            heatseek: env!("CARGO_PKG_VERSION").to_owned(),
            adapter: adapter.name.clone(),
            backend: adapter.backend.clone(),
            driver: adapter.driver.clone(),
            choices,
        }
    }

    fn key(&self) -> [&str; 4] {
        [&self.heatseek, &self.adapter, &self.backend, &self.driver]
    }

    fn is_of(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

/// The tables in `text`; none where it is anything else.
fn tables(text: &str) -> Vec<Table> {
    serde_json::from_str(text).unwrap_or_default()
}

/// What `text`, of an earlier session, says of this adapter.
pub(crate) fn read(text: &str, adapter: &AdapterReport) -> Vec<Choice> {
    let own = Table::new(adapter, Vec::new());
    let table = tables(text).into_iter().find(|table| table.is_of(&own));
    let choices = table.map(|table| table.choices).unwrap_or_default();
    choices.into_iter().map(|choice| Choice { cached: true, ..choice }).collect()
}

/// What is to be kept: `text` with `choices` for `adapter`, in place of those it has.
fn written(text: Option<&str>, adapter: &AdapterReport, choices: Vec<Choice>) -> String {
    let own = Table::new(adapter, choices);
    let mut all = text.map(tables).unwrap_or_default();
    all.retain(|table| table.heatseek == own.heatseek && !table.is_of(&own));
    all.push(own);
    let more = all.len().saturating_sub(REMEMBERED);
    // Strings and numbers only: nothing that JSON has no word for.
    serde_json::to_string(&all[more..]).unwrap_or_default()
}

/// Chooses the fastest kernels for a model on the device it has now: on GPUs; elsewhere there is nothing to choose.
///
/// Kernels differ in the order of their sums and so in the last bits of vectors. A kernel is taken only if its answers are
/// the others' within the bars of the self-check, and is clearly faster.
pub struct Tuner {
    active: Rc<Active>,
    usual: [usize; 2],
}

impl Model {
    /// What tunes it.
    pub fn tuner(&self) -> Tuner {
        self.runner.tuner()
    }
}

impl ImageModel {
    /// What tunes it.
    pub fn tuner(&self) -> Tuner {
        self.runner.tuner()
    }
}

impl Tuner {
    pub(crate) fn new(active: Rc<Active>, query_rows: usize) -> Self {
        let usual = [query_rows, active.plan.preferred_rows()];
        Self { active, usual }
    }

    /// Takes a step of some milliseconds, or of compiling a kernel, for the numbers of rows that calls had; with `usual`
    /// also for those of a query and of a full batch, which takes the memory of a full batch. Calls that are made while it
    /// is awaited are not held up by more than that.
    ///
    /// # Errors
    /// [`Error::Executor`] if the device cannot go on. One that was lost is found by the next call.
    pub async fn step(&self, usual: bool) -> Result<Tuning, Error> {
        let also: &[usize] = if usual { &self.usual } else { &[] };
        match self.active.plan.tune(also).await {
            Err(ExecutorError::Lost { .. }) => Ok(Tuning::Done),
            step => Ok(step?),
        }
    }

    /// What is chosen now, for [`LoadOptions::tuned`](crate::LoadOptions::tuned) of another session, together with what
    /// `kept` says of other adapters. `None` where there is nothing to keep.
    pub fn table(&self, kept: Option<&str>) -> Option<String> {
        let gpu = self.active.gpu.as_ref()?;
        let choices = gpu.choices();
        (!choices.is_empty()).then(|| written(kept, gpu.adapter(), choices))
    }
}

/// Has `gpu` follow what `text` says, or natively what the user's cache does.
pub(crate) fn follow(gpu: &GpuDevice, text: Option<&str>) {
    #[cfg(not(target_arch = "wasm32"))]
    let kept = text.map(str::to_owned).or_else(native::kept);
    #[cfg(target_arch = "wasm32")]
    let kept = text;
    if let Some(text) = kept {
        gpu.choose(read(&text, gpu.adapter()));
    }
}

/// Where there is a clock and a file system.
#[cfg(not(target_arch = "wasm32"))]
mod native {
    use std::time::{Duration, Instant};

    use heatseek_cuda::Cache;

    use super::{Tuner, Tuning};
    use crate::{Control, Error};

    /// Name of the folder below the user's cache folder, and of what is in it.
    const FOLDER: &str = "tuning";
    const ENTRY: &str = "tables";

    pub(super) fn kept() -> Option<String> {
        String::from_utf8(Cache::of_user(FOLDER).get(ENTRY)?).ok()
    }

    impl Tuner {
        /// Takes steps ([`Tuner::step`]) until nothing is left to do, or `budget` is spent and a choice complete; then keeps
        /// what was chosen in the user's cache.
        ///
        /// # Errors
        /// As [`Tuner::step`]; [`Error::Aborted`] if `control` says so, between two steps.
        pub async fn run(&self, budget: Duration, usual: bool, control: &dyn Control) -> Result<(), Error> {
            let began = Instant::now();
            let mut chosen = false;
            loop {
                control.checkpoint().await?;
                let step = self.step(usual).await?;
                chosen |= step == Tuning::Chosen;
                let may_stop = matches!(step, Tuning::Chosen | Tuning::Waiting);
                if step == Tuning::Done || (may_stop && began.elapsed() >= budget) {
                    break;
                }
            }
            if let Some(table) = self.table(kept().as_deref()).filter(|_| chosen) {
                Cache::of_user(FOLDER).put(ENTRY, table.as_bytes());
            }
            Ok(())
        }
    }
}

#[cfg(test)]
mod tests {
    use heatseek_gpu::AdapterLimits;

    use super::*;

    fn adapter(name: &str, driver: &str) -> AdapterReport {
        AdapterReport {
            name: name.into(),
            backend: "Vulkan".into(),
            driver: driver.into(),
            device_type: "Cpu".into(),
            software: true,
            features: Vec::new(),
            limits: AdapterLimits {
                max_buffer_size: 0,
                max_storage_buffer_binding_size: 0,
                max_storage_buffers_per_shader_stage: 0,
                max_compute_workgroup_storage_size: 0,
                max_compute_invocations_per_workgroup: 0,
                max_compute_workgroups_per_dimension: 0,
            },
        }
    }

    fn choice(kernel: &str, cached: bool) -> Choice {
        Choice { shape: "gemm_f32 4x4".into(), rows: 16, kernel: kernel.into(), percent: 80, cached }
    }

    #[test]
    fn what_is_written_is_read_on_the_same_adapter_and_driver_only() {
        let here = adapter("here", "driver 1");
        let text = written(None, &here, vec![choice("a", false)]);
        assert_eq!(read(&text, &here), [choice("a", true)], "and it is said to come from there");
        for other in [adapter("there", "driver 1"), adapter("here", "driver 2")] {
            assert_eq!(read(&text, &other), []);
            let both = written(Some(&text), &other, vec![choice("b", false)]);
            assert_eq!(read(&both, &here), [choice("a", true)]);
            assert_eq!(read(&both, &other), [choice("b", true)]);
        }
        let again = written(Some(&text), &here, vec![choice("c", false)]);
        assert_eq!(read(&again, &here), [choice("c", true)]);
        assert_eq!(tables(&again).len(), 1);
    }

    #[test]
    fn another_version_and_what_is_no_table_are_passed_over_and_written_anew() {
        let here = adapter("here", "driver");
        let text = written(None, &here, vec![choice("a", false)]);
        let version = format!("\"heatseek\":\"{}\"", env!("CARGO_PKG_VERSION"));
        let older = text.replace(&version, "\"heatseek\":\"0.0.1\"");
        assert_ne!(older, text);
        let alien = text.replace("choices", "selections");
        for broken in [&older, &alien, &text[1..], "", "null", "{}", "[1]", "[{}]", "\u{fffd}"] {
            assert_eq!(read(broken, &here), [], "{broken}");
            let anew = written(Some(broken), &here, vec![choice("b", false)]);
            assert_eq!(read(&anew, &here), [choice("b", true)]);
            assert_eq!(tables(&anew).len(), 1);
        }
    }

    #[test]
    fn the_adapters_that_came_last_are_remembered() {
        let mut text = None;
        for index in 0..20 {
            let kept = written(text.as_deref(), &adapter(&index.to_string(), ""), vec![choice("a", false)]);
            text = Some(kept);
        }
        let text = text.unwrap();
        assert_eq!(tables(&text).len(), REMEMBERED);
        assert_eq!(read(&text, &adapter("19", "")).len(), 1);
        assert_eq!(read(&text, &adapter("0", "")).len(), 0);
    }
}
