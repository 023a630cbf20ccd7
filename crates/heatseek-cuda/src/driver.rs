//! What an executor asks of a device, so that the same executor runs on an NVIDIA GPU and, in tests, without one.

use std::alloc::Layout;
use std::ffi::c_void;
use std::fmt;

/// Where something lies in the device's memory.
pub type Address = u64;

/// A kernel that was loaded: see [`Driver::load`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Function(pub usize);

/// A point in the stream of work: see [`Driver::mark`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mark(pub usize);

/// Launches that were recorded: see [`Driver::record`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Graph(pub usize);

/// A launch of a kernel.
#[derive(Clone, Copy, Debug)]
pub struct Launch<'a> {
    /// The kernel.
    pub function: Function,
    /// Blocks.
    pub grid: [u32; 3],
    /// Threads of a block.
    pub block: [u32; 3],
    /// One argument each, in its first bytes: an address, or a `u32` in the lower half.
    pub arguments: &'a [u64],
}

/// What a device is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its name.
    pub name: String,
    /// What drives it, with its version.
    pub backend: String,
    /// Compute capability: major, minor.
    pub capability: (u32, u32),
    /// Bytes of its memory.
    pub memory_bytes: u64,
    /// Multiprocessors.
    pub multiprocessors: u32,
    /// Whether kernels run on the CPU.
    pub emulated: bool,
}

/// Page-locked host memory, zeros at first, or ordinary memory where there is none to lock.
#[derive(Debug)]
pub struct Pinned {
    /// Where, aligned to 16 bytes.
    pub at: *mut u8,
    /// How much.
    pub bytes: usize,
    /// Whether the driver locked it.
    pub locked: bool,
}

impl Pinned {
    /// Ordinary memory; `None` if there is not enough.
    pub fn ordinary(bytes: usize) -> Option<Self> {
        // SAFETY: the layout has a size above 0.
        let at = unsafe { std::alloc::alloc_zeroed(layout(bytes)?) };
        (!at.is_null()).then_some(Self { at, bytes, locked: false })
    }

    /// Frees what [`Pinned::ordinary`] gave.
    pub fn free_ordinary(&self) {
        if let Some(layout) = layout(self.bytes).filter(|_| !self.locked) {
            // SAFETY: it was allocated with this layout; whoever calls does so once.
            unsafe { std::alloc::dealloc(self.at, layout) };
        }
    }
}

fn layout(bytes: usize) -> Option<Layout> {
    // Aligned to a cache line.
    Layout::from_size_align(bytes.max(1), 64).ok()
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DriverError {
    /// The function of the driver.
    pub call: &'static str,
    /// Its result, a `CUresult`.
    pub code: i32,
    /// What that means.
    pub meaning: String,
}

impl fmt::Display for DriverError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} answered {} ({})", self.call, self.meaning, self.code)
    }
}

/// A device and its one stream: copies, fills and launches happen in the order in which they were asked for, whenever
/// the device comes to them.
///
/// Addresses, functions, marks and graphs must be those that the same driver gave, and not freed: whoever calls is in
/// this crate, and keeps what work in the stream uses until a mark behind it was waited for.
pub trait Driver {
    /// What it is.
    fn facts(&self) -> &Facts;

    /// Device memory, aligned to 256 bytes, of whatever content.
    fn allocate(&self, bytes: usize) -> Result<Address, DriverError>;

    /// Frees it. What fails is no worse than memory that stays.
    fn free(&self, at: Address);

    /// Host memory to copy from and to.
    fn allocate_pinned(&self, bytes: usize) -> Result<Pinned, DriverError>;

    /// Frees it.
    fn free_pinned(&self, memory: &Pinned);

    /// Copies `bytes` bytes at `from` to the device; they must stay as they are until then.
    fn upload(&self, to: Address, from: *const u8, bytes: usize) -> Result<(), DriverError>;

    /// Copies to the device and waits for it.
    fn upload_now(&self, to: Address, from: &[u8]) -> Result<(), DriverError>;

    /// Copies `bytes` bytes from the device to `to`, which nobody may look at until then.
    fn download(&self, from: Address, to: *mut u8, bytes: usize) -> Result<(), DriverError>;

    /// Fills `words` words of four bytes.
    fn fill(&self, at: Address, words: usize, word: u32) -> Result<(), DriverError>;

    /// The kernel `name` of a compiled `image`.
    fn load(&self, image: &[u8], name: &str) -> Result<Function, DriverError>;

    /// Launches a kernel.
    fn launch(&self, launch: &Launch<'_>) -> Result<(), DriverError>;

    /// Something to mark places with; `timed` ones can be told the time between, which costs the device more.
    fn new_mark(&self, timed: bool) -> Result<Mark, DriverError>;

    /// Puts `mark` here.
    fn mark(&self, mark: Mark) -> Result<(), DriverError>;

    /// Waits until the device has come to where `mark` was put last.
    fn wait(&self, mark: Mark) -> Result<(), DriverError>;

    /// Seconds that the device took from `from` to `to`, two timed marks that it has come to.
    fn seconds_between(&self, from: Mark, to: Mark) -> Result<f64, DriverError>;

    /// Forgets it.
    fn free_mark(&self, mark: Mark);

    /// Records the launches that `launches` makes instead of making them. `None` if this device does not.
    fn record(
        &self,
        launches: &mut dyn FnMut() -> Result<(), DriverError>,
    ) -> Result<Option<Graph>, DriverError>;

    /// Makes the launches that were recorded.
    fn replay(&self, graph: Graph) -> Result<(), DriverError>;

    /// Forgets them.
    fn free_graph(&self, graph: Graph);
}

/// Pointers to the values of `arguments`, as launches take them.
pub fn pointers(arguments: &[u64]) -> [*mut c_void; MOST_ARGUMENTS] {
    let mut pointers = [std::ptr::null_mut(); MOST_ARGUMENTS];
    for (pointer, argument) in pointers.iter_mut().zip(arguments) {
        *pointer = std::ptr::from_ref(argument).cast_mut().cast();
    }
    pointers
}

/// Most arguments of a kernel: WebGPU's eight storage buffers, their lengths and the parameters, with room to spare.
pub const MOST_ARGUMENTS: usize = 32;
