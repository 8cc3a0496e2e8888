//! Draws of any distribution as draws that are about normal, by their ranks.

use autograd::Real;
use autograd::numerics::HALF_LN_2PI;

/// The normal scores Φ⁻¹((r − ⅜)/(S + ¼)) of S draws, where r is a draw's rank among all of them, from 1 on; equal draws share
/// their average rank (Blom 1958; Vehtari et al. 2021, equation 14).
pub(super) fn normal_scores(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let sorted = sorted(chains);
    let score = |draw: &f64| {
        if draw.is_nan() {
            return f64::NAN;
        }
        let (below, up_to) = (sorted.partition_point(|x| x < draw), sorted.partition_point(|x| x <= draw));
        let rank = 0.5 * (below + 1 + up_to) as f64;
        normal_quantile((rank - 0.375) / (sorted.len() as f64 + 0.25))
    };
    chains.iter().map(|chain| chain.iter().map(score).collect()).collect()
}

/// |θ − median| of all draws: large where a draw lies in either tail.
pub(super) fn folded(chains: &[Vec<f64>]) -> Vec<Vec<f64>> {
    let median = quantile(chains, 0.5);
    chains.iter().map(|chain| chain.iter().map(|draw| (draw - median).abs()).collect()).collect()
}

/// The quantile of all draws, between neighbouring ones linearly; NaN if one of them is.
pub(super) fn quantile(chains: &[Vec<f64>], p: f64) -> f64 {
    let sorted = sorted(chains);
    if sorted.iter().any(|draw| draw.is_nan()) {
        return f64::NAN;
    }
    let at = p * (sorted.len() - 1) as f64;
    let (low, high, share) = (sorted[at.floor() as usize], sorted[at.ceil() as usize], at.fract());
    (1.0 - share) * low + share * high
}

fn sorted(chains: &[Vec<f64>]) -> Vec<f64> {
    let mut all = chains.concat();
    all.sort_by(f64::total_cmp);
    all
}

/// Φ⁻¹(p): an approximation by a ratio of polynomials (Abramowitz & Stegun 1964, 26.2.23), then Newton's steps.
fn normal_quantile(p: f64) -> f64 {
    let tail = p.min(1.0 - p);
    let t = (-2.0 * tail.ln()).sqrt();
    let ratio =
        (2.515517 + t * (0.802853 + t * 0.010328)) / (1.0 + t * (1.432788 + t * (0.189269 + t * 0.001308)));
    let mut z = ratio - t;
    for _ in 0..3 {
        let cdf = 0.5 * (1.0 + Real::erf(z * std::f64::consts::FRAC_1_SQRT_2));
        z -= (cdf - tail) / (-0.5 * z * z - HALF_LN_2PI).exp();
    }
    if p < 0.5 { z } else { -z }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn normal_quantiles_are_the_tabulated_ones() {
        let table = [
            (0.5, 0.0),
            (0.75, 0.674_489_750_196_081_7),
            (0.975, 1.959_963_984_540_054),
            (1e-3, -3.090_232_306_167_813_6),
            (1e-6, -4.753_424_308_822_899),
        ];
        for (p, expected) in table {
            assert!((normal_quantile(p) - expected).abs() < 1e-9, "{p}: {}", normal_quantile(p));
        }
    }

    #[test]
    fn equal_draws_share_their_rank() {
        // Ranks 1, 2.5, 2.5, 4 of four draws.
        let scores = normal_scores(&[vec![3.0, 5.0], vec![5.0, 9.0]]);
        assert_eq!(scores[0][1], scores[1][0]);
        assert!(scores[0][1].abs() < 1e-12 && (scores[0][0] + scores[1][1]).abs() < 1e-12);
        assert!((scores[0][0] - normal_quantile(0.625 / 4.25)).abs() < 1e-15);
    }

    #[test]
    fn quantiles_lie_between_neighbours() {
        let chains = [vec![4.0, 1.0], vec![2.0, 3.0, 5.0]];
        assert_eq!([0.0, 0.25, 0.6, 1.0].map(|p| quantile(&chains, p)), [1.0, 2.0, 3.4, 5.0]);
        assert_eq!(folded(&chains), [vec![1.0, 2.0], vec![1.0, 0.0, 2.0]]);
    }
}
