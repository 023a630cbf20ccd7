//! The comparator every check leans on.
//!
//! It was written before anything it compares, and its own tests plant each fault of [`faults`] and
//! demand a failure: a comparator with a hole passes broken kernels for years.

mod compare;
pub mod faults;
mod inputs;
mod table;
mod tolerance;
mod unwritten;

pub use compare::{Mismatch, Stats, assert_close, assert_cosine, compare, cosine};
pub use inputs::{lengths, random, values};
pub use table::run_all;
pub use tolerance::Tolerance;
pub use unwritten::{Guarded, UNWRITTEN, is_unwritten, unwritten};
