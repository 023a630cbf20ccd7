//! Threads that share one memory and nothing else: no allocator of their own, no thread-locals, no std.
//!
//! One thread at a time owns the pool and hands out jobs; the others [`help`](Pool::help). A job is a function, what it
//! borrows, and a counter of the tasks taken. Helpers enter and leave a job through [`Pool::door`], so that the owner
//! knows when nobody reads it any more, and a helper that wakes too late finds the door shut.

use std::cell::UnsafeCell;
use std::hint::spin_loop;
use std::sync::atomic::Ordering::{AcqRel, Acquire, Relaxed, Release, SeqCst};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize};

/// How a thread sleeps until a word changes: a futex, `Atomics.wait` of JavaScript.
pub(crate) trait Sleep {
    /// Sleeps while `word` is `expected`; wakes for no reason at times, and after [`Self::LIMIT_MS`] at the latest if
    /// `limited`.
    fn wait(&self, word: &AtomicU32, expected: u32, limited: bool);
    /// Wakes up to `most` threads that sleep on `word`.
    fn wake(&self, word: &AtomicU32, most: u32);
    /// Looks at `word` until it is not `seen` any more, or for as long as it takes to be woken: longer than from one op of a
    /// small batch to the next.
    fn watch(&self, word: &AtomicU32, seen: u32) {
        // Some 50 µs in a browser.
        let mut looks = 0;
        while word.load(Acquire) == seen && looks < 20_000 {
            spin_loop();
            looks += 1;
        }
    }
    /// How long a limited sleep takes at most.
    const LIMIT_MS: f64 = 50.0;
}

/// The bit of [`Pool::door`] that lets helpers in; the others count those inside.
const OPEN: u32 = 1 << 31;

/// On a cache line of its own: a thread that spins on one word should not slow down those that write to another.
#[repr(align(64))]
struct Line<T>(T);

#[derive(Clone, Copy)]
struct Job {
    /// Calls `body` with the number of a task.
    call: unsafe fn(body: *const (), task: usize),
    body: *const (),
    tasks: usize,
}

/// A pool of threads; see the top of this file.
pub(crate) struct Pool<S> {
    sleep: S,
    /// How many work on a job at most, the owner among them.
    threads: AtomicU32,
    /// A thread is at work on a job, which may itself ask for one.
    busy: AtomicBool,
    /// A helper trapped: what it was to compute is missing.
    failed: AtomicBool,
    /// Counts jobs. Helpers sleep on it.
    jobs: Line<AtomicU32>,
    /// How many helpers sleep.
    asleep: AtomicU32,
    /// Whether helpers may enter the job, and how many are in it. The owner sleeps on it.
    door: Line<AtomicU32>,
    /// The first task that nobody has taken.
    next: Line<AtomicUsize>,
    job: UnsafeCell<Option<Job>>,
}

// SAFETY: `job` is written while the door is shut and nobody is inside, and read by those inside.
unsafe impl<S: Sync> Sync for Pool<S> {}

impl<S: Sleep> Pool<S> {
    pub(crate) const fn new(sleep: S) -> Self {
        Self {
            sleep,
            threads: AtomicU32::new(1),
            busy: AtomicBool::new(false),
            failed: AtomicBool::new(false),
            jobs: Line(AtomicU32::new(0)),
            asleep: AtomicU32::new(0),
            door: Line(AtomicU32::new(0)),
            next: Line(AtomicUsize::new(0)),
            job: UnsafeCell::new(None),
        }
    }

    /// How many threads work on a job at most.
    pub(crate) fn threads(&self) -> usize {
        self.threads.load(Relaxed) as usize
    }

    /// Says how many threads there are: the owner, and those about to [`help`](Self::help).
    pub(crate) fn set_threads(&self, threads: usize) {
        self.threads.store(threads.max(1) as u32, Relaxed);
    }

