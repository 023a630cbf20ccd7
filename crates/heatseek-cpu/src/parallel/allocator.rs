use std::alloc::{GlobalAlloc, Layout, System};
use std::hint::spin_loop;
use std::sync::atomic::AtomicBool;
use std::sync::atomic::Ordering::{Acquire, Release};

/// std's allocator behind a lock: what a module must have as its `#[global_allocator]` to have threads in a browser.
///
/// std was compiled for one thread there, its allocator too. Bodies of tasks do not allocate, but a thread's stack is
/// allocated as it starts, while others work.
#[derive(Debug, Default)]
pub struct LockedAllocator {
    held: AtomicBool,
}

impl LockedAllocator {
    /// One that nobody holds.
    pub const fn new() -> Self {
        Self { held: AtomicBool::new(false) }
    }

    fn with<T>(&self, work: impl FnOnce() -> T) -> T {
        while self.held.swap(true, Acquire) {
            spin_loop();
        }
        let done = work();
        self.held.store(false, Release);
        done
    }
}

// SAFETY: every call is passed on as it came, one at a time.
unsafe impl GlobalAlloc for LockedAllocator {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        // SAFETY: the caller's promises are those that `System` asks for; so below.
        self.with(|| unsafe { System.alloc(layout) })
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        // SAFETY: as above.
        self.with(|| unsafe { System.alloc_zeroed(layout) })
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: as above.
        self.with(|| unsafe { System.dealloc(block, layout) });
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // SAFETY: as above.
        self.with(|| unsafe { System.realloc(block, layout, size) })
    }
}
