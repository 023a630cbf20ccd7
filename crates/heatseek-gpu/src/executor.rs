//! The executor: makes Programs ready on a device.

use std::sync::Arc;

use heatseek_ops::{DeviceInfo, Dtype, Executor, ExecutorError, LocalFuture, Plan, PlanOptions, Program};
use heatseek_wgsl::Storage;

use crate::device::GpuDevice;
use crate::plan::{GpuPlan, chosen, eager};

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

    /// Starts compiling the kernels that most runs of `program` want, for about `rows` rows, and does not wait:
    /// call it while weights download, with the Program's outline. Whether they compiled is told by
    /// [`Executor::prepare`].
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if the device does not store `dtype`, or an op is beyond it.
    pub fn compile(&self, program: &Program, dtype: Dtype, rows: usize) -> Result<(), ExecutorError> {
        self.device.check_stores(dtype)?;
        let target = self.device.target(dtype);
        let storage = Storage::new(program, &target);
        for (_, step) in eager(program) {
            let selection = chosen(&self.device, step, rows, &target, &storage)?;
            self.device.pipelines().borrow_mut().start(&self.device, &selection, false)?;
        }
        self.device.tell_compiled();
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
