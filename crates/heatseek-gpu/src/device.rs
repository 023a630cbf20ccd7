//! An opened GPU: adapter facts, queue, pipelines and the faults it reports.

use std::cell::{Cell, OnceCell, Ref, RefCell};
use std::fmt;
use std::rc::Rc;
use std::sync::Arc;

use heatseek_ops::{DeviceInfo, DeviceKind, Dtype, ExecutorError};
use heatseek_wgsl::{Kernel, Target};

use crate::adapter::{self, AdapterLimits, AdapterReport, GpuOptions, Offer};
use crate::faults::Faults;
use crate::pipeline::Pipelines;
use crate::stopwatch::Marks;
use crate::tuned::{Choice, Choices};

/// Rows a run takes on a GPU: enough to fill a large one, few enough that 1536-wide activations stay
/// below 64 MiB and a caller can cancel several times a second.
const ROWS_ON_A_GPU: usize = 8192;
/// Rows a run takes where the "GPU" computes on the CPU: about a second's work for MiniLM on SwiftShader
/// with two cores, where larger runs are no faster a row.
const ROWS_ON_SOFTWARE: usize = 128;

/// Rewrites a kernel's source before it is compiled.
pub type SourceTransform = Box<dyn Fn(&Kernel, &str) -> String>;

/// Says how long a kernel is taken to have run, from how long it did, in seconds.
pub type TimingTransform = Box<dyn Fn(&Kernel, f64) -> f64>;

/// A moment of making a device ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Milestone {
    /// The device is open.
    Opened,
    /// The kernels that were started ahead are compiled.
    Compiled,
    /// The weights of a plan are laid out and handed to the device.
    Uploaded,
}

/// Told of milestones.
pub type Watch = Rc<dyn Fn(Milestone)>;

/// An opened GPU. Clones are the same device; the last one to go destroys it.
#[derive(Clone)]
pub struct GpuDevice {
    shared: Rc<Shared>,
}

struct Shared {
    device: wgpu::Device,
    queue: wgpu::Queue,
    report: AdapterReport,
    limits: AdapterLimits,
    uniform_alignment: u64,
    faults: Arc<Faults>,
    pipelines: RefCell<Pipelines>,
    halves: bool,
    packed_dot: bool,
    timestamps: bool,
    marks: OnceCell<Marks>,
    target: Cell<Target>,
    choices: RefCell<Choices>,
    timing: RefCell<Option<TimingTransform>>,
    watch: RefCell<Option<Watch>>,
}

