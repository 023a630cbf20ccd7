//! The one place that knows whether there are threads.

/// Calls `body(index, row)` for each row of `y`, in parallel where there are threads.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn for_each_row(y: &mut [f32], width: usize, body: impl Fn(usize, &mut [f32]) + Sync) {
    use rayon::prelude::*;
    // Below this many elements a task costs more to hand out than to do.
    const MIN_ELEMS: usize = 4096;
    let min_rows = MIN_ELEMS.div_ceil(width.max(1));
    y.par_chunks_exact_mut(width.max(1)).enumerate().with_min_len(min_rows).for_each(|(i, row)| body(i, row));
}

/// Calls `body(index, row)` for each row of `y`.
#[cfg(target_arch = "wasm32")]
pub(crate) fn for_each_row(y: &mut [f32], width: usize, body: impl Fn(usize, &mut [f32]) + Sync) {
    y.chunks_exact_mut(width.max(1)).enumerate().for_each(|(i, row)| body(i, row));
}

/// `body` of each item, in parallel where there are threads.
#[cfg(not(target_arch = "wasm32"))]
pub(crate) fn map<T: Send, R: Send>(items: Vec<T>, body: impl Fn(T) -> R + Sync + Send) -> Vec<R> {
    use rayon::prelude::*;
    items.into_par_iter().map(body).collect()
}

/// `body` of each item.
#[cfg(target_arch = "wasm32")]
pub(crate) fn map<T, R>(items: Vec<T>, body: impl Fn(T) -> R) -> Vec<R> {
    items.into_iter().map(body).collect()
}

/// The threads in words.
pub(crate) fn describe() -> String {
    #[cfg(not(target_arch = "wasm32"))]
    let threads = rayon::current_num_threads();
    #[cfg(target_arch = "wasm32")]
    let threads = 1;
    if threads == 1 { "1 thread".into() } else { format!("{threads} threads") }
}
