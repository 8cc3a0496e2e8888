//! Normal distributions with a diagonal covariance: log-density, sample and divergences, each one operation.
//!
//! The parameters come as *packed rows*, (…, 2n): n means, then n logarithms of standard deviations, as one product
//! computes them. Leading axes are broadcast.

use super::normal::{over_sigma, root_of_inverse};
use crate::check::{Case, Checked, Sample};
use crate::numerics::{HALF_LN_2PI, add_rows};
use crate::ops::broadcast::{Rows, rows};
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// The shape of the means in packed rows.
fn half(packed: Shape) -> Result<Shape, String> {
    if packed.rank() == 0 || !packed.last().is_multiple_of(2) {
        return Err(format!("expected packed rows with as many log σ as μ in the last axis, found {packed}"));
    }
    Ok(packed.with_last(packed.last() / 2))
}

/// The i-th row of an array.
#[inline(always)]
fn row<F>(x: &[F], i: usize, n: usize) -> &[F] {
    &x[i * n..][..n]
}

/// The means and the log σ of the i-th packed row.
#[inline(always)]
fn packed_row<F>(q: &[F], i: usize, n: usize) -> (&[F], &[F]) {
    row(q, i, 2 * n).split_at(n)
}

/// The shape that arrays (…, n) have together.
fn whole(arrays: &[Shape]) -> Result<Shape, String> {
    let leading = rows(arrays)?;
    let mut axes = [arrays[0].last(); Shape::MAX_RANK];
    axes[..leading.rank()].copy_from_slice(leading.dims());
    Ok(Shape::new(&axes[..=leading.rank()]))
}

/// log N(x; μ, diag σ²) of packed rows (μ | log σ), summed over the last axis. With r = (x − μ)/σ:
///
/// y = −Σᵢ ½ rᵢ² + log σᵢ + ½ ln 2π,   μ̄ᵢ += rᵢ/σᵢ ȳ,   log σ̄ᵢ += (rᵢ² − 1) ȳ,   x̄ᵢ −= rᵢ/σᵢ ȳ
///
/// x (…, n) and parameters (…, 2n) to (…); leading axes are broadcast. It is the composition of `columns`, `sub`, `exp`, `mul`,
/// `square`, `add` and `sum_axis`.
#[derive(Clone, Copy, Debug)]
pub struct DiagNormalLogProb;

impl<F: Real> Op<F> for DiagNormalLogProb {
    fn name(&self) -> &'static str {
        "diag_normal_log_prob"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x, q] = x else {
            return Err(format!("expected x and packed rows (μ | log σ), found {} inputs", x.len()));
        };
        rows(&[*x, half(*q)?])
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        diag_normal(Rows::new([x.shape(0), x.shape(1)]), &x[0], &x[1], x.shape(1).last() / 2, y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (rows, n) = (Rows::new([x.shape(0), x.shape(1)]), x.shape(1).last() / 2);
        if let Some(dx) = dx.get(0) {
            diag_normal_dx(rows, &x[0], &x[1], n, dy, dx);
        }
        if let Some(dq) = dx.get(1) {
            diag_normal_dq(rows, &x[0], &x[1], n, dy, dq);
        }
    }
}

impl<F: Real> Checked<F> for DiagNormalLogProb {
    fn cases() -> Vec<Case<Self>> {
        let case =
            |(x, q): (&[usize], &[usize])| Case::new(Self, [Sample::any(x), Sample::uniform(q, -1.0..1.0)]);
        let shapes: [(&[usize], &[usize]); 5] = [
            (&[3, 5], &[3, 10]),
            (&[2, 3, 5], &[3, 10]),
            (&[17], &[2, 34]),
            (&[2, 1, 5], &[3, 10]),
            (&[], &[2]),
        ];
        shapes.map(case).into()
    }
}

kernel! {
    fn diag_normal<F: Real>(rows: Rows<2>, x: &[F], q: &[F], n: usize, y: &mut [F]) {
        let (half, constant) = (F::from_f64(0.5), F::from_f64(HALF_LN_2PI));
        for (i, y) in y.iter_mut().enumerate() {
            let (x, (mu, log_sigma)) = (row(x, rows.of(0, i), n), packed_row(q, rows.of(1, i), n));
            *y = -lane_sum!(F, [x, mu, log_sigma] => {
                let r = over_sigma(x - mu, root_of_inverse(log_sigma));
                half * r * r + log_sigma + constant
            });
        }
    }
}

