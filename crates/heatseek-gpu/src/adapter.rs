//! Which GPU: what there is, which one is asked for, and what it can do.

use heatseek_ops::ExecutorError;
use heatseek_wgsl::AdapterClass;

/// Which adapter to take.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum AdapterChoice {
    /// The fastest kind there is: discrete before integrated before virtual before software.
    #[default]
    HighPerformance,
    /// The most frugal: integrated before discrete; software last.
    LowPower,
    /// The adapter at this place of [`GpuDevice::enumerate`](crate::GpuDevice); native only.
    Index(usize),
    /// The first adapter whose name or driver contains this, whatever the case; native only.
    Named(String),
}

/// How a device is asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct GpuOptions {
    /// Which adapter.
    pub adapter: AdapterChoice,
    /// Whether adapters that compute on the CPU (lavapipe, SwiftShader, WARP) are passed over: the CPU
    /// kernels are several times faster than those. False by default.
    pub refuse_software: bool,
}

/// The limits of an adapter that decide what runs on it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AdapterLimits {
    /// Largest buffer, bytes.
    pub max_buffer_size: u64,
    /// Most bytes of a buffer that a kernel can see.
    pub max_storage_buffer_binding_size: u64,
    /// Storage buffers a kernel can bind.
    pub max_storage_buffers_per_shader_stage: u32,
    /// Workgroup memory, bytes.
    pub max_compute_workgroup_storage_size: u32,
    /// Invocations of a workgroup.
    pub max_compute_invocations_per_workgroup: u32,
    /// Workgroups along one dimension of a dispatch.
    pub max_compute_workgroups_per_dimension: u32,
}

/// An adapter in words, for `heatseek info` and error messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AdapterReport {
    /// Its name; in browsers that hide it, vendor and architecture.
    pub name: String,
    /// The API it is driven through: `Vulkan`, `Metal`, `Dx12`, `BrowserWebGpu`.
    pub backend: String,
    /// Driver name and version; empty in browsers.
    pub driver: String,
    /// `DiscreteGpu`, `IntegratedGpu`, `VirtualGpu`, `Cpu` or `Other`.
    pub device_type: String,
    /// Whether it computes on the CPU.
    pub software: bool,
    /// Names of its optional features.
    pub features: Vec<String>,
    /// What decides which kernels and sizes it runs.
    pub limits: AdapterLimits,
}

impl AdapterReport {
    pub(crate) fn new(adapter: &wgpu::Adapter) -> Self {
        let info = adapter.get_info();
        let driver = [info.driver.as_str(), info.driver_info.as_str()];
        Self {
            name: info.name,
            backend: format!("{:?}", info.backend),
            driver: driver.into_iter().filter(|s| !s.is_empty()).collect::<Vec<_>>().join(" "),
            device_type: format!("{:?}", info.device_type),
            software: info.device_type == wgpu::DeviceType::Cpu,
            features: adapter.features().iter_names().map(|(name, _)| name.to_owned()).collect(),
            limits: limits_of(&adapter.limits()),
        }
    }
}

/// The kind of adapter. Browsers tell only whether it is software, and the vendor in its name; most GPUs that pages
/// run on are integrated, and NVIDIA's are not.
pub(crate) fn class_of(report: &AdapterReport) -> AdapterClass {
    match report.device_type.as_str() {
        "Cpu" => AdapterClass::Software,
        "DiscreteGpu" => AdapterClass::Discrete,
        "IntegratedGpu" => AdapterClass::Integrated,
        _ if report.name.to_lowercase().contains("nvidia") => AdapterClass::Discrete,
        _ => AdapterClass::Integrated,
    }
}

pub(crate) fn limits_of(limits: &wgpu::Limits) -> AdapterLimits {
    AdapterLimits {
        max_buffer_size: limits.max_buffer_size,
        max_storage_buffer_binding_size: limits.max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage: limits.max_storage_buffers_per_shader_stage,
        max_compute_workgroup_storage_size: limits.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: limits.max_compute_invocations_per_workgroup,
        max_compute_workgroups_per_dimension: limits.max_compute_workgroups_per_dimension,
    }
}

