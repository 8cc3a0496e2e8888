//! How far the elementary and special functions are from the truth, beside those of the standard library, in units in the last
//! place (ulp), as a table in Markdown.
//!
//!     python3 tests/compare/reference.py 20000 > FILE
//!     REFERENCE=FILE cargo bench -p tests --features thorough --bench ulp [-- exp ln …]
//!
//! In single precision the error is the largest over all 2³² arguments (every `STRIDE`th of them, if that is set), against the
//! function in double precision. In double precision, and for ψ and ψ′ in both, it is the largest over the references of `FILE`,
//! which mpmath computes to twice as many digits; without a file these columns are empty. The argument of the largest error
//! stands behind it. NaN is counted where it should be a number.
//!
//! The standard library has no sigmoid and no softplus: beside them stands what one would write with it. Beside erf and ln Γ
//! stand those of the crate `libm`.

use std::collections::BTreeMap;
use std::fmt;

use autograd::Real;
use autograd::numerics::special;
use rayon::prelude::*;
use tests::measure::wanted;

// The tests use its other half, too.
#[allow(dead_code)]
#[path = "../../autograd/tests/all/ulp.rs"]
mod ulp;

/// A function, here and elsewhere.
struct Function {
    name: &'static str,
    /// Where it is measured.
    domain: fn(f64) -> bool,
    /// What one unit is a unit of, for a value.
    scale: fn(f64) -> f64,
    single: fn(f32) -> f32,
    double: fn(f64) -> f64,
    other_single: Option<fn(f32) -> f32>,
    other_double: Option<fn(f64) -> f64>,
    /// Its values for arguments in single precision, where something computes them well enough.
    truth: Option<fn(f64) -> f64>,
}

/// A function that the standard library has, too, under the same name.
macro_rules! standard {
    ($($name:ident)*) => {
        [$(Function {
            name: stringify!($name),
            domain: |_| true,
            scale: |y| y,
            single: <f32 as Real>::$name,
            double: <f64 as Real>::$name,
            other_single: Some(f32::$name),
            other_double: Some(f64::$name),
            truth: Some(f64::$name),
        }),*]
    };
}

fn functions() -> Vec<Function> {
    let sigmoid = |x: f64| {
        let e = (-x.abs()).exp();
        if x < 0.0 { e / (1.0 + e) } else { 1.0 / (1.0 + e) }
    };
    let softplus = |x: f64| x.max(0.0) + (-x.abs()).exp().ln_1p() + if x.is_nan() { x } else { 0.0 };
    let [exp, ..] = standard!(exp);
    let others = [
        Function {
            name: "sigmoid",
            single: Real::sigmoid,
            double: Real::sigmoid,
            other_single: Some(|x| 1.0 / (1.0 + (-x).exp())),
            other_double: Some(|x| 1.0 / (1.0 + (-x).exp())),
            truth: Some(sigmoid),
            ..exp
        },
        Function {
            name: "softplus",
            single: Real::softplus,
            double: Real::softplus,
            other_single: Some(|x| x.exp().ln_1p()),
            other_double: Some(|x| x.exp().ln_1p()),
            truth: Some(softplus),
            ..exp
        },
        Function {
            name: "erf",
            single: Real::erf,
            double: Real::erf,
            other_single: Some(libm::erff),
            other_double: Some(libm::erf),
            truth: Some(libm::erf),
            ..exp
        },
        Function {
            name: "lgamma",
            domain: |x| x > -0.5,
            single: Real::lgamma,
            double: Real::lgamma,
            other_single: Some(libm::lgammaf),
            other_double: Some(libm::lgamma),
            truth: Some(libm::lgamma),
            ..exp
        },
        Function {
            name: "digamma",
            domain: |x| x > 0.0,
            scale: |y| y.abs().max(1.0),
            single: Real::digamma,
            double: Real::digamma,
            other_single: None,
            other_double: None,
            truth: None,
        },
        Function {
            name: "trigamma",
            domain: |x| x > 0.0,
            single: special::trigamma,
            double: special::trigamma,
            other_single: None,
            other_double: None,
            truth: None,
            ..exp
        },
    ];
    standard!(exp exp_m1 ln ln_1p sin cos tanh).into_iter().chain(others).collect()
}

/// The largest error so far.
#[derive(Clone, Copy, Default)]
struct Worst {
    error: f64,
    argument: f64,
    /// How often it was NaN for a number.
    nan: u64,
    /// How many arguments there were.
    count: u64,
}

impl Worst {
    fn add(&mut self, x: f64, is_nan: bool, error: f64) {
        self.count += 1;
        if is_nan && error > 0.0 {
            self.nan += 1;
        } else if error > self.error {
            (self.error, self.argument) = (error, x);
        }
    }

    fn or(self, other: Self) -> Self {
        let (nan, count) = (self.nan + other.nan, self.count + other.count);
        Self { nan, count, ..if other.error > self.error { other } else { self } }
    }
}

