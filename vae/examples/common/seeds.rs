//! Results of several seeds.

use nn::stats::Estimate;

/// Numbers by name.
pub(crate) type Results = Vec<(String, f64)>;

/// Each result's mean over seeds with its standard error.
pub(crate) struct OverSeeds(Vec<(String, Estimate)>);

impl OverSeeds {
    /// Of results that have the same names in the same order.
    pub(crate) fn of(seeds: &[Results]) -> Self {
        let over = |i: usize| Estimate::of(&seeds.iter().map(|results| results[i].1).collect::<Vec<_>>());
        Self(seeds[0].iter().enumerate().map(|(i, (name, _))| (name.clone(), over(i))).collect())
    }

    /// The mean of a result.
    pub(crate) fn mean(&self, name: &str) -> f64 {
        self.get(name).mean
    }

    /// A result as a cell of a table: its mean ± its standard error, with so many decimals.
    pub(crate) fn cell(&self, name: &str, decimals: usize) -> String {
        let Estimate { mean, se } = self.get(name);
        format!("{mean:.decimals$} ± {se:.decimals$}")
    }

    fn get(&self, name: &str) -> Estimate {
        self.0.iter().find(|(of, _)| of == name).unwrap_or_else(|| panic!("there is no result {name}")).1
    }

    /// The means by name, and their standard errors as `name_se`.
    pub(crate) fn results(&self) -> Results {
        let pair = |(name, of): &(String, Estimate)| [(name.clone(), of.mean), (format!("{name}_se"), of.se)];
        self.0.iter().flat_map(pair).collect()
    }
}