/// The limits to ask a device for: the defaults, and the adapter's own where we use more.
pub(crate) fn wanted_limits(adapter: &wgpu::Limits) -> wgpu::Limits {
    wgpu::Limits {
        max_buffer_size: adapter.max_buffer_size,
        max_storage_buffer_binding_size: adapter.max_storage_buffer_binding_size,
        max_storage_buffers_per_shader_stage: adapter.max_storage_buffers_per_shader_stage,
        max_compute_workgroup_storage_size: adapter.max_compute_workgroup_storage_size,
        max_compute_invocations_per_workgroup: adapter.max_compute_invocations_per_workgroup,
        max_compute_workgroup_size_x: adapter.max_compute_workgroup_size_x,
        max_compute_workgroups_per_dimension: adapter.max_compute_workgroups_per_dimension,
        // An adapter below a default it does not need for our kernels must not be refused for it.
        ..wgpu::Limits::default().or_worse_values_from(adapter)
    }
}

/// What of the adapter's optional features kernels can use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Offer {
    /// f16 in kernels and in buffers.
    pub(crate) halves: bool,
    /// Dot products of packed bytes in WGSL.
    pub(crate) packed_dot: bool,
    /// Matrix units that [`Target::matrix_units`](heatseek_wgsl::Target) speaks of.
    pub(crate) matrix_units: bool,
    /// When passes began and ended, which the tuner asks.
    pub(crate) timestamps: bool,
}

impl Offer {
    pub(crate) fn of(adapter: &wgpu::Adapter) -> Self {
        let (info, features) = (adapter.get_info(), adapter.features());
        let halves = features.contains(wgpu::Features::SHADER_F16);
        let wanted = |p: &wgpu::CooperativeMatrixProperties| {
            use wgpu::CooperativeScalarType::{F16, F32};
            (p.m_size, p.n_size, p.k_size, p.ab_type, p.cr_type) == (16, 16, 16, F16, F32)
        };
        let subgroups_of_32 = (info.subgroup_min_size, info.subgroup_max_size) == (32, 32);
        Self {
            halves,
            packed_dot: has_packed_dot(),
            matrix_units: halves
                && subgroups_of_32
                && features.contains(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX)
                && adapter.cooperative_matrix_properties().iter().any(wanted),
            timestamps: features.contains(wgpu::Features::TIMESTAMP_QUERY),
        }
    }

    /// The features to ask a device for.
    pub(crate) fn features(self) -> wgpu::Features {
        let mut features = wgpu::Features::empty();
        features.set(wgpu::Features::SHADER_F16, self.halves);
        features.set(wgpu::Features::EXPERIMENTAL_COOPERATIVE_MATRIX, self.matrix_units);
        features.set(wgpu::Features::TIMESTAMP_QUERY, self.timestamps);
        features
    }

    /// Leave to use features that wgpu calls experimental, where one is asked for.
    pub(crate) fn experimental_features(self) -> wgpu::ExperimentalFeatures {
        if !self.matrix_units {
            return wgpu::ExperimentalFeatures::disabled();
        }
        // SAFETY: wgpu warns that experimental features may have holes in their validation. Of them we use only
        // cooperative matrices, in kernels of our own that naga validates when they are built.
        unsafe { wgpu::ExperimentalFeatures::enabled() }
    }
}

/// Whether kernels may say `dot4I8Packed`. It is a word of the language, not a feature of the adapter: naga writes what a
/// GPU lacks in other words, and browsers that know it do so too.
fn has_packed_dot() -> bool {
    let known = wgpu::WgslLanguageFeatures::Packed4x8IntegerDotProduct;
    // Natively it is naga's word, and an instance would be made in vain.
    cfg!(not(target_arch = "wasm32")) || instance().wgsl_language_features().contains(known)
}

