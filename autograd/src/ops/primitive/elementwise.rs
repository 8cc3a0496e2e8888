//! Functions of one number, applied to every element: a table.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};
use std::ops::Range;

use crate::check::{Case, Checked, Example, Sample};
use crate::numerics::elementary::NEAR;
use crate::numerics::special::trigamma;
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// A function y = f(x) of one number. [`Map`] makes an operation of it: implement this trait, and
/// `tape.record(Map(f), &[x])` records, differentiates and vectorises it.
///
/// Mark both functions `#[inline(always)]`, or their loops are not compiled to vector code.
pub trait Elementwise<F: Real>: Clone + Send + 'static {
    /// The name in drawings and messages.
    const NAME: &'static str;

    /// f(x)
    fn f(&self, x: F) -> F;

    /// dy/dx, from x and y = f(x)
    fn df(&self, x: F, y: F) -> F;

    /// See [`Op::attributes`].
    fn attributes(&self) -> Vec<(&'static str, String)> {
        Vec::new()
    }

    /// Whether x is so far from 0 that `f` and `df`, which stand in loops without a branch, do not hold: [`far`](Self::far) does.
    /// Never, unless a function says otherwise.
    #[inline(always)]
    fn is_far(&self, x: F) -> bool {
        let _ = x;
        false
    }

    /// f(x) and dy/dx, for every x.
    fn far(&self, x: F) -> (F, F) {
        let y = self.f(x);
        (y, self.df(x, y))
    }
}

/// A function whose derivative can be written in y alone: a layer that ends with it need not keep x.
pub trait Activation<F: Real>: Elementwise<F> {
    /// dy/dx, from y
    fn slope(&self, y: F) -> F;
}

/// A function applied to every element.
///
/// yᵢ = f(xᵢ),   x̄ᵢ += f'(xᵢ) ȳᵢ
#[derive(Clone, Copy, Debug)]
pub struct Map<U>(pub U);

impl<F: Real, U: Elementwise<F>> Op<F> for Map<U> {
    fn name(&self) -> &'static str {
        U::NAME
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x] = x else { return Err(format!("expected one input, found {}", x.len())) };
        Ok(*x)
    }

    fn attributes(&self) -> Vec<(&'static str, String)> {
        self.0.attributes()
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        map(&self.0, &x[0], y);
    }

    fn backward(&self, x: &Inputs<'_, F>, y: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        let x = &x[0];
        dx.each_part(0, |part, dx| map_backward(&self.0, part.of(x), part.of(y), part.of(dy), dx));
    }
}

impl<F: Real, U: Elementwise<F> + Example> Checked<F> for Map<U> {
    fn cases() -> Vec<Case<Self>> {
        vec![Case::new(Map(U::example()), [Sample::uniform([4, 9], U::DOMAIN)])]
    }
}

kernel! {
    fn map<F: Real, U: Elementwise<F>>(u: &U, x: &[F], y: &mut [F]) {
        for (y, &x) in y.iter_mut().zip(x) {
            *y = u.f(x);
        }
        if any_far(u, x) {
            for (y, &x) in y.iter_mut().zip(x).filter(|(_, x)| u.is_far(**x)) {
                *y = u.far(x).0;
            }
        }
    }
}

/// Whether one of the elements is far from 0; without a branch, as loops are.
#[inline(always)]
fn any_far<F: Real, U: Elementwise<F>>(u: &U, x: &[F]) -> bool {
    x.iter().fold(false, |far, &x| far | u.is_far(x))
}

kernel! {
    fn map_backward<F: Real, U: Elementwise<F>>(u: &U, x: &[F], y: &[F], dy: &[F], dx: &mut [F]) {
        if any_far(u, x) {
            for ((dx, &x), &dy) in dx.iter_mut().zip(x).zip(dy) {
                *dx += u.far(x).1 * dy;
            }
            return;
        }
        for (((dx, &x), &y), &dy) in dx.iter_mut().zip(x).zip(y).zip(dy) {
            *dx += u.df(x, y) * dy;
        }
    }
}

