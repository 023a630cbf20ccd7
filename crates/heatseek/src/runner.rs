//! A model on the device that runs it, whatever happens to that device.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use heatseek_ops::{Batch, ExecutorError, OutputId};

use crate::device::{self, Active, Encoder};
use crate::{Control, Error, LoadOptions};

/// A model and the device it runs on.
pub(crate) struct Runner<E> {
    pub(crate) encoder: E,
    options: LoadOptions,
    active: RefCell<Rc<Active>>,
    recovered: Cell<bool>,
}

impl<E: Encoder> Runner<E> {
    pub(crate) fn new(encoder: E, options: LoadOptions, active: Active) -> Self {
        Self { encoder, options, active: RefCell::new(Rc::new(active)), recovered: Cell::new(false) }
    }

    pub(crate) fn active(&self) -> Rc<Active> {
        self.active.borrow().clone()
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
            let active = self.active();
            let ids: Vec<OutputId> =
                outputs.iter().map(|name| active.program.output_named(name)).collect::<Result<_, _>>()?;
            match active.plan.run(batch, &ids).await {
                Ok(values) => return Ok(values),
                Err(ExecutorError::Lost { device, reason }) => {
                    let why = format!("{device} was lost ({reason})");
                    drop(active);
                    self.recover(why, control).await?;
                }
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
            None => device::cpu(&self.encoder, &self.options, Some(format!("{why}; using the CPU"))).await?,
        };
        self.active.replace(Rc::new(active));
        Ok(())
    }

    /// For tests: makes the device fail as a driver reset would.
    pub(crate) fn lose_device(&self) {
        if let Some(gpu) = &self.active().gpu {
            gpu.destroy();
        }
    }
}