kernel! {
    fn diag_normal_dx<F: Real>(rows: Rows<2>, x: &[F], q: &[F], n: usize, dy: &[F], dx: &mut [F]) {
        for (row_of_x, (dx, x)) in dx.chunks_exact_mut(n.max(1)).zip(x.chunks_exact(n.max(1))).enumerate() {
            add_rows(rows.shares(0), [dx], |share, start, [dx]| {
                let i = rows.shared(0, row_of_x, share);
                let ((mu, log_sigma), dy) = (packed_row(q, rows.of(1, i), n), dy[i]);
                for (((dx, &x), &mu), &s) in dx.iter_mut().zip(&x[start..]).zip(&mu[start..]).zip(&log_sigma[start..]) {
                    let root = root_of_inverse(s);
                    *dx -= over_sigma(over_sigma(x - mu, root), root) * dy;
                }
            });
        }
    }
}

kernel! {
    fn diag_normal_dq<F: Real>(rows: Rows<2>, x: &[F], q: &[F], n: usize, dy: &[F], dq: &mut [F]) {
        for (row_of_q, dq) in dq.chunks_exact_mut(2 * n.max(1)).enumerate() {
            let (mu, log_sigma) = packed_row(q, row_of_q, n);
            add_rows(rows.shares(1), dq.split_at_mut(n).into(), |share, start, [dmu, ds]| {
                let i = rows.shared(1, row_of_q, share);
                let (x, dy) = (row(x, rows.of(0, i), n), dy[i]);
                for ((((dmu, ds), &x), &mu), &s) in
                    dmu.iter_mut().zip(ds).zip(&x[start..]).zip(&mu[start..]).zip(&log_sigma[start..])
                {
                    let root = root_of_inverse(s);
                    let r = over_sigma(x - mu, root);
                    *dmu += over_sigma(r, root) * dy;
                    *ds += (r * r - F::ONE) * dy;
                }
            });
        }
    }
}

/// A sample of packed rows (μ | log σ) by reparameterisation (lecture 001, "Factorized Gaussian Posterior"):
///
/// zᵢ = μᵢ + σᵢ εᵢ,   μ̄ᵢ += z̄ᵢ,   log σ̄ᵢ += σᵢ εᵢ z̄ᵢ,   ε̄ᵢ += σᵢ z̄ᵢ
///
/// Parameters (…, 2n) and noise (…, n) to (…, n); leading axes are broadcast. It is the composition of `columns`, `exp`, `mul`
/// and `add`.
#[derive(Clone, Copy, Debug)]
pub struct DiagNormalSample;

impl<F: Real> Op<F> for DiagNormalSample {
    fn name(&self) -> &'static str {
        "diag_normal_sample"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [q, noise] = x else {
            return Err(format!("expected packed rows (μ | log σ) and noise, found {} inputs", x.len()));
        };
        whole(&[half(*q)?, *noise])
    }

    fn forward(&self, x: &Inputs<'_, F>, z: &mut [F], _: &mut [F]) {
        sample(Rows::new([x.shape(0), x.shape(1)]), &x[0], &x[1], x.shape(0).last() / 2, z);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dz: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (rows, n) = (Rows::new([x.shape(0), x.shape(1)]), x.shape(0).last() / 2);
        if let Some(dq) = dx.get(0) {
            sample_dq(rows, &x[0], &x[1], n, dz, dq);
        }
        if let Some(dnoise) = dx.get(1) {
            sample_dnoise(rows, &x[0], n, dz, dnoise);
        }
    }
}

impl<F: Real> Checked<F> for DiagNormalSample {
    fn cases() -> Vec<Case<Self>> {
        let case = |(q, noise): (&[usize], &[usize])| {
            Case::new(Self, [Sample::uniform(q, -1.0..1.0), Sample::any(noise)])
        };
        let shapes: [(&[usize], &[usize]); 4] =
            [(&[3, 10], &[3, 5]), (&[3, 10], &[2, 3, 5]), (&[2, 34], &[17]), (&[2, 1, 10], &[3, 5])];
        shapes.map(case).into()
    }
}

kernel! {
    fn sample<F: Real>(rows: Rows<2>, q: &[F], noise: &[F], n: usize, z: &mut [F]) {
        for (i, z) in z.chunks_exact_mut(n.max(1)).enumerate() {
            let (noise, (mu, log_sigma)) = (row(noise, rows.of(1, i), n), packed_row(q, rows.of(0, i), n));
            for (((z, &mu), &s), &noise) in z.iter_mut().zip(mu).zip(log_sigma).zip(noise) {
                *z = mu + s.exp() * noise;
            }
        }
    }
}

