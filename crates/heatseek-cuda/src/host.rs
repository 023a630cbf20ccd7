//! A device for tests: the kernels' CUDA C++, compiled by the machine's C++ compiler and run on the CPU, so that the
//! executor is tested with everything but NVIDIA's own software.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use heatseek_naga_cuda::CudaKernel;
use heatseek_naga_cuda::host::{HostBuffer, Library};
use heatseek_ops::UNWRITTEN;

use crate::cache::Cache;
use crate::compiler::Compiler;
use crate::device::CudaDevice;
use crate::driver::{Address, Driver, DriverError, Facts, Function, Graph, Launch, Mark, Pinned, pointers};
use crate::kernels::Kernels;

/// The name by which [`CudaDevice::request`] opens it.
pub const HOST: &str = "host";

/// `CUDA_ERROR_LAUNCH_FAILED`'s neighbour that loses nothing: `CUDA_ERROR_INVALID_VALUE`.
const INVALID_VALUE: i32 = 1;

/// Opens it.
pub(crate) fn device() -> CudaDevice {
    let driver = Host::default();
    let compiler = driver.kernels.clone();
    CudaDevice::new(Rc::new(driver), Arc::new(compiler), Kernels::new(Cache::none()))
}

/// The kernels that were asked for. An image is a place in here: they are compiled when the first of them is launched,
/// all that are there by then at once, which costs far less than one by one.
#[derive(Clone, Default)]
pub(crate) struct HostKernels(Arc<Mutex<Vec<CudaKernel>>>);

impl HostKernels {
    fn all(&self) -> MutexGuard<'_, Vec<CudaKernel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Compiler for HostKernels {
    fn identity(&self) -> String {
        "C++".to_owned()
    }

    fn compile(&self, kernel: &CudaKernel) -> Result<Vec<u8>, String> {
        let mut all = self.all();
        all.push(kernel.clone());
        Ok((all.len() - 1).to_le_bytes().to_vec())
    }
}

/// A recorded launch.
#[derive(Clone)]
struct Recorded {
    function: Function,
    grid: [u32; 3],
    arguments: Vec<u64>,
}

/// Memory and kernels of the CPU, as a driver.
pub(crate) struct Host {
    pub(crate) kernels: HostKernels,
    facts: Facts,
    memory: RefCell<HashMap<Address, HostBuffer>>,
    /// Libraries, each with the place of its first kernel.
    libraries: RefCell<Vec<(usize, Library)>>,
    compiled: Cell<usize>,
    recording: RefCell<Option<Vec<Recorded>>>,
    graphs: RefCell<HashMap<usize, Vec<Recorded>>>,
    given: Cell<usize>,
    /// The timed marks, each with when it was come to last.
    timed: RefCell<HashMap<usize, Option<Instant>>>,
}

impl Default for Host {
    fn default() -> Self {
        Self {
            kernels: HostKernels::default(),
            facts: Facts {
                name: "CPU in place of a GPU".to_owned(),
                backend: "CUDA C++ on the CPU".to_owned(),
                capability: (0, 0),
                memory_bytes: 4 << 30,
                multiprocessors: 1,
                emulated: true,
            },
            memory: RefCell::default(),
            libraries: RefCell::default(),
            compiled: Cell::default(),
            recording: RefCell::default(),
            graphs: RefCell::default(),
            given: Cell::default(),
            timed: RefCell::default(),
        }
    }
}

impl Host {
    /// Allocations that are not freed, and graphs that are kept.
    #[cfg(test)]
    pub(crate) fn held(&self) -> (usize, usize) {
        (self.memory.borrow().len(), self.graphs.borrow().len())
    }

    fn next(&self) -> usize {
        self.given.set(self.given.get() + 1);
        self.given.get()
    }

    /// Compiles what was asked for since the last time.
    fn compile(&self) -> Result<(), DriverError> {
        let all = self.kernels.all();
        let first = self.compiled.get();
        if first == all.len() {
            return Ok(());
        }
        // Two tests may ask for the same kernels, which are compiled into the same files.
        static COMPILING: Mutex<()> = Mutex::new(());
        let _compiling = COMPILING.lock().unwrap_or_else(PoisonError::into_inner);
        let new: Vec<&CudaKernel> = all[first..].iter().collect();
        let library = Library::compile(&new, &folder()).map_err(|error| failed("compile", &error))?;
        self.libraries.borrow_mut().push((first, library));
        self.compiled.set(all.len());
        Ok(())
    }

    fn run(&self, function: Function, grid: [u32; 3], arguments: &[u64]) -> Result<(), DriverError> {
        if function.0 >= self.compiled.get() {
            self.compile()?;
        }
        let libraries = self.libraries.borrow();
        let of_function = libraries.iter().rev().find(|(first, _)| *first <= function.0);
        let Some((first, library)) = of_function else {
            return Err(DriverError { call: "launch", code: INVALID_VALUE, meaning: "no kernel".into() });
        };
        let mut pointers = pointers(arguments);
        // SAFETY: the executor gives an address or a length for each parameter, of buffers that are there.
        let launched = unsafe { library.launch_raw(function.0 - first, grid, &mut pointers) };
        launched.map_err(|error| failed("launch", &error))
    }
}

