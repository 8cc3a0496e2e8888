//! The value of an objective, with its parts by name.

use std::sync::Arc;

use super::{MAX_PARTS, Parts};

/// A loss in nats per row, and its named parts.
#[derive(Clone, Debug, PartialEq)]
pub struct Loss {
    /// The loss.
    pub total: f64,
    pub(super) names: Arc<[String]>,
    pub(super) values: [f64; MAX_PARTS],
}

impl Loss {
    /// The part of this name, in nats per row.
    ///
    /// # Panics
    /// If the loss has no part of this name.
    #[track_caller]
    pub fn part(&self, name: &str) -> f64 {
        match self.names.iter().position(|other| other == name) {
            Some(i) => self.values[i],
            None => panic!("Loss::part: expected one of {:?}, found {name:?}", self.names),
        }
    }

    /// All parts with their names, in the order of [`Objective::parts`](super::Objective::parts).
    pub fn parts(&self) -> impl Iterator<Item = (&str, f64)> {
        self.names.iter().map(String::as_str).zip(self.values)
    }
}

/// What an epoch came to.
#[derive(Clone, Debug, PartialEq)]
pub struct Epoch {
    /// The stage of training that the epoch belongs to; see [`Fit::stage`](super::Fit::stage).
    pub stage: usize,
    /// The training loss, averaged over the epoch while θ moved.
    pub train: Loss,
    /// The validation loss at the end of the epoch, if there is validation.
    pub validation: Option<Loss>,
    /// Seconds since training began.
    pub seconds: f64,
}

/// A loss and its parts, summed over rows.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Sums {
    pub(super) rows: usize,
    pub(super) total: f64,
    pub(super) parts: [f64; MAX_PARTS],
}

impl Sums {
    /// Nothing yet, over so many rows.
    pub(super) fn over(rows: usize) -> Self {
        Self { rows, ..Self::default() }
    }

    /// The parts, to be added to by these names.
    pub(super) fn parts(&mut self, names: &'static [&'static str]) -> Parts<'_> {
        Parts::new(names, &mut self.parts[..names.len()])
    }

    pub(super) fn add(&mut self, other: Self) {
        self.rows += other.rows;
        self.total += other.total;
        self.parts.iter_mut().zip(other.parts).for_each(|(sum, part)| *sum += part);
    }

    /// The loss per row.
    pub(super) fn mean(&self, names: &Arc<[String]>) -> Loss {
        let rows = self.rows as f64;
        Loss {
            total: self.total / rows,
            names: Arc::clone(names),
            values: self.parts.map(|part| part / rows),
        }
    }
}
