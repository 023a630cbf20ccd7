//! Launches recorded as CUDA graphs: what a plan launches for batches of one shape is launched as one.

use std::collections::HashMap;
use std::rc::Rc;

use crate::driver::{Driver, DriverError, Graph};

/// Shapes remembered. Queries of each length have one of their own.
const KEPT: usize = 64;

/// A launch as far as a graph depends on it: step, row class, blocks. The arguments are those of the arena.
pub(crate) type Shape = Vec<(usize, usize, [u32; 3])>;

/// What is known of a shape.
struct Known {
    /// `None` until it comes again: recording takes longer than launching.
    graph: Option<Graph>,
    used: u64,
}

/// The graphs of an arena.
pub(crate) struct Graphs {
    driver: Rc<dyn Driver>,
    known: HashMap<Shape, Known>,
    clock: u64,
    /// Whether this device records.
    off: bool,
}

impl Graphs {
    pub(crate) fn new(driver: &Rc<dyn Driver>) -> Self {
        Self { driver: driver.clone(), known: HashMap::new(), clock: 0, off: false }
    }

    /// Makes the launches of `shape`, which are what `launch` does.
    pub(crate) fn run(
        &mut self,
        shape: Shape,
        launch: &mut dyn FnMut() -> Result<(), DriverError>,
    ) -> Result<(), DriverError> {
        if self.off {
            return launch();
        }
        self.clock += 1;
        let used = self.clock;
        let Some(known) = self.known.get_mut(&shape) else {
            self.make_room();
            self.known.insert(shape, Known { graph: None, used });
            return launch();
        };
        known.used = used;
        if let Some(graph) = known.graph {
            return self.driver.replay(graph);
        }
        match self.driver.record(launch) {
            Ok(Some(graph)) => {
                known.graph = Some(graph);
                self.driver.replay(graph)
            }
            // Nothing was launched: a driver that does not record, or will not here.
            Ok(None) | Err(_) => {
                self.off = true;
                launch()
            }
        }
    }

    /// Forgets the shape that was not used for longest, if there are too many.
    fn make_room(&mut self) {
        if self.known.len() < KEPT {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.used).map(|(shape, _)| shape.clone());
        if let Some(graph) = oldest.and_then(|shape| self.known.remove(&shape)).and_then(|known| known.graph)
        {
            self.driver.free_graph(graph);
        }
    }
}

impl Drop for Graphs {
    fn drop(&mut self) {
        self.known.values().filter_map(|known| known.graph).for_each(|graph| self.driver.free_graph(graph));
    }
}
