//! The tests of this crate, in one program.

mod apply;
mod checkpoint;
mod conv;
mod data;
mod decoded;
mod density;
mod flags;
mod layers;
mod model_file;
mod multivariate_normal;
mod optimizer;
mod picture;
mod report;
mod run;
mod stats;
mod structure;
mod train;
#[path = "../../../autograd/tests/all/ulp.rs"]
mod ulp;
