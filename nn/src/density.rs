//! Densities on the tape. `log_prob`, `entropy` and `kl` are in nats and summed over the last axis, (…, n) to (…).
//!
//! Randomness is always an argument: `sample_with` takes standard noise and returns a sample that the gradient passes
//! through where the density allows it. Noise with further leading axes makes several samples of each row.

mod multivariate_normal;

use autograd::{Real, Shape, Var};

pub use multivariate_normal::MultivariateNormal;

/// ½ ln 2πe, the entropy of N(0, 1)
const UNIT_ENTROPY: f64 = 1.418_938_533_204_672_7;

/// N(μ, σ²) with independent coordinates: μ of any shape, log σ one number or broadcast against μ.
#[derive(Clone, Copy, Debug)]
pub struct Normal<'t, F: Real> {
    /// The mean.
    pub mu: Var<'t, F>,
    /// The logarithm of the standard deviation.
    pub log_sigma: Var<'t, F>,
}

impl<'t, F: Real> Normal<'t, F> {
    /// log N(x; μ, σ²) = −½ ((x − μ)/σ)² − log σ − ½ ln 2π, summed over the last axis. x and the parameters may be
    /// broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        let one_sigma = self.log_sigma.size() == 1;
        let shape = if one_sigma { self.mu.shape() } else { self.shape() };
        let (x, shape) = if paired(x.shape(), shape) {
            (x, shape)
        } else {
            let whole = joint(x.shape(), shape);
            // As few copies of the parameters as will do: of one number, a row.
            let rows = joint(shape, [whole.last()].into());
            (spread(x, whole), if rows.is_suffix_of(&whole) { rows } else { whole })
        };
        if one_sigma {
            x.normal_log_prob(spread(self.mu, shape), self.log_sigma.reshape([]))
        } else {
            x.diag_normal_log_prob(self.within(shape).diag().packed)
        }
    }

    /// μ + σ ε, ε standard normal.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        self.mu + self.log_sigma.exp() * noise
    }

    /// Σ log σ + ½ ln 2πe
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        self.diag().entropy()
    }

    /// KL(self ‖ p). The parameters of either may be broadcast.
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        let whole = joint(self.shape(), p.shape());
        match paired(self.shape(), p.shape()) {
            true => self.diag().kl(p.diag()),
            false => self.within(whole).diag().kl(p.within(whole).diag()),
        }
    }

    /// The same density as packed rows.
    #[track_caller]
    pub fn diag(self) -> DiagNormal<'t, F> {
        let shape = if self.shape().rank() == 0 { [1].into() } else { self.shape() };
        let Self { mu, log_sigma } = self.within(shape);
        DiagNormal::new(mu, log_sigma)
    }

    /// The common shape of μ and log σ.
    fn shape(self) -> Shape {
        joint(self.mu.shape(), self.log_sigma.shape())
    }

    /// The same density with parameters that fill `shape`.
    #[track_caller]
    fn within(self, shape: Shape) -> Self {
        Self { mu: spread(self.mu, shape), log_sigma: spread(self.log_sigma, shape) }
    }
}

/// `x`, repeated to fill `shape` if it does not already.
#[track_caller]
fn spread<F: Real>(x: Var<'_, F>, shape: Shape) -> Var<'_, F> {
    if x.shape() == shape { x } else { x.broadcast_to(shape) }
}

/// The common shape of numpy's broadcasting; whatever cannot be broadcast to it will say so.
fn joint(a: Shape, b: Shape) -> Shape {
    let (long, short) = if a.rank() < b.rank() { (b, a) } else { (a, b) };
    let mut axes = [0; Shape::MAX_RANK];
    let axes = &mut axes[..long.rank()];
    axes.copy_from_slice(long.dims());
    for (axis, &size) in axes.iter_mut().rev().zip(short.dims().iter().rev()) {
        *axis = if *axis == 1 { size } else { *axis };
    }
    Shape::new(axes)
}

/// Whether two arrays have equally long rows, and one of them no more than further leading axes: the fused operations
/// take such as they are.
fn paired(a: Shape, b: Shape) -> bool {
    a.last() == b.last() && (a.is_suffix_of(&b) || b.is_suffix_of(&a))
}

/// Refuses what broadcasting alone would take: (n, 1) and (n) are a slip, not n² pairs.
#[track_caller]
fn check_paired<F: Real>(operation: &str, a: Var<'_, F>, b: Var<'_, F>) {
    let (a, b) = (a.shape(), b.shape());
    assert!(paired(a, b), "{operation}: {a} x {b}: one must end with the other, in rows equally long");
}

/// N(μ, diag σ²) as packed rows (…, 2n): n means, then n log σ. A two-headed network computes them in one product.
#[derive(Clone, Copy, Debug)]
pub struct DiagNormal<'t, F: Real> {
    /// (μ | log σ)
    pub packed: Var<'t, F>,
}