impl fmt::Display for Worst {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.count == 0 {
            return f.write_str("–");
        }
        match self.error {
            error if error < 1e3 => write!(f, "{error:.2} at {:.7e}", self.argument)?,
            error => write!(f, "{error:.0e} at {:.7e}", self.argument)?,
        }
        if self.nan > 0 {
            write!(f, ", {:.1} % NaN", 100.0 * self.nan as f64 / self.count as f64)
        } else {
            Ok(())
        }
    }
}

/// The error of a value of the reference, which is the sum of two numbers, of which the second is the smaller.
#[derive(Clone, Copy)]
struct Reference {
    argument: f64,
    value: [f64; 2],
}

impl Reference {
    fn error(self, y: f64, scale: fn(f64) -> f64) -> f64 {
        let [high, low] = self.value;
        if y == high && !high.is_normal() {
            return 0.0;
        }
        let scale = scale(high).abs();
        let error = ((y - high) - low).abs() / (scale.next_up() - scale);
        if error.is_nan() { f64::INFINITY } else { error }
    }

    fn error_single(self, y: f32, scale: fn(f64) -> f64) -> f64 {
        let scale = scale(self.value[0]).abs() as f32;
        let error = (f64::from(y) - self.value[0]).abs() / f64::from(scale.next_up() - scale);
        if f64::from(y) == self.value[0] { 0.0 } else { error }
    }
}

/// The errors of `f` and of `other` over all arguments in single precision.
fn exhaustive(function: &Function, stride: usize) -> [Worst; 2] {
    const BLOCK: u32 = 1 << 16;
    let Some(truth) = function.truth else { return [Worst::default(); 2] };
    let block = |block: u32| {
        let mut worst = [Worst::default(); 2];
        for bits in (block * BLOCK..=block * BLOCK + (BLOCK - 1)).step_by(stride) {
            let x = f32::from_bits(bits);
            if x.is_nan() || !(function.domain)(x.into()) {
                continue;
            }
            let expected = truth(x.into());
            for (worst, f) in worst.iter_mut().zip([Some(function.single), function.other_single]) {
                if let Some(y) = f.map(|f| f(x)) {
                    worst.add(x.into(), y.is_nan(), ulp::error_f32(y, expected));
                }
            }
        }
        worst
    };
    (0..=u32::MAX / BLOCK)
        .into_par_iter()
        .map(block)
        .reduce(|| [Worst::default(); 2], |a, b| [a[0].or(b[0]), a[1].or(b[1])])
}

/// The errors of `f` and of `other` over the references.
fn sampled(function: &Function, references: &[Reference]) -> [Worst; 2] {
    let mut worst = [Worst::default(); 2];
    for r in references.iter().filter(|r| (function.domain)(r.argument)) {
        for (worst, f) in worst.iter_mut().zip([Some(function.double), function.other_double]) {
            if let Some(y) = f.map(|f| f(r.argument)) {
                worst.add(r.argument, y.is_nan(), r.error(y, function.scale));
            }
        }
    }
    worst
}

/// The error in single precision over those references whose argument and value it can hold.
fn sampled_single(function: &Function, references: &[Reference]) -> Worst {
    let mut worst = Worst::default();
    for r in references.iter().filter(|r| (function.domain)(r.argument)) {
        let (x, y) = (r.argument as f32, r.value[0] as f32);
        if f64::from(x) == r.argument && y.is_normal() {
            let found = (function.single)(x);
            worst.add(r.argument, found.is_nan(), r.error_single(found, function.scale));
        }
    }
    worst
}

fn references() -> BTreeMap<String, Vec<Reference>> {
    let mut references = BTreeMap::<_, Vec<_>>::new();
    let Ok(file) = std::env::var("REFERENCE") else { return references };
    // Cargo starts benchmarks in the folder of the crate.
    let file = tests::programs::root().join(file);
    for line in std::fs::read_to_string(file).expect("the file of REFERENCE").lines() {
        let mut words = line.split(' ');
        let name = words.next().expect("a function").to_owned();
        let [argument, high, low] =
            [(); 3].map(|()| words.next().and_then(|word| word.parse().ok()).expect(line));
        references.entry(name).or_default().push(Reference { argument, value: [high, low] });
    }
    references
}

fn main() {
    let stride = std::env::var("STRIDE").map_or(1, |stride| stride.parse().expect("STRIDE is a number"));
    let references = references();
    println!("| function | f32 | f32, std | f64 | f64, std |");
    println!("| --- | --- | --- | --- | --- |");
    for function in functions().iter().filter(|function| wanted(function.name)) {
        let of_function = references.get(function.name).map_or(&[][..], |list| list);
        let [mut single, other_single] = exhaustive(function, stride);
        if function.truth.is_none() {
            single = sampled_single(function, of_function);
        }
        let [double, other_double] = sampled(function, of_function);
        println!("| `{}` | {single} | {other_single} | {double} | {other_double} |", function.name);
    }
    let counts: Vec<String> =
        references.iter().map(|(name, list)| format!("{name} {}", list.len())).collect();
    println!("\nReferences in f64: {}", counts.join(", "));
}
