//! Normal distributions with independent coordinates.

use autograd::{Real, Shape, Var};

use super::UNIT_ENTROPY;

/// N(μ, σ²) with independent coordinates: μ (…, n), and log σ one number or an array that is broadcast against μ.
#[derive(Clone, Copy, Debug)]
pub struct Normal<'t, F: Real> {
    /// The mean.
    pub mu: Var<'t, F>,
    /// The logarithm of the standard deviation.
    pub log_sigma: Var<'t, F>,
}

impl<'t, F: Real> Normal<'t, F> {
    /// log N(x; μ, σ²) = −½ ((x − μ)/σ)² − log σ − ½ ln 2π, summed over the last axis.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        x.normal_log_prob(self.mu, self.log_sigma)
    }

    /// μ + σ ε, ε standard normal.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        self.mu + self.log_sigma.exp() * noise
    }

    /// Σ log σ + ½ ln 2πe
    ///
    /// # Panics
    /// If neither of μ and log σ can be broadcast to the other.
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        self.diag().entropy()
    }

    /// KL(self ‖ p) in closed form.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast, or in one of the densities neither of μ and log σ to the other.
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        let (a, b) = (self.shape(), p.shape());
        if a.last() == b.last() {
            return self.diag().kl(p.diag());
        }
        let whole = larger(a, b);
        self.within(whole).diag().kl(p.within(whole).diag())
    }

    /// The same density as packed rows.
    ///
    /// # Panics
    /// If neither of μ and log σ can be broadcast to the other.
    #[track_caller]
    pub fn diag(self) -> DiagNormal<'t, F> {
        let shape = if self.shape().rank() == 0 { [1].into() } else { self.shape() };
        let Self { mu, log_sigma } = self.within(shape);
        DiagNormal::new(mu, log_sigma)
    }

    /// The shape of μ and log σ together.
    fn shape(self) -> Shape {
        larger(self.mu.shape(), self.log_sigma.shape())
    }

    /// The same density with parameters that fill `shape`.
    #[track_caller]
    fn within(self, shape: Shape) -> Self {
        let fill = |x: Var<'t, F>| if x.shape() == shape { x } else { x.broadcast_to(shape) };
        // Not by map: panics are to name the caller's line.
        Self { mu: fill(self.mu), log_sigma: fill(self.log_sigma) }
    }
}

/// The shape with more elements; of two equally large ones, that with more axes.
fn larger(a: Shape, b: Shape) -> Shape {
    if (a.size(), a.rank()) < (b.size(), b.rank()) { b } else { a }
}

/// N(μ, diag σ²) as packed rows (…, 2n): n means, then n log σ. A network with two heads computes them in one product.
#[derive(Clone, Copy, Debug)]
pub struct DiagNormal<'t, F: Real> {
    /// (μ | log σ)
    pub packed: Var<'t, F>,
}

impl<'t, F: Real> DiagNormal<'t, F> {
    /// The density of μ and log σ, both (…, n).
    ///
    /// # Panics
    /// If the shapes of the two differ.
    #[track_caller]
    pub fn new(mu: Var<'t, F>, log_sigma: Var<'t, F>) -> Self {
        Self { packed: Var::concatenate(&[mu, log_sigma], mu.shape().rank().saturating_sub(1)) }
    }

    /// n
    pub fn dim(self) -> usize {
        self.packed.shape().last() / 2
    }

    /// μ (…, n), copied.
    pub fn mu(self) -> Var<'t, F> {
        self.packed.columns(0..self.dim())
    }

    /// log σ (…, n), copied.
    pub fn log_sigma(self) -> Var<'t, F> {
        self.packed.columns(self.dim()..2 * self.dim())
    }

    /// log N(x; μ, diag σ²) of rows x (…, n).
    ///
    /// # Panics
    /// If rows of x are not n long, or leading axes cannot be broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        x.diag_normal_log_prob(self.packed)
    }

    /// z = μ + σ ⊙ ε, ε standard normal (…, n).
    ///
    /// # Panics
    /// If rows of ε are not n long, or leading axes cannot be broadcast.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        self.packed.diag_normal_sample(noise)
    }

    /// Σ log σ + ½ ln 2πe
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        super::over_last(self.log_sigma()) + F::from_f64(UNIT_ENTROPY * self.dim() as f64)
    }

    /// KL(self ‖ p) in closed form.
    ///
    /// # Panics
    /// If the rows of the two differ in length, or leading axes cannot be broadcast.
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
