//! An opened device: its driver, its compiler, and the kernels that were compiled for it.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use heatseek_ops::{DeviceInfo, DeviceKind, Dtype, ExecutorError};
use heatseek_wgsl::{AdapterClass, Kernel, Target};

use crate::compiler::Compiler;
use crate::cuda::Cuda;
use crate::driver::{Driver, Facts};
use crate::faults::Faults;
use crate::kernels::Kernels;
use crate::library::Functions;
use crate::nvrtc::NvrtcCompiler;

/// Rows a run takes: enough to fill a large GPU, few enough that a caller can cancel several times a second.
const ROWS: usize = 8192;
/// The same where kernels run on the CPU.
const ROWS_EMULATED: usize = 128;
/// The share of the free memory that the widest activation of a run may take: a plan has about ten.
const MEMORY_SHARE: u64 = 32;

/// The first GPUs that multiply f16 matrices of 16 by 8 by 16, which the kernels' are made of: Ampere.
const MATRIX_UNITS: (u32, u32) = (8, 0);

/// The first GPUs with a dot product of bytes.
const DOT_PRODUCTS: (u32, u32) = (6, 1);

/// Bytes of shared memory that a kernel may declare on every GPU: more would be asked for at launch.
const SHARED_BYTES: u32 = 48 << 10;

/// Rewrites a kernel's WGSL before it is translated.
pub type SourceTransform = Box<dyn Fn(&Kernel, &str) -> String>;

/// Which GPU.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CudaOptions {
    /// Part of its name, whatever the case; `None` takes the driver's first, which is the fastest unless
    /// `CUDA_DEVICE_ORDER` says otherwise.
    pub name: Option<String>,
}

/// A GPU in words, for `heatseek info`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaReport {
    /// Its name.
    pub name: String,
    /// `CUDA` and the version of the driver.
    pub backend: String,
    /// Its architecture, as `sm_90`.
    pub architecture: String,
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// Multiprocessors.
    pub multiprocessors: u32,
}

/// An opened device. Clones are the same; the last one to go releases it.
#[derive(Clone)]
pub struct CudaDevice {
    shared: Rc<Shared>,
}

struct Shared {
    // Kernels before the driver whose modules they are of.
    kernels: RefCell<Kernels>,
    driver: Rc<dyn Driver>,
    compiler: Arc<dyn Compiler>,
    faults: Faults,
    target: Cell<Target>,
}

impl CudaDevice {
    /// Opens a GPU.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`], with what to install, if there is no driver, no such GPU or no NVRTC.
    pub fn request(options: &CudaOptions) -> Result<Self, ExecutorError> {
        #[cfg(feature = "host")]
        if options.name.as_deref() == Some(crate::host::HOST) {
            return Ok(crate::host::device());
        }
        let functions = Rc::new(functions()?);
        let all = Cuda::enumerate(&functions).map_err(|error| unavailable(error.to_string()))?;
        let wanted = options.name.as_deref().unwrap_or_default().to_lowercase();
        let found = all.iter().position(|facts| facts.name.to_lowercase().contains(&wanted));
        let index = found.ok_or_else(|| {
            let names: Vec<_> = all.iter().map(|facts| facts.name.as_str()).collect();
            unavailable(format!(
                "no CUDA GPU is named `{wanted}` (found [{}]); see CUDA_VISIBLE_DEVICES",
                names.join(", ")
            ))
        })?;
        let facts = &all[index];
        let compiler = NvrtcCompiler::new(facts.capability).map_err(|why| ExecutorError::Unsupported {
            device: facts.name.clone(),
            what: "CUDA kernels".into(),
            why,
        })?;
        let driver = Cuda::open(functions, index).map_err(|error| {
            let why = format!("it could not be opened: {error}");
            ExecutorError::Unsupported { device: facts.name.clone(), what: "CUDA kernels".into(), why }
        })?;
        Ok(Self::new(Rc::new(driver), Arc::new(compiler), Kernels::of_user()))
    }

    /// All GPUs of this machine.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if there is no driver.
    pub fn enumerate() -> Result<Vec<CudaReport>, ExecutorError> {
        let all = Cuda::enumerate(&functions()?).map_err(|error| unavailable(error.to_string()))?;
        Ok(all.into_iter().map(report).collect())
    }

