use rayon::prelude::*;

/// Calls `body` with each of `0..tasks` once, in any order and from any thread.
///
/// One task must be worth some 10 µs: handing one out costs about one. Bodies keep what they need in what they
/// borrow rather than allocate.
pub(crate) fn run(tasks: usize, body: impl Fn(usize) + Sync + Send) {
    if tasks == 1 {
        return body(0);
    }
    (0..tasks).into_par_iter().with_max_len(1).for_each(body);
}

/// How many threads kernels have.
pub fn threads() -> usize {
    rayon::current_num_threads()
}
