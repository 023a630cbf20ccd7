//! GPU buffers that give their memory back when they are dropped.

/// The smallest buffer: no binding may be empty, and kernels may declare arrays of `vec4<f32>`.
pub(crate) const MIN_BYTES: u64 = 256;

/// A buffer that is destroyed when dropped. In the browser a dropped wgpu buffer would keep its memory
/// until the garbage collector finds the JavaScript object. Commands already submitted still finish.
#[derive(Debug)]
pub(crate) struct DeviceBuffer(pub(crate) wgpu::Buffer);

impl DeviceBuffer {
    /// A buffer of at least `bytes` bytes, rounded up to whole `vec4<f32>`s. Never mapped at creation:
    /// browsers throw, and wgpu panics, if that fails.
    pub(crate) fn new(device: &wgpu::Device, label: &str, bytes: u64, usage: wgpu::BufferUsages) -> Self {
        let size = storage_bytes(bytes);
        let descriptor =
            wgpu::BufferDescriptor { label: Some(label), size, usage, mapped_at_creation: false };
        Self(device.create_buffer(&descriptor))
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        self.0.destroy();
    }
}

/// What a buffer for `bytes` bytes takes.
pub(crate) fn storage_bytes(bytes: u64) -> u64 {
    bytes.next_multiple_of(16).max(MIN_BYTES)
}
