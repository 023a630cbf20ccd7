//! An NVIDIA GPU, through the CUDA driver.

use std::cell::RefCell;
use std::ffi::{CString, c_char, c_int, c_void};
use std::rc::Rc;

use crate::driver::{Address, Driver, DriverError, Facts, Function, Graph, Launch, Mark, Pinned, pointers};
use crate::library::{Functions, Handle};

/// `CU_STREAM_NON_BLOCKING`: does not wait for other users of the process's default stream.
const NON_BLOCKING: u32 = 1;
/// `CU_EVENT_DISABLE_TIMING`.
const UNTIMED: u32 = 2;
/// `CU_STREAM_CAPTURE_MODE_THREAD_LOCAL`.
const THIS_THREAD: u32 = 1;
/// `CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT`, `…_COMPUTE_CAPABILITY_MAJOR` and `…_MINOR`.
const MULTIPROCESSORS: c_int = 16;
const MAJOR: c_int = 75;
const MINOR: c_int = 76;
/// `CU_JIT_ERROR_LOG_BUFFER` and `CU_JIT_ERROR_LOG_BUFFER_SIZE_BYTES`.
const ERROR_LOG: c_int = 5;
const ERROR_LOG_BYTES: c_int = 6;
/// Bytes of the log of a kernel that does not load.
const LOG_BYTES: usize = 4096;

/// A GPU, its primary context, and a stream.
pub(crate) struct Cuda {
    functions: Rc<Functions>,
    device: c_int,
    context: Handle,
    stream: Handle,
    modules: RefCell<Vec<Handle>>,
    facts: Facts,
}

impl Cuda {
    /// What GPUs there are, in the driver's order.
    pub(crate) fn enumerate(functions: &Functions) -> Result<Vec<Facts>, DriverError> {
        let mut count = 0;
        // SAFETY: it writes one number.
        functions.check("cuDeviceGetCount", unsafe { (functions.device_count)(&raw mut count) })?;
        (0..count).map(|index| facts(functions, device(functions, index)?)).collect()
    }

    /// Opens the GPU at this place of [`Cuda::enumerate`].
    pub(crate) fn open(functions: Rc<Functions>, index: usize) -> Result<Self, DriverError> {
        let device = device(&functions, index as c_int)?;
        let facts = facts(&functions, device)?;
        let (mut context, mut stream): (Handle, Handle) = (std::ptr::null_mut(), std::ptr::null_mut());
        let f = &functions;
        // SAFETY: it writes one handle.
        f.check("cuDevicePrimaryCtxRetain", unsafe { (f.retain_context)(&raw mut context, device) })?;
        let opened = (|| {
            // SAFETY: the context was just retained.
            f.check("cuCtxSetCurrent", unsafe { (f.set_context)(context) })?;
            // SAFETY: it writes one handle.
            f.check("cuStreamCreate", unsafe { (f.create_stream)(&raw mut stream, NON_BLOCKING) })
        })();
        if let Err(error) = opened {
            // SAFETY: it was retained above and nothing uses it.
            unsafe { (f.release_context)(device) };
            return Err(error);
        }
        Ok(Self { functions, device, context, stream, modules: RefCell::default(), facts })
    }

    /// The functions, on this GPU: another one may be current in this thread.
    fn here(&self) -> Result<&Functions, DriverError> {
        // SAFETY: the context is retained as long as this lives.
        self.check("cuCtxSetCurrent", unsafe { (self.functions.set_context)(self.context) })?;
        Ok(&self.functions)
    }

    fn check(&self, call: &'static str, code: c_int) -> Result<(), DriverError> {
        self.functions.check(call, code)
    }
}

fn device(functions: &Functions, index: c_int) -> Result<c_int, DriverError> {
    let mut device = 0;
    // SAFETY: it writes one number.
    functions.check("cuDeviceGet", unsafe { (functions.device)(&raw mut device, index) })?;
    Ok(device)
}

fn facts(functions: &Functions, device: c_int) -> Result<Facts, DriverError> {
    let attribute = |which| {
        let mut value = 0;
        // SAFETY: it writes one number.
        let code = unsafe { (functions.device_attribute)(&raw mut value, which, device) };
        functions.check("cuDeviceGetAttribute", code).map(|()| u32::try_from(value).unwrap_or(0))
    };
    let mut name = [0u8; 256];
    // SAFETY: it writes at most as many bytes, the last of which is zero.
    let code =
        unsafe { (functions.device_name)(name.as_mut_ptr().cast::<c_char>(), name.len() as c_int, device) };
    functions.check("cuDeviceGetName", code)?;
    let name = name.split(|&byte| byte == 0).next().unwrap_or_default();
    let (mut memory_bytes, mut version) = (0, 0);
    // SAFETY: each writes one number.
    functions
        .check("cuDeviceTotalMem", unsafe { (functions.device_memory)(&raw mut memory_bytes, device) })?;
    // SAFETY: as above.
    functions.check("cuDriverGetVersion", unsafe { (functions.driver_version)(&raw mut version) })?;
    Ok(Facts {
        name: String::from_utf8_lossy(name).into_owned(),
        // 12080 is 12.8.
        backend: format!("CUDA {}.{}", version / 1000, version % 1000 / 10),
        capability: (attribute(MAJOR)?, attribute(MINOR)?),
        memory_bytes: memory_bytes as u64,
        multiprocessors: attribute(MULTIPROCESSORS)?,
        emulated: false,
    })
}

