//! The other executor: wgpu.

use wgpu::util::{BufferInitDescriptor, DeviceExt};
use wgpu::{
    BindGroupDescriptor, BindGroupEntry, BufferDescriptor, BufferUsages, ComputePassDescriptor,
    ComputePipelineDescriptor, Device, DeviceDescriptor, Instance, MapMode, PollType, Queue,
    RequestAdapterOptions, ShaderModuleDescriptor, ShaderSource,
};

use crate::BLOCKS;

pub struct Vulkan {
    pub name: String,
    device: Device,
    queue: Queue,
}

impl Vulkan {
    pub async fn open() -> Result<Self, String> {
        let instance = Instance::default();
        let adapter = instance
            .request_adapter(&RequestAdapterOptions::default())
            .await
            .map_err(|error| error.to_string())?;
        let (device, queue) =
            adapter.request_device(&DeviceDescriptor::default()).await.map_err(|error| error.to_string())?;
        Ok(Self { name: adapter.get_info().name, device, queue })
    }

    /// The output of `main`, of this many bytes, for these inputs.
    pub fn run(&self, wgsl: &str, input: &[u8], records: &[u8], output: usize) -> Vec<u8> {
        let device = &self.device;
        let source = ShaderSource::Wgsl(wgsl.into());
        let module = device.create_shader_module(ShaderModuleDescriptor { label: None, source });
        let pipeline = device.create_compute_pipeline(&ComputePipelineDescriptor {
            label: None,
            layout: None,
            module: &module,
            entry_point: Some("main"),
            compilation_options: Default::default(),
            cache: None,
        });
        let storage = |contents: &[u8]| {
            let usage = BufferUsages::STORAGE | BufferUsages::COPY_SRC;
            device.create_buffer_init(&BufferInitDescriptor { label: None, contents, usage })
        };
        let buffers = [storage(input), storage(&vec![0xff; output]), storage(records)];
        let entries = [0, 1, 2].map(|binding| BindGroupEntry {
            binding,
            resource: buffers[binding as usize].as_entire_binding(),
        });
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
