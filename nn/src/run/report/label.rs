//! What results are, in plain words.

use serde::{Deserialize, Serialize};

/// What a result is, for the report: words, a unit, and over what its standard error is. See [`Run::label`].
///
/// ```
/// use nn::run::Label;
///
/// const LABELS: &[Label] = &[
///     Label::new("accuracy", "test images that are recognised", "share").over("images"), // and accuracy_se
///     Label::new("loss_*", "loss with * latent dimensions", "nats per image"),           // loss_2, loss_5, …
/// ];
/// ```
///
/// [`Run::label`]: crate::run::Run::label
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Label {
    name: &'static str,
    text: &'static str,
    unit: &'static str,
    over: &'static str,
}

impl Label {
    /// The words and the unit of the result of this name; the unit is empty if it has none, as a count. A `*` in the name stands
    /// for any text, which the report writes, with blanks for its underscores, in the place of a `*` in the words.
    pub const fn new(name: &'static str, text: &'static str, unit: &'static str) -> Self {
        Self { name, text, unit, over: "" }
    }

    /// Says over what `NAME_se`, the standard error of this result, is: images, draws, seeds, splits.
    pub const fn over(self, over: &'static str) -> Self {
        Self { over, ..self }
    }

    /// What the `*` of the name stands for in this one, empty if there is no `*`; none if this is another name.
    fn fits<'n>(&self, name: &'n str) -> Option<&'n str> {
        match self.name.split_once('*') {
            None => (self.name == name).then_some(""),
            Some((before, after)) => name.strip_prefix(before)?.strip_suffix(after),
        }
    }
}

/// A result with its label and its standard error.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct Labelled {
    pub(super) name: String,
    pub(super) text: String,
    pub(super) unit: String,
    pub(super) over: String,
    pub(super) value: String,
    pub(super) error: Option<String>,
}

/// The results by their labels, of which the first that fits counts; a result `NAME_se` is the standard error of the result
/// `NAME`.
///
/// # Panics
/// If a result has no label, or a standard error has no `over`, at the caller's line.
#[track_caller]
pub(super) fn labelled(labels: &[Label], results: &[(String, String)]) -> Vec<Labelled> {
    let value = |of: &str| results.iter().find(|(name, _)| name == of).map(|(_, value)| value);
    let mut rows = Vec::new();
    for (name, text) in results {
        if name.strip_suffix("_se").is_some_and(|of| value(of).is_some()) {
            continue; // it stands beside what it is the error of
        }
        let Some((label, star)) = labels.iter().find_map(|label| Some((label, label.fits(name)?))) else {
            panic!("Run::finish: expected a label of the result {name}, found none")
        };
        let error = value(&format!("{name}_se")).cloned();
        let Label { text: words, unit, over, .. } = *label;
        assert!(
            error.is_none() || !over.is_empty(),
            "Run::finish: expected Label::over for the result {name}, which has a standard error, found none"
        );
        rows.push(Labelled {
            name: name.clone(),
            text: words.replace('*', &star.replace('_', " ")),
            unit: unit.to_owned(),
            over: over.to_owned(),
            value: text.clone(),
            error,
        });
    }
    rows
}
