//! Subgroup operations, a warp's. The lanes of a warp that take part are those that the block has.

use naga::{CollectiveOperation, Direction, Expression, GatherMode, Handle, SubgroupOperation};

use crate::TranslateError;
use crate::function::FunctionWriter;

/// Lanes of a warp, on every GPU that CUDA runs on.
pub(crate) const WARP: u32 = 32;

impl FunctionWriter<'_> {
    /// The lanes of this warp: all, but in the last warp of a block that is no multiple of it.
    fn lanes(&self) -> String {
        let threads: u32 = self.entry.workgroup_size.iter().product();
        if threads.is_multiple_of(WARP) {
            "ALL_LANES".to_owned()
        } else {
            format!("lanes_of({}, {threads}u)", self.thread_index())
        }
    }

    /// The index of this thread in its block.
    pub(crate) fn thread_index(&self) -> String {
        let [x, y, z] = self.entry.workgroup_size;
        match (y, z) {
            (1, 1) => "threadIdx.x".to_owned(),
            _ => format!("(threadIdx.x + {x}u * threadIdx.y + {}u * threadIdx.z)", x * y),
        }
    }

    fn lane(&self) -> String {
        format!("({} % {WARP}u)", self.thread_index())
    }

    pub(crate) fn ballot(
        &mut self,
        result: Handle<Expression>,
        predicate: Option<Handle<Expression>>,
    ) -> Result<(), TranslateError> {
        let predicate = match predicate {
            Some(predicate) => self.value(predicate)?,
            None => "true".to_owned(),
        };
        let votes = format!("__ballot_sync({}, {predicate})", self.lanes());
        self.bake(result, &format!("vec4<u32>{{{votes}, 0u, 0u, 0u}}"))
    }

    pub(crate) fn gather(
        &mut self,
        mode: GatherMode,
        argument: Handle<Expression>,
        result: Handle<Expression>,
    ) -> Result<(), TranslateError> {
        let lane = self.lane();
        let from = match mode {
            GatherMode::BroadcastFirst => "0u".to_owned(),
            GatherMode::Broadcast(lane) | GatherMode::Shuffle(lane) => format!("u32({})", self.value(lane)?),
            GatherMode::ShuffleDown(by) => format!("({lane} + {})", self.value(by)?),
            GatherMode::ShuffleUp(by) => format!("({lane} - {})", self.value(by)?),
            GatherMode::ShuffleXor(mask) => format!("({lane} ^ {})", self.value(mask)?),
            GatherMode::QuadBroadcast(of_four) => format!("({lane} / 4u * 4u + {})", self.value(of_four)?),
            GatherMode::QuadSwap(Direction::X) => format!("({lane} ^ 1u)"),
            GatherMode::QuadSwap(Direction::Y) => format!("({lane} ^ 2u)"),
            GatherMode::QuadSwap(Direction::Diagonal) => format!("({lane} ^ 3u)"),
        };
        let value = self.value(argument)?;
        let lanes = self.lanes();
        self.bake(result, &format!("shuffle({lanes}, {value}, {from})"))
    }

    pub(crate) fn collective(
        &mut self,
        op: SubgroupOperation,
        collective: CollectiveOperation,
        argument: Handle<Expression>,
        result: Handle<Expression>,
    ) -> Result<(), TranslateError> {
        let (value, lanes, lane) = (self.value(argument)?, self.lanes(), self.lane());
        let functor = match op {
            SubgroupOperation::All => {
                return self.bake(result, &format!("bool(__all_sync({lanes}, {value}))"));
            }
            SubgroupOperation::Any => {
                return self.bake(result, &format!("bool(__any_sync({lanes}, {value}))"));
            }
            SubgroupOperation::Add => "Sum",
            SubgroupOperation::Mul => "Product",
            SubgroupOperation::Min => "Minimum",
            SubgroupOperation::Max => "Maximum",
            SubgroupOperation::And => "And",
            SubgroupOperation::Or => "Or",
            SubgroupOperation::Xor => "Xor",
        };
        let call = match collective {
            CollectiveOperation::Reduce => format!("reduce<{functor}>({lanes}, {value})"),
            CollectiveOperation::InclusiveScan => {
                format!("inclusive_scan<{functor}>({lanes}, {lane}, {value})")
            }
            CollectiveOperation::ExclusiveScan => {
                format!("exclusive_scan<{functor}>({lanes}, {lane}, {value})")
            }
        };
        self.bake(result, &call)
    }
}
