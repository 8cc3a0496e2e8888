//! The forward and backward recurrences of a network, as lecture 000 derives them ("Partial derivatives of R_i with
//! respect to the weights", "Forward-Backward algorithm"), in plain loops; the tape must find the same gradient.

use std::sync::Arc;

use crate::common::{assert_close, numbers};
use autograd::ops::Nonlinearity;
use autograd::{Tape, Var};

/// An activation: φ, φ', and its names on the tape.
#[derive(Clone, Copy)]
struct Phi {
    f: fn(f64) -> f64,
    df: fn(f64) -> f64,
    name: Nonlinearity,
    method: for<'t> fn(Var<'t, f64>) -> Var<'t, f64>,
}

fn logistic(a: f64) -> f64 {
    1.0 / (1.0 + (-a).exp())
}

const PHIS: [Phi; 7] = [
    Phi { f: |a| a, df: |_| 1.0, name: Nonlinearity::Identity, method: |a| a },
    Phi {
        f: |a| a.tanh(),
        df: |a| 1.0 - a.tanh() * a.tanh(),
        name: Nonlinearity::Tanh,
        method: |a| a.tanh(),
    },
    Phi {
        f: logistic,
        df: |a| logistic(a) * logistic(-a),
        name: Nonlinearity::Sigmoid,
        method: |a| a.sigmoid(),
    },
    Phi { f: |a| a.exp().ln_1p(), df: logistic, name: Nonlinearity::Softplus, method: |a| a.softplus() },
    Phi {
        f: |a| if a > 0.0 { a } else { 0.0 },
        df: |a| if a > 0.0 { 1.0 } else { 0.0 },
        name: Nonlinearity::Relu,
        method: |a| a.relu(),
    },
    Phi {
        f: |a| if a > 0.0 { a } else { 0.2 * a },
        df: |a| if a > 0.0 { 1.0 } else { 0.2 },
        name: Nonlinearity::LeakyRelu(0.2),
        method: |a| a.leaky_relu(0.2),
    },
    Phi {
        f: |a| if a > 0.0 { a } else { a.exp_m1() },
        df: |a| if a > 0.0 { 1.0 } else { a.exp() },
        name: Nonlinearity::Elu,
        method: |a| a.elu(),
    },
];

/// A network of `widths.len() - 1` layers. θ holds for each layer its weights, `w[m][j]` from unit m to unit j, then its
/// biases.
struct Network {
    widths: Vec<usize>,
    hidden: Phi,
    output: Phi,
}

impl Network {
    fn layers(&self) -> usize {
        self.widths.len() - 1
    }

    fn phi(&self, layer: usize) -> Phi {
        if layer + 1 == self.layers() { self.output } else { self.hidden }
    }

    /// Where the weights and the biases of each layer begin, and where θ ends.
    fn slots(&self) -> (Vec<(usize, usize)>, usize) {
        let mut end = 0;
        let slot = |pair: &[usize]| {
            let (w, b) = (end, end + pair[0] * pair[1]);
            end = b + pair[1];
            (w, b)
        };
        (self.widths.windows(2).map(slot).collect(), end)
    }

    /// R = Σᵢ ‖Yᵢ − f(Xᵢ, θ)‖² and ∂R/∂θ.
    fn by_hand(&self, theta: &[f64], xs: &[Vec<f64>], ys: &[Vec<f64>]) -> (f64, Vec<f64>) {
        let (slots, size) = self.slots();
        let (mut loss, mut gradient) = (0.0, vec![0.0; size]);
        for (x, y) in xs.iter().zip(ys) {
            // Forward: a_j = b_j + Σ_m w_mj h_m,   h_j = φ(a_j)
            let (mut a, mut h) = (Vec::new(), vec![x.clone()]);
            for (layer, &(w, b)) in slots.iter().enumerate() {
                let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
                let mut sums = theta[b..b + outputs].to_vec();
                for j in 0..outputs {
                    for m in 0..inputs {
                        sums[j] += theta[w + m * outputs + j] * h[layer][m];
                    }
                }
                h.push(sums.iter().map(|&a| (self.phi(layer).f)(a)).collect());
                a.push(sums);
            }
            let f = &h[self.layers()];
            loss += y.iter().zip(f).map(|(y, f)| (y - f) * (y - f)).sum::<f64>();

            // Backward: δ_j = −2 (Y_j − f_j) ψ'(a_j) in the last layer,
            //           δ_m = φ'(a_m) Σ_j w_mj δ_j below;   ∂R/∂w_mj = h_m δ_j,   ∂R/∂b_j = δ_j
            let mut back: Vec<f64> = y.iter().zip(f).map(|(y, f)| -2.0 * (y - f)).collect();
            for layer in (0..self.layers()).rev() {
                let ((w, b), outputs) = (slots[layer], self.widths[layer + 1]);
                let delta: Vec<f64> =
                    back.iter().zip(&a[layer]).map(|(g, &a)| g * (self.phi(layer).df)(a)).collect();
                back = vec![0.0; self.widths[layer]];
                for j in 0..outputs {
                    gradient[b + j] += delta[j];
                    for m in 0..self.widths[layer] {
                        gradient[w + m * outputs + j] += h[layer][m] * delta[j];
                        back[m] += theta[w + m * outputs + j] * delta[j];
                    }
                }
            }
        }
        (loss, gradient)
    }

    /// The same on the tape.
    fn on_tape<'t>(
        &self,
        theta: Var<'t, f64>,
        x: Var<'t, f64>,
        y: Var<'t, f64>,
        fused: bool,
    ) -> Var<'t, f64> {
        let mut h = x;
        for (layer, &(w, b)) in self.slots().0.iter().enumerate() {
            let (inputs, outputs) = (self.widths[layer], self.widths[layer + 1]);
            let (w, b) = (theta.view(w, [inputs, outputs]), theta.view(b, [outputs]));
            let phi = self.phi(layer);
            h = if fused { h.dense(w, b, phi.name) } else { (phi.method)(h.matmul(w) + b) };
        }
        (y - h).square().sum()
    }
}

fn rows(numbers: &[f64], width: usize) -> Vec<Vec<f64>> {
    numbers.chunks(width).map(<[f64]>::to_vec).collect()
}

#[test]
fn the_tape_finds_the_gradient_of_the_recurrences_at_any_depth() {
    let mut tape = Tape::new();
    let mut seed = 0;
    for depth in 1..=6 {
        for hidden in PHIS {
            for output in PHIS {
                seed += 1;
                let widths: Vec<usize> =
                    numbers(seed, depth + 1).iter().map(|x| 1 + ((x + 1.0) * 3.5) as usize).collect();
                let (inputs, outputs, batch) = (widths[0], widths[depth], 1 + seed as usize % 4);
                let network = Network { widths, hidden, output };
                let theta = Arc::new(numbers(seed + 1000, network.slots().1));
                let xs = numbers(seed + 2000, batch * inputs);
                let ys = numbers(seed + 3000, batch * outputs);
                let (loss, gradient) = network.by_hand(&theta, &rows(&xs, inputs), &rows(&ys, outputs));

                for fused in [true, false] {
                    let (value, found) = tape.value_and_grad(&theta, |tape, theta| {
                        let x = tape.constant(&xs, [batch, inputs]);
                        let y = tape.constant(&ys, [batch, outputs]);
                        network.on_tape(theta, x, y, fused)
                    });
                    assert_close(&[value], &[loss], 1e-12);
                    assert_close(&found, &gradient, 1e-12);
                }
            }
        }
    }
}
