//! Looking at a tape: where its time goes, where its numbers stopped being finite, and a drawing. Nothing here is needed to
//! compute a gradient.

mod diagnose;
mod drawing;
mod profile;

pub use diagnose::NonFinite;
pub use profile::{Profile, ProfileRow, flops};
