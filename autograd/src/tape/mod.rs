//! The forward-backward algorithm, to be read in this order:
//!
//! 1. [`shape`]: the sizes of an array's axes.
//! 2. [`var`]: a value on a tape, and views of it.
//! 3. [`op`]: what an operation is.
//! 4. [`nodes`]: the list of operations and the buffer of values.
//! 5. [`adjoints`]: the buffer of adjoints.
//! 6. [`tape`]: recording, rewinding and the backward pass.
//! 7. [`gradients`]: what a backward pass returns.
//! 8. [`ranges`]: which adjoints have been written; it only saves time.

pub(crate) mod adjoints;
pub(crate) mod gradients;
pub(crate) mod nodes;
pub(crate) mod op;
mod ranges;
pub(crate) mod shape;
#[expect(clippy::module_inception, reason = "the file of the struct that the folder is about")]
pub(crate) mod tape;
pub(crate) mod var;
