//! What becomes of a plan when its driver fails: a driver whose calls can be told to.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;

use heatseek_ops::{
    Batch, Executor, ExecutorError, Gemm, HIDDEN, HostExecutor, OutputId, Plan, PlanOptions, Program,
    ReferenceExecutor, Rows, RunControl, Tensor,
};
use heatseek_testkit::{Tolerance, compare, values};
use pollster::block_on;

use crate::cache::Cache;
use crate::driver::{Address, Driver, DriverError, Facts, Function, Graph, Launch, Mark, Pinned};
use crate::host::{Host, HostKernels};
use crate::kernels::Kernels;
use crate::{CudaDevice, CudaExecutor};

const WIDTH: usize = 16;

/// A driver that answers `code` to the first `call` from now on, once.
#[derive(Default)]
struct Faulty {
    host: Host,
    fault: RefCell<Option<(&'static str, i32)>>,
}

impl Faulty {
    fn plan(&self, call: &'static str, code: i32) {
        self.fault.replace(Some((call, code)));
    }

    fn call(&self, call: &'static str) -> Result<(), DriverError> {
        let mut fault = self.fault.borrow_mut();
        match *fault {
            Some((name, code)) if name == call => {
                fault.take();
                Err(DriverError { call, code, meaning: "planned".into() })
            }
            _ => Ok(()),
        }
    }
}

impl Driver for Faulty {
    fn facts(&self) -> &Facts {
        self.host.facts()
    }
    fn allocate(&self, bytes: usize) -> Result<Address, DriverError> {
        self.call("allocate").and_then(|()| self.host.allocate(bytes))
    }
    fn free(&self, at: Address) {
        self.host.free(at);
    }
    fn allocate_pinned(&self, bytes: usize) -> Result<Pinned, DriverError> {
        self.call("allocate_pinned").and_then(|()| self.host.allocate_pinned(bytes))
    }
    fn free_pinned(&self, memory: &Pinned) {
        self.host.free_pinned(memory);
    }
    fn upload(&self, to: Address, from: *const u8, bytes: usize) -> Result<(), DriverError> {
        self.call("upload").and_then(|()| self.host.upload(to, from, bytes))
    }
    fn upload_now(&self, to: Address, from: &[u8]) -> Result<(), DriverError> {
        self.call("upload_now").and_then(|()| self.host.upload_now(to, from))
    }
    fn download(&self, from: Address, to: *mut u8, bytes: usize) -> Result<(), DriverError> {
        self.call("download").and_then(|()| self.host.download(from, to, bytes))
    }
    fn fill(&self, at: Address, words: usize, word: u32) -> Result<(), DriverError> {
        self.call("fill").and_then(|()| self.host.fill(at, words, word))
    }
    fn load(&self, image: &[u8], name: &str) -> Result<Function, DriverError> {
        self.call("load").and_then(|()| self.host.load(image, name))
    }
    fn launch(&self, launch: &Launch<'_>) -> Result<(), DriverError> {
        self.call("launch").and_then(|()| self.host.launch(launch))
    }
    fn new_mark(&self, timed: bool) -> Result<Mark, DriverError> {
        self.call("new_mark").and_then(|()| self.host.new_mark(timed))
    }
    fn mark(&self, mark: Mark) -> Result<(), DriverError> {
        self.call("mark").and_then(|()| self.host.mark(mark))
    }
    fn wait(&self, mark: Mark) -> Result<(), DriverError> {
        self.call("wait").and_then(|()| self.host.wait(mark))
    }
    fn seconds_between(&self, from: Mark, to: Mark) -> Result<f64, DriverError> {
        self.call("seconds_between").and_then(|()| self.host.seconds_between(from, to))
    }
    fn free_mark(&self, mark: Mark) {
        self.host.free_mark(mark);
    }
    fn record(
        &self,
        launches: &mut dyn FnMut() -> Result<(), DriverError>,
    ) -> Result<Option<Graph>, DriverError> {
        self.call("record").and_then(|()| self.host.record(launches))
    }
    fn replay(&self, graph: Graph) -> Result<(), DriverError> {
        self.call("replay").and_then(|()| self.host.replay(graph))
    }
    fn free_graph(&self, graph: Graph) {
        self.host.free_graph(graph);
    }
}

/// The kernels of the driver's host do the work, from this cache.
fn device(driver: &Rc<Faulty>, cache: Cache) -> CudaDevice {
    let compiler: HostKernels = driver.host.kernels.clone();
    CudaDevice::new(driver.clone(), Arc::new(compiler), Kernels::new(cache))
}

fn linear() -> Arc<Program> {
    let mut program = Program::new();
    let x = program.input("x", WIDTH);
    let w = program.weight("w", Tensor::new(&[WIDTH, WIDTH], values(1, WIDTH * WIDTH, 0.5)));
    let b = program.weight("b", Tensor::new(&[WIDTH], values(2, WIDTH, 0.5)));
    let y = program.activation("y", Rows::Tokens, WIDTH);
    program.push(Gemm::linear(WIDTH, WIDTH), Rows::Tokens, &[x, w, b, y]).unwrap();
    program.output(HIDDEN, y);
    Arc::new(program)
}

fn batch(rows: usize) -> Batch {
    let mut batch = Batch::new();
    batch.push_rows(rows, &[&values(rows as u64, rows * WIDTH, 1.0)]).unwrap();
    batch
}

fn run(plan: &dyn Plan, batch: &Batch) -> Result<Vec<f32>, ExecutorError> {
    block_on(plan.run(batch, &[OutputId(0)])).map(|mut values| values.remove(0))
}

fn assert_right(plan: &dyn Plan, batch: &Batch) {
    let reference = HostExecutor::new(ReferenceExecutor).plan(linear(), PlanOptions::default()).unwrap();
    let expected = reference.run_now(batch, &[OutputId(0)]).unwrap().remove(0);
    let actual = run(plan, batch).unwrap();
    compare(&actual, &expected, &[batch.rows(), WIDTH], Tolerance::OP_F32).unwrap();
}

#[test]
fn whatever_call_fails_says_what_it_was_for_and_the_next_run_is_right() {
    let driver = Rc::<Faulty>::default();
    let device = device(&driver, Cache::none());
    let plan = CudaExecutor::new(device).plan(linear(), PlanOptions::default()).unwrap();
    assert_right(&plan, &batch(5));
    let rows = [9, 9, 9, 9, 25];
    for (call, rows) in ["upload", "download", "mark", "wait", "launch"].into_iter().zip(rows) {
        driver.plan(call, 1);
        assert_says(&run(&plan, &batch(rows)).unwrap_err(), call);
        assert_right(&plan, &batch(rows));
    }
    // The first run that is timed makes the marks for it.
    for call in ["new_mark", "seconds_between"] {
        driver.plan(call, 1);
        assert_says(&block_on(plan.run_with(&batch(9), &[OutputId(0)], &Clock)).unwrap_err(), call);
        assert_right(&plan, &batch(9));
    }
}

fn assert_says(error: &ExecutorError, call: &str) {
    let said = matches!(error, ExecutorError::Internal { what, .. } if what.contains("running a batch"));
    assert!(said && error.to_string().contains(call), "{call}: {error}");
}

/// Wants to know how long the device takes.
struct Clock;

impl RunControl for Clock {
    fn wants_device_time(&self) -> bool {
        true
    }
}

#[test]
fn memory_that_ran_out_is_told_from_all_else_and_tried_again() {
    let driver = Rc::<Faulty>::default();
    let executor = CudaExecutor::new(device(&driver, Cache::none()));
    driver.plan("allocate", 2);
    let error = executor.plan(linear(), PlanOptions::default()).err().unwrap();
    assert!(matches!(&error, ExecutorError::OutOfMemory { doing, .. } if doing.contains("`w`")), "{error}");
    let plan = executor.plan(linear(), PlanOptions::default()).unwrap();
    driver.plan("allocate_pinned", 2);
    assert!(matches!(run(&plan, &batch(5)), Err(ExecutorError::OutOfMemory { .. })));
    // Room to grow is not needed: what the batch takes is tried, too.
    driver.plan("allocate", 2);
    assert_right(&plan, &batch(100));
    drop((plan, executor));
    assert_eq!(driver.host.held(), (0, 0), "all memory and all graphs are given back");
}

#[test]
fn a_sticky_error_loses_the_device_for_good() {
    // An illegal address, a launch that failed, a link that broke.
    for code in [700, 719, 220] {
        let driver = Rc::<Faulty>::default();
        let executor = CudaExecutor::new(device(&driver, Cache::none()));
        let plan = executor.plan(linear(), PlanOptions::default()).unwrap();
        driver.plan("wait", code);
        let error = run(&plan, &batch(5)).unwrap_err();
        let said = matches!(&error, ExecutorError::Lost { reason, .. } if reason.contains("running a batch"));
        assert!(said, "{error}");
        assert_eq!(run(&plan, &batch(5)).unwrap_err(), error);
        assert_eq!(block_on(plan.extended(linear())).err().unwrap(), error);
        assert_eq!(block_on(executor.prepare(linear(), PlanOptions::default())).err().unwrap(), error);
    }
}

#[test]
fn a_checked_run_names_the_kernel() {
    let driver = Rc::<Faulty>::default();
    let options = PlanOptions { checked: true, ..PlanOptions::default() };
    let plan = CudaExecutor::new(device(&driver, Cache::none())).plan(linear(), options).unwrap();
    driver.plan("wait", 700);
    let error = run(&plan, &batch(5)).unwrap_err().to_string();
    assert!(error.contains("running kernel `gemm_f32"), "{error}");
}

#[test]
fn a_driver_that_does_not_record_launches_one_by_one() {
    let driver = Rc::<Faulty>::default();
    let plan =
        CudaExecutor::new(device(&driver, Cache::none())).plan(linear(), PlanOptions::default()).unwrap();
    driver.plan("record", 900);
    for _ in 0..4 {
        assert_right(&plan, &batch(5));
    }
    assert_eq!(driver.host.held().1, 0);
}

#[test]
fn what_the_cache_holds_and_no_driver_loads_is_compiled_again() {
    let folder = std::env::temp_dir().join(format!("heatseek-cuda-faulty-{}", std::process::id()));
    let driver = Rc::<Faulty>::default();
    let plan = |cache: &Cache| {
        CudaExecutor::new(device(&driver, cache.clone())).plan(linear(), PlanOptions::default())
    };
    let cache = Cache::at(folder.clone());
    plan(&cache).unwrap();
    assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 1);
    // The kernel is in the cache now, and the driver refuses it: `CUDA_ERROR_INVALID_IMAGE`.
    driver.plan("load", 200);
    assert_right(&plan(&cache).unwrap(), &batch(5));
    std::fs::remove_dir_all(folder).unwrap();
    // Compiled just now, and refused: that is said.
    driver.plan("load", 200);
    let error = plan(&Cache::none()).err().unwrap().to_string();
    assert!(error.contains("loading kernel `gemm_f32"), "{error}");
}

