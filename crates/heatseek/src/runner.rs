//! A model on the device that runs it, whatever happens to that device.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use heatseek_gpu::GpuDevice;
use heatseek_ops::{Batch, ExecutorError, OutputId};
use heatseek_pool::Pooler;

use crate::appended::{VectorOutput, Wanted};
use crate::control::OfRun;
use crate::device::{self, Active, Encoder};
use crate::{Control, DeviceReport, Error, LoadOptions, Mark, Tuner};

/// Poolers remembered, to be appended again where they are missing: after a loss, or when too many others came.
const REMEMBERED: usize = 64;

/// A model and the device it runs on.
pub(crate) struct Runner<E> {
    pub(crate) encoder: E,
    options: LoadOptions,
    active: RefCell<Rc<Active>>,
    recovered: Cell<bool>,
    /// Those used last at the end.
    poolers: RefCell<Vec<Wanted>>,
}

impl<E: Encoder> Runner<E> {
    pub(crate) fn new(encoder: E, options: LoadOptions, active: Active) -> Self {
        let active = RefCell::new(Rc::new(active));
        Self { encoder, options, active, recovered: Cell::new(false), poolers: RefCell::default() }
    }

    pub(crate) fn active(&self) -> Rc<Active> {
        self.active.borrow().clone()
    }

    /// The device in use, with what is chosen on it now.
    pub(crate) fn report(&self) -> DeviceReport {
        let active = self.active();
        let tuned = active.gpu.as_ref().map(GpuDevice::choices).unwrap_or_default();
        DeviceReport { tuned, ..active.report.clone() }
    }

    pub(crate) fn tuner(&self) -> Tuner {
        Tuner::new(self.active(), self.encoder.query_rows())
    }

    /// Where a run leaves the vectors of `pooler`, which is made part of the Program if it is not yet; without one, of
    /// the model's own. `None` if the device does not compute it, so that it has to be pooled from states.
    ///
    /// # Errors
    /// A pooler that does not fit the model's Dense layers; a device that cannot go on.
    pub(crate) async fn vector_output(
        &self,
        pooler: Option<&Pooler>,
        normalize: Option<bool>,
        weights: bool,
        control: &dyn Control,
    ) -> Result<Option<VectorOutput>, Error> {
        let Some(pooler) = pooler else {
            return self.active().vector_output(&self.encoder.vector_output(None, normalize)).map(Some);
        };
        let unit = normalize.unwrap_or(self.encoder.normalizes());
        let Some(wanted) = Wanted::new(pooler, unit, weights) else { return Ok(None) };
        if let Some(pooling) = wanted.of_models() {
            let name = self.encoder.vector_output(Some(pooling), normalize);
            return self.active().vector_output(&name).map(Some);
        }
        if !wanted.fits(&self.active())? {
            return Ok(None);
        }
        let name = wanted.name.clone();
        self.remember(wanted);
        self.active_for(&[&name], control).await?.vector_output(&name).map(Some)
    }

    fn remember(&self, wanted: Wanted) {
        let mut poolers = self.poolers.borrow_mut();
        poolers.retain(|known| known.name != wanted.name);
        poolers.push(wanted);
        let more = poolers.len().saturating_sub(REMEMBERED);
        poolers.drain(..more);
    }

