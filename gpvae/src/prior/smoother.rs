//! The Kalman filter and smoother of a Matérn process, as an operation.

use std::array::from_fn;
use std::sync::Arc;

use autograd::{InputAdjoints, Inputs, Op, Real, Shape};

use super::Timeline;
use super::matern::{Matern, drift, stationary, transition};
use super::small::{
    Square, Vector, add, add_outer, add_symmetric, dot, factor, identity, inverse_of_lower, plus, product,
    sandwich, scaled, times, transposed,
};
use crate::LN_2PI;

/// From ln ℓ (L), observations μ (N, L) of the rows of a timeline and the variances r (N, L) of their noise to (N, 4 L): the means
/// and the variances of f given all observations, ln N(μ_t; E[f_t | μ_<t], Var[f_t | μ_<t] + r_t), which is 0 where a row is not
/// observed, and what this row adds to KL(q ‖ p), E_q[KL(q(s_t | s_t−1) ‖ p(s_t | s_t−1))]. With K_t = KL(q(s_t) ‖ p(s_t | μ_≤t)) this is
///
/// E_q[ln N(μ_t; f_t, r_t)] less the third + K_t − K_t−1
///
/// where the first two are left out if a row is not observed, and K is 0 at the end of a series. It is not negative, and so the sum
/// over some of the rows is not, either. Without the K the sum over all rows would be the same; but that over some of them could be as low as training wants it, by
/// observations of other rows that contradict theirs.
///
/// Forward, with the state's mean m and covariance C predicted from earlier rows, p = C e₁, i = 1/(C₁₁ + r), v = μ − m₁ and w = i v:
///
/// m⁺ = A (m + w p),   C⁺ = A (C − i p pᵀ − P) Aᵀ + P
///
/// Backward, with k = i p, u = Λ k and λ = 0, Λ = 0 behind the last row (the smoother of Bryson and Frazier, which inverts no
/// covariance, so that equal times are no special case):
///
/// λ̃ = λ − (kᵀλ + w) e₁,   Λ̃ = Λ − u e₁ᵀ − e₁ uᵀ + (kᵀu + i) e₁ e₁ᵀ,   λ⁻ = Aᵀ λ̃,   Λ⁻ = Aᵀ Λ̃ A,
/// E f = m₁ − pᵀ λ̃,   Var f = C₁₁ − pᵀ Λ̃ p
///
/// Where a row is not observed, i = 0 and w = 0. The divergence takes (μ − E f)/r = i (v + pᵀ λ): for small r the difference would
/// be lost to rounding, and training would find what that is worth. K_t is in [`Later`]. The adjoint goes the two ways back. It has dA/dτ = F A, and τ̄ τ is that of −ln ℓ.
/// All is computed in double precision, whatever F is.
pub(super) struct Smoother {
    pub(super) kernel: Matern,
    pub(super) timeline: Arc<Timeline>,
}

/// The outputs of a row and a column.
const PARTS: usize = 4;

/// What the forward way keeps of a row, and the backward way: λ and Λ behind it.
#[derive(Clone)]
struct Row<const D: usize> {
    tau: f64,
    a: Square<D>,
    m: Vector<D>,
    c: Square<D>,
    lambda: Vector<D>,
    cap: Square<D>,
}

/// What an observation adds.
#[derive(Clone, Copy, Default)]
struct Innovation {
    /// 0 if there is none
    i: f64,
    v: f64,
}

/// What later rows say of the state of a row: K = KL(q(s) ‖ N(m, C)) for q(s) = N(m − C λ, C − C Λ C), with m and C given the row's
/// observation, too, and λ and Λ behind it. With C = G Gᵀ and S = I − GᵀΛG
///
/// K = ½ (|Gᵀλ|² + tr(S − I) − ln det S)
struct Later<const D: usize> {
    /// K
    divergence: f64,
    /// C
    c: Square<D>,
    g: Square<D>,
    /// The lower factor of S
    root: Square<D>,
}

impl<const D: usize> Later<D> {
    fn new(row: &Row<D>, innovation: &Innovation) -> Self {
        let (_, c) = row.updated(innovation);
        let g = factor(&c, 0.0);
        let back = transposed(&g);
        let s = plus(identity(), scaled(-1.0, sandwich(&back, &row.cap)));
        let root = factor(&s, f64::EPSILON);
        let pulled = times(&back, &row.lambda);
        let of_s: f64 = (0..D).map(|j| s[j][j] - 1.0 - 2.0 * root[j][j].ln()).sum();
        Self { divergence: 0.5 * (dot(&pulled, &pulled) + of_s), c, g, root }
    }