    /// Calls `body` with each of `0..tasks` once, in any order and from any thread. Bodies may call this too, and other
    /// threads while a job is under way: their tasks are then done one after the other. `body` must not unwind.
    ///
    /// # Panics
    /// If a helper trapped, for then something was not computed.
    pub(crate) fn run<F: Fn(usize) + Sync>(&self, tasks: usize, body: &F) {
        let helpers = (self.threads() - 1).min(tasks.saturating_sub(1));
        if helpers == 0 || self.busy.swap(true, Acquire) {
            return (0..tasks).for_each(body);
        }
        unsafe fn call<F: Fn(usize)>(body: *const (), task: usize) {
            // SAFETY: `body` is the `F` that `run` borrows until nobody calls this any more.
            unsafe { (*body.cast::<F>())(task) }
        }
        let job = Job { call: call::<F>, body: std::ptr::from_ref(body).cast(), tasks };
        // SAFETY: nobody is inside: `busy` keeps other jobs away, and the last one waited for its helpers to leave.
        unsafe { *self.job.get() = Some(job) };
        self.next.0.store(0, Relaxed);
        self.door.0.store(OPEN, Release);
        self.jobs.0.fetch_add(1, SeqCst);
        // A helper counts itself as asleep before it looks at `jobs` for the last time: either it sees the new job, or
        // it is seen here.
        if self.asleep.load(SeqCst) > 0 {
            self.sleep.wake(&self.jobs.0, helpers as u32);
        }
        self.work(job);
        self.end();
        self.busy.store(false, Release);
    }

    /// Takes tasks until there are none.
    fn work(&self, job: Job) {
        loop {
            let task = self.next.0.fetch_add(1, Relaxed);
            if task >= job.tasks {
                return;
            }
            // SAFETY: the job is not over before this thread is.
            unsafe { (job.call)(job.body, task) };
        }
    }

    /// Shuts the door and waits until nobody is inside.
    fn end(&self) {
        self.door.0.fetch_and(!OPEN, AcqRel);
        loop {
            let inside = self.door.0.load(Acquire);
            // One that trapped never leaves.
            assert!(!self.failed.load(Relaxed), "a thread of the CPU kernels stopped");
            if inside == 0 {
                return;
            }
            self.sleep.watch(&self.door.0, inside);
            if self.door.0.load(Acquire) == inside {
                self.sleep.wait(&self.door.0, inside, true);
            }
        }
    }

    /// Helps with jobs until `stopped` says so, which is asked between jobs.
    pub(crate) fn help(&self, stopped: impl Fn() -> bool) {
        let mut seen = 0;
        while !stopped() {
            seen = self.await_job(seen);
            if self.enter() {
                // SAFETY: this thread is inside, so the job stays as it is; the owner wrote it before it opened the door.
                if let Some(job) = unsafe { *self.job.get() } {
                    self.work(job);
                }
                self.leave();
            }
        }
    }

    /// Marks the pool as broken, for a helper that trapped.
    #[cfg(any(target_arch = "wasm32", test))]
    pub(crate) fn fail(&self) {
        self.failed.store(true, SeqCst);
        self.sleep.wake(&self.door.0, 1);
    }

    /// Waits until there were more jobs than `seen`, or for no reason.
    fn await_job(&self, seen: u32) -> u32 {
        self.sleep.watch(&self.jobs.0, seen);
        let jobs = self.jobs.0.load(Acquire);
        if jobs != seen {
            return jobs;
        }
        self.asleep.fetch_add(1, SeqCst);
        self.sleep.wait(&self.jobs.0, seen, false);
        self.asleep.fetch_sub(1, SeqCst);
        self.jobs.0.load(Acquire)
    }

    fn enter(&self) -> bool {
        let most = self.threads.load(Relaxed);
        let step = |door| (door & OPEN != 0 && (door & !OPEN) + 1 < most).then_some(door + 1);
        self.door.0.fetch_update(AcqRel, Acquire, step).is_ok()
    }

