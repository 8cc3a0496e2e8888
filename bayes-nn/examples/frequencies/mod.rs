//! Probabilities as frequencies, and where frequentist and Bayesian answers part as data and models grow.

use std::f64::consts::LN_2;

use autograd::Real;
use nn::picture::Figure;
use nn::stats::root_mean_square;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use rand_distr::Distribution;

use crate::beta::log_choose;

/// The probability that the coin with two tails was thrown if one of ten coins, of which it is one, showed tail, as a fraction: of the
/// sides that are tails, two belong to it, and one to each of the other nine.
pub(crate) const UNFAIR: [u32; 2] = [2, 2 + 9];

pub(crate) fn unfair() -> f64 {
    f64::from(UNFAIR[0]) / f64::from(UNFAIR[1])
}

/// Ten coins are thrown at random, one of which has two tails.
pub(crate) struct TenCoins {
    /// The throws that showed tail, and those among them of the coin with two tails.
    pub(crate) tails: usize,
    pub(crate) unfair: usize,
    /// The share of the coin with two tails after so many throws that showed tail.
    shares: Vec<(f64, f64)>,
}

impl TenCoins {
    pub(crate) fn throw(throws: usize, seed: u64) -> Self {
        let mut rng = StdRng::seed_from_u64(seed);
        let mut coins = Self { tails: 0, unfair: 0, shares: Vec::new() };
        for _ in 0..throws {
            let unfair = rng.random_range(0..10) == 0;
            if unfair || rng.random::<bool>() {
                coins.tails += 1;
                coins.unfair += usize::from(unfair);
                let last = coins.shares.last().map_or(0.0, |(tails, _)| *tails);
                if coins.tails as f64 >= 1.02 * last {
                    coins.shares.push((coins.tails as f64, coins.share()));
                }
            }
        }
        coins
    }

    pub(crate) fn share(&self) -> f64 {
        self.unfair as f64 / self.tails as f64
    }

    /// The standard deviation of the share.
    pub(crate) fn error(&self) -> f64 {
        error(self.tails as f64)
    }

    pub(crate) fn figure(&self) -> Figure {
        let band = |(tails, _): &(f64, f64)| {
            (*tails, (unfair() - 2.0 * error(*tails)).max(0.0), (unfair() + 2.0 * error(*tails)).min(1.0))
        };
        Figure::new("One of ten coins has two tails: which one showed tail?")
            .axes("throws that showed tail", "share of the coin with two tails")
            .band("2/11 ± 2 standard deviations", self.shares.iter().map(band))
            .line("2/11", self.shares.iter().map(|(tails, _)| (*tails, unfair())))
            .line("thrown", self.shares.iter().copied())
            .log_x()
    }
}

fn error(throws: f64) -> f64 {
    (unfair() * (1.0 - unfair()) / throws).sqrt()
}

/// n throws of a coin with heads in ½ + 1/√n of them: two standard deviations more than a fair coin shows on average.
pub(crate) struct TwoSigma {
    pub(crate) throws: u32,
    /// The probability that a fair coin shows at least as many heads.
    pub(crate) p_value: f64,
    /// The probability that the coin is fair, if it is as likely as not beforehand, and p is uniform if it is not.
    pub(crate) fair: f64,
}

impl TwoSigma {
    /// For more and more throws, whose numbers are squares of even numbers.
    pub(crate) fn all() -> Vec<Self> {
        [4, 6, 10, 16, 26, 40, 64, 100, 160, 250, 400, 640, 1000].map(Self::of).into()
    }

    fn of(root: u32) -> Self {
        let (n, k) = (root * root, root * root / 2 + root);
        let of_fair = |k| (log_choose(n, k) - f64::from(n) * LN_2).exp();
        // Beyond twenty standard deviations there is nothing to be added.
        let p_value = (k..=n.min(k + 10 * root)).map(of_fair).sum();
        // Of a coin with a uniform p every number of heads is equally likely.
        let bayes_factor = of_fair(k) * f64::from(n + 1);
        Self { throws: n, p_value, fair: bayes_factor / (1.0 + bayes_factor) }
    }
}