    /// ∂K/∂λ, ∂K/∂Λ and ∂K/∂C: C λ, ½ (W − C) and ½ (λ λᵀ + Λ W Λ) with W = G S⁻¹ Gᵀ = (C⁻¹ − Λ)⁻¹
    fn slopes(&self, row: &Row<D>) -> (Vector<D>, Square<D>, Square<D>) {
        let half = product(&self.g, &transposed(&inverse_of_lower(&self.root)));
        let wide = product(&half, &transposed(&half));
        let mut by_c = scaled(0.5, sandwich(&row.cap, &wide));
        add_outer(&mut by_c, 0.5, &row.lambda, &row.lambda);
        let by_cap = scaled(0.5, plus(wide, scaled(-1.0, self.c)));
        (times(&self.c, &row.lambda), by_cap, by_c)
    }
}

impl<const D: usize> Row<D> {
    fn p(&self) -> Vector<D> {
        self.c.map(|row| row[0])
    }

    fn innovation(&self, site: Option<[f64; 2]>) -> Innovation {
        site.map_or_else(Innovation::default, |[mu, r]| Innovation {
            i: 1.0 / (self.c[0][0] + r),
            v: mu - self.m[0],
        })
    }

    /// Mean and covariance of the state given the row's observation, too.
    fn updated(&self, &Innovation { i, v }: &Innovation) -> (Vector<D>, Square<D>) {
        let (p, mut m, mut c) = (self.p(), self.m, self.c);
        add(&mut m, i * v, &p);
        add_outer(&mut c, -i, &p, &p);
        (m, c)
    }

    /// (μ − E f)/r of a row that is observed, E f being given all observations.
    fn residual(&self, &Innovation { i, v }: &Innovation) -> f64 {
        i * (v + dot(&self.p(), &self.lambda))
    }

    /// λ̃ and Λ̃
    fn tilde(&self, &Innovation { i, v }: &Innovation) -> (Vector<D>, Square<D>) {
        let (k, mut lambda, mut cap) = (self.p().map(|p| i * p), self.lambda, self.cap);
        let u = times(&cap, &k);
        lambda[0] -= dot(&k, &lambda) + i * v;
        for j in 0..D {
            cap[j][0] -= u[j];
            cap[0][j] -= u[j];
        }
        cap[0][0] += dot(&k, &u) + i;
        (lambda, cap)
    }
}

impl Smoother {
    /// Both ways through all rows, with this observation of each row.
    fn rows<const D: usize>(&self, log_length: f64, site: impl Fn(usize) -> Option<[f64; 2]>) -> Vec<Row<D>> {
        let (rate, p) = (self.kernel.rate() / log_length.exp(), stationary());
        let (mut mean, mut covariance) = ([0.0; D], p);
        let mut rows: Vec<Row<D>> = Vec::with_capacity(self.timeline.len());
        for (t, &gap) in self.timeline.gaps.iter().enumerate() {
            let tau = gap * rate;
            let a = transition(tau);
            let c = plus(sandwich(&a, &plus(covariance, scaled(-1.0, p))), p);
            let row = Row { tau, a, m: times(&a, &mean), c, lambda: [0.0; D], cap: [[0.0; D]; D] };
            (mean, covariance) = row.updated(&row.innovation(site(t)));
            rows.push(row);
        }
        for t in (1..rows.len()).rev() {
            let (lambda, cap) = rows[t].tilde(&rows[t].innovation(site(t)));
            let back = transposed(&rows[t].a);
            (rows[t - 1].lambda, rows[t - 1].cap) = (times(&back, &lambda), sandwich(&back, &cap));
        }
        rows
    }