kernel! {
    fn sample_dnoise<F: Real>(rows: Rows<2>, q: &[F], n: usize, dz: &[F], dnoise: &mut [F]) {
        for (row_of_noise, dnoise) in dnoise.chunks_exact_mut(n.max(1)).enumerate() {
            add_rows(rows.shares(1), [dnoise], |share, start, [dnoise]| {
                let i = rows.shared(1, row_of_noise, share);
                let ((_, log_sigma), dz) = (packed_row(q, rows.of(0, i), n), row(dz, i, n));
                for ((dnoise, &s), &dz) in dnoise.iter_mut().zip(&log_sigma[start..]).zip(&dz[start..]) {
                    *dnoise += s.exp() * dz;
                }
            });
        }
    }
}

kernel! {
    fn sample_dq<F: Real>(rows: Rows<2>, q: &[F], noise: &[F], n: usize, dz: &[F], dq: &mut [F]) {
        for (row_of_q, dq) in dq.chunks_exact_mut(2 * n.max(1)).enumerate() {
            let (_, log_sigma) = packed_row(q, row_of_q, n);
            add_rows(rows.shares(0), dq.split_at_mut(n).into(), |share, start, [dmu, ds]| {
                let i = rows.shared(0, row_of_q, share);
                let (noise, dz) = (row(noise, rows.of(1, i), n), row(dz, i, n));
                for ((((dmu, ds), &noise), &s), &dz) in
                    dmu.iter_mut().zip(ds).zip(&noise[start..]).zip(&log_sigma[start..]).zip(&dz[start..])
                {
                    *dmu += dz;
                    // Not z − μ, of which nothing is left where σ is small.
                    *ds += s.exp() * noise * dz;
                }
            });
        }
    }
}

/// KL(q ‖ p) between diagonal normals of packed rows (μ | log σ), summed over the last axis. With d = (μ_q − μ_p)/σ_p
/// and v = σ_q²/σ_p²:
///
/// y = Σ ½ (v + d² − 1) − ½ ln v
///
/// μ̄_q += d/σ_p ȳ,   μ̄_p −= d/σ_p ȳ,   log σ̄_q += (v − 1) ȳ,   log σ̄_p += (1 − v − d²) ȳ
///
/// q and p (…, 2n) to (…); leading axes are broadcast. It is the composition of `columns`, `sub`, `exp`, `mul`, `square` and
/// `sum_axis`.
#[derive(Clone, Copy, Debug)]
pub struct DiagNormalKl;

impl<F: Real> Op<F> for DiagNormalKl {
    fn name(&self) -> &'static str {
        "diag_normal_kl"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [q, p] = x else {
            return Err(format!("expected two arrays of packed rows (μ | log σ), found {} inputs", x.len()));
        };
        rows(&[half(*q)?, half(*p)?])
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        kl(Rows::new([x.shape(0), x.shape(1)]), &x[0], &x[1], x.shape(0).last() / 2, y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let (rows, n) = (Rows::new([x.shape(0), x.shape(1)]), x.shape(0).last() / 2);
        if let Some(dq) = dx.get(0) {
            kl_dq(rows, &x[0], &x[1], n, dy, dq);
        }
        if let Some(dp) = dx.get(1) {
            kl_dp(rows, &x[0], &x[1], n, dy, dp);
        }
    }
}

impl<F: Real> Checked<F> for DiagNormalKl {
    fn cases() -> Vec<Case<Self>> {
        let case = |(q, p): (&[usize], &[usize])| {
            Case::new(Self, [Sample::uniform(q, -1.0..1.0), Sample::uniform(p, -1.0..1.0)])
        };
        let shapes: [(&[usize], &[usize]); 4] =
            [(&[3, 10], &[3, 10]), (&[3, 10], &[10]), (&[34], &[2, 34]), (&[2, 1, 10], &[3, 10])];
        shapes.map(case).into()
    }
}

kernel! {
    fn kl<F: Real>(rows: Rows<2>, q: &[F], p: &[F], n: usize, y: &mut [F]) {
        let half = F::from_f64(0.5);
        for (i, y) in y.iter_mut().enumerate() {
            let ((mu_q, s_q), (mu_p, s_p)) = (packed_row(q, rows.of(0, i), n), packed_row(p, rows.of(1, i), n));
            *y = lane_sum!(F, [mu_q, s_q, mu_p, s_p] => {
                let log_ratio = s_q - s_p;
                let d = over_sigma(mu_q - mu_p, root_of_inverse(s_p));
                half * ((log_ratio + log_ratio).exp_m1() + d * d) - log_ratio
            });
        }
    }
}