impl GpuDevice {
    /// Opens a device.
    ///
    /// # Errors
    /// [`ExecutorError::Unsupported`] if there is no such adapter (the message lists those there are) or
    /// it opens no device.
    pub async fn request(options: GpuOptions) -> Result<Self, ExecutorError> {
        let adapter = adapter::choose(&options).await?;
        #[cfg_attr(not(target_arch = "wasm32"), expect(unused_mut, reason = "only browsers hide the name"))]
        let mut report = AdapterReport::new(&adapter);
        let limits = adapter::wanted_limits(&adapter.limits());
        let offer = Offer::of(&adapter);
        let descriptor = wgpu::DeviceDescriptor {
            label: Some("heatseek"),
            required_features: offer.features(),
            experimental_features: offer.experimental_features(),
            required_limits: limits.clone(),
            memory_hints: wgpu::MemoryHints::MemoryUsage,
            ..Default::default()
        };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| {
            let why = format!("{error}; the CPU kernels run everywhere");
            ExecutorError::Unsupported { device: report.name.clone(), what: "a WebGPU device".into(), why }
        })?;
        #[cfg(target_arch = "wasm32")]
        crate::web::name_adapter(&device, &mut report);
        let faults = Faults::new(&report.name);
        watch(&device, &faults);
        Ok(Self {
            shared: Rc::new(Shared {
                limits: adapter::limits_of(&limits),
                uniform_alignment: u64::from(limits.min_uniform_buffer_offset_alignment),
                pipelines: RefCell::default(),
                halves: offer.halves,
                packed_dot: offer.packed_dot,
                timestamps: offer.timestamps,
                marks: OnceCell::new(),
                choices: RefCell::default(),
                timing: RefCell::default(),
                target: Cell::new(Target {
                    matrix_units: offer.matrix_units,
                    workgroup_bytes: limits.max_compute_workgroup_storage_size,
                    ..Target::new(Dtype::F32, adapter::class_of(&report))
                }),
                device,
                queue,
                report,
                faults,
                watch: RefCell::default(),
            }),
        })
    }

    /// All adapters of this machine, in the order that [`AdapterChoice::Index`](crate::AdapterChoice)
    /// counts.
    #[cfg(not(target_arch = "wasm32"))]
    pub async fn enumerate() -> Vec<AdapterReport> {
        adapter::all(&adapter::instance()).await.iter().map(AdapterReport::new).collect()
    }

    /// For tests: compiles every kernel from what `transform` makes of its source, so that planted
    /// faults can be run. Plans made before keep their pipelines.
    #[must_use]
    pub fn with_source_transform(self, transform: SourceTransform) -> Self {
        self.shared.pipelines.replace(Pipelines::transformed(transform));
        self
    }

    /// For tests: chooses kernels as GPUs do, even on a software adapter. Plans made before keep theirs.
    #[must_use]
    pub fn staged(self) -> Self {
        let target = self.shared.target.get().staged();
        self.with_target(target)
    }

    /// For tests: the tuner takes kernels to have run for as long as `transform` says.
    #[must_use]
    pub fn with_timing_transform(self, transform: TimingTransform) -> Self {
        self.shared.timing.replace(Some(transform));
        self
    }

    /// How long `kernel` is taken to have run, which it did for `seconds`.
    pub(crate) fn believed(&self, kernel: &Kernel, seconds: f64) -> f64 {
        self.shared.timing.borrow().as_ref().map_or(seconds, |transform| transform(kernel, seconds))
    }

    /// Which kernels were chosen by measuring, and where there is no choice the tables say. Those of an earlier session
    /// are given by [`GpuDevice::choose`].
    pub fn choices(&self) -> Vec<Choice> {
        self.shared.choices.borrow().all().to_vec()
    }

    /// Takes over choices, in place of others for the same. All plans on the device follow them from their next run on;
    /// what is chosen for an op or a kernel that there is not is passed over then.
    pub fn choose(&self, choices: impl IntoIterator<Item = Choice>) {
        self.shared.choices.borrow_mut().extend(choices);
    }

    /// Goes back to the tables. False if nothing was chosen.
    pub fn forget_choices(&self) -> bool {
        self.shared.choices.borrow_mut().clear()
    }

    pub(crate) fn choices_now(&self) -> Ref<'_, Choices> {
        self.shared.choices.borrow()
    }

    /// For measurements: tells `watch` when the device has got somewhere.
    #[must_use]
    pub fn with_watch(self, watch: Watch) -> Self {
        self.shared.watch.replace(Some(watch));
        self.reached(Milestone::Opened);
        self
    }

    pub(crate) fn reached(&self, milestone: Milestone) {
        let watch = self.shared.watch.borrow().clone();
        if let Some(watch) = watch {
            watch(milestone);
        }
    }

    /// Tells the watch, where there is one, when the pipelines that were started are there.
    pub(crate) fn tell_compiled(&self) {
        if self.shared.watch.borrow().is_none() {
            return;
        }
        // Natively nothing is under way any more.
        #[cfg(not(target_arch = "wasm32"))]
        self.reached(Milestone::Compiled);
        #[cfg(target_arch = "wasm32")]
        {
            let (device, started) = (self.clone(), self.shared.pipelines.borrow().take_started());
            wasm_bindgen_futures::spawn_local(async move {
                started.settle().await;
                device.reached(Milestone::Compiled);
            });
        }
    }

    /// For tests and measurements: chooses kernels as for another device. Plans made before keep theirs.
    #[must_use]
    pub fn with_target(self, target: Target) -> Self {
        self.shared.target.set(target);
        self
    }

    /// What kernels are chosen by in plans of `dtype`.
    pub fn target(&self, dtype: Dtype) -> Target {
        Target { dtype, ..self.shared.target.get() }
    }

    /// Whether kernels can store `dtype`.
    pub fn stores(&self, dtype: Dtype) -> bool {
        match dtype {
            Dtype::F32 => true,
            Dtype::F16 => self.shared.halves,
            Dtype::Bf16 => false,
            Dtype::Int8 => self.shared.packed_dot,
        }
    }

    /// # Errors
    /// [`ExecutorError::Unsupported`] if kernels cannot store `dtype`.
    pub(crate) fn check_stores(&self, dtype: Dtype) -> Result<(), ExecutorError> {
        if self.stores(dtype) {
            return Ok(());
        }
        let why = match dtype {
            Dtype::F16 => "its adapter has no `shader-f16`; ask for f32, or auto",
            Dtype::Bf16 => "no GPU has kernels for it; ask for f16, or for a CPU with AVX512-BF16",
            _ => "this browser's WGSL has no `packed_4x8_integer_dot_product`; ask for f32, or for the CPU",
        };
        Err(self.faults().unsupported(format!("{} storage", dtype.name()), why.to_owned()))
    }

    /// Destroys the device: every plan on it answers [`ExecutorError::Lost`] from now on.
    pub fn destroy(&self) {
        self.shared.faults.lose("it was destroyed");
        self.shared.device.destroy();
    }

    /// The adapter it was opened on.
    pub fn adapter(&self) -> &AdapterReport {
        &self.shared.report
    }

    /// What it is in plans of `dtype`, as executors describe themselves.
    pub fn info(&self, dtype: Dtype) -> DeviceInfo {
        let matrix = dtype == Dtype::F16 && self.shared.target.get().matrix_units;
        DeviceInfo {
            kind: DeviceKind::Gpu,
            name: self.shared.report.name.clone(),
            backend: self.shared.report.backend.clone(),
            kernels: format!("wgsl-{}{}", dtype.name(), if matrix { " on matrix units" } else { "" }),
            dtype: dtype.name(),
            features: self.shared.report.features.clone(),
        }
    }

    /// Most rows worth giving to one run if the widest activation has `width` elements a row.
    pub(crate) fn preferred_rows(&self, width: usize) -> usize {
        let wanted = if self.shared.report.software { ROWS_ON_SOFTWARE } else { ROWS_ON_A_GPU };
        let row_bytes = (4 * width.max(1)) as u64;
        let most = self.largest_binding() / row_bytes;
        wanted.min(usize::try_from(most).unwrap_or(usize::MAX)).max(1)
    }

    /// Most bytes of one binding.
    pub(crate) fn largest_binding(&self) -> u64 {
        self.limits().max_storage_buffer_binding_size.min(self.limits().max_buffer_size)
    }

    pub(crate) fn raw(&self) -> &wgpu::Device {
        &self.shared.device
    }

    pub(crate) fn queue(&self) -> &wgpu::Queue {
        &self.shared.queue
    }

    pub(crate) fn limits(&self) -> &AdapterLimits {
        &self.shared.limits
    }

    pub(crate) fn uniform_alignment(&self) -> u64 {
        self.shared.uniform_alignment
    }

    /// Where it writes when passes began and ended, if it does; made when it is first wanted.
    pub(crate) fn marks(&self) -> Option<&Marks> {
        self.shared.timestamps.then(|| self.shared.marks.get_or_init(|| Marks::new(self.raw())))
    }

    pub(crate) fn faults(&self) -> &Arc<Faults> {
        &self.shared.faults
    }

    pub(crate) fn pipelines(&self) -> &RefCell<Pipelines> {
        &self.shared.pipelines
    }

    /// Blocks until `submission` is done and the callbacks that follow from it were called.
    #[cfg(not(target_arch = "wasm32"))]
    pub(crate) fn wait(&self, submission: wgpu::SubmissionIndex) {
        self.poll(wgpu::PollType::Wait { submission_index: Some(submission), timeout: None });
    }

    /// Lets wgpu free what finished work no longer needs.
    pub(crate) fn poll_once(&self) {
        self.poll(wgpu::PollType::Poll);
    }

    fn poll(&self, how: wgpu::PollType) {
        // wgpu 30 panics in here if the driver reports the loss while we wait; its locks are released
        // by then and the loss callback has been called, so the panic carries nothing we need.
        let poll = std::panic::AssertUnwindSafe(|| self.shared.device.poll(how));
        if std::panic::catch_unwind(poll).is_err() {
            self.shared.faults.lose("the driver failed while waiting for it");
        }
    }
}

impl fmt::Debug for GpuDevice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "GpuDevice({}, {})", self.shared.report.name, self.shared.report.backend)
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.device.destroy();
    }
}

/// Has everything the device reports on its own end up in `faults`.
fn watch(device: &wgpu::Device, faults: &Arc<Faults>) {
    let lost = faults.clone();
    device.set_device_lost_callback(move |_, reason| lost.lose(&reason));
    let uncaught = faults.clone();
    #[cfg(not(target_arch = "wasm32"))]
    device.on_uncaptured_error(Arc::new(move |error: wgpu::Error| uncaught.record(&error.to_string())));
    #[cfg(target_arch = "wasm32")]
    crate::web::on_uncaught_error(device, uncaught);
}