fn failed(call: &'static str, error: &dyn std::error::Error) -> DriverError {
    DriverError { call, code: INVALID_VALUE, meaning: error.to_string() }
}

/// Where compiled kernels are kept: with what else is built, if the tests were built by cargo.
fn folder() -> PathBuf {
    let built = option_env!("CARGO_TARGET_TMPDIR").map(PathBuf::from);
    built.unwrap_or_else(std::env::temp_dir).join("heatseek-cuda-host")
}

impl Driver for Host {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    /// Filled with the pattern for what was never written: a GPU's memory is not zeros, either.
    fn allocate(&self, bytes: usize) -> Result<Address, DriverError> {
        let buffer = HostBuffer::new(bytes.next_multiple_of(4));
        buffer.write(0, &UNWRITTEN.to_le_bytes().repeat(bytes.div_ceil(4)));
        let at = buffer.address() as u64;
        self.memory.borrow_mut().insert(at, buffer);
        Ok(at)
    }

    fn free(&self, at: Address) {
        self.memory.borrow_mut().remove(&at);
    }

    fn allocate_pinned(&self, bytes: usize) -> Result<Pinned, DriverError> {
        let meaning = || "out of memory".to_owned();
        Pinned::ordinary(bytes).ok_or_else(|| DriverError { call: "alloc", code: 2, meaning: meaning() })
    }

    fn free_pinned(&self, memory: &Pinned) {
        memory.free_ordinary();
    }

    fn upload(&self, to: Address, from: *const u8, bytes: usize) -> Result<(), DriverError> {
        // SAFETY: the caller has `bytes` bytes there, and a buffer at `to`.
        unsafe { std::ptr::copy_nonoverlapping(from, to as *mut u8, bytes) };
        Ok(())
    }

    fn upload_now(&self, to: Address, from: &[u8]) -> Result<(), DriverError> {
        self.upload(to, from.as_ptr(), from.len())
    }

    fn download(&self, from: Address, to: *mut u8, bytes: usize) -> Result<(), DriverError> {
        // SAFETY: the caller has room for `bytes` bytes there, and a buffer at `from`.
        unsafe { std::ptr::copy_nonoverlapping(from as *const u8, to, bytes) };
        Ok(())
    }

    fn fill(&self, at: Address, words: usize, word: u32) -> Result<(), DriverError> {
        let pattern = word.to_le_bytes().repeat(words);
        self.upload(at, pattern.as_ptr(), pattern.len())
    }

    fn load(&self, image: &[u8], _: &str) -> Result<Function, DriverError> {
        let place = image.try_into().map(usize::from_le_bytes);
        place.map(Function).map_err(|error| failed("load", &error))
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<(), DriverError> {
        if let Some(recorded) = &mut *self.recording.borrow_mut() {
            let Launch { function, grid, arguments, .. } = *launch;
            recorded.push(Recorded { function, grid, arguments: arguments.to_vec() });
            return Ok(());
        }
        self.run(launch.function, launch.grid, launch.arguments)
    }

    fn new_mark(&self, timed: bool) -> Result<Mark, DriverError> {
        let mark = self.next();
        timed.then(|| self.timed.borrow_mut().insert(mark, None));
        Ok(Mark(mark))
    }

    /// All that was asked for before is done.
    fn mark(&self, mark: Mark) -> Result<(), DriverError> {
        if let Some(when) = self.timed.borrow_mut().get_mut(&mark.0) {
            *when = Some(Instant::now());
        }
        Ok(())
    }

    fn wait(&self, _: Mark) -> Result<(), DriverError> {
        Ok(())
    }

    fn seconds_between(&self, from: Mark, to: Mark) -> Result<f64, DriverError> {
        let timed = self.timed.borrow();
        let when = |mark: Mark| timed.get(&mark.0).copied().flatten();
        let between = when(to).zip(when(from)).map(|(to, from)| to.duration_since(from).as_secs_f64());
        between.ok_or_else(|| {
            let meaning = "a mark that is not timed, or was put nowhere".to_owned();
            DriverError { call: "seconds_between", code: INVALID_VALUE, meaning }
        })
    }

    fn free_mark(&self, mark: Mark) {
        self.timed.borrow_mut().remove(&mark.0);
    }

    fn record(
        &self,
        launches: &mut dyn FnMut() -> Result<(), DriverError>,
    ) -> Result<Option<Graph>, DriverError> {
        self.recording.replace(Some(Vec::new()));
        let launched = launches();
        let recorded = self.recording.take().unwrap_or_default();
        launched?;
        let graph = self.next();
        self.graphs.borrow_mut().insert(graph, recorded);
        Ok(Some(Graph(graph)))
    }

    fn replay(&self, graph: Graph) -> Result<(), DriverError> {
        let recorded = self.graphs.borrow().get(&graph.0).cloned().unwrap_or_default();
        recorded.iter().try_for_each(|launch| self.run(launch.function, launch.grid, &launch.arguments))
    }

    fn free_graph(&self, graph: Graph) {
        self.graphs.borrow_mut().remove(&graph.0);
    }
}
