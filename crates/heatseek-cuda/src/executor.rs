//! The executor: makes Programs ready on a device.

use std::sync::Arc;

use heatseek_ops::{DeviceInfo, Dtype, Executor, ExecutorError, LocalFuture, Plan, PlanOptions, Program};

use crate::device::CudaDevice;
use crate::plan::CudaPlan;

/// Runs Programs on a [`CudaDevice`].
#[derive(Clone, Debug)]
pub struct CudaExecutor {
    device: CudaDevice,
}

impl CudaExecutor {
    /// An executor on `device`.
    pub fn new(device: CudaDevice) -> Self {
        Self { device }
    }

    /// The device it drives.
    pub fn cuda(&self) -> &CudaDevice {
        &self.device
    }

    /// [`Executor::prepare`] with the plan's own type.
    ///
    /// # Errors
    /// As [`Executor::prepare`].
    pub fn plan(&self, program: Arc<Program>, options: PlanOptions) -> Result<CudaPlan, ExecutorError> {
        CudaPlan::new(self.device.clone(), program, options)
    }
}

impl Executor for CudaExecutor {
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
        Box::pin(async move { Ok(Box::new(self.plan(program, options)?) as Box<dyn Plan>) })
    }
}