    /// The device with every pooler of `outputs` in its Program.
    async fn active_for(&self, outputs: &[&str], control: &dyn Control) -> Result<Rc<Active>, Error> {
        loop {
            let active = self.active();
            let known = |name: &str| active.program.output_named(name).is_ok();
            let missing = self
                .poolers
                .borrow()
                .iter()
                .find(|w| outputs.contains(&&*w.name) && !known(&w.name))
                .cloned();
            let Some(wanted) = missing else { return Ok(active) };
            match active.with(&wanted).await {
                // Meanwhile another device or another pooler may have come, which must not be undone.
                Ok(extended) if Rc::ptr_eq(&active, &self.active()) => {
                    self.active.replace(Rc::new(extended));
                }
                Ok(_) => {}
                Err(Error::Executor(ExecutorError::Lost { device, reason })) => {
                    self.recover(format!("{device} was lost ({reason})"), control).await?;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Runs a batch. A device lost on the way is opened again, once in a model's life; after that, or if it
    /// cannot be, the CPU takes over. Either way the batch is answered.
    pub(crate) async fn run(
        &self,
        batch: &Batch,
        outputs: &[&str],
        control: &dyn Control,
    ) -> Result<Vec<Vec<f32>>, Error> {
        loop {
            let active = self.active_for(outputs, control).await?;
            let ids: Vec<OutputId> =
                outputs.iter().map(|name| active.program.output_named(name)).collect::<Result<_, _>>()?;
            match active.plan.run_with(batch, &ids, &OfRun(control)).await {
                Ok(values) => {
                    control.mark(Mark::ReadBack);
                    return Ok(values);
                }
                Err(ExecutorError::Lost { device, reason }) => {
                    let why = format!("{device} was lost ({reason})");
                    drop(active);
                    self.recover(why, control).await?;
                }
                Err(ExecutorError::Stopped) => return Err(Error::Aborted),
                Err(error) => return Err(error.into()),
            }
        }
    }

    async fn recover(&self, why: String, control: &dyn Control) -> Result<(), Error> {
        let again = if self.recovered.replace(true) {
            None
        } else {
            let opened = device::open(&self.encoder, &self.options, None, control).await;
            match opened {
                Err(Error::Aborted) => return Err(Error::Aborted),
                opened => opened.ok(),
            }
        };
        let active = match again {
            Some(active) => active,
            None => device::fallback(&self.encoder, &self.options, format!("{why}; using the CPU")).await?,
        };
        self.active.replace(Rc::new(active));
        Ok(())
    }

    /// For tests: makes the device fail as a driver reset would.
    pub(crate) fn lose_device(&self) {
        if let Some(lose) = &self.active().lose {
            lose();
        }
    }
}

#[cfg(test)]
mod tests {
    use futures_lite::future::block_on;
    use heatseek_model::TextModel;
    use heatseek_model::synthetic::SyntheticBert;
    use heatseek_ops::HIDDEN;
    use heatseek_pool::{PoolerSpec, Sizes, States};
    use heatseek_testkit::{Tolerance, assert_close};

    use super::*;
    use crate::{DeviceChoice, NoControl};

    const D: usize = 24;

    fn pooler(spec: &str) -> Pooler {
        let sizes = Sizes { hidden_size: D, num_hidden_layers: 2, num_attention_heads: 3 };
        Pooler::new(&PoolerSpec::parse(spec).unwrap(), None, sizes).unwrap()
    }

    /// `None` where there is no such device.
    fn runner(device: DeviceChoice) -> Option<Runner<TextModel>> {
        let model = SyntheticBert { normalize: false, ..SyntheticBert::default() }.model().unwrap();
        let options = LoadOptions { device, checked: true, ..LoadOptions::default() };
        let active = block_on(device::open(&model, &options, None, &NoControl)).ok()?;
        Some(Runner::new(model, options, active))
    }

    /// Runs the output of a pooler that was asked for earlier.
    fn assert_pools(runner: &Runner<TextModel>, pooler: &Pooler, output: &VectorOutput) {
        let mut batch = Batch::new();
        batch.push(&[1, 2, 3, 4], &[0; 4], 0).unwrap();
        batch.skip_first(1);
        let values = block_on(runner.run(&batch, &[&output.vectors, HIDDEN], &NoControl)).unwrap();
        let hidden = vec![&values[1][..]];
        let states = States { hidden, tokens: 4, width: D, skip: 1, ..States::default() };
        let expected = pooler.pool(&states).unwrap().vectors;
        assert_eq!(output.width, expected.len());
        assert_close(&values[0], &expected, &[1, output.width], Tolerance::Abs(1e-4));
    }

    fn output(runner: &Runner<TextModel>, pooler: &Pooler, weights: bool) -> Option<VectorOutput> {
        block_on(runner.vector_output(Some(pooler), None, weights, &NoControl)).unwrap()
    }

    #[test]
    fn poolers_stay_however_many_come_and_whatever_happens_to_the_device() {
        for device in [DeviceChoice::Cpu, DeviceChoice::Gpu] {
            let Some(runner) = runner(device) else {
                eprintln!("no {device:?}: not tested");
                continue;
            };
            let [gem, stats, query] = ["gem", "stats", "qkv_pool"].map(pooler);
            let first = output(&runner, &gem, true).unwrap();
            assert_eq!(first.weights, None);
            assert_pools(&runner, &gem, &first);
            let before = runner.active();
            assert_eq!(output(&runner, &gem, true).unwrap(), first);
            assert!(Rc::ptr_eq(&before, &runner.active()), "what is there is not appended again");
            for index in 0..40 {
                let other = pooler(&format!("gem:p={}", 1.0 + f64::from(index) / 8.0));
                let other_output = output(&runner, &other, false).unwrap();
                if index % 13 == 0 {
                    assert_pools(&runner, &other, &other_output);
                }
            }
            assert!(runner.active().appended <= 32);
            assert_pools(&runner, &gem, &first);
            let wide = output(&runner, &stats, false).unwrap();
            assert_eq!(wide.width, 2 * D);
            let weighed = output(&runner, &query, true).unwrap();
            assert!(weighed.weights.is_some());
            runner.lose_device();
            assert_pools(&runner, &stats, &wide);
            assert_pools(&runner, &query, &weighed);
        }
    }

    #[test]
    fn the_pooling_of_models_needs_no_steps_of_its_own() {
        let runner = runner(DeviceChoice::Cpu).unwrap();
        let before = runner.active();
        let mean = output(&runner, &pooler("mean"), false).unwrap();
        let own = block_on(runner.vector_output(None, None, false, &NoControl)).unwrap().unwrap();
        assert_eq!(mean, own);
        assert_pools(&runner, &pooler("max"), &output(&runner, &pooler("max"), false).unwrap());
        assert!(Rc::ptr_eq(&before, &runner.active()));
    }

    #[test]
    fn dense_layers_refuse_vectors_of_another_width() {
        let model = SyntheticBert { dense: Some(8), ..SyntheticBert::default() }.model().unwrap();
        let options = LoadOptions { device: DeviceChoice::Cpu, ..LoadOptions::default() };
        let active = block_on(device::open(&model, &options, None, &NoControl)).unwrap();
        let runner = Runner::new(model, options, active);
        let wide = block_on(runner.vector_output(Some(&pooler("stats")), None, false, &NoControl));
        let message = wide.unwrap_err().to_string();
        assert!(message.contains("48") && message.contains("takes 24"), "{message}");
        assert_eq!(output(&runner, &pooler("gem"), false).unwrap().width, 8);
    }
}
