//! Optimisers: loops over slices.

use autograd::{Real, kernel, lane_sum};

/// How θ follows the gradient g, with learning rate ρ (lecture 000, "Minimization by Stochastic gradient descent" and
/// "Tuning the algorithm").
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Rule {
    /// θ ← θ − ρ g
    Sgd,
    /// m ← μ m + g,   θ ← θ − ρ m (Polyak 1964)
    Momentum {
        /// μ
        momentum: f64,
    },
    /// m ← μ m + g,   θ ← θ − ρ (g + μ m) (Nesterov 1983, as in Sutskever et al. 2013)
    Nesterov {
        /// μ
        momentum: f64,
    },
    /// v ← v + g²,   θ ← θ − ρ g / (√v + ε) (Duchi, Hazan & Singer 2011)
    AdaGrad {
        /// ε
        epsilon: f64,
    },
    /// v ← γ v + (1 − γ) g²,   θ ← θ − ρ g / (√v + ε) (Tieleman & Hinton 2012)
    RmsProp {
        /// γ
        decay: f64,
        /// ε
        epsilon: f64,
    },
    /// m ← β₁ m + (1 − β₁) g,   v ← β₂ v + (1 − β₂) g²,
    /// θ ← θ − ρ m̂ / (√v̂ + ε) with m̂ = m / (1 − β₁ᵗ), v̂ = v / (1 − β₂ᵗ) (Kingma & Ba 2015, algorithm 1)
    Adam {
        /// β₁
        beta1: f64,
        /// β₂
        beta2: f64,
        /// ε
        epsilon: f64,
    },
    /// θ ← (1 − ρ λ) θ, then as Adam (Loshchilov & Hutter 2019, algorithm 2; λ there is ρ λ here)
    AdamW {
        /// β₁
        beta1: f64,
        /// β₂
        beta2: f64,
        /// ε
        epsilon: f64,
        /// λ
        weight_decay: f64,
    },
}

impl Rule {
    /// Adam with β₁ = 0.9, β₂ = 0.999, ε = 1e-8.
    pub const ADAM: Self = Self::Adam { beta1: 0.9, beta2: 0.999, epsilon: 1e-8 };

    /// Whether the rule keeps m, and v.
    fn keeps(self) -> (bool, bool) {
        match self {
            Self::Sgd => (false, false),
            Self::Momentum { .. } | Self::Nesterov { .. } => (true, false),
            Self::AdaGrad { .. } | Self::RmsProp { .. } => (false, true),
            Self::Adam { .. } | Self::AdamW { .. } => (true, true),
        }
    }
}

/// A rule and what it remembers.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer<F> {
    pub(crate) rule: Rule,
    len: usize,
    clip: Option<f64>,
    pub(crate) m: Vec<F>,
    pub(crate) v: Vec<F>,
    pub(crate) steps: u64,
}

/// θ is cut into blocks that fit into the first-level cache, and pieces of it go to other threads.
const BLOCK: usize = 1024;
const PIECE: usize = 16 * BLOCK;

/// The gradient of a minibatch: the sum of its shards' gradients, times a scale.
#[derive(Clone, Copy)]
struct Gradient<'a, F> {
    shards: &'a [&'a [F]],
    scale: F,
}

/// A stretch of it: (others + last) · scale.
#[derive(Clone, Copy)]
struct Slopes<'a, F> {
    others: &'a [F],
    last: &'a [F],
    scale: F,
}

/// A rule with its constants for this step.
#[derive(Clone, Copy)]
struct Step<F> {
    rule: Rule,
    rate: F,
    /// 1 − ρ λ
    shrink: F,
    /// The corrections 1 / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ)
    corrections: (F, F),
}

impl<F: Real> Optimizer<F> {
    /// An optimiser for `len` parameters.
    pub fn new(rule: Rule, len: usize) -> Self {
        let (m, v) = rule.keeps();
        let zeros = |kept: bool| vec![F::ZERO; if kept { len } else { 0 }];
        Self { rule, len, clip: None, m: zeros(m), v: zeros(v), steps: 0 }
    }

    /// Clips gradients: one whose norm is above `norm` is shortened to it (Pascanu, Mikolov & Bengio 2013).
    pub fn clip_norm(self, norm: f64) -> Self {
        Self { clip: Some(norm), ..self }
    }

    /// How many steps were made.
    pub fn steps(&self) -> u64 {
        self.steps
    }

    /// One step along −`gradient` with learning rate `rate`.
    ///
    /// # Panics
    /// If θ and the gradient are not as long as the optimiser was made for.
    #[track_caller]
    pub fn step(&mut self, rate: f64, theta: &mut [F], gradient: &[F]) {
        self.step_sum(rate, theta, &[gradient], 1.0);
    }

