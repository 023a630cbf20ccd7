use std::alloc::{Layout, alloc_zeroed, dealloc, handle_alloc_error};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Held by whatever touches the memory of buffers: a launch, a read, a write.
static MEMORY: Mutex<()> = Mutex::new(());

/// Alignment of buffers. Kernels want 16 bytes.
const ALIGNMENT: usize = 64;

/// Memory that kernels on the CPU may be given, as a GPU's would be: shared, and changed by launches.
pub struct HostBuffer {
    pointer: *mut u8,
    size: usize,
}

// SAFETY: the memory is only touched while MEMORY is held.
unsafe impl Send for HostBuffer {}
// SAFETY: as above.
unsafe impl Sync for HostBuffer {}

impl HostBuffer {
    /// As many bytes, zeros.
    pub fn new(size_bytes: usize) -> Self {
        let layout = Self::layout(size_bytes);
        // SAFETY: the layout's size is not zero.
        let pointer = unsafe { alloc_zeroed(layout) };
        if pointer.is_null() {
            handle_alloc_error(layout);
        }
        Self { pointer, size: size_bytes }
    }

    /// With these bytes in it.
    pub fn of(bytes: &[u8]) -> Self {
        let buffer = Self::new(bytes.len());
        buffer.write(0, bytes);
        buffer
    }

    /// Its size in bytes.
    pub fn size(&self) -> usize {
        self.size
    }

    /// Its address, for [`Library::launch_raw`](crate::host::Library::launch_raw).
    pub fn address(&self) -> *mut u8 {
        self.pointer
    }

    /// A copy of what is in it.
    pub fn read(&self) -> Vec<u8> {
        let _lock = lock();
        // SAFETY: the memory is this buffer's, initialised, and nobody changes it now.
        unsafe { std::slice::from_raw_parts(self.pointer, self.size) }.to_vec()
    }

    /// Puts `bytes` into it from `offset` on; what would be past its end is left out.
    pub fn write(&self, offset: usize, bytes: &[u8]) {
        let _lock = lock();
        let offset = offset.min(self.size);
        let count = bytes.len().min(self.size - offset);
        // SAFETY: the range is within this buffer's memory, and nobody else touches it now.
        unsafe { self.pointer.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), count) };
    }

    fn layout(size: usize) -> Layout {
        // Only a size near the end of the address space has no layout, and no memory either.
        Layout::from_size_align(size.max(1), ALIGNMENT).unwrap_or(Layout::new::<u8>())
    }
}

impl Drop for HostBuffer {
    fn drop(&mut self) {
        // SAFETY: allocated with the same layout.
        unsafe { dealloc(self.pointer, Self::layout(self.size)) };
    }
}

/// Keeps everybody else from the memory of buffers.
pub(super) fn lock() -> MutexGuard<'static, ()> {
    MEMORY.lock().unwrap_or_else(PoisonError::into_inner)
}
