//! Draws by several Markov chains, their moments, and whether the chains agree.

use nn::data::Matrix;

use super::ranks::{folded, normal_scores, quantile};

/// Draws of θ ∈ Rᵈ by several Markov chains of equal length.
///
/// Every chain is cut into two halves, so that a chain that drifts disagrees with itself (Gelman et al. 2013, section 11.4).
/// Let there be m halves of n draws. W is the average variance within a half, B/n is the variance of the halves' means, and
///
/// V = (n − 1)/n W + B/n
#[derive(Clone, Debug, PartialEq)]
pub struct Chains {
    /// The draws of each chain, (draws, d).
    pub draws: Vec<Matrix<f64>>,
}

impl Chains {
    /// Chains of f(θ), such as the predictions of a network. Chains can agree on these and not on the weights, since hidden
    /// units can change places.
    ///
    /// # Panics
    /// If f returns vectors of different lengths.
    #[track_caller]
    pub fn map(&self, mut f: impl FnMut(&[f64]) -> Vec<f64>) -> Self {
        let map = |draws: &Matrix<f64>| {
            let values: Vec<f64> = (0..draws.rows).flat_map(|s| f(draws.row(s))).collect();
            assert!(values.len().is_multiple_of(draws.rows), "map: expected vectors of one length from f");
            Matrix::new(draws.rows, values.len() / draws.rows, values)
        };
        Self { draws: self.draws.iter().map(map).collect() }
    }

    /// `count` draws, taken evenly from all chains and over their lengths, (count, d); all draws if there are fewer.
    pub fn thinned(&self, count: usize) -> Matrix<f64> {
        let all: Vec<&[f64]> =
            self.draws.iter().flat_map(|draws| (0..draws.rows).map(|s| draws.row(s))).collect();
        let count = count.min(all.len());
        let chosen: Vec<f64> = (0..count).flat_map(|i| all[i * all.len() / count]).copied().collect();
        Matrix::new(count, self.dim(), chosen)
    }

    /// The mean of each θᵢ, (d).
    pub fn mean(&self) -> Vec<f64> {
        self.of_each(|halves| mean(&halves.iter().map(|half| mean(half)).collect::<Vec<_>>()))
    }

    /// The variance V of each θᵢ, (d).
    pub fn variance(&self) -> Vec<f64> {
        self.of_each(|halves| Spread::of(halves).whole)
    }

    /// R̂ of each θᵢ, (d): 1 where the chains agree, NaN where nothing varies. Draws are usually trusted if it is below 1.01.
    ///
    /// It is the larger one of two √(V/W): of the draws' normal scores (their ranks among all draws, as quantiles of a normal
    /// distribution), which exists also where θᵢ has no variance; and of the scores of |θᵢ − median|, which sees chains with
    /// one mean and different widths (Vehtari et al. 2021, "Rank-normalization, folding, and localization", section 4.1).
    pub fn r_hat(&self) -> Vec<f64> {
        let r_hat = |halves: &[Vec<f64>]| {
            let Spread { within, whole } = Spread::of(&normal_scores(halves));
            (whole / within).sqrt()
        };
        self.of_each(|halves| {
            let (bulk, tails) = (r_hat(halves), r_hat(&folded(halves)));
            // A number with two values varies, and its distances from the median may not.
            if tails.is_nan() { bulk } else { tails.max(bulk) }
        })
    }

    /// The effective sample size in the bulk of the distribution of each θᵢ, (d): that of the mean of the draws' normal scores,
    /// which exists also where θᵢ has no variance (Vehtari et al. 2021, section 4.2). NaN where nothing varies. Below about
    /// 100 for each chain, neither it nor R̂ can be trusted.
    pub fn bulk_ess(&self) -> Vec<f64> {
        self.of_each(|halves| effective_sample_size(&normal_scores(halves)))
    }

    /// The effective sample size in the tails of the distribution of each θᵢ, (d): the smaller one of those of the shares of
    /// draws up to the 5 % and the 95 % quantile (Vehtari et al. 2021, section 4.3). NaN where nothing varies.
    pub fn tail_ess(&self) -> Vec<f64> {
        self.of_each(|halves| {
            let up_to = |p| {
                let limit = quantile(halves, p);
                let below = |half: &Vec<f64>| half.iter().map(|x| f64::from(*x <= limit)).collect();
                effective_sample_size(&halves.iter().map(below).collect::<Vec<_>>())
            };
            up_to(0.05).min(up_to(0.95))
        })
    }

