//! The one place that knows what threads are: the system's natively, workers in the browser, both in a [`pool`].

#[cfg(target_arch = "wasm32")]
mod allocator;
#[cfg(not(target_arch = "wasm32"))]
mod native;
mod pool;
#[cfg(target_arch = "wasm32")]
mod wasm;

#[cfg(target_arch = "wasm32")]
pub use allocator::LockedAllocator;
#[cfg(not(target_arch = "wasm32"))]
pub(crate) use native::run;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{set_threads, threads};
#[cfg(target_arch = "wasm32")]
pub(crate) use wasm::run;
#[cfg(target_arch = "wasm32")]
pub use wasm::threads;

/// Calls `body(index, row)` for each row of `y`, in parallel where there are threads.
pub(crate) fn for_each_row(y: &mut [f32], width: usize, body: impl Fn(usize, &mut [f32]) + Sync + Send) {
    // Below this many elements a task costs more to hand out than to do.
    const MIN_ELEMS: usize = 4096;
    let width = width.max(1);
    let rows_of_task = MIN_ELEMS.div_ceil(width);
    let parts = Parts::new(y, rows_of_task * width);
    run(parts.count(), |task| {
        // SAFETY: `run` gives each task once.
        let part = unsafe { parts.part(task) };
        for (i, row) in part.chunks_exact_mut(width).enumerate() {
            body(task * rows_of_task + i, row);
        }
    });
}

/// Calls `body` with each of `parts` and its index once, in any order and from any thread.
///
/// One must be worth some 10 µs: handing one out costs about one. In browsers `body` must not allocate, lock or panic for
/// a purpose.
pub fn in_parallel<T: Send>(parts: &mut [T], body: impl Fn(usize, &mut T) + Sync + Send) {
    let parts = Parts::new(parts, 1);
    run(parts.count(), |task| {
        // SAFETY: `run` gives each task once.
        unsafe { parts.part(task) }.iter_mut().for_each(|part| body(task, part));
    });
}

/// The threads in words.
pub(crate) fn describe() -> String {
    match threads() {
        1 => "1 thread".into(),
        threads => format!("{threads} threads"),
    }
}

/// A slice cut into parts of equal length (the last may be shorter) that tasks write to, each to its own.
pub(crate) struct Parts<'a, T> {
    first: *mut T,
    len: usize,
    of_part: usize,
    borrowed: std::marker::PhantomData<&'a mut [T]>,
}

// SAFETY: it only hands out disjoint parts, as `chunks_mut` does.
unsafe impl<T: Send> Sync for Parts<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send> Send for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    /// Parts of `of_part` elements of `all`.
    pub(crate) fn new(all: &'a mut [T], of_part: usize) -> Self {
        Self {
            first: all.as_mut_ptr(),
            len: all.len(),
            of_part: of_part.max(1),
            borrowed: std::marker::PhantomData,
        }
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.len.div_ceil(self.of_part)
    }

    /// Part `index`.
    ///
    /// # Safety
    /// Nobody else may hold the same part.
    #[expect(clippy::mut_from_ref, reason = "the caller promises that parts are not taken twice")]
    pub(crate) unsafe fn part(&self, index: usize) -> &mut [T] {
        let from = (index * self.of_part).min(self.len);
        let len = self.of_part.min(self.len - from);
        // SAFETY: within the slice, which is borrowed for as long as `self`; not shared, as the caller promises.
        unsafe { std::slice::from_raw_parts_mut(self.first.add(from), len) }
    }
}
