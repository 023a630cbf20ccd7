//! What a compiled kernel takes of a multiprocessor, as ptxas reports it.

/// Registers of a multiprocessor, of every GPU since Volta: CUDA C++ Programming Guide, "Technical Specifications per
/// Compute Capability".
const REGISTERS: u32 = 1 << 16;

/// Registers are given to a thread in eights, and it may have 255.
const GRANULE: u32 = 8;
const MOST: u32 = 255;

/// Registers of a thread, and bytes that it has in memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Usage {
    /// Of 32 bits.
    pub registers: u32,
    /// Arrays that it indexes, and registers that were given up.
    pub stack: u32,
    /// Of these, what is stored of registers that were given up.
    pub spilled: u32,
}

impl Usage {
    /// Of the log that `--ptxas-options=-v` makes for one kernel; `None` of another log.
    pub fn of(log: &str) -> Option<Self> {
        let before = |what: &str| {
            let before = log.split(what).next().filter(|before| before.len() < log.len())?;
            before.rsplit(' ').next()?.parse().ok()
        };
        Some(Self {
            registers: before(" registers")?,
            stack: before(" bytes stack frame")?,
            spilled: before(" bytes spill stores")?,
        })
    }

    /// Bytes that are no spilled register. Several may take turns in one place, and the stack is of whole 16 bytes.
    pub fn arrays(&self) -> u32 {
        self.stack.saturating_sub(self.spilled.next_multiple_of(16))
    }

    /// Blocks of `threads` that are to be at once on a multiprocessor so that each thread has more registers than here, one
    /// after another: fewer and fewer, each number once.
    pub(super) fn fewer_blocks(&self, threads: u32) -> impl Iterator<Item = u32> {
        let more = (self.registers.next_multiple_of(GRANULE) + GRANULE..=MOST + 1).step_by(GRANULE as usize);
        let mut last = 0;
        more.map(move |registers| (REGISTERS / (registers * threads)).max(1))
            .filter(move |blocks| std::mem::replace(&mut last, *blocks) != *blocks)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_ptxas_says_is_read() {
        let log = "ptxas info    : 0 bytes gmem\nptxas info    : Function properties for k\n\
                   ptxas         .     16 bytes stack frame, 36 bytes spill stores, 40 bytes spill loads\n\
                   ptxas info    : Used 72 registers, used 1 barriers, 16 bytes cumulative stack size";
        let usage = Usage { registers: 72, stack: 16, spilled: 36 };
        assert_eq!(Usage::of(log), Some(usage));
        assert_eq!((usage.arrays(), Usage { stack: 112, ..usage }.arrays()), (0, 64));
        assert_eq!(Usage::of("nothing"), None);
    }

    #[test]
    fn fewer_blocks_have_more_registers() {
        let of = |registers, threads| -> Vec<u32> {
            Usage { registers, stack: 0, spilled: 8 }.fewer_blocks(threads).take(3).collect()
        };
        // 80, 88 and 96 registers for each of 64 threads.
        assert_eq!(of(72, 64), [12, 11, 10]);
        assert_eq!(of(128, 256), [1]);
        // There are no more.
        assert!(of(255, 64).is_empty());
    }
}