    /// Column l of the outputs.
    fn forward<const D: usize, F: Real>(&self, x: &Inputs<'_, F>, l: usize, y: &mut [F]) {
        let latent = x.shape(1)[1];
        let site = |t| self.site(x, t, l);
        let rows = self.rows::<D>(x[0][l].to_f64(), site);
        let mut before = 0.0;
        for (t, (row, y)) in rows.iter().zip(y.chunks_exact_mut(PARTS * latent)).enumerate() {
            let innovation = row.innovation(site(t));
            let (lambda, cap) = row.tilde(&innovation);
            let (p, Innovation { i, v }) = (row.p(), innovation);
            let variance = row.c[0][0] - dot(&p, &times(&cap, &p));
            let (mut evidence, mut divergence) = (0.0, 0.0);
            if let Some([_, r]) = site(t) {
                let g = row.residual(&innovation);
                evidence = -0.5 * (LN_2PI - i.ln() + i * v * v);
                divergence = -0.5 * (LN_2PI + r.ln() + r * g * g + variance / r) - evidence;
            }
            let later = Later::new(row, &innovation).divergence;
            divergence += later - before;
            before = later;
            let of_row: [f64; PARTS] = [row.m[0] - dot(&p, &lambda), variance, evidence, divergence];
            of_row.into_iter().enumerate().for_each(|(j, value)| y[j * latent + l] = F::from_f64(value));
        }
    }

    /// Adds to the adjoints of column l.
    fn backward<const D: usize, F: Real>(
        &self,
        x: &Inputs<'_, F>,
        l: usize,
        dy: &[F],
        dx: &mut InputAdjoints<'_, F>,
    ) {
        let latent = x.shape(1)[1];
        let site = |t| self.site(x, t, l);
        let rows = self.rows::<D>(x[0][l].to_f64(), site);
        // The adjoints of the first three outputs, to which the fourth one adds, and what it adds to those of μ and r.
        let of = |t: usize, row: &Row<D>, innovation: &Innovation, cap: &Square<D>| -> [f64; 5] {
            let [mean, variance, evidence, divergence]: [f64; PARTS] =
                from_fn(|j| dy[(PARTS * t + j) * latent + l].to_f64());
            let Some([_, r]) = site(t) else { return [mean, variance, 0.0, 0.0, 0.0] };
            let (p, g) = (row.p(), row.residual(innovation));
            let value = row.c[0][0] - dot(&p, &times(cap, &p));
            [
                mean + divergence * g,
                variance - 0.5 * divergence / r,
                evidence - divergence,
                -divergence * g,
                0.5 * divergence * (g * g + (value / r - 1.0) / r),
            ]
        };
        // The adjoint of K_t, which is in the divergences of two rows.
        let of_later = |t: usize| {
            let of = |t: usize| dy.get((PARTS * t + 3) * latent + l).map_or(0.0, |bar| bar.to_f64());
            of(t) - of(t + 1)
        };
        let zero = ([0.0; D], [[0.0; D]; D]);
        // Adjoints of λ and Λ from the row before, and for each row those of A, p, k, i and w from the backward way, and of the updated C.
        let (mut lambda_bar, mut cap_bar) = zero;
        let mut back = Vec::with_capacity(rows.len());
        for (t, row) in rows.iter().enumerate() {
            let innovation = row.innovation(site(t));
            let (lambda, cap) = row.tilde(&innovation);
            let (p, i) = (row.p(), innovation.i);
            let k = p.map(|p| i * p);
            let mut a_bar = scaled(2.0, product(&product(&cap, &row.a), &cap_bar));
            add_outer(&mut a_bar, 1.0, &lambda, &lambda_bar);
            lambda_bar = times(&row.a, &lambda_bar);
            cap_bar = sandwich(&row.a, &cap_bar);
            let outer = of(t, row, &innovation, &cap);
            let [mean, variance, ..] = outer;
            add(&mut lambda_bar, -mean, &p);
            add_outer(&mut cap_bar, -variance, &p, &p);
            let mut p_bar = times(&cap, &p).map(|x| -2.0 * variance * x);
            add(&mut p_bar, -mean, &lambda);
            // Through λ̃ and Λ̃ to λ and Λ.
            let (w_bar, i_bar) = (-lambda_bar[0], cap_bar[0][0]);
            let u = times(&row.cap, &k);
            let mut k_bar = row.lambda.map(|x| x * w_bar);
            add(&mut lambda_bar, w_bar, &k);
            let mut u_bar = cap_bar.map(|row| -2.0 * row[0]);
            add(&mut u_bar, i_bar, &k);
            add(&mut k_bar, i_bar, &u);
            add(&mut k_bar, 1.0, &times(&row.cap, &u_bar));
            add_symmetric(&mut cap_bar, 1.0, &u_bar, &k);
            let (bar, mut updated_bar) = (of_later(t), zero.1);
            // It is 0 but at the ends of the rows that are added up with one weight.
            if bar != 0.0 {
                let (by_lambda, by_cap, by_c) = Later::new(row, &innovation).slopes(row);
                add(&mut lambda_bar, bar, &by_lambda);
                cap_bar = plus(cap_bar, scaled(bar, by_cap));
                updated_bar = scaled(bar, by_c);
            }
            back.push((a_bar, p_bar, k_bar, i_bar, w_bar, outer, updated_bar));
        }
        // Adjoints of the updated mean and covariance from the row behind.
        let (mut mean_bar, mut covariance_bar) = zero;
        let mut length_bar = 0.0;
        let stationary = stationary();
        for (t, (row, (mut a_bar, mut p_bar, k_bar, mut i_bar, mut w_bar, outer, updated_bar))) in
            rows.iter().zip(back).enumerate().rev()
        {
            let (p, Innovation { i, v }) = (row.p(), row.innovation(site(t)));
            let [mean, variance, evidence, mu_bar, r_bar] = outer;
            covariance_bar = plus(covariance_bar, updated_bar);
            if i > 0.0 {
                let pulled = times(&covariance_bar, &p);
                w_bar += dot(&mean_bar, &p);
                i_bar += dot(&k_bar, &p) - dot(&p, &pulled) + w_bar * v + 0.5 * evidence * (1.0 / i - v * v);
                add(&mut p_bar, i * v, &mean_bar);
                add(&mut p_bar, -2.0 * i, &pulled);
                add(&mut p_bar, i, &k_bar);
                let (v_bar, s_bar) = (w_bar * i - evidence * v * i, -i_bar * i * i);
                mean_bar[0] -= v_bar;
                covariance_bar[0][0] += s_bar;
                for (input, bar) in [(1, v_bar + mu_bar), (2, s_bar + r_bar)] {
                    if let Some(dx) = dx.get(input) {
                        dx[t * latent + l] += F::from_f64(bar);
                    }
                }
            }
            mean_bar[0] += mean;
            covariance_bar[0][0] += variance;
            let mut first = [0.0; D];
            first[0] = 1.0;
            add_symmetric(&mut covariance_bar, 1.0, &p_bar, &first);
            // Through the step from the row before.
            if t > 0 {
                let (mean, covariance) = rows[t - 1].updated(&rows[t - 1].innovation(site(t - 1)));
                let excess = plus(covariance, scaled(-1.0, stationary));
                add_outer(&mut a_bar, 1.0, &mean_bar, &mean);
                a_bar = plus(a_bar, scaled(2.0, product(&covariance_bar, &product(&row.a, &excess))));
                if row.tau.is_finite() {
                    let slope = product(&drift(), &row.a);
                    length_bar -= row.tau * (0..D).map(|j| dot(&a_bar[j], &slope[j])).sum::<f64>();
                }
            }
            let back = transposed(&row.a);
            (mean_bar, covariance_bar) = (times(&back, &mean_bar), sandwich(&back, &covariance_bar));
        }
        if let Some(dx) = dx.get(0) {
            dx[l] += F::from_f64(length_bar);
        }
    }

