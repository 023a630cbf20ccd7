//! The other executor: wgpu.

use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BufferDescriptor, BufferUsages, ComputePassDescriptor,
    ComputePipelineDescriptor, Device, DeviceDescriptor, Features, Instance, MapMode,
    PipelineCompilationOptions, PollType, Queue, ShaderModuleDescriptor, ShaderSource,
};

use crate::statements::Program;
use crate::{BLOCKS, HALVES, Inputs};

pub struct Vulkan {
    pub name: String,
    device: Device,
    queue: Queue,
}

impl Vulkan {
    pub async fn open() -> Result<Self, String> {
        let instance = Instance::default();
        let adapters = instance.enumerate_adapters(Instance::enabled_backend_features()).await;
        let names: Vec<String> = adapters.iter().map(|adapter| adapter.get_info().name).collect();
        let adapter = adapters.into_iter().find(|adapter| adapter.features().contains(Features::SHADER_F16));
        let adapter = adapter.ok_or_else(|| format!("of {names:?} none has shader-f16"))?;
        let descriptor = DeviceDescriptor { required_features: Features::SHADER_F16, ..Default::default() };
        let (device, queue) = adapter.request_device(&descriptor).await.map_err(|error| error.to_string())?;
        Ok(Self { name: adapter.get_info().name, device, queue })
    }

    /// The output of `main`, of this many bytes, for these inputs.
    pub fn run(&self, program: &Program, inputs: &Inputs, output: usize) -> Vec<u8> {
        let device = &self.device;
        let source = ShaderSource::Wgsl(program.wgsl.as_str().into());
        let module = device.create_shader_module(ShaderModuleDescriptor { label: None, source });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: PipelineCompilationOptions {
                constants: &program.constants,
                ..Default::default()
            },
            cache: None,
        });
        let buffer = |contents: &[u8], usage: BufferUsages| {
            let usage = usage | BufferUsages::COPY_SRC;
            device.create_buffer_init(&BufferInitDescriptor { label: None, contents, usage })
        };
        let storage = |contents: &[u8]| buffer(contents, BufferUsages::STORAGE);
        let buffers = [
            storage(&inputs.input),
            storage(&vec![0xff; output]),
            storage(&inputs.records),
            buffer(&inputs.params, BufferUsages::UNIFORM),
            storage(&vec![0; HALVES]),
            storage(&inputs.vectors),
        ];
        let entries: Vec<BindGroupEntry<'_>> = (0..)
            .zip(&buffers)
            .map(|(binding, buffer)| BindGroupEntry { binding, resource: buffer.as_entire_binding() })
            .collect();
        let group = device.create_bind_group(&BindGroupDescriptor {
            label: None,
            layout: &pipeline.get_bind_group_layout(0),
            entries: &entries,
        });
        let size = output as u64;
        let usage = BufferUsages::MAP_READ | BufferUsages::COPY_DST;
        let read =
            device.create_buffer(&BufferDescriptor { label: None, size, usage, mapped_at_creation: false });
        let mut encoder = device.create_command_encoder(&Default::default());
        let mut pass = encoder.begin_compute_pass(&ComputePassDescriptor::default());
        pass.set_pipeline(&pipeline);
        pass.set_bind_group(0, &group, &[]);
        pass.dispatch_workgroups(BLOCKS, 1, 1);
        drop(pass);
        encoder.copy_buffer_to_buffer(&buffers[1], 0, &read, 0, size);
        self.queue.submit([encoder.finish()]);
        read.slice(..).map_async(MapMode::Read, |mapped| mapped.expect("the output is mapped"));
        device.poll(PollType::wait_indefinitely()).expect("the device answers");
        read.slice(..).get_mapped_range().expect("mapped").to_vec()
    }
}
