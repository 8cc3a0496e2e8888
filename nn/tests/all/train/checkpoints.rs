//! Checkpoints of something else, damaged ones, and a run that goes on in its folder.

use clap::Parser;
use nn::model::{Layout, Mlp, Nonlinearity};
use nn::run::{Run, RunArgs, RunFolder};
use nn::train::{Checkpoint, CheckpointError, End, Fit, Rule, Schedule, Trainer};
use rand::{SeedableRng, rngs::StdRng};
use tempfile::{TempDir, tempdir};

use super::{StopAfter, Toy, bits, fit, one_slot};

/// The numbers of an epoch in a checkpoint.
const ROW: usize = 22;

#[test]
fn a_checkpoint_of_something_else_is_an_error_that_leaves_the_trainer() {
    let toy = Toy::new(1);
    let theta = toy.layout.init::<f32>(&mut StdRng::seed_from_u64(0));
    let of = |rule: Rule| Trainer::new(&toy.layout, theta.clone(), rule, 0);
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
        let mut trainer = Trainer::new(layout, vec![2.0_f32; layout.size()], rule, 9);
        let error = trainer.restore(checkpoint).unwrap_err();
        assert!(matches!(error, CheckpointError::Mismatch { .. }), "{error}");
        assert!(trainer.epochs() == 0 && trainer.theta().iter().all(|x| *x == 2.0));
        error.to_string()
    };
    for (i, &saved) in rules.iter().enumerate() {
        let checkpoint = of(saved).checkpoint();
        of(saved).restore(&checkpoint).unwrap();
        for (_, &other) in rules.iter().enumerate().filter(|(j, _)| *j != i) {
            let text = refused(&checkpoint, other, &toy.layout);
            assert!(text.contains(&format!("{other:?}")), "{text}");
        }
    }
    let checkpoint = of(Rule::ADAM).checkpoint();
    for widths in [&[8, 128, 65, 1][..], &[8, 128, 1], &[8, 128, 64, 1, 1]] {
        let mut other = Layout::new();
        Mlp::new(&mut other, "net", widths, Nonlinearity::Tanh, Nonlinearity::Identity);
        refused(&checkpoint, Rule::ADAM, &other);
    }
    let error = toy.trainer::<f64>(0).restore(&checkpoint).unwrap_err().to_string();
    assert!(error.contains("F32") && error.contains("F64"), "{error}");
    refused(&Checkpoint::new(), Rule::ADAM, &toy.layout);
}

#[test]
fn metadata_that_makes_no_sense_is_an_error_or_harmless_but_never_a_panic() {
    let toy = Toy::new(1);
    let data = || (toy.of_rows(80), toy.validation().of_rows(10));
    let fit = |epochs| Fit { patience: Some(3), ..fit(epochs, 40) };
    let mut trainer = toy.trainer::<f32>(0);
    let (mut training, mut validation) = data();
    trainer.fit(&mut training, Some(&mut validation), &fit(2), &mut ()).unwrap();
    trainer.fit(&mut training, Some(&mut validation), &fit(9), &mut StopAfter(1)).unwrap();
    let sound = trainer.checkpoint();
    let goes_on = |checkpoint: &Checkpoint| -> bool {
        let mut trainer = toy.trainer::<f32>(0);
        if let Err(error) = trainer.restore(checkpoint) {
            assert!(matches!(error, CheckpointError::Mismatch { .. }), "{error}");
            return false;
        }
        let epochs = trainer.epochs() + 2;
        let (mut training, mut validation) = data();
        trainer.fit(&mut training, Some(&mut validation), &fit(epochs), &mut ()).unwrap();
        true
    };
    assert!(goes_on(&sound));
    let steps = format!("steps of {:?}", Rule::ADAM);
    let keys = [
        "seed",
        &steps,
        "stage",
        "first_epoch",
        "epoch",
        "batch",
        "seconds",
        "since_best",
        "best_loss",
        "ended",
        "prepared",
        "partial_rows",
        "steps of parameters",
        "parts",
    ];
    let counts = [&steps[..], "stage", "first_epoch", "epoch", "batch", "since_best", "partial_rows"];
    for key in keys {
        for value in
            ["", "-1", "NaN", "inf", "18446744073709551615", "99999999999999999999", "1e300", "true", "0"]
        {
            let mut damaged = sound.clone();
            damaged.set(key, value);
            let went_on = goes_on(&damaged);
            let refused = ["", "true"].contains(&value) && !["ended", "prepared"].contains(&key);
            assert!(!(went_on && (refused || counts.contains(&key) && value != "0")), "{key} = {value:?}");
        }
    }
    for history in [&[0, ROW][..], &[3, ROW], &[2, ROW - 1], &[2 * ROW], &[]] {
        let mut damaged = sound.clone();
        damaged.insert("history", history, vec![1.0; history.iter().product()]);
        assert!(!goes_on(&damaged), "{history:?}");
    }
    let mut damaged = sound.clone();
    damaged.insert("history", &[2, ROW], vec![1.0_f32; 2 * ROW]);
    assert!(!goes_on(&damaged));
    for number in [f64::NAN, f64::INFINITY, 1e300, -1.0] {
        let mut odd = sound.clone();
        odd.insert("history", &[2, ROW], vec![number; 2 * ROW]);
        odd.insert("partial_epoch", &[9], vec![number; 9]);
        goes_on(&odd);
    }
}

