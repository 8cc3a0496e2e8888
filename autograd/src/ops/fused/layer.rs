//! What layers of neurons, dense or convolutional, have in common: their activation.

use crate::check::Catalogued;
use crate::ops::{Activation, Elu, Identity, LeakyRelu, Map, Relu, Sigmoid, Softplus, Tanh};
use crate::{Op, Real, Var};

/// The activation of a layer, chosen at run time.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Nonlinearity {
    /// φ(a) = a
    #[default]
    Identity,
    /// [`Relu`]
    Relu,
    /// [`LeakyRelu`] with this slope below 0
    LeakyRelu(f64),
    /// [`Elu`]
    Elu,
    /// [`Tanh`]
    Tanh,
    /// [`Sigmoid`]
    Sigmoid,
    /// [`Softplus`]
    Softplus,
}

/// An operation that ends with an activation φ.
pub(super) trait Layer {
    /// The operation, given the type of φ.
    type With<A>;

    /// The operation with this φ.
    fn with<A>(self, phi: A) -> Self::With<A>;
}

/// Records a layer of `inputs` with the activation that `phi` names.
#[track_caller]
pub(super) fn record<'t, F: Real, L: Layer>(layer: L, phi: Nonlinearity, inputs: &[Var<'t, F>]) -> Var<'t, F>
where
    L::With<Identity>: Op<F> + Catalogued<F>,
    L::With<Relu>: Op<F> + Catalogued<F>,
    L::With<LeakyRelu<F>>: Op<F> + Catalogued<F>,
    L::With<Elu>: Op<F> + Catalogued<F>,
    L::With<Tanh>: Op<F> + Catalogued<F>,
    L::With<Sigmoid>: Op<F> + Catalogued<F>,
    L::With<Softplus>: Op<F> + Catalogued<F>,
{
    let tape = inputs[0].tape();
    match phi {
        Nonlinearity::Identity => tape.apply(layer.with(Identity), inputs),
        Nonlinearity::Relu => tape.apply(layer.with(Relu), inputs),
        Nonlinearity::LeakyRelu(c) => {
            assert!(c >= 0.0 && c.is_finite(), "leaky_relu: expected a finite c ≥ 0, found {c}");
            tape.apply(layer.with(LeakyRelu(F::from_f64(c))), inputs)
        }
        Nonlinearity::Elu => tape.apply(layer.with(Elu), inputs),
        Nonlinearity::Tanh => tape.apply(layer.with(Tanh), inputs),
        Nonlinearity::Sigmoid => tape.apply(layer.with(Sigmoid), inputs),
        Nonlinearity::Softplus => tape.apply(layer.with(Softplus), inputs),
    }
}

kernel! {
    /// Ā ← Ȳ ⊙ φ'(A)
    pub(super) fn slope<F: Real, A: Activation<F>>(phi: &A, y: &[F], dy: &[F], da: &mut [F]) {
        for ((da, &y), &dy) in da.iter_mut().zip(y).zip(dy) {
            *da = phi.slope(y) * dy;
        }
    }
}

/// An activation by itself.
struct Alone;

impl Layer for Alone {
    type With<A> = Map<A>;

    fn with<A>(self, phi: A) -> Map<A> {
        Map(phi)
    }
}

impl<F: Real> Var<'_, F> {
    /// φ of every element, for an activation that is chosen at run time.
    ///
    /// # Panics
    /// If φ is a leaky ReLU with a negative slope.
    #[track_caller]
    pub fn activate(self, phi: Nonlinearity) -> Self {
        match phi {
            Nonlinearity::Identity => self,
            _ => record(Alone, phi, &[self]),
        }
    }
}