    /// One step along −scale · Σ `gradients`, added up in this order. Goes parallel inside a `rayon` pool; the bits do not
    /// depend on it.
    ///
    /// # Panics
    /// If θ and the gradients are not as long as the optimiser was made for.
    #[track_caller]
    pub fn step_sum(&mut self, rate: f64, theta: &mut [F], gradients: &[&[F]], scale: f64) {
        for gradient in gradients {
            assert!(
                gradient.len() == theta.len(),
                "step: {} parameters, {} slopes",
                theta.len(),
                gradient.len()
            );
        }
        let len = self.len;
        assert!(len == theta.len(), "step: {} parameters, the optimiser was made for {len}", theta.len());
        self.steps += 1;
        let mut gradient = Gradient { shards: gradients, scale: F::from_f64(scale) };
        if let Some(clip) = self.clip {
            let mut norm = gradient.squared_norm(0, theta.len()).sqrt();
            if norm.is_infinite() {
                // Squares of f64 overflow long before their root.
                let small = Gradient { scale: gradient.scale * F::from_f64(1e-150), ..gradient };
                norm = 1e150 * small.squared_norm(0, theta.len()).sqrt();
            }
            if norm > clip {
                gradient.scale *= F::from_f64(clip / norm);
            }
        }
        let t = self.steps as f64;
        let (beta1, beta2, weight_decay) = match self.rule {
            Rule::Adam { beta1, beta2, .. } => (beta1, beta2, 0.0),
            Rule::AdamW { beta1, beta2, weight_decay, .. } => (beta1, beta2, weight_decay),
            _ => (0.0, 0.0, 0.0),
        };
        let step = Step {
            rule: self.rule,
            rate: F::from_f64(rate),
            shrink: F::from_f64(1.0 - rate * weight_decay),
            corrections: (
                F::from_f64(1.0 / (1.0 - beta1.powf(t))),
                F::from_f64(1.0 / (1.0 - beta2.powf(t)).sqrt()),
            ),
        };
        step.descend(0, theta, &mut self.m, &mut self.v, gradient);
    }
}

impl<F: Real> Step<F> {
    /// Updates θ from `start` on, halves of it in parallel.
    fn descend(self, start: usize, theta: &mut [F], m: &mut [F], v: &mut [F], gradient: Gradient<'_, F>) {
        if theta.len() > PIECE {
            let middle = (theta.len() / 2).next_multiple_of(BLOCK);
            let (theta, theta_right) = theta.split_at_mut(middle);
            let (m, m_right) = m.split_at_mut(middle.min(m.len()));
            let (v, v_right) = v.split_at_mut(middle.min(v.len()));
            rayon::join(
                || self.descend(start, theta, m, v, gradient),
                || self.descend(start + middle, theta_right, m_right, v_right, gradient),
            );
            return;
        }
        let mut buffer = [F::ZERO; BLOCK];
        for at in (0..theta.len()).step_by(BLOCK) {
            let end = theta.len().min(at + BLOCK);
            let g = gradient.halves(start + at, &mut buffer[..end - at]);
            let theta = &mut theta[at..end];
            // What the rule does not keep stays empty.
            let (m, v) = (block(m, at, end), block(v, at, end));
            let Self { rate, shrink, corrections, .. } = self;
            let f = F::from_f64;
            match self.rule {
                Rule::Sgd => sgd(rate, theta, g),
                Rule::Momentum { momentum } => heavy_ball(rate, f(momentum), F::ZERO, F::ONE, theta, m, g),
                Rule::Nesterov { momentum } => {
                    heavy_ball(rate, f(momentum), F::ONE, f(momentum), theta, m, g)
                }
                Rule::AdaGrad { epsilon } => scaled(rate, F::ONE, F::ONE, f(epsilon), theta, v, g),
                Rule::RmsProp { decay, epsilon } => {
                    scaled(rate, f(decay), f(1.0 - decay), f(epsilon), theta, v, g)
                }
                Rule::Adam { beta1, beta2, epsilon } | Rule::AdamW { beta1, beta2, epsilon, .. } => {
                    let betas = [f(beta1), f(1.0 - beta1), f(beta2), f(1.0 - beta2)];
                    adam(rate * corrections.0, corrections.1, shrink, betas, f(epsilon), theta, m, v, g);
                }
            }
        }
    }
}

fn block<F>(kept: &mut [F], at: usize, end: usize) -> &mut [F] {
    if kept.is_empty() { kept } else { &mut kept[at..end] }
}