impl<'t, F: Real> DiagNormal<'t, F> {
    /// From μ and log σ of the same shape (…, n).
    #[track_caller]
    pub fn new(mu: Var<'t, F>, log_sigma: Var<'t, F>) -> Self {
        Self { packed: Var::concatenate(&[mu, log_sigma], mu.shape().rank().saturating_sub(1)) }
    }

    /// n
    pub fn dim(self) -> usize {
        self.packed.shape().last() / 2
    }

    /// μ (…, n), copied
    pub fn mu(self) -> Var<'t, F> {
        self.packed.columns(0..self.dim())
    }

    /// log σ (…, n), copied
    pub fn log_sigma(self) -> Var<'t, F> {
        self.packed.columns(self.dim()..2 * self.dim())
    }

    /// log N(x; μ, diag σ²). x or the parameters may have further leading axes.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        x.diag_normal_log_prob(self.packed)
    }

    /// z = μ + σ ⊙ ε, ε standard normal (…, n); with further leading axes in ε, several samples of each row.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        self.packed.diag_normal_sample(noise)
    }

    /// Σ log σ + ½ ln 2πe
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        let log_sigma = self.log_sigma();
        log_sigma.sum_axis(log_sigma.shape().rank() - 1) + F::from_f64(UNIT_ENTROPY * self.dim() as f64)
    }

    /// KL(self ‖ p) in closed form.
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        self.packed.diag_normal_kl(p.packed)
    }

    /// KL(self ‖ N(0, I)) in closed form.
    #[track_caller]
    pub fn kl_to_standard(self) -> Var<'t, F> {
        self.packed.diag_normal_kl_to_standard()
    }
}

/// Independent Bernoulli variables with success probabilities σ(logits).
#[derive(Clone, Copy, Debug)]
pub struct Bernoulli<'t, F: Real> {
    /// ln(p / (1 − p)), (…, n)
    pub logits: Var<'t, F>,
}

impl<'t, F: Real> Bernoulli<'t, F> {
    /// Σ x ln p + (1 − x) ln(1 − p), x in [0, 1], grey values included.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        self.logits.bernoulli_log_prob(x)
    }

    /// p = σ(logits)
    #[track_caller]
    pub fn mean(self) -> Var<'t, F> {
        self.logits.sigmoid()
    }

    /// 1 where the noise, uniform in [0, 1), is below p, else 0: a constant, as nothing can be differentiated.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        let shape = joint(self.logits.shape(), noise.shape());
        let (p, noise) = (spread(self.mean(), shape).to_vec(), spread(noise, shape).to_vec());
        let draws: Vec<F> = p.iter().zip(&noise).map(|(p, u)| if u < p { F::ONE } else { F::ZERO }).collect();
        self.logits.tape().constant(&draws, shape)
    }

    /// −Σ p ln p + (1 − p) ln(1 − p)
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        // Probabilities and their logarithms, each for itself: softplus(l) − l σ(l) would cancel.
        let term = |l: Var<'t, F>| l.sigmoid() * l.log_sigmoid();
        over_last(term(self.logits) + term(self.logits.neg())).neg()
    }

    /// KL(self ‖ p) = Σ q ln (q/p) + (1 − q) ln ((1 − q)/(1 − p))
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        check_paired("Bernoulli::kl", self.logits, p.logits);
        let term = |l: Var<'t, F>, l_p: Var<'t, F>| l.sigmoid() * (l.log_sigmoid() - l_p.log_sigmoid());
        over_last(term(self.logits, p.logits) + term(self.logits.neg(), p.logits.neg()))
    }
}