pub(crate) fn instance() -> wgpu::Instance {
    let mut descriptor = wgpu::InstanceDescriptor::new_without_display_handle();
    // Validation layers and checked indirect dispatches cost start-up time and check nothing we use:
    // wgpu's own validation, which is always on, covers the API.
    descriptor.flags = wgpu::InstanceFlags::empty();
    wgpu::Instance::new(descriptor)
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn all(instance: &wgpu::Instance) -> Vec<wgpu::Adapter> {
    instance.enumerate_adapters(wgpu::Instance::enabled_backend_features()).await
}

#[cfg(not(target_arch = "wasm32"))]
pub(crate) async fn choose(options: &GpuOptions) -> Result<wgpu::Adapter, ExecutorError> {
    use wgpu::DeviceType::{Cpu, DiscreteGpu, IntegratedGpu, Other, VirtualGpu};
    let found: Vec<_> = all(&instance()).await.into_iter().enumerate().collect();
    let names: Vec<_> = found.iter().map(|(i, a)| format!("{i}: {}", a.get_info().name)).collect();
    let best = |order: [wgpu::DeviceType; 5]| {
        let rank = |kind| order.iter().position(|k| *k == kind).unwrap_or(order.len());
        let accepted = |kind| !(options.refuse_software && kind == Cpu);
        let candidates = found.iter().filter(|(_, a)| accepted(a.get_info().device_type));
        candidates.min_by_key(|(_, a)| rank(a.get_info().device_type))
    };
    let chosen = match &options.adapter {
        AdapterChoice::HighPerformance => best([DiscreteGpu, IntegratedGpu, VirtualGpu, Other, Cpu]),
        AdapterChoice::LowPower => best([IntegratedGpu, DiscreteGpu, VirtualGpu, Other, Cpu]),
        AdapterChoice::Index(index) => found.get(*index),
        AdapterChoice::Named(name) => {
            let wanted = name.to_lowercase();
            found.iter().find(|(_, a)| {
                let info = a.get_info();
                [info.name, info.driver, info.driver_info].iter().any(|s| s.to_lowercase().contains(&wanted))
            })
        }
    };
    let adapter = chosen.map(|(_, adapter)| adapter.clone());
    adapter.ok_or_else(|| no_adapter(options, &format!("found [{}]", names.join(", "))))
}

#[cfg(target_arch = "wasm32")]
pub(crate) async fn choose(options: &GpuOptions) -> Result<wgpu::Adapter, ExecutorError> {
    let power_preference = match &options.adapter {
        AdapterChoice::HighPerformance => wgpu::PowerPreference::HighPerformance,
        AdapterChoice::LowPower => wgpu::PowerPreference::LowPower,
        AdapterChoice::Index(_) | AdapterChoice::Named(_) => {
            return Err(no_adapter(options, "browsers do not let a page choose an adapter"));
        }
    };
    let wanted = wgpu::RequestAdapterOptions { power_preference, ..Default::default() };
    let adapter = instance().request_adapter(&wanted).await;
    let adapter = adapter.map_err(|_| no_adapter(options, "this browser offers no WebGPU adapter"))?;
    if options.refuse_software && adapter.get_info().device_type == wgpu::DeviceType::Cpu {
        return Err(no_adapter(options, "this browser offers only a software adapter"));
    }
    Ok(adapter)
}

fn no_adapter(options: &GpuOptions, why: &str) -> ExecutorError {
    let wanted = match &options.adapter {
        AdapterChoice::HighPerformance | AdapterChoice::LowPower => "any adapter".to_owned(),
        AdapterChoice::Index(index) => format!("adapter {index}"),
        AdapterChoice::Named(name) => format!("an adapter named \"{name}\""),
    };
    let software = if options.refuse_software { " that is not software" } else { "" };
    ExecutorError::Unsupported {
        device: "the GPU backend".into(),
        what: format!("on {wanted}{software}"),
        why: format!("{why}; the CPU kernels run everywhere"),
    }
}
