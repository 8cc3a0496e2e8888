//! The same operations in every scalar: single precision agrees with double, and the tangents of dual numbers with
//! differences of value and adjoint.

use super::case::{Erased, Random, Record, Sample, cotangent, draw, erased};
use super::difference::differences;
use super::verdict::{Comparison, Mismatch, judge};
use super::{Operation, record};
use crate::forward::Dual;
use crate::{Real, Tape};

/// The largest differences between the scalars, over all cases of an operation: |x − y| / (1 + |y|), where y is in double precision.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScalarErrors {
    /// Values and adjoints in single precision.
    pub single: f64,
    /// Values and adjoints in dual numbers.
    pub dual: f64,
    /// Tangents of values and adjoints in dual numbers, from [differences](super::difference()) in double precision.
    pub tangent: f64,
}

/// The largest difference |x − y| / (1 + |y|) of values and adjoints, x in single and y in double precision, over all cases.
fn compare_single(double: &[Erased<f64>], single: &[Erased<f32>]) -> Result<f64, Mismatch> {
    let mut largest = 0.0;
    for (case, (Erased { name, record, inputs }, single)) in double.iter().zip(single).enumerate() {
        let x = draw(inputs, &mut random(case));
        let narrow: Vec<Vec<f32>> = x.iter().map(|x| x.iter().map(|&x| x as f32).collect()).collect();
        let narrow: Vec<f64> = run(&single.record, inputs, &narrow).into_iter().map(f64::from).collect();
        let at = run(record, inputs, &x);
        agree(&format!("{name}, single precision"), case, &narrow, &at, (1e-4, &mut largest))?;
    }
    Ok(largest)
}

/// Compares the cases of an operation in single precision and in dual numbers with those in double precision: values and
/// adjoints to 1e-4 in single precision and to 1e-12 in dual numbers, and the tangents of the latter with differences, as
/// [`check`](super::check()) does.
///
/// # Errors
/// The first number that disagrees. `input` is the case; `element` counts through the output and then the adjoints.
pub fn compare_scalars<O: Operation>() -> Result<ScalarErrors, Mismatch> {
    compare_cases(
        &erased::<f64, O::On<f64>>(),
        &erased::<f32, O::On<f32>>(),
        &erased::<Dual<f64>, O::On<Dual<f64>>>(),
    )
}

fn compare_cases(
    double: &[Erased<f64>],
    single: &[Erased<f32>],
    dual: &[Erased<Dual<f64>>],
) -> Result<ScalarErrors, Mismatch> {
    let mut errors = ScalarErrors { single: compare_single(double, single)?, ..ScalarErrors::default() };
    for (case, (Erased { name, record, inputs }, dual)) in double.iter().zip(dual).enumerate() {
        compare_dual(name, case, inputs, (record, &dual.record), &mut errors)?;
    }
    Ok(errors)
}

fn compare_dual(
    name: &str,
    case: usize,
    inputs: &[Sample],
    (double, dual): (&Record<'_, f64>, &Record<'_, Dual<f64>>),
    errors: &mut ScalarErrors,
) -> Result<(), Mismatch> {
    let mut random = random(case);
    let x = draw(inputs, &mut random);
    let direction = |input: &Sample| -> Vec<f64> {
        let scale = if input.differentiable { 1.0 } else { 0.0 };
        (0..input.shape.size()).map(|_| scale * (2.0 * random.uniform() - 1.0)).collect()
    };
    let v: Vec<Vec<f64>> = inputs.iter().map(direction).collect();
    let at = run(double, inputs, &x);

    let lift = |(x, v): (&Vec<f64>, &Vec<f64>)| x.iter().zip(v).map(|(&x, &v)| Dual::new(x, v)).collect();
    let duals = run(dual, inputs, &x.iter().zip(&v).map(lift).collect::<Vec<_>>());
    let (values, tangents): (Vec<f64>, Vec<f64>) =
        duals.iter().map(|dual| (dual.value, dual.tangent)).unzip();
    agree(&format!("{name}, value of a dual number"), case, &values, &at, (1e-12, &mut errors.dual))?;

    let scale = tangents.iter().fold(0.0, |most: f64, tangent| most.max(tangent.abs()));
    let along = differences(0.0, 1.0, &vec![scale; at.len()], &mut |t| {
        let move_by = |(x, v): (&Vec<f64>, &Vec<f64>)| x.iter().zip(v).map(|(x, v)| x + t * v).collect();
        run(double, inputs, &x.iter().zip(&v).map(move_by).collect::<Vec<_>>())
    });
    let comparison =
        |(element, (&adjoint, &difference))| Comparison { input: case, element, adjoint, difference, scale };
    let comparisons: Vec<_> = tangents.iter().zip(&along).enumerate().map(comparison).collect();
    judge(&format!("{name}, tangent of a dual number"), &comparisons)?;
    for (tangent, difference) in tangents.iter().zip(&along) {
        errors.tangent = errors.tangent.max(distance(*tangent, difference.value));
    }
    Ok(())
}

/// The numbers of a case.
fn random(case: usize) -> Random {
    Random(case as u64 + 7)
}

/// |x − y| / (1 + |y|)
fn distance(x: f64, y: f64) -> f64 {
    (x - y).abs() / (1.0 + y.abs())
}

/// The first number that is further from double precision than it may be. Keeps the largest distance.
fn agree(
    name: &str,
    case: usize,
    numbers: &[f64],
    double: &[f64],
    (tolerance, largest): (f64, &mut f64),
) -> Result<(), Mismatch> {
    for (element, (&adjoint, &difference)) in numbers.iter().zip(double).enumerate() {
        let distance = distance(adjoint, difference);
        // NaN is not within.
        let is_within = distance <= tolerance;
        if !is_within {
            let name = name.to_owned();
            return Err(Mismatch {
                name,
                input: case,
                element,
                adjoint,
                difference,
                error: 0.0,
                doubt: None,
            });
        }
        *largest = largest.max(distance);
    }
    Ok(())
}

/// The output and the adjoints of all inputs, one after the other.
fn run<F: Real>(f: &Record<'_, F>, inputs: &[Sample], x: &[Vec<F>]) -> Vec<F> {
    let tape = Tape::new();
    let vars = record(&tape, inputs, x);
    let y = f(&tape, &vars);
    let cotangent: Vec<F> = cotangent(y.size(), &mut Random(3)).into_iter().map(F::from_f64).collect();
    let gradients = tape.backward_from(&[(y, &cotangent)]);
    let adjoints = vars.iter().zip(inputs).filter(|(_, input)| input.differentiable);
    let adjoints = adjoints.flat_map(|(&var, _)| gradients.wrt(var).to_vec());
    y.to_vec().into_iter().chain(adjoints).collect()
}