impl Driver for Cuda {
    fn facts(&self) -> &Facts {
        &self.facts
    }

    fn allocate(&self, bytes: usize) -> Result<Address, DriverError> {
        let mut at = 0;
        // SAFETY: it writes one address.
        self.check("cuMemAlloc", unsafe { (self.here()?.allocate)(&raw mut at, bytes) }).map(|()| at)
    }

    fn free(&self, at: Address) {
        if let Ok(functions) = self.here() {
            // SAFETY: the address is one that `allocate` gave. Freeing waits for work that is under way.
            unsafe { (functions.free)(at) };
        }
    }

    fn allocate_pinned(&self, bytes: usize) -> Result<Pinned, DriverError> {
        let mut at: Handle = std::ptr::null_mut();
        // SAFETY: it writes one address.
        let code = unsafe { (self.here()?.allocate_host)(&raw mut at, bytes, 0) };
        match self.check("cuMemHostAlloc", code) {
            Ok(()) => {
                // SAFETY: it is ours and as long.
                unsafe { at.cast::<u8>().write_bytes(0, bytes) };
                Ok(Pinned { at: at.cast(), bytes, locked: true })
            }
            // Containers may forbid it. Copies from and to other memory are slower, and as right.
            Err(error) => Pinned::ordinary(bytes).ok_or(error),
        }
    }

    fn free_pinned(&self, memory: &Pinned) {
        match self.here() {
            // SAFETY: the address is one that `allocate_pinned` gave.
            Ok(functions) if memory.locked => drop(unsafe { (functions.free_host)(memory.at.cast()) }),
            _ => memory.free_ordinary(),
        }
    }

    fn upload(&self, to: Address, from: *const u8, bytes: usize) -> Result<(), DriverError> {
        // SAFETY: the caller has `bytes` bytes there, and at `to` on the device.
        let code = unsafe { (self.here()?.upload)(to, from.cast(), bytes, self.stream) };
        self.check("cuMemcpyHtoDAsync", code)
    }

    fn upload_now(&self, to: Address, from: &[u8]) -> Result<(), DriverError> {
        self.upload(to, from.as_ptr(), from.len())?;
        // SAFETY: the stream is ours.
        self.check("cuStreamSynchronize", unsafe { (self.functions.wait_for_stream)(self.stream) })
    }

    fn download(&self, from: Address, to: *mut u8, bytes: usize) -> Result<(), DriverError> {
        // SAFETY: the caller has room for `bytes` bytes there, and data at `from` on the device.
        let code = unsafe { (self.here()?.download)(to.cast(), from, bytes, self.stream) };
        self.check("cuMemcpyDtoHAsync", code)
    }

    fn fill(&self, at: Address, words: usize, word: u32) -> Result<(), DriverError> {
        // SAFETY: the caller has as many words there.
        self.check("cuMemsetD32Async", unsafe { (self.here()?.fill)(at, word, words, self.stream) })
    }

    fn load(&self, image: &[u8], name: &str) -> Result<Function, DriverError> {
        let functions = self.here()?;
        // PTX is text that ends in a zero; behind a cubin one more byte does no harm.
        let image = [image, &[0]].concat();
        let mut log = vec![0u8; LOG_BYTES];
        let mut options = [ERROR_LOG, ERROR_LOG_BYTES];
        // The size is passed as if it were a pointer.
        let mut values: [*mut c_void; 2] =
            [log.as_mut_ptr().cast(), std::ptr::without_provenance_mut(LOG_BYTES)];
        let mut module: Handle = std::ptr::null_mut();
        // SAFETY: the image is there and ends in a zero; both options have a value each, of its type.
        let code = unsafe {
            (functions.load_module)(
                &raw mut module,
                image.as_ptr().cast(),
                options.len() as u32,
                options.as_mut_ptr(),
                values.as_mut_ptr(),
            )
        };
        self.check("cuModuleLoadData", code).map_err(|mut error| {
            let log = log.split(|&byte| byte == 0).next().unwrap_or_default();
            let log = String::from_utf8_lossy(log);
            if !log.trim().is_empty() {
                error.meaning = format!("{}; {}", error.meaning, log.trim());
            }
            error
        })?;
        self.modules.borrow_mut().push(module);
        let mut function: Handle = std::ptr::null_mut();
        let name = CString::new(name).unwrap_or_default();
        // SAFETY: the module is loaded, and the name ends in a zero.
        let code = unsafe { (functions.function)(&raw mut function, module, name.as_ptr()) };
        self.check("cuModuleGetFunction", code).map(|()| Function(function as usize))
    }

