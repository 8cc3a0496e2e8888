//! The parameter vector θ, and the layout that names its parts.

use std::ops::Range;

use autograd::{Real, Shape, Var};
use rand::Rng;
use rand_distr::{Distribution, Normal, Uniform};

/// How the numbers of a slot are drawn before training. Some initialisers depend on the fan, the numbers of inputs and
/// outputs of a neuron. These are the sizes of the last two axes, unless [`with_fan`](Self::with_fan) sets others.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// This number everywhere.
    Constant(f64),
    /// These numbers, for instance computed from data.
    Values(Vec<f64>),
    /// Uniform in ±√(6 / (in + out)), which keeps variances through layers like tanh (Glorot & Bengio 2010, eq. 16).
    Glorot,
    /// Normal with variance 2 / in, which keeps variances through ReLU layers (He et al. 2015, eq. 10).
    He,
    /// Normal with variance 1 / in, which keeps variances through linear layers (LeCun et al. 1998, eq. 16).
    LeCun,
    /// Uniform in ±bound, for a bound that is not negative.
    Uniform(f64),
    /// Normal with this standard deviation.
    Normal(f64),
}

impl Init {
    /// The initialiser for neurons with so many inputs and outputs. The result does not depend on the shape of the slot.
    pub fn with_fan(self, inputs: f64, outputs: f64) -> Self {
        match self {
            Self::Glorot => Self::Uniform((6.0 / (inputs + outputs)).sqrt()),
            Self::He => Self::Normal((2.0 / inputs).sqrt()),
            Self::LeCun => Self::Normal((1.0 / inputs).sqrt()),
            other => other,
        }
    }

    fn draw<F: Real>(&self, shape: Shape, rng: &mut impl Rng) -> Vec<F> {
        let size = shape.size();
        let uniform = |bound: f64, rng: &mut _| {
            let uniform = Uniform::new_inclusive(-bound, bound)
                .expect("the bound of a uniform initialiser is finite and not negative");
            uniform.sample_iter(rng).take(size).map(F::from_f64).collect()
        };
        let normal = |sd: f64, rng: &mut _| {
            let normal = Normal::new(0.0, sd).expect("the standard deviation of an initialiser is finite");
            normal.sample_iter(rng).take(size).map(F::from_f64).collect()
        };
        match *self {
            Self::Constant(c) => vec![F::from_f64(c); size],
            Self::Values(ref values) => values.iter().map(|&x| F::from_f64(x)).collect(),
            Self::Uniform(bound) => uniform(bound, rng),
            Self::Normal(sd) => normal(sd, rng),
            Self::Glorot | Self::He | Self::LeCun => {
                let inputs = shape.dims().iter().rev().nth(1).copied().unwrap_or(1);
                self.clone().with_fan(inputs as f64, shape.last() as f64).draw(shape, rng)
            }
        }
    }
}

/// A named part of θ.
#[derive(Clone, Debug, PartialEq)]
pub struct Slot {
    name: String,
    shape: Shape,
    start: usize,
    init: Init,
}

impl Slot {
    /// The name, such as `encoder.0.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The place in θ.
    pub fn range(&self) -> Range<usize> {
        self.start..self.start + self.shape.size()
    }

    /// The slot as a view of a θ on a tape.
    #[track_caller]
    pub fn of<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        theta.view(self.start, self.shape)
    }
}

/// The slots of a model's parameter vector θ ∈ Rᵈ, one after the other.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    slots: Vec<Slot>,
}

impl Layout {
    /// A layout without slots.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a slot behind the others and returns it.
    ///
    /// # Panics
    /// If another slot has the name, or the number of [`Init::Values`] is not that of the slot's elements.
    #[track_caller]
    pub fn slot(&mut self, name: impl Into<String>, shape: impl Into<Shape>, init: Init) -> Slot {
        let slot = Slot { name: name.into(), shape: shape.into(), start: self.size(), init };
        assert!(
            self.slots.iter().all(|other| other.name != slot.name),
            "Layout: slot {}: another slot has this name",
            slot.name
        );
        if let Init::Values(values) = &slot.init {
            let (name, len) = (&slot.name, values.len());
            assert!(len == slot.shape.size(), "Layout: slot {name} {}: found {len} values", slot.shape);
        }
        self.slots.push(slot.clone());
        slot
    }

    /// The slots in order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The place in θ of the slot `prefix` and of all slots whose names begin with `prefix.`, such as those of a layer or
    /// a network.
    ///
    /// # Panics
    /// If there are no such slots, or other slots lie between them.
    #[track_caller]
    pub fn range(&self, prefix: &str) -> Range<usize> {
        let belongs = |slot: &&Slot| {
            let rest = slot.name.strip_prefix(prefix);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        };
        let mut slots = self.slots.iter().skip_while(|slot| !belongs(slot));
        let range = slots.by_ref().map_while(|slot| belongs(&slot).then(|| slot.range()));
        let range = range.reduce(|all, slot| all.start..slot.end);
        let Some(range) = range else {
            let names: Vec<_> = self.slots.iter().map(Slot::name).collect();
            panic!("Layout::range: expected a slot {prefix}, found {names:?}");
        };
        if let Some(slot) = slots.find(belongs) {
            panic!("Layout::range: other slots lie between those of {prefix} and {}", slot.name);
        }
        range
    }

    /// d, the length of θ.
    pub fn size(&self) -> usize {
        self.slots.last().map_or(0, |slot| slot.range().end)
    }

    /// A θ to begin with, each slot drawn by its initialiser.
    pub fn init<F: Real>(&self, rng: &mut impl Rng) -> Vec<F> {
        self.slots.iter().flat_map(|slot| slot.init.draw::<F>(slot.shape, rng)).collect()
    }
}
