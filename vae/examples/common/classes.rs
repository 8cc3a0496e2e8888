//! The classes of images.

/// What the classes of images are called.
pub(crate) struct Classes {
    /// What they are: digits, or classes.
    pub(crate) kind: &'static str,
    pub(crate) names: Vec<String>,
}

impl Classes {
    /// The ten digits.
    pub(crate) fn digits() -> Self {
        Self { kind: "digit", names: (0..10).map(|digit| digit.to_string()).collect() }
    }
}