/// Many coins, each thrown equally often: the root mean square error of three estimates of their p.
pub(crate) struct ManyCoins {
    /// How many coins are estimated together.
    pub(crate) together: usize,
    /// By the share of heads of each coin.
    pub(crate) shares: f64,
    /// By the posterior mean of each coin under a uniform prior.
    pub(crate) uniform: f64,
    /// By the posterior mean under Beta(a, a), with the a that makes all their throws likeliest.
    pub(crate) learned: f64,
}

/// All coins that are thrown; those that are estimated together are groups of them.
const COINS: usize = 4096;
/// The throws of each.
const THROWS: usize = 14;

impl ManyCoins {
    /// In groups of 1, 2, 4, … of the same coins, whose p are drawn from Beta(10, 10).
    pub(crate) fn all(seed: u64) -> Vec<Self> {
        let mut rng = StdRng::seed_from_u64(seed);
        let beta = rand_distr::Beta::new(10.0, 10.0).expect("positive parameters");
        let truth: Vec<f64> = beta.sample_iter(&mut rng).take(COINS).collect();
        let mut throw = |p: f64| (0..THROWS).filter(|_| rng.random::<f64>() < p).count();
        let heads: Vec<usize> = truth.iter().map(|&p| throw(p)).collect();

        let n = THROWS as f64;
        let mean = |a: f64, k: usize| (k as f64 + a) / (n + 2.0 * a);
        let candidates: Vec<f64> = (0..=60).map(|i| 0.5 * 10_f64.powf(f64::from(i) / 20.0)).collect();
        let rmse =
            |estimates: &[f64]| root_mean_square(estimates.iter().zip(&truth).map(|(p, truth)| p - truth));
        let by = |a: f64| rmse(&heads.iter().map(|&k| mean(a, k)).collect::<Vec<_>>());
        let of_groups = |together: usize| {
            let estimates = heads.chunks(together).flat_map(|heads| {
                let evidence = |a: f64| heads.iter().map(|&k| log_evidence(a, k)).sum::<f64>();
                let best = candidates.iter().copied().max_by(|a, b| evidence(*a).total_cmp(&evidence(*b)));
                let a = best.expect("candidates");
                heads.iter().map(move |&k| mean(a, k))
            });
            let learned = rmse(&estimates.collect::<Vec<_>>());
            Self { together, shares: by(0.0), uniform: by(1.0), learned }
        };
        (0..=COINS.ilog2()).step_by(2).map(|power| of_groups(1 << power)).collect()
    }
}

/// log P(k heads) under Beta(a, a), up to a constant.
fn log_evidence(a: f64, k: usize) -> f64 {
    let (k, n) = (k as f64, THROWS as f64);
    let ln_beta = |a: f64, b: f64| a.lgamma() + b.lgamma() - (a + b).lgamma();
    ln_beta(k + a, n - k + a) - ln_beta(a, a)
}

/// What grows on the left is the data, on the right the model.
pub(crate) fn figures(by_data: &[TwoSigma], by_model: &[ManyCoins]) -> [Figure; 2] {
    let of = |value: fn(&TwoSigma) -> f64| by_data.iter().map(move |of| (f64::from(of.throws), value(of)));
    let coins = |value: fn(&ManyCoins) -> f64| by_model.iter().map(move |of| (of.together as f64, value(of)));
    [
        Figure::new("More data: heads 2 σ above one half")
            .axes("throws", "probability")
            .legend("left")
            .line("P(fair | data)", of(|of| of.fair))
            .line("p-value", of(|of| of.p_value))
            .log_x(),
        Figure::new("A larger model: many coins at once")
            .axes("coins", "rms error of p")
            .legend("right")
            .line("share of heads", coins(|of| of.shares))
            .line("uniform prior", coins(|of| of.uniform))
            .line("learned prior", coins(|of| of.learned))
            .log_x(),
    ]
}
