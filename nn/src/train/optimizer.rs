//! Optimisers: rules by which θ follows the gradient, and what they remember.

use std::ops::Range;

use autograd::Real;

use super::update::{ShardSum, Update};

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
    /// θ ← (1 − ρ λ) θ, then the step of Adam (Loshchilov & Hutter 2019, algorithm 2, where λ stands for ρ λ)
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

    /// Whether the rule has a vector m, and whether it has a vector v.
    fn keeps(self) -> (bool, bool) {
        match self {
            Self::Sgd => (false, false),
            Self::Momentum { .. } | Self::Nesterov { .. } => (true, false),
            Self::AdaGrad { .. } | Self::RmsProp { .. } => (false, true),
            Self::Adam { .. } | Self::AdamW { .. } => (true, true),
        }
    }
}

/// A range of θ with a learning rate of its own.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// The range, such as [`Layout::range`](crate::model::Layout::range) gives for a part of a model.
    pub range: Range<usize>,
    /// The learning rate of these parameters. 0 freezes the range: no step is counted and no memory changes.
    pub rate: f64,
}

/// The learning rates of a step.
#[derive(Clone, Copy, Debug)]
pub struct Rates<'a> {
    /// The learning rate of what is in no group. 0 freezes these parameters: no step is counted and no memory changes.
    pub rate: f64,
    /// Other rates for ranges of θ. Where groups overlap, the first one counts.
    pub groups: &'a [Group],
    /// What all rates are multiplied by. 0 makes a step of length 0: the step is counted, and m and v still change.
    pub factor: f64,
}

impl Rates<'_> {
    /// One rate for all of θ, as the factor: `rate` 0 makes a step of length 0, and m and v still change.
    pub fn all(rate: f64) -> Self {
        Self { rate: 1.0, groups: &[], factor: rate }
    }

    /// The rate at this place of θ, before the factor; 0 if the place is frozen.
    pub(super) fn at(&self, place: usize) -> f64 {
        self.groups.iter().find(|group| group.range.contains(&place)).map_or(self.rate, |group| group.rate)
    }
}

/// A rule and what it remembers: the vectors m and v, and how many steps each parameter has made.
#[derive(Clone, Debug, PartialEq)]
pub struct Optimizer<F> {
    pub(super) rule: Rule,
    pub(super) clip: Option<f64>,
    pub(super) m: Vec<F>,
    pub(super) v: Vec<F>,
    /// Side by side over all of θ.
    pub(super) spans: Vec<Span>,
}

/// A stretch of θ whose parameters have made equally many steps. It reaches from the end of the span before it to `end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) end: usize,
    pub(super) steps: u64,
}

impl<F: Real> Optimizer<F> {
    /// An optimiser for `len` parameters.
    #[inline(never)]
    pub fn new(rule: Rule, len: usize) -> Self {
        let (m, v) = rule.keeps();
        let zeros = |kept: bool| vec![F::ZERO; if kept { len } else { 0 }];
        Self { rule, clip: None, m: zeros(m), v: zeros(v), spans: vec![Span { end: len, steps: 0 }] }
    }

    /// Clips gradients: one whose norm is above `norm` is shortened to it (Pascanu, Mikolov & Bengio 2013). Frozen
    /// parameters do not count.
    pub fn clip_norm(self, norm: f64) -> Self {
        Self { clip: Some(norm), ..self }
    }

    /// The number of steps that were made. If parameters were frozen at times, it is the largest number that any has made.
    pub fn steps(&self) -> u64 {
        self.spans.iter().map(|span| span.steps).max().unwrap_or(0)
    }

    /// Makes one step along −`gradient` with learning rate `rate`.
    ///
    /// # Panics
    /// If θ and the gradient are not as long as the optimiser was made for.
    #[track_caller]
    pub fn step(&mut self, rate: f64, theta: &mut [F], gradient: &[F]) {
        self.step_sum(Rates::all(rate), theta, ShardSum { shards: &[gradient], scale: F::ONE });
    }

    /// Makes one step along minus a gradient that is a sum over shards. Goes parallel inside a `rayon` pool; the bits do
    /// not depend on it.
    ///
    /// # Panics
    /// If θ and the gradients are not as long as the optimiser was made for.
    #[track_caller]
    #[inline(never)]
    pub fn step_sum(&mut self, rates: Rates<'_>, theta: &mut [F], mut gradient: ShardSum<'_, F>) {
        let (len, d) = (self.len(), theta.len());
        assert!(len == d, "Optimizer: expected {len} parameters, found {d}");
        for shard in gradient.shards {
            let len = shard.len();
            assert!(len == d, "Optimizer: expected a gradient of {d} numbers, found {len}");
        }
        self.cut(rates.groups);
        if let Some(clip) = self.clip {
            let moving = ranges(&self.spans).map(|(range, _)| range).filter(|r| rates.at(r.start) != 0.0);
            let norm = gradient.norm(moving);
            if norm > clip {
                gradient.scale *= F::from_f64(clip / norm);
            }
        }
        let mut start = 0;
        for span in &mut self.spans {
            let range = start..span.end;
            start = span.end;
            let rate = rates.at(range.start);
            if rate == 0.0 || range.is_empty() {
                continue;
            }
            span.steps += 1;
            let update = Update::new(self.rule, rate * rates.factor, span.steps);
            // A vector that the rule does not have is empty.
            let part = |kept: &'_ [F]| if kept.is_empty() { 0..0 } else { range.clone() };
            let (m, v) = (part(&self.m), part(&self.v));
            update.descend(range.start, &mut theta[range.clone()], &mut self.m[m], &mut self.v[v], gradient);
        }
    }

    /// The number of parameters.
    fn len(&self) -> usize {
        self.spans.last().map_or(0, |span| span.end)
    }

    /// Lets spans begin and end where groups do; without groups, neighbouring spans of equally many steps become one.
    fn cut(&mut self, groups: &[Group]) {
        if groups.is_empty() {
            self.spans.dedup_by(|span, before| {
                let same = span.steps == before.steps;
                if same {
                    before.end = span.end;
                }
                same
            });
            return;
        }
        let len = self.len();
        for place in groups.iter().flat_map(|group| [group.range.start, group.range.end]) {
            let place = place.min(len);
            let i = self.spans.partition_point(|span| span.end < place);
            if place > 0 && self.spans[i].end != place {
                self.spans.insert(i, Span { end: place, ..self.spans[i] });
            }
        }
    }
}

/// Each span's range in θ, and how many steps it has made.
fn ranges(spans: &[Span]) -> impl Iterator<Item = (Range<usize>, u64)> + Clone {
    let starts = std::iter::once(0).chain(spans.iter().map(|span| span.end));
    starts.zip(spans).map(|(start, span)| (start..span.end, span.steps))
}
