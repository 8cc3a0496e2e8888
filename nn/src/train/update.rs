//! The arithmetic of a step: one pass over θ, the optimiser's vectors and the gradients of the shards.

use std::ops::Range;

use autograd::{Real, kernel, lane_sum};
use rayon::prelude::*;

use super::Rule;

/// θ is updated in blocks that fit into the first-level cache; pieces of several blocks go to different threads.
const BLOCK: usize = 1024;
const PIECE: usize = 16 * BLOCK;

/// The gradient of a minibatch: the sum of the gradients of its shards, times a scale. They are added in a binary tree: the sum of the
/// first half of the shards, the larger one, and that of the others, each in the same way.
#[derive(Clone, Copy, Debug)]
pub struct ShardSum<'a, F> {
    /// The gradients, each as long as θ.
    pub shards: &'a [&'a [F]],
    /// What their sum is multiplied by.
    pub scale: F,
}

/// A block of the gradient: (left + right) · scale.
#[derive(Clone, Copy)]
struct Slopes<'a, F> {
    left: &'a [F],
    right: &'a [F],
    scale: F,
}

/// A rule with its constants in this step.
#[derive(Clone, Copy)]
pub(super) struct Update<F> {
    rule: Rule,
    rate: F,
    /// 1 − ρ λ
    shrink: F,
    /// 1 / (1 − β₁ᵗ) and 1 / √(1 − β₂ᵗ)
    corrections: (F, F),
}

impl<F: Real> Update<F> {
    /// The update of parameters that have made so many steps, this one included.
    pub(super) fn new(rule: Rule, rate: f64, steps: u64) -> Self {
        let (beta1, beta2, weight_decay) = match rule {
            Rule::Adam { beta1, beta2, .. } => (beta1, beta2, 0.0),
            Rule::AdamW { beta1, beta2, weight_decay, .. } => (beta1, beta2, weight_decay),
            _ => (0.0, 0.0, 0.0),
        };
        let t = steps as f64;
        Self {
            rule,
            rate: F::from_f64(rate),
            shrink: F::from_f64(1.0 - rate * weight_decay),
            corrections: (
                F::from_f64(1.0 / (1.0 - beta1.powf(t))),
                F::from_f64(1.0 / (1.0 - beta2.powf(t)).sqrt()),
            ),
        }
    }

