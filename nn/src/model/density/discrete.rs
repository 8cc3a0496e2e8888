//! Discrete distributions.

use autograd::{Real, Var};

use super::over_last;

/// Independent Bernoulli variables with success probabilities σ(logits).
#[derive(Clone, Copy, Debug)]
pub struct Bernoulli<'t, F: Real> {
    /// ln(p / (1 − p)), (…, n).
    pub logits: Var<'t, F>,
}

impl<'t, F: Real> Bernoulli<'t, F> {
    /// Σ x ln p + (1 − x) ln(1 − p), for x in [0, 1], grey values included.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn log_prob(self, x: Var<'t, F>) -> Var<'t, F> {
        x.bernoulli_log_prob(self.logits)
    }

    /// p = σ(logits)
    #[track_caller]
    pub fn mean(self) -> Var<'t, F> {
        self.logits.sigmoid()
    }

    /// 1 where the noise, uniform in [0, 1), is below p, and 0 elsewhere. The sample is a constant: it has no derivative.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn sample_with(self, noise: Var<'t, F>) -> Var<'t, F> {
        let margin = self.mean() - noise;
        let draws = margin.with(|margin| {
            margin.iter().map(|&m| if m > F::ZERO { F::ONE } else { F::ZERO }).collect::<Vec<F>>()
        });
        self.logits.tape().constant(&draws, margin.shape())
    }

    /// −Σ p ln p + (1 − p) ln(1 − p)
    #[track_caller]
    pub fn entropy(self) -> Var<'t, F> {
        // A probability times its logarithm each: the shorter softplus(l) − l σ(l) would cancel.
        let term = |l: Var<'t, F>| l.sigmoid() * l.log_sigmoid();
        over_last(term(self.logits) + term(self.logits.neg())).neg()
    }

    /// KL(self ‖ p) = Σ q ln (q/p) + (1 − q) ln ((1 − q)/(1 − p))
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        let ratio = self.logits.log_sigmoid() - p.logits.log_sigmoid();
        let term = |l: Var<'t, F>, ratio: Var<'t, F>| l.sigmoid() * ratio;
        let (no, no_p) = (self.logits.neg(), p.logits.neg());
        over_last(term(self.logits, ratio) + term(no, no.log_sigmoid() - no_p.log_sigmoid()))
    }
}

/// One of K classes, with probabilities softmax(logits) along the last axis.
#[derive(Clone, Copy, Debug)]
pub struct Categorical<'t, F: Real> {
    /// ln p up to a constant, (…, K), finite.
    pub logits: Var<'t, F>,
}

impl<'t, F: Real> Categorical<'t, F> {
    /// ln p
    #[track_caller]
    fn log_p(self) -> Var<'t, F> {
        self.logits.log_softmax_axis(self.logits.shape().rank().saturating_sub(1))
    }

    /// ln p of classes, given as one-hot rows (…, K); Σ x ln p for rows that are probabilities themselves.
    ///
    /// # Panics
    /// If the rows are not K long, or leading axes cannot be broadcast.
    #[track_caller]
    pub fn log_prob(self, one_hot: Var<'t, F>) -> Var<'t, F> {
        let (found, logits) = (one_hot.shape(), self.logits.shape());
        let k = logits.last();
        assert!(
            found.last() == k,
            "Categorical::log_prob: expected one-hot rows of {k} classes, found {found}"
        );
        over_last(one_hot * self.log_p())
    }

    /// The class with the largest logit + noise, as a one-hot row. It is a sample if the noise is standard Gumbel,
    /// −ln(−ln u) with u uniform in (0, 1). The sample is a constant: it has no derivative.
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
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
    ///
    /// # Panics
    /// If the shapes cannot be broadcast.
    #[track_caller]
    pub fn kl(self, p: Self) -> Var<'t, F> {
        let log_q = self.log_p();
        over_last(log_q.exp() * (log_q - p.log_p()))
    }
}
