//! What the example `mnist` does besides PyTorch's own example.

pub(crate) mod iwae;
pub(crate) mod lecture;
pub(crate) mod sweep;
