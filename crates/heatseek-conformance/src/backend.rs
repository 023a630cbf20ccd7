//! The backends there are, by the names that reports print.

use std::fmt;

use heatseek::{DeviceChoice, LoadOptions};
#[cfg(not(target_arch = "wasm32"))]
use heatseek_cuda::{CudaDevice, CudaExecutor, CudaOptions};
use heatseek_gpu::{AdapterChoice, GpuDevice, GpuExecutor, GpuOptions, SourceTransform};
use heatseek_ops::{Executor, HostExecutor, ReferenceExecutor};

/// What runs the Programs of a suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The scalar reference.
    Reference,
    /// The CPU kernels.
    Cpu,
    /// The GPU whose name contains this (empty: any).
    Gpu(String),
    /// The same; if it is software, with the kernels that GPUs take.
    Staged(String),
    /// The GPU whose name contains this, through CUDA.
    #[cfg(not(target_arch = "wasm32"))]
    Cuda(String),
}

/// Why a backend cannot run here.
#[derive(Clone, Debug)]
pub struct Unavailable(pub String);

impl Backend {
    /// Mesa's software Vulkan driver.
    pub fn lavapipe() -> Self {
        Backend::Gpu("llvmpipe".into())
    }

    /// Chromium's software Vulkan driver.
    pub fn swiftshader() -> Self {
        Backend::Gpu("swiftshader".into())
    }

    /// Whatever NVIDIA GPU there is, through CUDA.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn cuda() -> Self {
        Backend::Cuda(String::new())
    }

    /// With the kernels that GPUs take, if it is software with kernels of its own.
    #[must_use]
    pub fn staged(self) -> Self {
        match self {
            Backend::Gpu(name) => Backend::Staged(name),
            other => other,
        }
    }

    /// An executor for it, with its kernels' sources changed by `transform`.
    ///
    /// # Errors
    /// [`Unavailable`] if it has no such kernels or is not here.
    pub async fn spoiled(&self, transform: SourceTransform) -> Result<Box<dyn Executor>, Unavailable> {
        Ok(match self {
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Cuda(_) => Box::new(self.cuda_executor(Some(transform))?),
            _ => Box::new(self.gpu(Some(transform)).await?),
        })
    }

    /// An executor for it.
    ///
    /// # Errors
    /// [`Unavailable`] with the reason.
    pub async fn executor(&self) -> Result<Box<dyn Executor>, Unavailable> {
        Ok(match self {
            Backend::Reference => Box::new(HostExecutor::new(ReferenceExecutor)),
            Backend::Cpu => Box::new(heatseek_cpu::executor()),
            Backend::Gpu(_) | Backend::Staged(_) => Box::new(self.gpu(None).await?),
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Cuda(_) => Box::new(self.cuda_executor(None)?),
        })
    }

    /// The GPU executor, with its kernels' sources changed by `transform`.
    ///
    /// # Errors
    /// [`Unavailable`] if this is not a GPU or it is not here.
    pub async fn gpu(&self, transform: Option<SourceTransform>) -> Result<GpuExecutor, Unavailable> {
        let (Backend::Gpu(name) | Backend::Staged(name)) = self else {
            return Err(Unavailable(format!("{self} is not a GPU")));
        };
        let adapter = match name.is_empty() {
            true => AdapterChoice::default(),
            false => AdapterChoice::Named(name.clone()),
        };
        let device = GpuDevice::request(GpuOptions { adapter, refuse_software: false })
            .await
            .map_err(|e| Unavailable(e.to_string()))?;
        let device = match transform {
            Some(transform) => device.with_source_transform(transform),
            None => device,
        };
        Ok(GpuExecutor::new(if matches!(self, Backend::Staged(_)) { device.staged() } else { device }))
    }

    #[cfg(not(target_arch = "wasm32"))]
    fn cuda_executor(&self, transform: Option<SourceTransform>) -> Result<CudaExecutor, Unavailable> {
        let Backend::Cuda(name) = self else { return Err(Unavailable(format!("{self} is not CUDA"))) };
        let name = (!name.is_empty()).then(|| name.clone());
        let device = CudaDevice::request(&CudaOptions { name }).map_err(|e| Unavailable(e.to_string()))?;
        Ok(CudaExecutor::new(match transform {
            Some(transform) => device.with_source_transform(transform),
            None => device,
        }))
    }

    /// How to load a model onto it. Runs are checked: outputs start as NaN and must not be overrun.
    pub fn load_options(&self) -> LoadOptions {
        let (device, adapter) = match self {
            Backend::Reference => (DeviceChoice::Reference, None),
            Backend::Cpu => (DeviceChoice::Cpu, None),
            Backend::Gpu(name) | Backend::Staged(name) => {
                (DeviceChoice::Gpu, (!name.is_empty()).then(|| name.clone()))
            }
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Cuda(name) => (DeviceChoice::Cuda, (!name.is_empty()).then(|| name.clone())),
        };
        let staged = matches!(self, Backend::Staged(_));
        LoadOptions { device, adapter, staged, checked: true, ..LoadOptions::default() }
    }
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backend::Reference => write!(f, "reference"),
            Backend::Cpu => write!(f, "cpu"),
            Backend::Gpu(name) if name.is_empty() => write!(f, "gpu"),
            Backend::Gpu(name) => write!(f, "gpu {name}"),
            Backend::Staged(name) => write!(f, "{}, staged", Backend::Gpu(name.clone())),
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Cuda(name) if name.is_empty() => write!(f, "cuda"),
            #[cfg(not(target_arch = "wasm32"))]
            Backend::Cuda(name) => write!(f, "cuda {name}"),
        }
    }
}

impl fmt::Display for Unavailable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