/// One line a function: type, method, domain of the check, y = f(x), and dy/dx from x and y. Attributes come with the values
/// under which they are checked, and with a condition if not every value is allowed, which the method's documentation states
/// under "Panics"; `|_, y|` marks an [`Activation`]; behind `far` stand value and slope for numbers beyond 2²⁴, where those of
/// the loop do not hold.
///
/// The line `Exp exp on -2.0..2.0, |x| x.exp(), |_, y| y;` with its doc comment becomes
///
/// ```text
/// pub struct Exp;
///
/// impl<F: Real> Elementwise<F> for Exp {
///     const NAME: &'static str = "exp";
///     fn f(&self, x: F) -> F { x.exp() }
///     fn df(&self, _: F, y: F) -> F { y }
/// }
/// impl Example for Exp {
///     const DOMAIN: Range<f64> = -2.0..2.0;
///     fn example() -> Self { Exp }
/// }
/// impl<F: Real> Activation<F> for Exp {
///     fn slope(&self, y: F) -> F { y }
/// }
///
/// impl<F: Real> Var<'_, F> {
///     pub fn exp(self) -> Self { self.tape().apply(Map(Exp), &[self]) }
/// }
/// ```
macro_rules! elementwise {
    ($(
        $(#[$meta:meta])*
        $name:ident $(<$generic:ident>)? $method:ident $(($($attr:ident: $type:ty = $example:expr),+))?
        $(if $valid:expr, $expected:literal, $found:expr;)?
        on $domain:expr,
        |$x:ident| $f:expr, |$dx:tt, $dy:tt| $df:expr
        $(, far |$far:ident| $far_f:expr, $far_df:expr)?;
    )*) => {
        $(
            $(#[$meta])*
            #[derive(Clone, Copy, Debug)]
            pub struct $name $(<$generic>)? $(($(pub $type),+))?;

            impl<F: Real> Elementwise<F> for $name $(<$generic>)? {
                const NAME: &'static str = stringify!($method);

                #[inline(always)]
                fn f(&self, $x: F) -> F {
                    $(let Self($($attr),+) = *self;)?
                    $f
                }

                #[inline(always)]
                fn df(&self, $dx: F, $dy: F) -> F {
                    $(let Self($($attr),+) = *self; $(let _ = $attr;)+)?
                    $df
                }

                $(
                    fn attributes(&self) -> Vec<(&'static str, String)> {
                        let Self($($attr),+) = *self;
                        vec![$((stringify!($attr), format!("{:?}", $attr))),+]
                    }
                )?

                $(
                    #[inline(always)]
                    fn is_far(&self, x: F) -> bool {
                        x.abs() > F::from_f64(NEAR)
                    }

                    fn far(&self, $far: F) -> (F, F) {
                        ($far_f, $far_df)
                    }
                )?
            }

            impl $(<$generic: Real>)? Example for $name $(<$generic>)? {
                const DOMAIN: Range<f64> = $domain;

                fn example() -> Self {
                    $name $(($({ let example: $type = $example; example }),+))?
                }
            }
            elementwise!(@activation $dx, $dy, $name $(<$generic>)?, ($($($attr),+)?), $df);

            impl<F: Real> Var<'_, F> {
                $(#[$meta])*
                $(#[doc = concat!("\n\n# Panics\nUnless ", $expected, ".")])?
                #[track_caller]
                // `neg` is the operator's name, too.
                #[allow(clippy::should_implement_trait)]
                pub fn $method(self $($(, $attr: $type)+)?) -> Self {
                    $(assert!($valid, "{}: expected {}, found {:?}", stringify!($method), $expected, $found);)?
                    self.tape().apply(Map($name $(($($attr),+))?), &[self])
                }
            }
        )*
    };
    (@activation _, $y:tt, $name:ty, ($($attr:ident),*), $df:expr) => {
        impl<F: Real> Activation<F> for $name {
            #[inline(always)]
            fn slope(&self, $y: F) -> F {
                elementwise!(@attributes self, $($attr),*);
                $df
            }
        }
    };
    (@activation $x:ident, $y:tt, $name:ty, ($($attr:ident),*), $df:expr) => {};
    (@attributes $this:ident,) => {};
    (@attributes $this:ident, $($attr:ident),+) => {
        let Self($($attr),+) = *$this;
        $(let _ = $attr;)+
    };
}

elementwise! {
    /// y = x,   dy/dx = 1: the activation of a layer that is linear
    Identity identity on -2.0..2.0, |x| x, |_, _| F::ONE;

    /// y = −x,   dy/dx = −1
    Neg neg on -2.0..2.0, |x| -x, |_, _| -F::ONE;

    /// y = 1/x,   dy/dx = −y²,   infinite at 0
    Recip recip on 0.2..2.0, |x| F::ONE / x, |_, y| -(y * y);

    /// y = x²,   dy/dx = 2x
    Square square on -2.0..2.0, |x| x * x, |x, _| x + x;

    /// y = √x,   dy/dx = 1/2y;   x ≥ 0, else NaN. The slope at 0 is taken to be 0, so that a norm √(Σx²) has the
    /// subgradient 0 at the origin instead of NaN.
    Sqrt sqrt on 0.1..3.0, |x| x.sqrt(), |_, y| if y == F::ZERO { F::ZERO } else { F::from_f64(0.5) / y };

    /// y = |x|,   dy/dx = sign x, taken to be 0 at 0
    Abs abs on -2.0..2.0, |x| x.abs(), |x, _| sign(x);

    /// y = xⁿ,   dy/dx = n xⁿ⁻¹;   n = 0 gives 1 and slope 0 everywhere, n < 0 is infinite at 0
    Powi powi(n: i32 = 3) on -2.0..2.0, |x| x.powi(n),
        |x, _| if n == 0 { F::ZERO } else { F::from_f64(f64::from(n)) * x.powi(n - 1) };

    /// y = c x,   dy/dx = c
    Scale<F> scale(c: F = F::from_f64(-1.7)) on -2.0..2.0, |x| c * x, |_, _| c;

    /// y = x + c,   dy/dx = 1
    Shift<F> shift(c: F = F::from_f64(0.7)) on -2.0..2.0, |x| x + c, |_, _| F::ONE;

    /// y = eˣ,   dy/dx = y
    Exp exp on -2.0..2.0, |x| x.exp(), |_, y| y;

    /// y = eˣ − 1 without cancellation near 0,   dy/dx = y + 1
    ExpM1 exp_m1 on -2.0..2.0, |x| x.exp_m1(), |_, y| y + F::ONE;

    /// y = ln x,   dy/dx = 1/x;   x > 0 (−∞ at 0, NaN below)
    Ln ln on 0.1..3.0, |x| x.ln(), |x, _| F::ONE / x;

    /// y = ln(1 + x) without cancellation near 0,   dy/dx = 1/(1 + x);   x > −1 (−∞ at −1, NaN below)
    Ln1p ln_1p on -0.8..3.0, |x| x.ln_1p(), |x, _| F::ONE / (F::ONE + x);

    /// y = sin x,   dy/dx = cos x;   NaN where x is infinite
    Sin sin on -4.0..4.0, |x| x.sin_near(), |x, _| x.cos_near(), far |x| x.sin(), x.cos();

    /// y = cos x,   dy/dx = −sin x;   NaN where x is infinite
    Cos cos on -4.0..4.0, |x| x.cos_near(), |x, _| -x.sin_near(), far |x| x.cos(), -x.sin();

    /// y = tanh x,   dy/dx = 1 − y²
    Tanh tanh on -2.0..2.0, |x| x.tanh(), |_, y| F::ONE - y * y;

    /// y = σ(x) = 1 / (1 + e⁻ˣ),   dy/dx = y (1 − y)
    Sigmoid sigmoid on -3.0..3.0, |x| x.sigmoid(), |_, y| y * (F::ONE - y);

    /// y = ln σ(x) = −softplus(−x),   dy/dx = σ(−x) = 1 − eʸ
    LogSigmoid log_sigmoid on -3.0..3.0, |x| -(-x).softplus(), |_, y| -y.exp_m1();

    /// y = ln(1 + eˣ),   dy/dx = σ(x) = 1 − e⁻ʸ
    Softplus softplus on -3.0..3.0, |x| x.softplus(), |_, y| -(-y).exp_m1();

    /// y = max(x, 0), NaN for NaN;   dy/dx = 1 for x > 0, else 0: at the kink and at NaN too
    Relu relu on -2.0..2.0, |x| if x <= F::ZERO { F::ZERO } else { x },
        |_, y| if y > F::ZERO { F::ONE } else { F::ZERO };

    /// y = x for x > 0, else c x, with c ≥ 0;   dy/dx = 1 for x > 0, else c: at the kink and at NaN too
    LeakyRelu<F> leaky_relu(c: F = F::from_f64(0.1)) if c >= F::ZERO && c.is_finite(), "a finite c ≥ 0", c; on -2.0..2.0, |x| if x > F::ZERO { x } else { c * x },
        |_, y| if y > F::ZERO { F::ONE } else { c };

    /// y = x for x > 0, else eˣ − 1;   dy/dx = 1 for x > 0, else y + 1
    Elu elu on -2.0..2.0, |x| if x > F::ZERO { x } else { x.exp_m1() },
        |_, y| if y > F::ZERO { F::ONE } else { y + F::ONE };

    /// y = x Φ(x) = x (1 + erf(x/√2)) / 2,   dy/dx = Φ(x) + x φ(x), φ = Φ′
    ///
    /// Φ is the standard normal distribution function, not an approximation by tanh. y is NaN at −∞; the slope is NaN at ±∞.
    /// Where Φ(x) is tiny, the error is a few units in the last place of x.
    Gelu gelu on -3.0..3.0, |x| x * normal_cdf(x),
        |x, _| normal_cdf(x) + x * F::from_f64(0.5 * FRAC_1_SQRT_2 * FRAC_2_SQRT_PI) * (F::from_f64(-0.5) * x * x).exp();

    /// y = x σ(x),   dy/dx = σ(x) + y (1 − σ(x));   y is NaN at −∞, the slope at ±∞
    Silu silu on -3.0..3.0, |x| x * x.sigmoid(), |x, y| x.sigmoid() + y * (-x).sigmoid();

    /// y = min(max(x, low), high), low ≤ high;   dy/dx = 1 for low ≤ x ≤ high (so that a parameter on a bound can leave
    /// it), else 0
    Clamp<F> clamp(low: F = F::from_f64(-0.7), high: F = F::from_f64(1.1)) if low <= high, "low ≤ high", (low, high);
        on -2.0..2.0, |x| if x < low { low } else if x > high { high } else { x },
        |x, _| if x < low || x > high { F::ZERO } else { F::ONE };

    /// y = xᶜ = e^(c ln x),   dy/dx = c xᶜ⁻¹;   x ≥ 0, else NaN. At x = 0, y is 0, 1 or ∞ for c > 0, c = 0 or c < 0. x⁰ is 1
    /// with slope 0, for every x. The error is about |c ln x| units in the last place of y.
    Powf<F> powf(c: F = F::from_f64(2.5)) on 0.1..3.0, |x| x.powf(c),
        |x, _| power_slope(x, c);

    /// y = erf x = 2/√π ∫₀ˣ e^−t² dt,   dy/dx = 2/√π e^−x²
    Erf erf on -2.0..2.0, |x| x.erf(), |x, _| F::from_f64(FRAC_2_SQRT_PI) * (-(x * x)).exp();

    /// y = ln |Γ(x)|,   dy/dx = ψ(x);   +∞ at 0, −1, −2, …
    Lgamma lgamma on -0.9..4.0, |x| x.lgamma(), |x, _| x.digamma();

    /// y = ψ(x) = d ln Γ(x) / dx,   dy/dx = ψ′(x);   ∓∞ at ±0, NaN at −1, −2, …
    Digamma digamma on -0.9..4.0, |x| x.digamma(), |x, _| trigamma(x);
}

/// c xᶜ⁻¹, and 0 for c = 0.
#[inline(always)]
pub(super) fn power_slope<F: Real>(x: F, c: F) -> F {
    let slope = c * x.powf(c - F::ONE);
    if c == F::ZERO && !slope.is_finite() { F::ZERO } else { slope }
}

/// Φ(x)
#[inline(always)]
fn normal_cdf<F: Real>(x: F) -> F {
    F::from_f64(0.5) * (F::ONE + (F::from_f64(FRAC_1_SQRT_2) * x).erf())
}

/// 1, 0 or −1; NaN for NaN.
#[inline(always)]
fn sign<F: Real>(x: F) -> F {
    if x > F::ZERO {
        F::ONE
    } else if x < F::ZERO {
        -F::ONE
    } else if x == F::ZERO {
        F::ZERO
    } else {
        x
    }
}
