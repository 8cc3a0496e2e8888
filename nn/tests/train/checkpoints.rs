//! Checkpoints of something else, damaged ones, and a run that goes on in its folder.

use clap::Parser;
use nn::checkpoint::{Checkpoint, CheckpointError};
use nn::optim::{Optimizer, Rule};
use nn::run::{Run, RunArgs, RunFolder};
use nn::schedule::Schedule;
use nn::train::{End, Fit, Trainer};
use nn::{Init, Layout, Mlp, Nonlinearity};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::tempdir;

use super::{StopAfter, Toy, bits, fit};

#[test]
fn a_checkpoint_of_something_else_is_an_error_that_leaves_the_trainer() {
    let toy = Toy::new(1);
    let theta = toy.layout.init::<f32>(&mut StdRng::seed_from_u64(0));
    let d = theta.len();
    let of = |rule: Rule| Trainer::new(theta.clone(), Optimizer::new(rule, d), 0);
    let rules = [
        Rule::Sgd,
        Rule::Momentum { momentum: 0.9 },
        Rule::Momentum { momentum: 0.8 },
        Rule::Nesterov { momentum: 0.9 },
        Rule::AdaGrad { epsilon: 1e-8 },
        Rule::RmsProp { decay: 0.9, epsilon: 1e-8 },
        Rule::ADAM,
        Rule::AdamW { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weight_decay: 0.0 },
    ];
    let refused = |checkpoint: &Checkpoint, rule: Rule, layout: &Layout| -> String {
        let mut trainer =
            Trainer::new(vec![2.0; layout.size()], Optimizer::<f32>::new(rule, layout.size()), 9);
        let error = trainer.restore(layout, checkpoint).unwrap_err();
        assert!(matches!(error, CheckpointError::Mismatch { .. }), "{error}");
        assert!(trainer.epochs() == 0 && trainer.theta().iter().all(|x| *x == 2.0));
        error.to_string()
    };
    for (i, &saved) in rules.iter().enumerate() {
        let checkpoint = of(saved).checkpoint(&toy.layout);
        of(saved).restore(&toy.layout, &checkpoint).unwrap();
        for (_, &other) in rules.iter().enumerate().filter(|(j, _)| *j != i) {
            let text = refused(&checkpoint, other, &toy.layout);
            assert!(text.contains(&format!("{other:?}")), "{text}");
        }
    }
    let checkpoint = of(Rule::ADAM).checkpoint(&toy.layout);
    for widths in [&[8, 128, 65, 1][..], &[8, 128, 1], &[8, 128, 64, 1, 1]] {
        let mut other = Layout::new();
        Mlp::new(&mut other, "net", widths, Nonlinearity::Tanh, Nonlinearity::Identity);
        refused(&checkpoint, Rule::ADAM, &other);
    }
    let error = toy.trainer::<f64>(0).restore(&toy.layout, &checkpoint).unwrap_err().to_string();
    assert!(error.contains("F32") && error.contains("F64"), "{error}");
    refused(&Checkpoint::new(), Rule::ADAM, &toy.layout);
}

