//! The executor: makes Programs ready on a device.

use std::sync::Arc;

use heatseek_ops::{DeviceInfo, Dtype, Executor, ExecutorError, LocalFuture, Op, Plan, PlanOptions, Program};
use heatseek_wgsl::select;

use crate::device::GpuDevice;
use crate::plan::GpuPlan;

/// Runs Programs on a [`GpuDevice`].
#[derive(Clone, Debug)]
pub struct GpuExecutor {
    device: GpuDevice,
}

impl GpuExecutor {
    /// An executor on `device`.
    pub fn new(device: GpuDevice) -> Self {
        Self { device }
    }

    /// The device it drives.
    pub fn gpu(&self) -> &GpuDevice {
        &self.device
    }

    /// Starts compiling the f32 kernels of `ops` for runs of about `rows` rows and does not wait: call it
    /// while weights download. (What is narrower is known only of a whole Program.) Whether they compiled is told by [`Executor::prepare`].
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if an op is beyond this device.
    pub fn compile(&self, ops: &[Op], rows: usize) -> Result<(), ExecutorError> {
        let target = self.device.target(Dtype::F32);
        for op in ops {
            let selection = select(op, target.row_class(rows), &target, &[])
                .map_err(|why| self.device.faults().unsupported(op.name(), why.to_string()))?;
            self.device.pipelines().borrow_mut().start(&self.device, &selection, false)?;
        }
        Ok(())
    }

    /// [`Executor::prepare`] with the plan's own type.
    ///
    /// # Errors
    /// As [`Executor::prepare`].
    pub async fn plan(&self, program: Arc<Program>, options: PlanOptions) -> Result<GpuPlan, ExecutorError> {
        GpuPlan::new(self.device.clone(), program, options).await
    }
}

impl Executor for GpuExecutor {
    fn device(&self) -> DeviceInfo {
        self.device.info(Dtype::F32)
    }

    fn device_for(&self, dtype: Dtype) -> DeviceInfo {
        self.device.info(dtype)
    }

    fn stores(&self, dtype: Dtype) -> bool {
        self.device.stores(dtype)
    }

    fn prepare(
        &self,
        program: Arc<Program>,
        options: PlanOptions,
    ) -> LocalFuture<'_, Result<Box<dyn Plan>, ExecutorError>> {
        Box::pin(async move { Ok(Box::new(self.plan(program, options).await?) as Box<dyn Plan>) })
    }
}