#[test]
#[should_panic(expected = "Trainer: expected a θ of 2 numbers, found 3")]
fn the_layout_must_be_that_of_theta() {
    Trainer::new(&one_slot(2), vec![0.0_f32; 3], Rule::Sgd, 0);
}

#[test]
fn a_run_of_stages_goes_on_in_the_stage_in_which_it_ended() {
    let (mut toy, whole_out, out) = (Toy::new(1).of_rows(100), tempdir().unwrap(), tempdir().unwrap());
    let flags = ["toy", "--epochs", "2", "--batch-size", "50", "--lr", "0.003", "--out"];
    let mut train = |folder: &TempDir, more: &[&str], stages: usize| {
        let args = Args::parse_from([&flags[..], &[folder.path().to_str().unwrap()], more].concat());
        let run = Run::open(&args.run, &args).unwrap().part("toy").unwrap();
        let mut trainer = run.trainer::<f32>(&toy.layout.clone());
        for stage in 0..stages {
            let fit = Fit { stage, ..run.fit() };
            assert_eq!(run.train(&mut trainer, &mut toy, None, &fit).unwrap(), End::Done);
        }
        // Seconds, in the last column, differ.
        let metrics = std::fs::read_to_string(folder.path().join("metrics-toy.csv")).unwrap();
        let rows: Vec<String> =
            metrics.lines().map(|row| row.rsplit_once(',').unwrap().0.to_owned()).collect();
        (bits(&trainer), rows)
    };
    let whole = train(&whole_out, &[], 3);
    assert_eq!(whole.1.len(), 1 + 6);
    train(&out, &[], 1);
    train(&out, &["--resume"], 2);
    assert!(train(&out, &["--resume"], 3) == whole);
    assert!(train(&out, &["--resume"], 3) == whole);
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
    let (mut toy, folder) = (Toy::new(1).of_rows(100), tempdir().unwrap());
    let mut validation = toy.validation().of_rows(30);
    let out = folder.path().to_str().unwrap();
    let flags = ["toy", "--out", out, "--epochs", "3", "--batch-size", "50", "--lr", "0.003", "--seed", "6"];
    let args = Args::parse_from(flags);
    let mut whole = toy.trainer::<f32>(6);
    let fit = Fit { schedule: Schedule::Constant, ..fit(3, 50) };
    whole.fit(&mut toy, Some(&mut validation), &fit, &mut ()).unwrap();

    // An epoch and a step were made, and a checkpoint written, when the machine went down.
    let begun = RunFolder::open(&args.run, &args).unwrap();
    let mut trainer = toy.trainer::<f32>(6);
    trainer.fit(&mut toy, Some(&mut validation), &fit, &mut StopAfter(3)).unwrap();
    begun.save(trainer.checkpoint()).unwrap();
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
    let end = run.train(&mut resumed, &mut toy, Some(&mut validation), &run.fit()).unwrap();
    assert_eq!(end, End::Done);
    assert!(bits(&resumed) == bits(&whole));
    let metrics = std::fs::read_to_string(folder.path().join("metrics.csv")).unwrap();
    let rows: Vec<Vec<&str>> = metrics.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(rows.iter().map(|row| row[0]).collect::<Vec<_>>(), ["epoch", "1", "2", "3"]);
    assert_eq!(rows[0][1..], header);
    assert_eq!(rows[3][1].parse(), Ok(whole.history()[2].train.total));
    assert_eq!(rows[3][5].parse(), Ok(whole.history()[2].validation.as_ref().unwrap().part("first")));
    let mut again = toy.trainer::<f32>(0);
    again.restore(&run.folder.resumed().unwrap().unwrap()).unwrap();
    assert!(bits(&again) == bits(&whole));
}
