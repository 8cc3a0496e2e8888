//! Looking at a tape: all its numbers step by step, where its time goes, where its numbers stopped being finite, and a drawing.
//! Nothing here is needed to compute a gradient.

mod diagnose;
mod drawing;
mod formula;
mod profile;
mod trace;
mod words;

pub use diagnose::NonFinite;
pub use formula::short;
pub use profile::{Profile, ProfileRow, flops};
pub use trace::{BackwardStep, Contribution, Trace, TraceNode};