    /// Updates `theta`, which begins at `start` in the whole vector; halves of it in parallel.
    pub(super) fn descend(
        self,
        start: usize,
        theta: &mut [F],
        m: &mut [F],
        v: &mut [F],
        gradient: ShardSum<'_, F>,
    ) {
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
        let (mut left, mut right) = ([nothing(); BLOCK], [nothing(); BLOCK]);
        for at in (0..theta.len()).step_by(BLOCK) {
            let end = theta.len().min(at + BLOCK);
            let g = gradient.halves(start + at, &mut left[..end - at], &mut right[..end - at]);
            let theta = &mut theta[at..end];
            // A rule leaves the vectors empty that it does not need.
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

impl<'a, F: Real> ShardSum<'a, F> {
    /// ‖g‖ over these ranges, also where the squares of the slopes overflow.
    pub(super) fn norm(self, ranges: impl Iterator<Item = Range<usize>> + Clone) -> f64 {
        let over = |sum: Self| -> f64 {
            ranges.clone().map(|range| sum.squared_norm(range.start, range.len())).sum::<f64>().sqrt()
        };
        let norm = over(self);
        if norm.is_finite() {
            return norm;
        }
        // Squares of f64 overflow long before their root does.
        1e150 * over(Self { scale: self.scale * F::from_f64(1e-150), ..self })
    }

    /// The sums of both halves of the shards from `start` on, in the buffers where they are not gradients of single shards. The rules
    /// add the two, so that the gradients of two shards are read only once. The buffers come full of [`nothing`].
    fn halves<'b>(&self, start: usize, left: &'b mut [F], right: &'b mut [F]) -> Slopes<'b, F>
    where
        'a: 'b,
    {
        let halves = self.shards.split_at(self.shards.len().div_ceil(2));
        let part = |shards: &[&'a [F]], buffer: &'b mut [F]| match *shards {
            [] => &*buffer,
            [only] => &only[start..start + buffer.len()],
            _ => {
                sum_shards(shards, start, buffer);
                &*buffer
            }
        };
        Slopes { left: part(halves.0, left), right: part(halves.1, right), scale: self.scale }
    }

    /// The sum of the shards' gradients, without the scale.
    pub(super) fn total(self, out: &mut [F]) {
        let blocks = out.par_chunks_mut(BLOCK).enumerate();
        blocks.for_each(|(i, out)| sum_shards(self.shards, i * BLOCK, out));
    }

    /// ‖g‖² of `len` slopes from `start` on. Additions have a fixed order.
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
            sum_shards(self.shards, start + at, g);
            squares(self.scale, g)
        };
        (0..len).step_by(BLOCK).map(block).sum()
    }
}

/// The sum of no shards: −0, which added to any number, 0 and −0 among them, leaves it as it is.
fn nothing<F: Real>() -> F {
    F::from_f64(-0.0)
}

/// The sum of the shards' slopes from `start` on, at most a block of them.
fn sum_shards<F: Real>(shards: &[&[F]], start: usize, out: &mut [F]) {
    match *shards {
        [] => out.fill(nothing()),
        [only] => out.copy_from_slice(&only[start..start + out.len()]),
        _ => {
            let (left, right) = shards.split_at(shards.len().div_ceil(2));
            sum_shards(left, start, out);
            match *right {
                [only] => add(&only[start..], out),
                _ => {
                    let mut buffer = [F::ZERO; BLOCK];
                    let buffer = &mut buffer[..out.len()];
                    sum_shards(right, start, buffer);
                    add(buffer, out);
                }
            }
        }
    }
}

kernel! {
    fn add<F: Real>(slopes: &[F], sum: &mut [F]) {
        for (sum, &g) in sum.iter_mut().zip(slopes) {
            *sum += g;
        }
    }
}

kernel! {
    /// Σ (scale · g)², in double precision: in single precision squares overflow long before their root does.
    fn squares<F: Real>(scale: F, g: &[F]) -> f64 {
        lane_sum!(f64, [g] => (scale * g).to_f64() * (scale * g).to_f64())
    }
}

kernel! {
    fn sgd<F: Real>(rate: F, theta: &mut [F], g: Slopes<'_, F>) {
        for ((theta, &left), &right) in theta.iter_mut().zip(g.left).zip(g.right) {
            let g = (left + right) * g.scale;
            *theta -= rate * g;
        }
    }
}

kernel! {
    /// m ← μ m + g,   θ ← θ − ρ (a g + b m)
    fn heavy_ball<F: Real>(rate: F, momentum: F, a: F, b: F, theta: &mut [F], m: &mut [F], g: Slopes<'_, F>) {
        for (((theta, m), &left), &right) in theta.iter_mut().zip(m).zip(g.left).zip(g.right) {
            let g = (left + right) * g.scale;
            let first = flush(momentum * *m + g);
            *m = first;
            *theta -= rate * (a * g + b * first);
        }
    }
}

kernel! {
    /// v ← a v + b g²,   θ ← θ − ρ g / (√v + ε)
    fn scaled<F: Real>(rate: F, a: F, b: F, epsilon: F, theta: &mut [F], v: &mut [F], g: Slopes<'_, F>) {
        for (((theta, v), &left), &right) in theta.iter_mut().zip(v).zip(g.left).zip(g.right) {
            let g = (left + right) * g.scale;
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
        for ((((theta, m), v), &left), &right) in theta.iter_mut().zip(m).zip(v).zip(g.left).zip(g.right) {
            let g = (left + right) * g.scale;
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