    /// A device of these parts.
    pub(crate) fn new(driver: Rc<dyn Driver>, compiler: Arc<dyn Compiler>, kernels: Kernels) -> Self {
        let faults = Faults::new(&driver.facts().name);
        let target = Cell::new(target_of(driver.facts()));
        Self { shared: Rc::new(Shared { kernels: RefCell::new(kernels), driver, compiler, faults, target }) }
    }

    /// For tests: compiles every kernel from what `transform` makes of its source, so that planted faults can be run.
    /// Plans made before keep their kernels.
    #[must_use]
    pub fn with_source_transform(self, transform: SourceTransform) -> Self {
        self.shared.kernels.borrow_mut().transform(transform);
        self
    }

    /// For tests and measurements: chooses kernels as for another device. Plans made before keep theirs.
    #[must_use]
    pub fn with_target(self, target: Target) -> Self {
        self.shared.target.set(target);
        self
    }

    /// For tests: every plan on it answers [`ExecutorError::Lost`] from now on.
    pub fn destroy(&self) {
        self.shared.faults.lose("it was destroyed");
    }

    /// What it is, as executors describe themselves.
    pub(crate) fn info(&self, dtype: Dtype) -> DeviceInfo {
        let facts = self.driver().facts();
        DeviceInfo {
            kind: DeviceKind::Cuda,
            name: facts.name.clone(),
            backend: format!("{}, {}", facts.backend, self.compiler().identity()),
            kernels: format!(
                "wgsl-{}{}",
                dtype.name(),
                if dtype == Dtype::F16 && self.target(dtype).matrix_units { " on matrix units" } else { "" }
            ),
            dtype: dtype.name(),
            features: vec![
                architecture(facts),
                format!("{} multiprocessors", facts.multiprocessors),
                format!("{} MiB", facts.memory_bytes >> 20),
            ],
        }
    }

    /// What it is, for `heatseek info`.
    pub fn report(&self) -> CudaReport {
        report(self.driver().facts().clone())
    }

    /// Whether kernels can store `dtype`.
    pub fn stores(&self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F32 | Dtype::F16 => true,
            Dtype::Bf16 => false,
            Dtype::Int8 => {
                let facts = self.driver().facts();
                facts.emulated || facts.capability >= DOT_PRODUCTS
            }
        }
    }

    /// What kernels for plans of `dtype` are chosen by.
    pub fn target(&self, dtype: Dtype) -> Target {
        Target { dtype, ..self.shared.target.get() }
    }

    /// Most rows worth giving to one run if the widest activation has `width` elements a row.
    pub(crate) fn preferred_rows(&self, width: usize) -> usize {
        if self.driver().facts().emulated {
            return ROWS_EMULATED;
        }
        let most = self.driver().facts().memory_bytes / MEMORY_SHARE / (4 * width.max(1)) as u64;
        ROWS.min(usize::try_from(most).unwrap_or(usize::MAX)).max(1)
    }

    pub(crate) fn driver(&self) -> &Rc<dyn Driver> {
        &self.shared.driver
    }

    pub(crate) fn compiler(&self) -> &Arc<dyn Compiler> {
        &self.shared.compiler
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.shared.faults
    }

    pub(crate) fn kernels(&self) -> &RefCell<Kernels> {
        &self.shared.kernels
    }
}

impl fmt::Debug for CudaDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CudaDevice({})", self.driver().facts().name)
    }
}

fn functions() -> Result<Functions, ExecutorError> {
    Functions::load().map_err(unavailable)
}

/// There is no CUDA here.
fn unavailable(why: String) -> ExecutorError {
    ExecutorError::Unsupported { device: "this machine".into(), what: "CUDA".into(), why }
}

fn target_of(facts: &Facts) -> Target {
    if facts.emulated {
        return Target { matrix_units: true, ..Target::new(Dtype::F32, AdapterClass::Software).staged() };
    }
    let matrix_units = facts.capability >= MATRIX_UNITS;
    let target = Target::new(Dtype::F32, AdapterClass::Discrete);
    Target { matrix_units, workgroup_bytes: SHARED_BYTES, ..target }
}

fn architecture(facts: &Facts) -> String {
    let (major, minor) = facts.capability;
    format!("sm_{major}{minor}")
}

fn report(facts: Facts) -> CudaReport {
    CudaReport {
        architecture: architecture(&facts),
        name: facts.name,
        backend: facts.backend,
        memory_bytes: facts.memory_bytes,
        multiprocessors: facts.multiprocessors,
    }
}
