//! Threads of the system, which sleep when there is nothing to do and end with the process.

use std::any::Any;
use std::hint::spin_loop;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::atomic::Ordering::{Acquire, Relaxed, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, fence};
use std::sync::{Condvar, Mutex, MutexGuard, Once, PoisonError};
use std::thread::Builder;
use std::time::{Duration, Instant};

use super::pool::{Pool, Sleep};

static POOL: Pool<Parked> = Pool::new(Parked::new());
/// How many threads were started beside the caller's.
static STARTED: Mutex<usize> = Mutex::new(0);
static FIRST_USE: Once = Once::new();

/// How long a thread looks for work before it sleeps: some times what it takes to wake one. On a virtual machine, whose idle
/// cores are given away, that is so long that two threads which slept between ops took as long as one.
const WATCH: Duration = Duration::from_millis(1);

/// Calls `body` with each of `0..tasks` once, in any order and from any thread. While one thread of the program has the
/// others, tasks of a second are done by itself.
///
/// One task must be worth some 10 µs: handing one out costs about one. Bodies keep what they need in what they
/// borrow rather than allocate.
pub(crate) fn run(tasks: usize, body: impl Fn(usize) + Sync + Send) {
    if tasks == 1 {
        return body(0);
    }
    start_by_default();
    // The pool knows nothing of unwinding: the caller gets the first panic when all is over.
    let (panicked, payload) = (AtomicBool::new(false), Mutex::new(None::<Box<dyn Any + Send>>));
    POOL.run(tasks, &|task| {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| body(task))) {
            locked(&payload).get_or_insert(panic);
            panicked.store(true, Relaxed);
        }
    });
    if panicked.load(Relaxed)
        && let Some(panic) = locked(&payload).take()
    {
        resume_unwind(panic);
    }
}

/// How many threads kernels have: those of [`set_threads`], else the number in `RAYON_NUM_THREADS`, which is the tokenizer's
/// too, else as many as the system can run at once.
pub fn threads() -> usize {
    start_by_default();
    POOL.threads()
}

/// Says how many threads kernels have, the caller's among them; with fewer than before the others sleep. If the system
/// starts no more, there are as many as it started.
pub fn set_threads(threads: usize) {
    // What was said first must not be undone by the first use.
    FIRST_USE.call_once(|| ());
    start(threads);
}

fn start_by_default() {
    FIRST_USE.call_once(|| {
        let asked = std::env::var("RAYON_NUM_THREADS").ok().and_then(|text| text.parse().ok());
        let cores = || std::thread::available_parallelism().map_or(1, usize::from);
        start(asked.filter(|&threads| threads > 0).unwrap_or_else(cores));
    });
}

fn start(threads: usize) {
    let mut started = locked(&STARTED);
    while *started + 1 < threads {
        let thread = Builder::new().name(format!("heatseek-cpu {}", *started + 1));
        if thread.spawn(|| POOL.help(|| false)).is_err() {
            break;
        }
        *started += 1;
    }
    POOL.set_threads(threads.min(*started + 1));
}

/// What is behind a lock that nobody holds when something panics.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A futex of the parts that std has for every system.
pub(super) struct Parked {
    lock: Mutex<()>,
    woken: Condvar,
    /// How many sleep, or are about to: to wake nobody costs no call of the system.
    waiting: AtomicU32,
}

impl Parked {
    pub(super) const fn new() -> Self {
        Self { lock: Mutex::new(()), woken: Condvar::new(), waiting: AtomicU32::new(0) }
    }
}

impl Sleep for Parked {
    fn watch(&self, word: &AtomicU32, seen: u32) {
        let begun = Instant::now();
        while word.load(Acquire) == seen && begun.elapsed() < WATCH {
            // Asking for the time costs more than a look.
            (0..64).for_each(|_| spin_loop());
        }
    }

    fn wait(&self, word: &AtomicU32, expected: u32, limited: bool) {
        let held = locked(&self.lock);
        self.waiting.fetch_add(1, SeqCst);
        // Either this thread sees the new word, or who has changed it sees this thread.
        fence(SeqCst);
        if word.load(SeqCst) == expected {
            // Waking for no reason is allowed, so one word's sleepers may wake with another's.
            let limit = Duration::from_millis(if limited { Self::LIMIT_MS as u64 } else { 60_000 });
            drop(self.woken.wait_timeout(held, limit));
        }
        self.waiting.fetch_sub(1, SeqCst);
    }

    fn wake(&self, _: &AtomicU32, _: u32) {
        fence(SeqCst);
        if self.waiting.load(SeqCst) > 0 {
            // Between its look at the word and its sleep, a thread holds the lock.
            drop(locked(&self.lock));
            self.woken.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_comes_to_the_caller_and_later_jobs_are_done() {
        set_threads(3);
        for round in 0..20 {
            let panic = catch_unwind(|| run(16, |task| assert!(task != round % 16, "task {task}")));
            let panic = panic.expect_err("a task panicked");
            let text = panic.downcast_ref::<String>().expect("its own words");
            assert_eq!(*text, format!("task {}", round % 16));
            let sum = AtomicU32::new(0);
            run(16, |task| {
                sum.fetch_add(task as u32, Relaxed);
            });
            assert_eq!(sum.into_inner(), 120);
        }
    }

    #[test]
    fn several_threads_of_a_program_may_compute() {
        std::thread::scope(|scope| {
            for owner in 0..4 {
                scope.spawn(move || {
                    for round in 1..200 {
                        let sum = AtomicU32::new(owner);
                        run(round, |_| {
                            sum.fetch_add(1, Relaxed);
                        });
                        assert_eq!(sum.into_inner(), owner + round as u32);
                    }
                });
            }
        });
    }
}