#[test]
fn metadata_that_makes_no_sense_is_an_error_or_harmless_but_never_a_panic() {
    let toy = Toy::new(1);
    let validation = toy.validation();
    let fit = |epochs| Fit { patience: Some(3), ..fit(epochs, 40) };
    let mut trainer = toy.trainer::<f32>(0);
    trainer.fit(&toy, 80, Some((&validation, 10)), &fit(2), &mut ()).unwrap();
    trainer.fit(&toy, 80, Some((&validation, 10)), &fit(9), &mut StopAfter(1)).unwrap();
    let sound = trainer.checkpoint(&toy.layout);
    let goes_on = |checkpoint: &Checkpoint| -> bool {
        let mut trainer = toy.trainer::<f32>(0);
        if let Err(error) = trainer.restore(&toy.layout, checkpoint) {
            assert!(matches!(error, CheckpointError::Mismatch { .. }), "{error}");
            return false;
        }
        let epochs = trainer.epochs() + 2;
        trainer.fit(&toy, 80, Some((&validation, 10)), &fit(epochs), &mut ()).unwrap();
        true
    };
    assert!(goes_on(&sound));
    let steps = format!("steps of {:?}", Rule::ADAM);
    let keys =
        ["seed", &steps, "epoch", "batch", "seconds", "since_best", "best_loss", "ended", "partial_rows"];
    let counts = [&steps[..], "epoch", "batch", "since_best", "partial_rows"];
    for key in keys {
        for value in
            ["", "-1", "NaN", "inf", "18446744073709551615", "99999999999999999999", "1e300", "true", "0"]
        {
            let mut damaged = sound.clone();
            damaged.set(key, value);
            let went_on = goes_on(&damaged);
            let refused = ["", "true"].contains(&value) && key != "ended";
            assert!(!(went_on && (refused || counts.contains(&key) && value != "0")), "{key} = {value:?}");
        }
    }
    for history in [&[0, 12][..], &[3, 12], &[2, 11], &[24], &[]] {
        let mut damaged = sound.clone();
        damaged.insert("history", history, vec![1.0; history.iter().product()]);
        assert!(!goes_on(&damaged), "{history:?}");
    }
    let mut damaged = sound.clone();
    damaged.insert("history", &[2, 12], vec![1.0_f32; 24]);
    assert!(!goes_on(&damaged));
    for number in [f64::NAN, f64::INFINITY, 1e300, -1.0] {
        let mut odd = sound.clone();
        odd.insert("history", &[2, 12], vec![number; 24]);
        odd.insert("partial_epoch", &[5], vec![number; 5]);
        goes_on(&odd);
    }
}

#[test]
#[should_panic(expected = "restore: the layout has 2 numbers, θ 3")]
fn the_layout_must_be_that_of_theta() {
    let mut layout = Layout::new();
    layout.slot("theta", [2], Init::Constant(0.0));
    let mut trainer = Trainer::new(vec![0.0_f32; 3], Optimizer::new(Rule::Sgd, 3), 0);
    let _ = trainer.restore(&layout, &Checkpoint::new());
}

/// The flags of an example.
#[derive(Parser, serde::Serialize)]
struct Args {
    #[command(flatten)]
    #[serde(flatten)]
    run: RunArgs,
}

#[test]
fn a_run_goes_on_in_its_folder_as_if_it_had_not_ended() {
    let (toy, folder) = (Toy::new(1), tempdir().unwrap());
    let validation = toy.validation();
    let out = folder.path().to_str().unwrap();
    let flags = ["toy", "--out", out, "--epochs", "3", "--batch-size", "50", "--lr", "0.003", "--seed", "6"];
    let args = Args::parse_from(flags);
    let mut whole = toy.trainer::<f32>(6);
    let fit = Fit { schedule: Schedule::Constant, ..fit(3, 50) };
    whole.fit(&toy, 100, Some((&validation, 30)), &fit, &mut ()).unwrap();

    // An epoch and a step were made, and a checkpoint written, when the machine went down.
    let begun = RunFolder::open(&args.run, &args).unwrap();
    let mut trainer = toy.trainer::<f32>(6);
    trainer.fit(&toy, 100, Some((&validation, 30)), &fit, &mut StopAfter(3)).unwrap();
    begun.save(&trainer.checkpoint(&toy.layout)).unwrap();
    let header = [
        "train_loss",
        "train_first",
        "train_rest",
        "validation_loss",
        "validation_first",
        "validation_rest",
        "seconds",
    ];
    begun.metrics(&header, 0).unwrap().row(1, &[0.0; 7]).unwrap();
    drop(begun);

    let args = Args::parse_from([&flags[..], &["--resume"]].concat());
    let run = Run::open(&args.run, &args).unwrap();
    let mut resumed = toy.trainer::<f32>(0);
    let data = ((&toy, 100), Some((&validation, 30)));
    let end = run.train(&toy.layout, &mut resumed, data.0, data.1, (Schedule::Constant, None)).unwrap();
    assert_eq!(end, End::Done);
    assert!(bits(&resumed) == bits(&whole));
    let metrics = std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = metrics.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["epoch", "1", "2", "3"]);
    assert_eq!(rows[0][1..], header);
    assert_eq!(rows[3][1].parse(), Ok(whole.history()[2].train.total));
    assert_eq!(rows[3][5].parse(), Ok(whole.history()[2].validation.as_ref().unwrap().parts[0]));
    let mut again = toy.trainer::<f32>(0);
    again.restore(&toy.layout, &run.folder.resumed().unwrap().unwrap()).unwrap();
    assert!(bits(&again) == bits(&whole));
}
