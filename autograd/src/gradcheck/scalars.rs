//! The same operations in every scalar: single precision agrees with double, and the tangents of dual numbers with
//! differences of value and adjoint.

use super::{Mismatch, Random, Sample, draw_cotangent};
use crate::{Dual, Op, Real, Tape, Var};

/// A recorded operation, its type forgotten.
type Record<F> = Box<dyn for<'t> Fn(&'t Tape<F>, &[Var<'t, F>]) -> Var<'t, F>>;

/// The cases of an operation in one scalar, as functions.
pub(crate) struct Cases<F: Real>(Vec<(Record<F>, Vec<Sample>)>);

impl<F: Real> Cases<F> {
    pub(crate) fn of<O: Op<F> + Clone>() -> Self {
        let erase = |case: super::Case<O>| {
            let record: Record<F> = Box::new(move |tape, x| tape.record(case.op.clone(), x));
            (record, case.inputs)
        };
        Self(O::cases().into_iter().map(erase).collect())
    }
}

/// Output and adjoints of all inputs, one after the other.
fn run<F: Real>(record: &Record<F>, inputs: &[Sample], x: &[Vec<F>], seed: u64) -> Vec<F> {
    let tape = Tape::new();
    let leaf = |(input, x): (&Sample, &Vec<F>)| match input.differentiable {
        true => tape.parameter(x, input.shape),
        false => tape.constant(x, input.shape),
    };
    let vars: Vec<_> = inputs.iter().zip(x).map(leaf).collect();
    let y = record(&tape, &vars);
    let cotangent: Vec<F> =
        draw_cotangent(y.size(), &mut Random(seed)).into_iter().map(F::from_f64).collect();
    let gradients = tape.backward_from(&[(y, &cotangent)]);
    let adjoints = vars.iter().zip(inputs).filter(|(_, input)| input.differentiable);
    let adjoints = adjoints.flat_map(|(&var, _)| gradients.wrt(var).to_vec());
    y.to_vec().into_iter().chain(adjoints).collect()
}

/// Compares the cases in single precision and in dual numbers with those in double precision.
///
/// # Errors
/// The first number that disagrees; `element` counts through the output and then the adjoints.
pub(crate) fn compare(
    name: &str,
    double: &Cases<f64>,
    single: &Cases<f32>,
    dual: &Cases<Dual<f64>>,
) -> Result<(), Mismatch> {
    for (case, (record, inputs)) in double.0.iter().enumerate() {
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

        let at = run(record, inputs, &x, 3);
        let narrow: Vec<Vec<f32>> = x.iter().map(|x| x.iter().map(|&x| x as f32).collect()).collect();
        for (i, (&single, &double)) in run(&single.0[case].0, inputs, &narrow, 3).iter().zip(&at).enumerate()
        {
            agree("single precision", i, f64::from(single), double, 1e-4)?;
        }

        let lift = |(x, v): (&Vec<f64>, &Vec<f64>)| x.iter().zip(v).map(|(&x, &v)| Dual::new(x, v)).collect();
        let lifted: Vec<Vec<Dual<f64>>> = x.iter().zip(&v).map(lift).collect();
        let h = 1e-4;
        let near = [-2.0, -1.0, 1.0, 2.0].map(|steps| run(record, inputs, &along(steps * h), 3));
        for (i, dual) in run(&dual.0[case].0, inputs, &lifted, 3).iter().enumerate() {
            agree("value of a dual number", i, dual.value, at[i], 1e-12)?;
            let difference = (near[0][i] - 8.0 * near[1][i] + 8.0 * near[2][i] - near[3][i]) / (12.0 * h);
            agree("tangent of a dual number", i, dual.tangent, difference, 1e-7)?;
        }
    }
    Ok(())
}
