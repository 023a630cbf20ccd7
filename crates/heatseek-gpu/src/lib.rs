//! Runs [`heatseek_ops::Program`]s on wgpu: Vulkan, Metal and DX12 natively, WebGPU in the browser.
//!
//! A [`GpuDevice`] owns the adapter, the queue and the pipelines; a [`GpuExecutor`] makes Programs ready
//! on it; a [`GpuPlan`] holds the weights and the activations of one Program. A run is one encoder, one
//! compute pass, one submit and one read-back of the outputs that were asked for. In steady state it
//! makes no GPU object: buffers and bind groups live as long as the row capacity they were made for.
//!
//! Which kernel is the fastest for a shape on this adapter can be measured ([`heatseek_ops::Plan::tune`]); the
//! [`Choice`]s are the device's, and can be given to it again another day.
//!
//! Nothing here knows a model, and no kernel is written here: those are `heatseek-wgsl`'s.

mod adapter;
mod arena;
mod buffer;
mod checked;
mod device;
mod executor;
mod faults;
mod pipeline;
mod plan;
mod readback;
mod run;
mod scan;
mod stopwatch;
mod tuned;
mod tuner;
#[cfg(target_arch = "wasm32")]
mod web;
mod weights;

pub use adapter::{AdapterChoice, AdapterLimits, AdapterReport, GpuOptions};
pub use device::{GpuDevice, Milestone, SourceTransform, TimingTransform, Watch};
pub use executor::GpuExecutor;
pub use plan::GpuPlan;
pub use scan::{GpuScan, ScanHit, ScanVectors};
pub use tuned::Choice;