#[test]
fn a_cache_that_is_damaged_or_cannot_be_written_costs_time_and_nothing_else() {
    let folder = std::env::temp_dir().join(format!("heatseek-cuda-damaged-{}", std::process::id()));
    let driver = Rc::<Faulty>::default();
    let plan = |cache: &Cache| {
        CudaExecutor::new(device(&driver, cache.clone())).plan(linear(), PlanOptions::default()).unwrap()
    };
    let cache = Cache::at(folder.clone());
    plan(&cache);
    let entry = std::fs::read_dir(&folder).unwrap().next().unwrap().unwrap().path();
    let (key, whole) = (entry.file_name().unwrap().to_str().unwrap(), std::fs::read(&entry).unwrap());
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for damaged in [&flipped[..], &whole[..whole.len() / 2], b""] {
        std::fs::write(&entry, damaged).unwrap();
        assert_eq!(cache.get(key), None);
        assert_right(&plan(&cache), &batch(5));
        assert!(cache.get(key).is_some(), "it is written again");
    }
    // A folder where the entry should be can be neither read nor replaced.
    std::fs::remove_file(&entry).unwrap();
    std::fs::create_dir_all(entry.join("in the way")).unwrap();
    assert_right(&plan(&cache), &batch(5));
    assert!(entry.is_dir());
    // A file where the cache should be.
    assert_right(&plan(&Cache::at(entry.join("in the way"))), &batch(5));
    std::fs::remove_dir_all(folder).unwrap();
}

/// PTX, which is what GPUs get that NVRTC does not know, is refused by a driver that is older than NVRTC.
#[test]
fn a_driver_that_is_too_old_for_what_was_compiled_says_what_to_install() {
    let driver = Rc::<Faulty>::default();
    let executor = CudaExecutor::new(device(&driver, Cache::none()));
    driver.plan("load", 222);
    let error = executor.plan(linear(), PlanOptions::default()).err().unwrap();
    assert!(matches!(error, ExecutorError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("install a newer driver"), "{error}");
    assert_right(&executor.plan(linear(), PlanOptions::default()).unwrap(), &batch(5));
}