impl<'a, F: Real> Gradient<'a, F> {
    /// Two terms whose sum is the gradient from `start` on: the last shard's, and, in `buffer`, that of the others. The
    /// rules add them, so that two shards are read once.
    fn halves<'b>(&self, start: usize, buffer: &'b mut [F]) -> Slopes<'b, F>
    where
        'a: 'b,
    {
        let (len, scale) = (buffer.len(), self.scale);
        let part = |shard: &'a [F]| &shard[start..start + len];
        let (others, last) = match *self.shards {
            [] => (&*buffer, &*buffer),
            [only] => (&*buffer, part(only)),
            [first, second] => (part(first), part(second)),
            [ref others @ .., last] => {
                sum_shards(others, start, F::ONE, buffer);
                (&*buffer, part(last))
            }
        };
        Slopes { others, last, scale }
    }

    fn sum(&self, start: usize, out: &mut [F]) {
        sum_shards(self.shards, start, self.scale, out);
    }

    /// ‖g‖² of `len` slopes, in a fixed order of additions.
    fn squared_norm(&self, start: usize, len: usize) -> f64 {
        if len > PIECE {
            let middle = (len / 2).next_multiple_of(BLOCK);
            let (left, right) = rayon::join(
                || self.squared_norm(start, middle),
                || self.squared_norm(start + middle, len - middle),
            );
            return left + right;
        }
        let mut buffer = [F::ZERO; BLOCK];
        let block = |at: usize| {
            let g = &mut buffer[..BLOCK.min(len - at)];
            self.sum(start + at, g);
            squares(g)
        };
        (0..len).step_by(BLOCK).map(block).sum()
    }
}

kernel! {
    fn sum_shards<F: Real>(shards: &[&[F]], start: usize, scale: F, out: &mut [F]) {
        out.fill(F::ZERO);
        for shard in shards {
            for (out, &g) in out.iter_mut().zip(&shard[start..]) {
                *out += g;
            }
        }
        for out in out {
            *out *= scale;
        }
    }
}

kernel! {
    /// In double precision, since squares overflow long before their root does.
    fn squares<F: Real>(g: &[F]) -> f64 {
        lane_sum!(f64, [g] => g.to_f64() * g.to_f64())
    }
}

kernel! {
    fn sgd<F: Real>(rate: F, theta: &mut [F], g: Slopes<'_, F>) {
        for ((theta, &others), &last) in theta.iter_mut().zip(g.others).zip(g.last) {
            let g = (others + last) * g.scale;
            *theta -= rate * g;
        }
    }
}

kernel! {
    /// m ← μ m + g,   θ ← θ − ρ (a g + b m)
    fn heavy_ball<F: Real>(rate: F, momentum: F, a: F, b: F, theta: &mut [F], m: &mut [F], g: Slopes<'_, F>) {
        for (((theta, m), &others), &last) in theta.iter_mut().zip(m).zip(g.others).zip(g.last) {
            let g = (others + last) * g.scale;
            let first = flush(momentum * *m + g);
            *m = first;
            *theta -= rate * (a * g + b * first);
        }
    }
}

kernel! {
    /// v ← a v + b g²,   θ ← θ − ρ g / (√v + ε)
    fn scaled<F: Real>(rate: F, a: F, b: F, epsilon: F, theta: &mut [F], v: &mut [F], g: Slopes<'_, F>) {
        for (((theta, v), &others), &last) in theta.iter_mut().zip(v).zip(g.others).zip(g.last) {
            let g = (others + last) * g.scale;
            let second = flush(a * *v + b * square(g));
            *v = second;
            *theta -= rate * g / (second.sqrt() + epsilon);
        }
    }
}

kernel! {
    fn adam<F: Real>(
        rate: F, root: F, shrink: F, betas: [F; 4], epsilon: F, theta: &mut [F], m: &mut [F], v: &mut [F], g: Slopes<'_, F>
    ) {
        let [keep_m, add_m, keep_v, add_v] = betas;
        for ((((theta, m), v), &others), &last) in theta.iter_mut().zip(m).zip(v).zip(g.others).zip(g.last) {
            let g = (others + last) * g.scale;
            let first = flush(keep_m * *m + add_m * g);
            let second = flush(keep_v * *v + add_v * square(g));
            // Kept in registers: what was just stored is read back slowly.
            (*m, *v) = (first, second);
            *theta = shrink * *theta - rate * first / (second.sqrt() * root + epsilon);
        }
    }
}

/// 0 instead of a number that decays towards the subnormal range, where arithmetic is many times slower.
#[inline(always)]
fn flush<F: Real>(x: F) -> F {
    let tiny = F::from_f64(if size_of::<F>() == size_of::<f32>() { 1e-36 } else { 1e-290 });
    if x.abs() < tiny { F::ZERO } else { x }
}

/// g², or 0 where that, or a thousandth of it, would be subnormal.
#[inline(always)]
fn square<F: Real>(g: F) -> F {
    let tiny = F::from_f64(if size_of::<F>() == size_of::<f32>() { 1e-16 } else { 1e-140 });
    if g.abs() < tiny { F::ZERO } else { g * g }
}
