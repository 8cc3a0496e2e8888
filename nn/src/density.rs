//! Densities on the tape. `log_prob`, `entropy` and `kl` are in nats and summed over the last axis, (…, n) to (…).
//!
//! Randomness is always an argument: `sample_with` takes standard noise and returns a sample that the gradient passes
//! through where the density allows it.

use autograd::{Real, Shape, Var};

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
    /// log N(x; μ, σ²) = −½ ((x − μ)/σ)² − log σ − ½ ln 2π, summed over the last axis. x and μ may be broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        let shape = (x - self.mu).shape();
        if self.log_sigma.size() == 1 {
            return spread(x, shape).normal_log_prob(spread(self.mu, shape), self.log_sigma.reshape([]));
        }
        x.diag_normal_log_prob(self.diag().packed)
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

    /// KL(self ‖ p)
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        self.diag().kl(p.diag())
    }

    /// The same density as packed rows.
    #[track_caller]
    pub fn diag(self) -> DiagNormal<'t, F> {
        let shape = (self.mu + self.log_sigma).shape();
        let shape = if shape.rank() == 0 { [1].into() } else { shape };
        DiagNormal::new(spread(self.mu, shape), spread(self.log_sigma, shape))
    }
}

/// `x`, repeated to fill `shape` if it does not already.
#[track_caller]
fn spread<F: Real>(x: Var<'_, F>, shape: Shape) -> Var<'_, F> {
    if x.shape() == shape { x } else { x.broadcast_to(shape) }
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
        Self { packed: Var::concatenate(&[mu, log_sigma], mu.shape().rank() - 1) }
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
        let (p, noise) = (self.mean().to_vec(), spread(noise, self.logits.shape()).to_vec());
        let draws: Vec<F> = p.iter().zip(&noise).map(|(p, u)| if u < p { F::ONE } else { F::ZERO }).collect();
        self.logits.tape().constant(&draws, self.logits.shape())
    }

    /// Σ softplus(l) − l σ(l)
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        over_last(self.logits.softplus() - self.logits * self.mean())
    }

    /// KL(self ‖ p) = Σ σ(l) (l − l_p) − softplus(l) + softplus(l_p)
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        over_last(self.mean() * (self.logits - p.logits) - self.logits.softplus() + p.logits.softplus())
    }
}

/// One of K classes, with probabilities softmax(logits) along the last axis.
#[derive(Clone, Copy, Debug)]
pub struct Categorical<'t, F: Real> {
    /// ln p up to a constant, (…, K)
    pub logits: Var<'t, F>,
}

impl<'t, F: Real> Categorical<'t, F> {
    /// ln p
    #[track_caller]
    fn log_p(self) -> Var<'t, F> {
        self.logits.log_softmax_axis(self.logits.shape().rank() - 1)
    }

    /// ln p of classes given as one-hot rows (…, K); Σ x ln p for rows that are probabilities themselves.
    #[track_caller]
    pub fn log_prob(self, one_hot: Var<'t, F>) -> Var<'t, F> {
        over_last(one_hot * self.log_p())
    }

    /// The class with the largest logit + noise, as a one-hot row: a sample if the noise is standard Gumbel,
    /// −ln(−ln u) with u uniform in (0, 1). A constant, as nothing can be differentiated.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        let (shape, mut draws) = (self.logits.shape(), (self.logits + noise).to_vec());
        for row in draws.chunks_exact_mut(shape.last()) {
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
/// If a label is not below `classes`.
#[track_caller]
pub fn one_hot<F: Real>(labels: &[u8], classes: usize, out: &mut [F]) {
    out.fill(F::ZERO);
    for (&label, row) in labels.iter().zip(out.chunks_exact_mut(classes)) {
        assert!(usize::from(label) < classes, "one_hot: label {label} of {classes} classes");
        row[usize::from(label)] = F::ONE;
    }
}