    fn launch(&self, launch: &Launch<'_>) -> Result<(), DriverError> {
        let ([gx, gy, gz], [bx, by, bz]) = (launch.grid, launch.block);
        let mut arguments = pointers(launch.arguments);
        let function = launch.function.0 as Handle;
        // SAFETY: there is a pointer to a value for every parameter of the kernel, which is of a loaded module.
        let code = unsafe {
            (self.here()?.launch)(
                function,
                gx,
                gy,
                gz,
                bx,
                by,
                bz,
                0,
                self.stream,
                arguments.as_mut_ptr(),
                std::ptr::null_mut(),
            )
        };
        self.check("cuLaunchKernel", code)
    }

    fn new_mark(&self, timed: bool) -> Result<Mark, DriverError> {
        let mut event: Handle = std::ptr::null_mut();
        let flags = if timed { 0 } else { UNTIMED };
        // SAFETY: it writes one handle.
        let code = unsafe { (self.here()?.create_event)(&raw mut event, flags) };
        self.check("cuEventCreate", code).map(|()| Mark(event as usize))
    }

    fn mark(&self, mark: Mark) -> Result<(), DriverError> {
        // SAFETY: the event is one that `new_mark` made.
        let code = unsafe { (self.here()?.record_event)(mark.0 as Handle, self.stream) };
        self.check("cuEventRecord", code)
    }

    fn wait(&self, mark: Mark) -> Result<(), DriverError> {
        // SAFETY: as above.
        self.check("cuEventSynchronize", unsafe { (self.here()?.wait_for_event)(mark.0 as Handle) })
    }

    fn seconds_between(&self, from: Mark, to: Mark) -> Result<f64, DriverError> {
        let mut milliseconds = 0.0;
        let (from, to) = (from.0 as Handle, to.0 as Handle);
        // SAFETY: as above; it writes one number.
        let code = unsafe { (self.here()?.elapsed_time)(&raw mut milliseconds, from, to) };
        self.check("cuEventElapsedTime", code).map(|()| 1e-3 * f64::from(milliseconds))
    }

    fn free_mark(&self, mark: Mark) {
        if let Ok(functions) = self.here() {
            // SAFETY: as above.
            unsafe { (functions.destroy_event)(mark.0 as Handle) };
        }
    }

    fn record(
        &self,
        launches: &mut dyn FnMut() -> Result<(), DriverError>,
    ) -> Result<Option<Graph>, DriverError> {
        let functions = self.here()?;
        // SAFETY: the stream is ours and not capturing.
        let code = unsafe { (functions.begin_capture)(self.stream, THIS_THREAD) };
        self.check("cuStreamBeginCapture", code)?;
        let launched = launches();
        let mut graph: Handle = std::ptr::null_mut();
        // SAFETY: capturing began above; it writes one handle. It must end whatever became of the launches.
        let code = unsafe { (functions.end_capture)(self.stream, &raw mut graph) };
        launched?;
        self.check("cuStreamEndCapture", code)?;
        let mut instance: Handle = std::ptr::null_mut();
        // SAFETY: the graph was just captured.
        let code = unsafe { (functions.instantiate_graph)(&raw mut instance, graph, 0) };
        // SAFETY: as above; an instance lives without it.
        unsafe { (functions.destroy_graph)(graph) };
        self.check("cuGraphInstantiateWithFlags", code)?;
        Ok(Some(Graph(instance as usize)))
    }

    fn replay(&self, graph: Graph) -> Result<(), DriverError> {
        // SAFETY: the instance is one that `record` made.
        let code = unsafe { (self.here()?.launch_graph)(graph.0 as Handle, self.stream) };
        self.check("cuGraphLaunch", code)
    }

    fn free_graph(&self, graph: Graph) {
        if let Ok(functions) = self.here() {
            // SAFETY: as above.
            unsafe { (functions.destroy_graph_instance)(graph.0 as Handle) };
        }
    }
}

impl Drop for Cuda {
    fn drop(&mut self) {
        let Ok(f) = self.here() else { return };
        // SAFETY: the stream, the modules and the context are ours, and nothing that uses them is left.
        unsafe {
            (f.wait_for_stream)(self.stream);
            self.modules.borrow().iter().for_each(|&module| {
                (f.unload_module)(module);
            });
            (f.destroy_stream)(self.stream);
            (f.release_context)(self.device);
        }
    }
}
