//! The same operations in every scalar: single precision agrees with double, and the tangents of dual numbers with
//! differences of value and adjoint.

use super::case::{Erased, Random, Record, Sample, cotangent, erased};
use super::{Mismatch, Operation, record};
use crate::forward::Dual;
use crate::{Real, Tape};

/// Compares the cases of an operation in single precision and in dual numbers with those in double precision: values and
/// adjoints to 1e-4 in single precision and to 1e-12 in dual numbers, and the tangents of the latter with five-point
/// differences to 1e-7.
///
/// # Errors
/// The first number that disagrees. `input` is the case; `element` counts through the output and then the adjoints.
pub fn compare_scalars<O: Operation>() -> Result<(), Mismatch> {
    let double = erased::<f64, O::On<f64>>();
    let (single, dual) = (erased::<f32, O::On<f32>>(), erased::<Dual<f64>, O::On<Dual<f64>>>());
    for (case, Erased { name, record, inputs }) in double.iter().enumerate() {
        compare(name, case, inputs, (record, &single[case].record, &dual[case].record))?;
    }
    Ok(())
}

fn compare(
    name: &str,
    case: usize,
    inputs: &[Sample],
    (double, single, dual): (&Record<'_, f64>, &Record<'_, f32>, &Record<'_, Dual<f64>>),
) -> Result<(), Mismatch> {
    let mut random = Random(case as u64 + 7);
    let x: Vec<Vec<f64>> = inputs.iter().map(|input| input.draw(&mut random)).collect();
    let direction = |input: &Sample| -> Vec<f64> {
        let scale = if input.differentiable { 1.0 } else { 0.0 };
        (0..input.shape.size()).map(|_| scale * (2.0 * random.uniform() - 1.0)).collect()
    };
    let v: Vec<Vec<f64>> = inputs.iter().map(direction).collect();
    let along = |t: f64| -> Vec<Vec<f64>> {
        x.iter().zip(&v).map(|(x, v)| x.iter().zip(v).map(|(x, v)| x + t * v).collect()).collect()
    };
    let agree = |what: &str, element, adjoint: f64, difference: f64, tolerance: f64| {
        if (adjoint - difference).abs() <= tolerance * (1.0 + difference.abs()) {
            return Ok(());
        }
        Err(Mismatch { name: format!("{name}, {what}"), input: case, element, adjoint, difference })
    };

    let at = run(double, inputs, &x);
    let narrow: Vec<Vec<f32>> = x.iter().map(|x| x.iter().map(|&x| x as f32).collect()).collect();
    for (i, (&single, &double)) in run(single, inputs, &narrow).iter().zip(&at).enumerate() {
        agree("single precision", i, f64::from(single), double, 1e-4)?;
    }

    let lift = |(x, v): (&Vec<f64>, &Vec<f64>)| x.iter().zip(v).map(|(&x, &v)| Dual::new(x, v)).collect();
    let lifted: Vec<Vec<Dual<f64>>> = x.iter().zip(&v).map(lift).collect();
    let h = 1e-4;
    let near = [-2.0, -1.0, 1.0, 2.0].map(|steps| run(double, inputs, &along(steps * h)));
    for (i, dual) in run(dual, inputs, &lifted).iter().enumerate() {
        agree("value of a dual number", i, dual.value, at[i], 1e-12)?;
        let difference = (near[0][i] - 8.0 * near[1][i] + 8.0 * near[2][i] - near[3][i]) / (12.0 * h);
        agree("tangent of a dual number", i, dual.tangent, difference, 1e-7)?;
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