kernel! {
    fn kl_dq<F: Real>(rows: Rows<2>, q: &[F], p: &[F], n: usize, dy: &[F], dq: &mut [F]) {
        for (row_of_q, dq) in dq.chunks_exact_mut(2 * n.max(1)).enumerate() {
            let (mu_q, s_q) = packed_row(q, row_of_q, n);
            add_rows(rows.shares(0), dq.split_at_mut(n).into(), |share, start, [dmu, ds]| {
                let i = rows.shared(0, row_of_q, share);
                let ((mu_p, s_p), dy) = (packed_row(p, rows.of(1, i), n), dy[i]);
                for (j, (dmu, ds)) in (start..n).zip(dmu.iter_mut().zip(ds)) {
                    let (log_ratio, root) = (s_q[j] - s_p[j], root_of_inverse(s_p[j]));
                    let d = over_sigma(mu_q[j] - mu_p[j], root);
                    *dmu += over_sigma(d, root) * dy;
                    *ds += (log_ratio + log_ratio).exp_m1() * dy;
                }
            });
        }
    }
}

kernel! {
    fn kl_dp<F: Real>(rows: Rows<2>, q: &[F], p: &[F], n: usize, dy: &[F], dp: &mut [F]) {
        for (row_of_p, dp) in dp.chunks_exact_mut(2 * n.max(1)).enumerate() {
            let (mu_p, s_p) = packed_row(p, row_of_p, n);
            add_rows(rows.shares(1), dp.split_at_mut(n).into(), |share, start, [dmu, ds]| {
                let i = rows.shared(1, row_of_p, share);
                let ((mu_q, s_q), dy) = (packed_row(q, rows.of(0, i), n), dy[i]);
                for (j, (dmu, ds)) in (start..n).zip(dmu.iter_mut().zip(ds)) {
                    let (log_ratio, root) = (s_q[j] - s_p[j], root_of_inverse(s_p[j]));
                    let d = over_sigma(mu_q[j] - mu_p[j], root);
                    *dmu -= over_sigma(d, root) * dy;
                    *ds -= ((log_ratio + log_ratio).exp_m1() + d * d) * dy;
                }
            });
        }
    }
}

/// KL(N(μ, diag σ²) ‖ N(0, I)) of packed rows (μ | log σ), summed over the last axis
/// (lecture 001, "Alternative formulation of ELBO"):
///
/// y = Σᵢ ½ (μᵢ² + σᵢ² − 1) − log σᵢ,   μ̄ᵢ += μᵢ ȳ,   log σ̄ᵢ += (σᵢ² − 1) ȳ
///
/// (…, 2n) to (…). It is the composition of `columns`, `square`, `exp` and `sum_axis`.
#[derive(Clone, Copy, Debug)]
pub struct DiagNormalKlToStandard;

impl<F: Real> Op<F> for DiagNormalKlToStandard {
    fn name(&self) -> &'static str {
        "diag_normal_kl_to_standard"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [q] = x else {
            return Err(format!("expected packed rows (μ | log σ), found {} inputs", x.len()));
        };
        rows(&[half(*q)?])
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        kl_to_standard(&x[0], x.shape(0).last() / 2, y);
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        if let Some(dq) = dx.get(0) {
            kl_to_standard_backward(&x[0], x.shape(0).last() / 2, dy, dq);
        }
    }
}

impl<F: Real> Checked<F> for DiagNormalKlToStandard {
    fn cases() -> Vec<Case<Self>> {
        [&[3, 10][..], &[2, 2, 34], &[4]].map(|q| Case::new(Self, [Sample::uniform(q, -1.0..1.0)])).into()
    }
}

kernel! {
    fn kl_to_standard<F: Real>(q: &[F], n: usize, y: &mut [F]) {
        let half = F::from_f64(0.5);
        for (i, y) in y.iter_mut().enumerate() {
            let (mu, s) = packed_row(q, i, n);
            *y = lane_sum!(F, [mu, s] => half * (mu * mu + (s + s).exp_m1()) - s);
        }
    }
}

kernel! {
    fn kl_to_standard_backward<F: Real>(q: &[F], n: usize, dy: &[F], dq: &mut [F]) {
        for (i, &dy) in dy.iter().enumerate() {
            let (mu, s) = packed_row(q, i, n);
            let (dmu, ds) = dq[i * 2 * n..][..2 * n].split_at_mut(n);
            for (((dmu, ds), &mu), &s) in dmu.iter_mut().zip(ds).zip(mu).zip(s) {
                *dmu += mu * dy;
                *ds += (s + s).exp_m1() * dy;
            }
        }
    }
}

