//! Data that can be learned from, and data that cannot.

use bayes_nn::{Components, Predictive, Scaling, ScalingError, Scores};
use nn::data::{Matrix, ScaleError};

fn column(values: &[f64]) -> Matrix<f64> {
    Matrix::new(values.len(), 1, values.to_vec())
}

#[test]
fn inputs_and_target_are_standardised_and_predictions_come_back_in_their_units() {
    let (x, y) = (Matrix::new(3, 2, vec![1.0, 7.0, 2.0, 7.0, 3.0, 7.0]), column(&[10.0, 30.0, 20.0]));
    let scaling = Scaling::fit(&x, &y).unwrap();
    assert_eq!(scaling.constant_inputs(), [1]);
    let (inputs, targets) = (scaling.inputs(&x).unwrap(), scaling.targets(&y).unwrap());
    let sd = (200.0_f64 / 3.0).sqrt();
    assert!((scaling.target_sd() - sd).abs() < 1e-12);
    for (row, z) in [-1.5_f32.sqrt(), 0.0, 1.5_f32.sqrt()].into_iter().enumerate() {
        assert!((inputs.row(row)[0] - z).abs() < 1e-6 && inputs.row(row)[1] == 0.0);
    }
    let f = Matrix::new(1, 3, targets.map(f64::from).values.to_vec());
    let predictive = Predictive::normal(f, Matrix::new(1, 3, vec![0.5; 3]));
    let restored = scaling.restore(&predictive);
    for (mean, y) in restored.mean().iter().zip([10.0, 30.0, 20.0]) {
        assert!((mean - y).abs() < 1e-5);
    }
    assert!((restored.aleatoric()[0].sqrt() - 0.5 * sd).abs() < 1e-12);
}

#[test]
fn data_that_cannot_be_learned_from_are_an_error_that_says_what_and_where() {
    let x = column(&[1.0, 2.0, 3.0]);
    let error = |x: &Matrix<f64>, y: &Matrix<f64>| Scaling::fit(x, y).unwrap_err();
    assert_eq!(error(&column(&[1.0]), &column(&[2.0])), ScalingError::TooFewRows { rows: 1 });
    assert_eq!(error(&column(&[]), &column(&[])), ScalingError::TooFewRows { rows: 0 });
    assert_eq!(error(&x, &column(&[4.0; 3])), ScalingError::ConstantTarget { value: 4.0, rows: 3 });
    let message = error(&x, &column(&[4.0, f64::NAN, 5.0])).to_string();
    assert!(message.contains("row 1 of the target") && message.contains("NaN"), "{message}");
    let infinite = Matrix::new(3, 2, vec![1.0, 2.0, 3.0, 4.0, 5.0, f64::INFINITY]);
    let message = error(&infinite, &x).to_string();
    assert!(message.contains("row 2 of the inputs, column 1") && message.contains("inf"), "{message}");
    let huge = error(&column(&[1e300, -1e300, 0.0]), &x);
    let source = ScaleError::TooLarge { row: 0, column: 0, value: 1e300 };
    assert_eq!(huge, ScalingError::Scale { what: "the inputs", source });
    // New rows are looked at as well.
    let scaling = Scaling::fit(&x, &column(&[1.0, 2.0, 4.0])).unwrap();
    assert!(scaling.inputs(&column(&[f64::NAN])).is_err() && scaling.targets(&column(&[f64::NAN])).is_err());
    let far = scaling.inputs(&column(&[2.0, 1e300])).unwrap_err();
    let source = ScaleError::TooLarge { row: 1, column: 0, value: 1e300 };
    assert_eq!(far, ScalingError::Scale { what: "the inputs", source });
    let message = scaling.inputs(&column(&[2.0, 1e100])).unwrap_err().to_string();
    assert!(message.contains("the inputs: row 1, column 0: expected a number near those"), "{message}");
}

#[test]
fn targets_of_any_magnitude_are_learned_and_scored() {
    let x = column(&[1.0, 2.0, 3.0]);
    let scores = |unit: f64| {
        let y = column(&[10.0 * unit, 30.0 * unit, 20.0 * unit]);
        let scaling = Scaling::fit(&x, &y).unwrap();
        let z = scaling.targets(&y).unwrap().map(f64::from);
        let f = Matrix::new(
            2,
            3,
            z.values.iter().map(|z| z + 0.5).chain(z.values.iter().map(|z| z - 0.25)).collect(),
        );
        let p = scaling.restore(&Predictive::normal(f.clone(), f.map(|_| 0.5)));
        let scores = Scores::of(&p, &y.values);
        [scores.rmse / unit, scores.log_density + unit.ln(), scores.crps / unit, scores.coverage(0.5)]
            .into_iter()
            .chain([p.sd(), p.epistemic_sd(), p.aleatoric_sd()].map(|sd| sd[1] / unit))
            .collect::<Vec<_>>()
    };
    let usual = scores(1.0);
    for unit in [1e200, 1e-200] {
        for (value, usual) in scores(unit).into_iter().zip(&usual) {
            assert!((value / usual - 1.0).abs() < 1e-9, "{unit}: {value} for {usual}");
        }
    }
    assert!((usual[4].powi(2) - usual[5].powi(2) - usual[6].powi(2)).abs() < 1e-9);
}

#[test]
fn a_scaling_is_made_again_from_its_parts() {
    let (x, y) = (Matrix::new(3, 2, vec![1.0, 7.0, 2.0, 7.0, 3.0, 7.0]), column(&[10.0, 30.0, 20.0]));
    let scaling = Scaling::fit(&x, &y).unwrap();
    let (inputs, target) = scaling.inputs_and_target();
    assert_eq!(Scaling::of(inputs.clone(), target.clone()), scaling);
}

#[test]
fn several_targets_have_their_units_and_counts_stay_as_they_are() {
    let (x, y) = (column(&[1.0, 2.0, 3.0]), Matrix::new(3, 2, vec![10.0, 0.1, 30.0, 0.3, 20.0, 0.2]));
    let scaling = Scaling::fit(&x, &y).unwrap();
    let targets = scaling.targets(&y).unwrap();
    let normal = |d: usize| {
        let f = Matrix::new(1, 3, (0..3).map(|i| f64::from(targets.row(i)[d])).collect());
        Predictive::normal(f, Matrix::new(1, 3, vec![1.0; 3]))
    };
    let restored = scaling.restore_outputs(&[normal(0), normal(1)]);
    for (d, p) in restored.iter().enumerate() {
        for i in 0..3 {
            assert!((p.mean()[i] / y.row(i)[d] - 1.0).abs() < 1e-5);
        }
        assert!((p.sd()[0] / (200.0_f64 / 3.0).sqrt() / [1.0, 0.01][d] - 1.0).abs() < 1e-9);
    }
    let constant = Matrix::new(3, 2, vec![1.0, 7.0, 2.0, 7.0, 3.0, 7.0]);
    let error = Scaling::fit(&x, &constant).unwrap_err();
    assert_eq!(error, ScalingError::ConstantTarget { value: 7.0, rows: 3 });

    let scaling = Scaling::of_inputs(&x, 1).unwrap();
    assert_eq!(scaling.targets(&column(&[3.0, 0.0, 7.0])).unwrap().values[..], [3.0, 0.0, 7.0]);
    let counts = Predictive { components: Components::Poisson, ..normal(0) };
    assert_eq!(scaling.restore(&counts), counts);
}
