//! Results of several seeds.

use rayon::prelude::*;

use super::{Counter, RunArgs};
use crate::stats::Estimate;

/// Numbers by name, such as the results of a seed.
pub type Results = Vec<(String, f64)>;

/// Each result's mean over seeds, with its standard error.
///
/// ```
/// use nn::run::{OverSeeds, Results};
///
/// let seed = |error: f64| Results::from([("error".to_owned(), error)]);
/// let over = OverSeeds::of([&seed(1.0), &seed(3.0)]);
/// assert_eq!(over.cell("error", 1), "2.0 ± 1.0");
/// ```
#[derive(Clone, Debug)]
pub struct OverSeeds(Vec<(String, Estimate)>);

impl OverSeeds {
    /// Of results that have the same names in the same order.
    ///
    /// # Panics
    /// If there are none, or a seed has fewer than the first.
    #[track_caller]
    pub fn of<'a>(seeds: impl IntoIterator<Item = &'a Results>) -> Self {
        let seeds: Vec<&Results> = seeds.into_iter().collect();
        let over = |i: usize| Estimate::of(&seeds.iter().map(|results| results[i].1).collect::<Vec<_>>());
        Self(seeds[0].iter().enumerate().map(|(i, (name, _))| (name.clone(), over(i))).collect())
    }

    /// The mean of a result.
    ///
    /// # Panics
    /// If there is no result of this name.
    #[track_caller]
    pub fn mean(&self, name: &str) -> f64 {
        self.get(name).mean
    }

    /// A result as a cell of a table: its mean ± its standard error, with so many decimals.
    ///
    /// # Panics
    /// If there is no result of this name.
    #[track_caller]
    pub fn cell(&self, name: &str, decimals: usize) -> String {
        let Estimate { mean, se } = self.get(name);
        format!("{mean:.decimals$} ± {se:.decimals$}")
    }

    #[track_caller]
    fn get(&self, name: &str) -> Estimate {
        self.0.iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("there is no result {name}")).1
    }

    /// The means by name, and their standard errors as `name_se`.
    pub fn results(&self) -> Results {
        let pair = |(name, of): &(String, Estimate)| [(name.clone(), of.mean), (format!("{name}_se"), of.se)];
        self.0.iter().flat_map(pair).collect()
    }
}

impl RunArgs {
    /// So many seeds, from `--seed` on.
    pub fn seeds(&self, count: u64) -> Vec<u64> {
        (self.seed..self.seed + count).collect()
    }
}

/// `of` each of the items, in their order, computed side by side, with progress: `what` the items are, in the plural.
///
/// # Errors
/// The error of an item.
pub fn each<I: Sync, T: Send, E: Send>(
    what: &str,
    items: &[I],
    of: impl Fn(&I) -> Result<T, E> + Sync,
) -> Result<Vec<T>, E> {
    let done = Counter::new(what, items.len());
    items.par_iter().map(|item| done.counted(of(item))).collect()
}
