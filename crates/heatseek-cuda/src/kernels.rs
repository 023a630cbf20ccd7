//! Kernels ready to launch, one per (kernel, constants, checks), shared by all plans of a device.

use std::collections::HashMap;
use std::rc::Rc;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

use heatseek_naga_cuda::{Argument, CudaKernel, Options, translate_with};
use heatseek_ops::ExecutorError;
use heatseek_wgsl::Selection;

use crate::cache::Cache;
use crate::compiler::Compiler;
use crate::device::{CudaDevice, SourceTransform};
use crate::driver::{Function, MOST_ARGUMENTS};
use crate::faults::first_lines;

/// What makes a compiled kernel: its name, constants by the bits of their values, and whether it is checked.
type Key = (&'static str, Vec<(&'static str, u64)>, bool);

/// The kernels of a device.
pub(crate) struct Kernels {
    transform: Option<SourceTransform>,
    cache: Cache,
    loaded: HashMap<Key, Rc<Loaded>>,
}

/// A kernel that can be launched.
#[derive(Debug)]
pub(crate) struct Loaded {
    pub(crate) function: Function,
    pub(crate) arguments: Vec<Argument>,
    pub(crate) block: [u32; 3],
}

/// One to compile.
struct Job<'a> {
    selection: &'a Selection,
    source: String,
    checked: bool,
}

/// What became of it, and whether the cache had it.
struct Compiled {
    kernel: CudaKernel,
    image: Vec<u8>,
    cached: bool,
}

impl Kernels {
    /// None yet, with the user's cache of compiled ones.
    pub(crate) fn of_user() -> Self {
        Self::new(Cache::of_user("cuda"))
    }

    pub(crate) fn new(cache: Cache) -> Self {
        Self { transform: None, cache, loaded: HashMap::new() }
    }

    /// Compiles from what `transform` makes of sources, and forgets what was compiled before.
    pub(crate) fn transform(&mut self, transform: SourceTransform) {
        self.transform = Some(transform);
        self.loaded.clear();
    }

    /// The kernels of `selections`, in their order. Those that are new are compiled now, as many at once as there are
    /// CPUs.
    pub(crate) fn get(
        &mut self,
        device: &CudaDevice,
        selections: &[&Selection],
        checked: bool,
    ) -> Result<Vec<Rc<Loaded>>, ExecutorError> {
        let mut keys: Vec<Key> = Vec::new();
        let mut jobs = Vec::new();
        for selection in selections {
            let key = key(selection, checked);
            if !self.loaded.contains_key(&key) && !keys.contains(&key) {
                let kernel = selection.kernel;
                let transformed = self.transform.as_ref().map(|t| t(kernel, kernel.source));
                let source = transformed.unwrap_or_else(|| kernel.source.to_owned());
                jobs.push(Job { selection, source, checked });
                keys.push(key);
            }
        }
        let outcomes = self.compile(&**device.compiler(), &jobs);
        for ((key, job), outcome) in keys.into_iter().zip(&jobs).zip(outcomes) {
            let loaded = outcome.and_then(|compiled| self.load(device, job, compiled));
            let loaded = loaded.map_err(|failure| match failure {
                Failure::Explained(error) => error,
                Failure::Compiling(why) => {
                    let name = job.selection.kernel.name;
                    device.faults().internal(format!("compiling kernel `{name}`: {}", first_lines(&why)))
                }
            })?;
            self.loaded.insert(key, Rc::new(loaded));
        }
        Ok(selections.iter().map(|selection| self.loaded[&key(selection, checked)].clone()).collect())
    }

    fn compile(&self, compiler: &dyn Compiler, jobs: &[Job<'_>]) -> Vec<Result<Compiled, Failure>> {
        let threads = thread::available_parallelism().map_or(1, usize::from).min(jobs.len());
        if threads <= 1 {
            return jobs.iter().map(|job| compile(job, compiler, &self.cache, true)).collect();
        }
        let next = AtomicUsize::new(0);
        let outcomes: Vec<_> = jobs.iter().map(|_| Mutex::new(None)).collect();
        let cache = &self.cache;
        thread::scope(|scope| {
            for _ in 0..threads {
                scope.spawn(|| {
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        let Some(job) = jobs.get(index) else { break };
                        let outcome = compile(job, compiler, cache, true);
                        if let Ok(mut slot) = outcomes[index].lock() {
                            *slot = Some(outcome);
                        }
                    }
                });
            }
        });
        let unfinished = || Err(Failure::Compiling("the compiler's thread ended without an answer".into()));
        outcomes.into_iter().map(|slot| slot.into_inner().ok().flatten().unwrap_or_else(unfinished)).collect()
    }

    fn load(&self, device: &CudaDevice, job: &Job<'_>, compiled: Compiled) -> Result<Loaded, Failure> {
        let CudaKernel { name, arguments, block, .. } = &compiled.kernel;
        if arguments.len() > MOST_ARGUMENTS {
            return Err(Failure::Compiling(format!("it has {} arguments", arguments.len())));
        }
        match device.driver().load(&compiled.image, name) {
            Ok(function) => Ok(Loaded { function, arguments: arguments.clone(), block: *block }),
            // Compiled by another version of what has the same name, perhaps.
            Err(_) if compiled.cached => {
                let fresh = compile(job, &**device.compiler(), &self.cache, false)?;
                self.load(device, job, fresh)
            }
            Err(error) => {
                let doing = format!("loading kernel `{}`", job.selection.kernel.name);
                Err(Failure::Explained(device.faults().explain(&error, &doing)))
            }
        }
    }
}

/// Why there is no kernel.
enum Failure {
    /// The compiler's words.
    Compiling(String),
    /// What is to be answered.
    Explained(ExecutorError),
}

fn key(selection: &Selection, checked: bool) -> Key {
    let bits = selection.constants.iter().map(|(name, value)| (*name, value.to_bits())).collect();
    (selection.kernel.name, bits, checked)
}

fn compile(
    job: &Job<'_>,
    compiler: &dyn Compiler,
    cache: &Cache,
    believe: bool,
) -> Result<Compiled, Failure> {
    // Kernels write workgroup memory before they read it; the checked runs do not rely on that.
    let options = Options { zero_workgroup_memory: job.checked };
    let entry_point = job.selection.kernel.entry_point;
    let kernel = translate_with(&job.source, entry_point, &job.selection.constants, &options)
        .map_err(|error| Failure::Compiling(error.to_string()))?;
    let key = Cache::key(&[&compiler.identity(), &kernel.name, &kernel.source]);
    if let Some(image) = cache.get(&key).filter(|_| believe) {
        return Ok(Compiled { kernel, image, cached: true });
    }
    let image = compiler.compile(&kernel).map_err(Failure::Compiling)?;
    cache.put(&key, &image);
    Ok(Compiled { kernel, image, cached: false })
}
