//! What the example `mnist` does besides PyTorch's own example.

pub(crate) mod iwae;