    fn leave(&self) {
        // The owner may sleep until the last one is out. Nobody is inside a shut door that opens again before that.
        if self.door.0.fetch_sub(1, AcqRel) == 1 {
            self.sleep.wake(&self.door.0, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;
    use std::time::Duration;

    use super::super::native::Parked;
    use super::*;

    fn pool() -> Pool<Parked> {
        Pool::new(Parked::new())
    }

    /// Runs `owner` with a pool of `threads`.
    fn with_threads(threads: usize, owner: impl FnOnce(&Pool<Parked>)) {
        let (pool, stopped) = (pool(), AtomicBool::new(false));
        pool.set_threads(threads);
        std::thread::scope(|scope| {
            for _ in 1..threads {
                scope.spawn(|| pool.help(|| stopped.load(SeqCst)));
            }
            owner(&pool);
            stopped.store(true, SeqCst);
            pool.jobs.0.fetch_add(1, SeqCst);
            pool.sleep.wake(&pool.jobs.0, u32::MAX);
        });
    }

    #[test]
    fn every_task_of_every_job_is_done_once() {
        with_threads(4, |pool| {
            for round in 0..2000 {
                let tasks = [0, 1, 2, 3, 7, 64][round % 6];
                let done: Vec<AtomicU32> = (0..tasks).map(|_| AtomicU32::new(0)).collect();
                pool.run(tasks, &|task| {
                    done[task].fetch_add(1, Relaxed);
                });
                assert!(done.iter().all(|times| times.load(Relaxed) == 1), "round {round}");
                // Helpers go to sleep between some jobs and not between others.
                if round % 500 == 0 {
                    std::thread::sleep(Duration::from_millis(5));
                }
            }
        });
    }

    #[test]
    fn helpers_work_at_the_same_time_as_the_owner() {
        with_threads(3, |pool| {
            let inside = AtomicU32::new(0);
            // Each task waits for the others: with fewer than three threads this would never end.
            pool.run(3, &|_| {
                inside.fetch_add(1, SeqCst);
                while inside.load(SeqCst) < 3 {
                    std::thread::yield_now();
                }
            });
            assert_eq!(inside.load(SeqCst), 3);
        });
    }

    #[test]
    fn no_more_threads_work_than_were_asked_for() {
        with_threads(4, |pool| {
            pool.set_threads(2);
            let (inside, most) = (AtomicU32::new(0), AtomicU32::new(0));
            for _ in 0..200 {
                pool.run(16, &|_| {
                    most.fetch_max(inside.fetch_add(1, SeqCst) + 1, SeqCst);
                    std::thread::yield_now();
                    inside.fetch_sub(1, SeqCst);
                });
            }
            assert!(most.load(SeqCst) <= 2, "{most:?} at a time");
        });
    }

    #[test]
    fn a_body_may_ask_for_a_job() {
        with_threads(2, |pool| {
            let sum = AtomicU32::new(0);
            pool.run(8, &|_| {
                pool.run(8, &|_| {
                    sum.fetch_add(1, Relaxed);
                });
            });
            assert_eq!(sum.load(Relaxed), 64);
        });
    }

    #[test]
    fn a_helper_that_stopped_fails_the_job_and_every_later_one() {
        let pool = pool();
        pool.set_threads(2);
        std::thread::scope(|scope| {
            let owner = scope.spawn(|| {
                let inside = AtomicU32::new(0);
                pool.run(2, &|_| {
                    inside.fetch_add(1, SeqCst);
                    while inside.load(SeqCst) < 2 {
                        std::thread::yield_now();
                    }
                });
            });
            // What a helper does up to a trap: it enters, takes a task, and never leaves.
            pool.await_job(0);
            while !pool.enter() {}
            // SAFETY: inside, as in `help`.
            let job = unsafe { *pool.job.get() }.unwrap();
            // SAFETY: the job is not over, for nobody else can do its second task.
            unsafe { (job.call)(job.body, 1) };
            pool.fail();
            assert!(owner.join().is_err(), "the owner did not notice");
        });
    }
}