    /// μ and r of a row that is observed.
    fn site<F: Real>(&self, x: &Inputs<'_, F>, t: usize, l: usize) -> Option<[f64; 2]> {
        let at = t * x.shape(1)[1] + l;
        self.timeline.seen[t].then(|| [x[1][at].to_f64(), x[2][at].to_f64()])
    }
}

impl<F: Real> Op<F> for Smoother {
    fn name(&self) -> &'static str {
        "markov_smoother"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [lengths, mu, variance] = x else { return Err("takes three inputs".into()) };
        let rows = self.timeline.len();
        let latent = lengths.size();
        if [mu, variance].iter().any(|x| x.rank() != 2 || [x[0], x[1]] != [rows, latent]) {
            return Err(format!("must be observations and variances of shape [{rows}, {latent}]"));
        }
        Ok([rows, PARTS * latent].into())
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        for l in 0..x[0].len() {
            match self.kernel {
                Matern::Half => self.forward::<1, F>(x, l, y),
                Matern::ThreeHalves => self.forward::<2, F>(x, l, y),
                Matern::FiveHalves => self.forward::<3, F>(x, l, y),
            }
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        for l in 0..x[0].len() {
            match self.kernel {
                Matern::Half => self.backward::<1, F>(x, l, dy, dx),
                Matern::ThreeHalves => self.backward::<2, F>(x, l, dy, dx),
                Matern::FiveHalves => self.backward::<3, F>(x, l, dy, dx),
            }
        }
    }
}
