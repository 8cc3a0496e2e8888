//! θ is a vector; a layout names its parts.

use autograd::{Real, Shape, Var};
use rand::Rng;
use rand_distr::{Distribution, Normal, Uniform};

/// How a slot's numbers are drawn when training begins. The fan is the number of inputs and outputs of a neuron: the
/// sizes of the last two axes, unless [`with_fan`](Self::with_fan) says otherwise.
#[derive(Clone, Debug, PartialEq)]
pub enum Init {
    /// Every number is this one.
    Constant(f64),
    /// These numbers, computed from data, say.
    Values(Vec<f64>),
    /// Uniform in ±√(6 / (in + out)): keeps variances for tanh-like layers (Glorot & Bengio 2010, eq. 16).
    Glorot,
    /// Normal with variance 2 / in: keeps variances for ReLU layers (He et al. 2015, eq. 10).
    He,
    /// Normal with variance 1 / in: keeps variances for linear layers (LeCun et al. 1998, eq. 16).
    LeCun,
    /// Uniform in ±bound, bound ≥ 0.
    Uniform(f64),
    /// Normal with this standard deviation.
    Normal(f64),
}

impl Init {
    /// The same for neurons with so many inputs and outputs: what does not depend on the shape any more.
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
    /// Its name, such as `encoder.0.weight`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its shape.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// Its place in θ.
    pub fn range(&self) -> std::ops::Range<usize> {
        self.start..self.start + self.shape.size()
    }

    /// The slot in a θ on the tape: a view.
    #[track_caller]
    pub fn of<'t, F: Real>(&self, theta: Var<'t, F>) -> Var<'t, F> {
        theta.view(self.start, self.shape)
    }
}

/// The slots of a model's θ ∈ Rᵈ, one after the other.
///
/// Models are descriptions: they take slots when they are built, own no numbers, and compute from any θ that is put in,
/// be it the current estimate, a sample from its posterior, or one with tangents.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Layout {
    slots: Vec<Slot>,
}

impl Layout {
    /// A layout without slots.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a slot behind the others.
    ///
    /// # Panics
    /// If the name is taken, or [`Init::Values`] are not as many as the slot's elements.
    #[track_caller]
    pub fn slot(&mut self, name: impl Into<String>, shape: impl Into<Shape>, init: Init) -> Slot {
        let slot = Slot { name: name.into(), shape: shape.into(), start: self.size(), init };
        assert!(
            self.slots.iter().all(|other| other.name != slot.name),
            "slot {}: the name is taken",
            slot.name
        );
        if let Init::Values(values) = &slot.init {
            let (name, len) = (&slot.name, values.len());
            assert!(
                len == slot.shape.size(),
                "slot {name}: {len} values do not fill an array of shape {}",
                slot.shape
            );
        }
        self.slots.push(slot.clone());
        slot
    }

    /// The slots in order.
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// The slots' names and shapes, as checkpoints take them.
    pub fn named(&self) -> impl Iterator<Item = (&str, &[usize])> {
        self.slots.iter().map(|slot| (slot.name(), slot.shape.dims()))
    }

    /// d, the length of θ.
    pub fn size(&self) -> usize {
        self.slots.last().map_or(0, |slot| slot.range().end)
    }

    /// A θ to begin with, every slot drawn by its initialiser.
    pub fn init<F: Real>(&self, rng: &mut impl Rng) -> Vec<F> {
        self.slots.iter().flat_map(|slot| slot.init.draw::<F>(slot.shape, rng)).collect()
    }
}