    /// The effective sample size of the mean of each θᵢ, (d): the number of independent draws whose mean would have the same
    /// variance. NaN where nothing varies.
    ///
    /// ESS = m n / τ,   τ = −1 + 2 Σₖ (ρ₂ₖ + ρ₂ₖ₊₁),   ρₜ = 1 − (W − average autocovariance at lag t)/V
    ///
    /// The sum ends before the first pair ρ₂ₖ + ρ₂ₖ₊₁ that is not positive, of which a positive ρ₂ₖ is added once. No pair counts
    /// for more than the one before it (Geyer 1992; Vehtari et al. 2021, equations 10 to 13). ESS is at most m n log₁₀(m n).
    pub fn ess(&self) -> Vec<f64> {
        self.of_each(effective_sample_size)
    }

    /// The standard error √(V/ESS) of the mean of each θᵢ, (d).
    pub fn standard_error(&self) -> Vec<f64> {
        self.variance().iter().zip(self.ess()).map(|(variance, ess)| (variance / ess).sqrt()).collect()
    }

    fn dim(&self) -> usize {
        self.draws.first().map_or(0, |draws| draws.cols)
    }

    /// A number for each θᵢ, computed from its half chains.
    fn of_each(&self, f: impl Fn(&[Vec<f64>]) -> f64) -> Vec<f64> {
        let of = |j: usize| {
            let halves = self.draws.iter().flat_map(|draws| {
                let n = draws.rows / 2;
                let half =
                    move |rows: std::ops::Range<usize>| rows.map(|s| draws.row(s)[j]).collect::<Vec<_>>();
                [half(0..n), half(draws.rows - n..draws.rows)]
            });
            f(&halves.collect::<Vec<_>>())
        };
        (0..self.dim()).map(of).collect()
    }
}

/// ESS of one number from its half chains; the formula stands at [`Chains::ess`].
fn effective_sample_size(halves: &[Vec<f64>]) -> f64 {
    let Spread { within, whole } = Spread::of(halves);
    let (m, n) = (halves.len(), halves[0].len());
    let means: Vec<f64> = halves.iter().map(|half| mean(half)).collect();
    let rho = |lag: usize| {
        let covariance = |(half, mean): (&Vec<f64>, &f64)| {
            half.iter().zip(&half[lag..]).map(|(a, b)| (a - mean) * (b - mean)).sum::<f64>() / n as f64
        };
        let average = halves.iter().zip(&means).map(covariance).sum::<f64>() / m as f64;
        1.0 - (within - average) / whole
    };
    let (mut sum, mut last) = (0.0, f64::INFINITY);
    for lag in (0..n.saturating_sub(1)).step_by(2) {
        // ρ₀ is 1 by definition; the estimate of it is slightly off.
        let even = if lag == 0 { 1.0 } else { rho(lag) };
        let pair = even + rho(lag + 1);
        if pair.is_nan() {
            return f64::NAN;
        }
        if pair <= 0.0 {
            // Where neighbouring draws are on opposite sides, ρ₂ₖ is what the sum would otherwise miss.
            sum += 0.5 * even.max(0.0);
            break;
        }
        last = last.min(pair);
        sum += last;
    }
    let total = (m * n) as f64;
    (total / (2.0 * sum - 1.0).max(1.0 / total.log10())).min(total * total.log10())
}

/// W and V of one number.
struct Spread {
    within: f64,
    whole: f64,
}

impl Spread {
    fn of(halves: &[Vec<f64>]) -> Self {
        let n = halves[0].len() as f64;
        let means: Vec<f64> = halves.iter().map(|half| mean(half)).collect();
        let within = mean(&halves.iter().map(|half| variance(half)).collect::<Vec<_>>());
        Self { within, whole: (n - 1.0) / n * within + variance(&means) }
    }
}

fn mean(x: &[f64]) -> f64 {
    x.iter().sum::<f64>() / x.len() as f64
}

fn variance(x: &[f64]) -> f64 {
    let mean = mean(x);
    x.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / (x.len() as f64 - 1.0)
}