/// Packed rows (μ | s) to (μ | c tanh(s/c)): bounds log σ smoothly to (−c, c), with slope 1 at 0. It is the composition of
/// `columns`, `scale`, `tanh` and `concatenate`.
#[derive(Clone, Copy, Debug)]
pub struct BoundLogSigma<F> {
    /// The bound c > 0.
    pub bound: F,
}

impl<F: Real> Op<F> for BoundLogSigma<F> {
    fn name(&self) -> &'static str {
        "bound_log_sigma"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [q] = x else { return Err(format!("expected packed rows (μ | s), found {} inputs", x.len())) };
        half(*q).map(|_| *q)
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        bound_log_sigma(self.bound, x.shape(0).last() / 2, &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        if let Some(dx) = dx.get(0) {
            bound_log_sigma_backward(self.bound, x.shape(0).last() / 2, y, dy, dx);
        }
    }
}

impl<F: Real> Checked<F> for BoundLogSigma<F> {
    fn cases() -> Vec<Case<Self>> {
        [&[3, 10][..], &[4]].map(|q| Case::new(Self { bound: F::from_f64(1.5) }, [Sample::any(q)])).into()
    }
}

kernel! {
    fn bound_log_sigma<F: Real>(bound: F, n: usize, x: &[F], y: &mut [F]) {
        let inverse = F::ONE / bound;
        for (x, y) in x.chunks_exact((2 * n).max(1)).zip(y.chunks_exact_mut((2 * n).max(1))) {
            y[..n].copy_from_slice(&x[..n]);
            for (y, &s) in y[n..].iter_mut().zip(&x[n..]) {
                *y = bound * (s * inverse).tanh();
            }
        }
    }
}

kernel! {
    fn bound_log_sigma_backward<F: Real>(bound: F, n: usize, y: &[F], dy: &[F], dx: &mut [F]) {
        let inverse = F::ONE / bound;
        for (i, dx) in dx.chunks_exact_mut((2 * n).max(1)).enumerate() {
            let (y, dy) = (row(y, i, 2 * n), row(dy, i, 2 * n));
            for (j, dx) in dx.iter_mut().enumerate() {
                let t = y[j] * inverse;
                *dx += if j < n { dy[j] } else { (F::ONE - t * t) * dy[j] };
            }
        }
    }
}

impl<F: Real> Var<'_, F> {
    /// log N(self; μ, diag σ²) of packed rows, summed over the last axis: see [`DiagNormalLogProb`].
    ///
    /// # Panics
    /// If rows of `packed` are not twice as long as those of `self`, or leading axes cannot be broadcast.
    #[track_caller]
    pub fn diag_normal_log_prob(self, packed: Self) -> Self {
        self.tape().apply(DiagNormalLogProb, &[self, packed])
    }

    /// μ + σ ⊙ ε, self being packed rows: see [`DiagNormalSample`].
    ///
    /// # Panics
    /// If rows of `self` are not twice as long as those of `noise`, or leading axes cannot be broadcast.
    #[track_caller]
    pub fn diag_normal_sample(self, noise: Self) -> Self {
        self.tape().apply(DiagNormalSample, &[self, noise])
    }

    /// KL(self ‖ p) of packed rows, summed over the last axis: see [`DiagNormalKl`].
    ///
    /// # Panics
    /// If rows of the two differ in length or are of odd length, or leading axes cannot be broadcast.
    #[track_caller]
    pub fn diag_normal_kl(self, p: Self) -> Self {
        self.tape().apply(DiagNormalKl, &[self, p])
    }

    /// KL(self ‖ N(0, I)) of packed rows, summed over the last axis: see [`DiagNormalKlToStandard`].
    ///
    /// # Panics
    /// If there is no axis, or the last one is of odd length.
    #[track_caller]
    pub fn diag_normal_kl_to_standard(self) -> Self {
        self.tape().apply(DiagNormalKlToStandard, &[self])
    }

    /// Packed rows whose log σ are bounded smoothly: see [`BoundLogSigma`].
    ///
    /// # Panics
    /// If the bound is not a positive finite number, there is no axis, or the last one is of odd length.
    #[track_caller]
    pub fn bound_log_sigma(self, bound: F) -> Self {
        assert!(
            bound > F::ZERO && bound.is_finite(),
            "bound_log_sigma: expected a positive bound, found {bound}"
        );
        self.tape().apply(BoundLogSigma { bound }, &[self])
    }
}
