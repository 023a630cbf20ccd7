//! Memory that is given back when it is dropped.

use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

use crate::driver::{Address, Driver, DriverError, Mark, Pinned};

/// The smallest buffer: no binding may be empty, and kernels may declare arrays of `vec4<f32>`.
const MIN_BYTES: usize = 256;

/// Staging kept for the next run; runs of one plan rarely overlap more deeply.
const KEPT: usize = 3;

/// What a buffer for `bytes` bytes takes: whole `vec4<f32>`s.
pub(crate) fn storage_bytes(bytes: usize) -> usize {
    bytes.next_multiple_of(16).max(MIN_BYTES)
}

/// A buffer in the device's memory.
pub(crate) struct DeviceBuffer {
    driver: Rc<dyn Driver>,
    pub(crate) at: Address,
    pub(crate) bytes: usize,
}

impl DeviceBuffer {
    /// A buffer of at least `bytes` bytes.
    pub(crate) fn new(driver: &Rc<dyn Driver>, bytes: usize) -> Result<Self, DriverError> {
        let bytes = storage_bytes(bytes);
        Ok(Self { at: driver.allocate(bytes)?, bytes, driver: driver.clone() })
    }
}

impl Drop for DeviceBuffer {
    fn drop(&mut self) {
        self.driver.free(self.at);
    }
}

impl fmt::Debug for DeviceBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeviceBuffer({} bytes)", self.bytes)
    }
}

/// Host memory through which one run's tables go to the device and its outputs come back, with marks for the end of that
/// run and, if it is timed, around its kernels.
pub(crate) struct Staging {
    driver: Rc<dyn Driver>,
    memory: Pinned,
    mark: Mark,
    /// Around the kernels, once a run was timed.
    clock: Cell<Option<[Mark; 2]>>,
}

impl Staging {
    fn new(driver: &Rc<dyn Driver>, bytes: usize) -> Result<Self, DriverError> {
        let mark = driver.new_mark(false)?;
        match driver.allocate_pinned(bytes) {
            Ok(memory) => Ok(Self { driver: driver.clone(), memory, mark, clock: Cell::default() }),
            Err(error) => {
                driver.free_mark(mark);
                Err(error)
            }
        }
    }

    /// The memory. Nobody may look at it while copies from or to it are under way.
    pub(crate) fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: it is ours, `bytes` long, and was written once by the driver or by us: pinned memory comes as zeros,
        // and reading what a copy left there is what it is for.
        unsafe { std::slice::from_raw_parts_mut(self.memory.at, self.memory.bytes) }
    }

    /// Copies `bytes` bytes from `offset` to the device.
    pub(crate) fn upload(&self, offset: usize, to: Address, bytes: usize) -> Result<(), DriverError> {
        debug_assert!(offset + bytes <= self.memory.bytes);
        self.driver.upload(to, self.memory.at.wrapping_add(offset), bytes)
    }

    /// Copies `bytes` bytes from the device to `offset`.
    pub(crate) fn download(&self, offset: usize, from: Address, bytes: usize) -> Result<(), DriverError> {
        debug_assert!(offset + bytes <= self.memory.bytes);
        self.driver.download(from, self.memory.at.wrapping_add(offset), bytes)
    }

    /// Says that all the run's work has been asked for.
    pub(crate) fn end(&self) -> Result<(), DriverError> {
        self.driver.mark(self.mark)
    }

    /// Waits for what was asked for before [`Staging::end`].
    pub(crate) fn wait(&self) -> Result<(), DriverError> {
        self.driver.wait(self.mark)
    }

    /// Timed marks to put before and behind the kernels: made when they are first asked for, and kept.
    pub(crate) fn clock(&self) -> Result<[Mark; 2], DriverError> {
        if let Some(marks) = self.clock.get() {
            return Ok(marks);
        }
        let from = self.driver.new_mark(true)?;
        let to = self.driver.new_mark(true).inspect_err(|_| self.driver.free_mark(from))?;
        self.clock.set(Some([from, to]));
        Ok([from, to])
    }
}

impl Drop for Staging {
    fn drop(&mut self) {
        self.driver.free_pinned(&self.memory);
        self.driver.free_mark(self.mark);
        self.clock.get().into_iter().flatten().for_each(|mark| self.driver.free_mark(mark));
    }
}

/// The staging that no run uses at the moment.
#[derive(Default)]
pub(crate) struct Stagings {
    free: RefCell<Vec<Staging>>,
}

impl Stagings {
    /// Staging of at least `bytes` bytes.
    pub(crate) fn take(&self, driver: &Rc<dyn Driver>, bytes: usize) -> Result<Staging, DriverError> {
        let mut free = self.free.borrow_mut();
        if let Some(at) = free.iter().position(|staging| staging.memory.bytes >= bytes) {
            return Ok(free.swap_remove(at));
        }
        // A size that was outgrown once will not be asked for again soon.
        free.pop();
        Staging::new(driver, bytes.next_power_of_two().max(MIN_BYTES))
    }

    /// Takes back staging that no copy uses any more.
    pub(crate) fn give(&self, staging: Staging) {
        let mut free = self.free.borrow_mut();
        if free.len() < KEPT {
            free.push(staging);
        }
    }
}