/// One of K classes, with probabilities softmax(logits) along the last axis.
#[derive(Clone, Copy, Debug)]
pub struct Categorical<'t, F: Real> {
    /// ln p up to a constant, (…, K), finite
    pub logits: Var<'t, F>,
}

impl<'t, F: Real> Categorical<'t, F> {
    /// ln p
    #[track_caller]
    fn log_p(self) -> Var<'t, F> {
        self.logits.log_softmax_axis(self.logits.shape().rank().saturating_sub(1))
    }

    /// ln p of classes given as one-hot rows (…, K); Σ x ln p for rows that are probabilities themselves.
    #[track_caller]
    pub fn log_prob(self, one_hot: Var<'t, F>) -> Var<'t, F> {
        check_paired("Categorical::log_prob", self.logits, one_hot);
        over_last(one_hot * self.log_p())
    }

    /// The class with the largest logit + noise, as a one-hot row: a sample if the noise is standard Gumbel,
    /// −ln(−ln u) with u uniform in (0, 1). A constant, as nothing can be differentiated.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        let perturbed = self.logits + noise;
        let (shape, mut draws) = (perturbed.shape(), perturbed.to_vec());
        for row in draws.chunks_exact_mut(shape.last().max(1)) {
            let best = (1..row.len()).fold(0, |best, k| if row[k] > row[best] { k } else { best });
            row.fill(F::ZERO);
            row[best] = F::ONE;
        }
        self.logits.tape().constant(&draws, shape)
    }

    /// −Σ p ln p
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        let log_p = self.log_p();
        over_last(log_p.exp() * log_p).neg()
    }

    /// KL(self ‖ p) = Σ q (ln q − ln p)
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        check_paired("Categorical::kl", self.logits, p.logits);
        let log_q = self.log_p();
        over_last(log_q.exp() * (log_q - p.log_p()))
    }
}

/// The sum over the last axis; a scalar stays one.
#[track_caller]
fn over_last<F: Real>(x: Var<'_, F>) -> Var<'_, F> {
    match x.shape().rank() {
        0 => x,
        rank => x.sum_axis(rank - 1),
    }
}

/// ‖y − ŷ‖² summed over the last axis, (…, n) to (…) (lecture 000, "Regression or classification").
#[track_caller]
pub fn squared_error<'t, F: Real>(prediction: Var<'t, F>, y: Var<'t, F>) -> Var<'t, F> {
    check_paired("squared_error", prediction, y);
    over_last((y - prediction).square())
}

/// −ln p(class), classes as one-hot rows, (…, K) to (…): the loss of a classifier with linear output.
#[track_caller]
pub fn cross_entropy<'t, F: Real>(logits: Var<'t, F>, one_hot: Var<'t, F>) -> Var<'t, F> {
    Categorical { logits }.log_prob(one_hot).neg()
}

/// Classes as one-hot rows, row after row, (labels.len(), classes).
///
/// # Panics
/// If a label is not below `classes`, or `out` has another size.
#[track_caller]
pub fn one_hot<F: Real>(labels: &[u8], classes: usize, out: &mut [F]) {
    let (rows, size) = (labels.len(), out.len());
    assert!(size == rows * classes, "one_hot: {rows} labels of {classes} classes do not fill {size} numbers");
    out.fill(F::ZERO);
    for (&label, row) in labels.iter().zip(out.chunks_exact_mut(classes.max(1))) {
        assert!(usize::from(label) < classes, "one_hot: label {label} of {classes} classes");
        row[usize::from(label)] = F::ONE;
    }
}
