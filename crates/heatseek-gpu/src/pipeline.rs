//! Compiled kernels, one per (kernel, constants, checks), shared by all plans of a device.

use std::cell::RefCell;
use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;

use heatseek_ops::ExecutorError;
use heatseek_wgsl::{Access, Kernel, Selection};

use crate::device::{GpuDevice, SourceTransform};
use crate::faults::Scopes;

/// Constants by the bits of their values: what makes a pipeline of a kernel.
type Constants = Vec<(&'static str, u64)>;

/// The pipelines of a device.
#[derive(Default)]
pub(crate) struct Pipelines {
    transform: Option<SourceTransform>,
    modules: HashMap<(&'static str, bool), wgpu::ShaderModule>,
    compiled: HashMap<(&'static str, Constants, bool), Rc<Pipeline>>,
    #[cfg(target_arch = "wasm32")]
    early: HashMap<(&'static str, Constants, bool), js_sys::Promise>,
}

/// Compilations that were started ahead.
#[derive(Default)]
pub(crate) struct Started {
    #[cfg(target_arch = "wasm32")]
    promises: Vec<js_sys::Promise>,
}

impl Started {
    /// Waits for them. What failed fails again, with its reason, when the pipeline is made.
    pub(crate) async fn settle(self) {
        #[cfg(target_arch = "wasm32")]
        for promise in self.promises {
            let _ = wasm_bindgen_futures::JsFuture::from(promise).await;
        }
    }
}

/// A compute pipeline and the layout of its only bind group.
pub(crate) struct Pipeline {
    pub(crate) raw: wgpu::ComputePipeline,
    pub(crate) layout: wgpu::BindGroupLayout,
    check: RefCell<Check>,
}

/// Whether compiling went well. Browsers answer later, so it is asked before the first use.
enum Check {
    Pending { kernel: &'static str, caught: Pin<Box<dyn Future<Output = Option<wgpu::Error>>>> },
    Passed,
    Failed(ExecutorError),
}

impl Pipelines {
    /// Pipelines of kernels as `transform` rewrites them.
    pub(crate) fn transformed(transform: SourceTransform) -> Self {
        Self { transform: Some(transform), ..Self::default() }
    }

    /// Starts compiling the pipeline of `selection` and does not wait. wgpu 30 has no
    /// `createComputePipelineAsync`; in the browser it is called on the JavaScript device, where several
    /// compile at once, and [`Pipelines::get`] then finds the result in the browser's own cache. Natively
    /// this compiles.
    pub(crate) fn start(
        &mut self,
        device: &GpuDevice,
        selection: &Selection,
        checked: bool,
    ) -> Result<(), ExecutorError> {
        #[cfg(not(target_arch = "wasm32"))]
        self.get(device, selection, checked)?;
        #[cfg(target_arch = "wasm32")]
        {
            let kernel = selection.kernel;
            within_limits(device, kernel)?;
            let key = key(selection, checked);
            if !self.compiled.contains_key(&key) && !self.early.contains_key(&key) {
                let source = self.transform.as_ref().map(|t| t(kernel, kernel.source));
                let source = source.as_deref().unwrap_or(kernel.source);
                let started = crate::web::compile(device.raw(), kernel, source, &selection.constants);
                self.early.extend(started.map(|promise| (key, promise)));
            }
        }
        Ok(())
    }

    /// What was started and is not waited for yet. The compiled pipelines stay in the browser's cache as long
    /// as this device lives, because the promises that hold them do.
    pub(crate) fn take_started(&self) -> Started {
        Started {
            #[cfg(target_arch = "wasm32")]
            promises: self.early.values().cloned().collect(),
        }
    }

    /// The pipeline of `selection`, compiled now if it is new. `checked` pipelines test every index and
    /// zero workgroup memory. In the browser this returns at once and compiles elsewhere.
    pub(crate) fn get(
        &mut self,
        device: &GpuDevice,
        selection: &Selection,
        checked: bool,
    ) -> Result<Rc<Pipeline>, ExecutorError> {
        let kernel = selection.kernel;
        let key = key(selection, checked);
        if let Some(pipeline) = self.compiled.get(&key) {
            return Ok(pipeline.clone());
        }
        within_limits(device, kernel)?;
        let scopes = Scopes::open(device.raw());
        let transform = &self.transform;
        let module = self.modules.entry((kernel.name, checked)).or_insert_with(|| {
            let source = transform.as_ref().map(|t| t(kernel, kernel.source));
            create_module(device.raw(), kernel, source.as_deref().unwrap_or(kernel.source), checked)
        });
        let (raw, layout) = create_pipeline(device.raw(), kernel, module, &selection.constants, checked);
        let caught = Box::pin(scopes.close());
        let check = RefCell::new(Check::Pending { kernel: kernel.name, caught });
        let pipeline = Rc::new(Pipeline { raw, layout, check });
        self.compiled.insert(key, pipeline.clone());
        Ok(pipeline)
    }
}

impl Pipeline {
    /// Fails if it did not compile.
    pub(crate) async fn ready(&self, device: &GpuDevice) -> Result<(), ExecutorError> {
        let pending = {
            let mut check = self.check.borrow_mut();
            match &*check {
                Check::Passed => return Ok(()),
                Check::Failed(error) => return Err(error.clone()),
                // A second task that comes while the first one waits goes on: its own scopes catch the
                // use of a pipeline that is none.
                Check::Pending { .. } => std::mem::replace(&mut *check, Check::Passed),
            }
        };
        let Check::Pending { kernel, caught } = pending else { return Ok(()) };
        let outcome = device.faults().explain(caught.await, &format!("compiling kernel `{kernel}`"));
        if let Err(error) = &outcome {
            self.check.replace(Check::Failed(error.clone()));
        }
        outcome
    }
}

fn key(selection: &Selection, checked: bool) -> (&'static str, Constants, bool) {
    let bits = selection.constants.iter().map(|(name, value)| (*name, value.to_bits())).collect();
    (selection.kernel.name, bits, checked)
}

fn create_module(device: &wgpu::Device, kernel: &Kernel, source: &str, checked: bool) -> wgpu::ShaderModule {
    let descriptor = wgpu::ShaderModuleDescriptor {
        label: Some(kernel.name),
        source: wgpu::ShaderSource::Wgsl(source.into()),
    };
    if checked {
        return device.create_shader_module(descriptor);
    }
    // SAFETY: the kernels index within their bindings and end their loops by construction; the case
    // tables run them with the checks on. Browsers keep their checks whatever is asked here.
    unsafe { device.create_shader_module_trusted(descriptor, wgpu::ShaderRuntimeChecks::unchecked()) }
}

fn create_pipeline(
    device: &wgpu::Device,
    kernel: &Kernel,
    module: &wgpu::ShaderModule,
    constants: &[(&'static str, f64)],
    checked: bool,
) -> (wgpu::ComputePipeline, wgpu::BindGroupLayout) {
    let entries: Vec<_> = kernel.bindings.iter().zip(0..).map(|(b, at)| entry(at, b.access)).collect();
    let layout = device.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor {
        label: Some(kernel.name),
        entries: &entries,
    });
    let pipeline_layout = device.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
        label: Some(kernel.name),
        bind_group_layouts: &[Some(&layout)],
        immediate_size: 0,
    });
    let raw = device.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
        label: Some(kernel.name),
        layout: Some(&pipeline_layout),
        module,
        entry_point: Some(kernel.entry_point),
        compilation_options: wgpu::PipelineCompilationOptions {
            constants,
            // Kernels write workgroup memory before they read it; the checked runs do not rely on that.
            zero_initialize_workgroup_memory: checked,
        },
        cache: None,
    });
    (raw, layout)
}

fn entry(binding: u32, access: Access) -> wgpu::BindGroupLayoutEntry {
    let ty = match access {
        Access::Read => wgpu::BufferBindingType::Storage { read_only: true },
        Access::Write => wgpu::BufferBindingType::Storage { read_only: false },
        Access::Uniform => wgpu::BufferBindingType::Uniform,
    };
    wgpu::BindGroupLayoutEntry {
        binding,
        visibility: wgpu::ShaderStages::COMPUTE,
        ty: wgpu::BindingType::Buffer { ty, has_dynamic_offset: false, min_binding_size: None },
        count: None,
    }
}

/// Whether the device is large enough for `kernel`.
fn within_limits(device: &GpuDevice, kernel: &Kernel) -> Result<(), ExecutorError> {
    let limits = device.limits();
    let storage = kernel.bindings.iter().filter(|b| !matches!(b.access, Access::Uniform)).count();
    let needs = [
        ("bytes of workgroup memory", kernel.workgroup_bytes, limits.max_compute_workgroup_storage_size),
        ("invocations a workgroup", kernel.workgroup_size, limits.max_compute_invocations_per_workgroup),
        ("storage buffers", storage as u32, limits.max_storage_buffers_per_shader_stage),
    ];
    for (what, needed, most) in needs {
        if needed > most {
            let why = format!("it needs {needed} {what} and the device has {most}; use the CPU kernels");
            return Err(device.faults().unsupported(format!("kernel `{}`", kernel.name), why));
        }
    }
    Ok(())
}
