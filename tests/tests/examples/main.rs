//! Every example runs, says how it is run, and tells clearly what is wrong with its flags and files.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Once;

/// An example with flags that make it run on little data, in a folder with a small MNIST and a small regression set.
const SMOKE: &[(&str, &str, &[&str])] = &[
    ("bayes-nn", "coin", &["--dry-run"]),
    ("bayes-nn", "gradients", &["--dry-run"]),
    ("bayes-nn", "regression", &["--dry-run"]),
    ("bayes-nn", "sensors", &["--dry-run"]),
    ("bayes-nn", "uci", &["--dry-run"]),
    ("bayes-nn", "uci", &["--dry-run", "--data", "uci"]),
    (
        "gpvae",
        "rotated_digits",
        &["--dry-run", "--images", "rotated/images", "--split", "rotated/split.csv", "--features", "8"],
    ),
    ("gpvae", "timeseries", &["--dry-run"]),
    ("nn", "classify", &["--dry-run"]),
    ("nn", "classify", &["--dry-run", "--data", "mnist", "--widths", "--psi", "sigmoid"]),
    ("nn", "regress", &["--dry-run", "--widths", "8,4", "--phi", "relu"]),
    ("vae", "amortisation", &["--dry-run"]),
    ("vae", "autoencoder_vs_vae", &["--dry-run"]),
    ("vae", "digits", &["--dry-run"]),
    ("vae", "faces", &["--dry-run", "--data", "frey"]),
    ("vae", "learning_rate", &["--dry-run"]),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--importance-samples", "2"]),
    (
        "vae",
        "mnist",
        &["--dry-run", "--data", "mnist", "--importance-samples", "2", "--protocol", "iwae", "--k", "3"],
    ),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--importance-samples", "2", "--protocol", "lecture"]),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--latent", "2,5"]),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--decoder"]),
    ("vae", "noise_level", &["--dry-run", "--data", "mnist"]),
    ("vae", "pca_vs_autoencoder", &["--dry-run"]),
    ("vae", "pca_vs_autoencoder", &["--dry-run", "--data", "mnist", "--latent", "3"]),
    ("vae", "posterior_family", &["--dry-run"]),
    ("vae", "table", &["--dry-run"]),
    (
        "vae",
        "table",
        &["--dry-run", "--csv", "counts.csv", "--counts", "--colour", "kind", "--clusters", "2"],
    ),
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a workspace").to_path_buf()
}

/// All examples of the workspace as (crate, name, source).
fn examples() -> Vec<(String, String, String)> {
    let mut examples = Vec::new();
    for member in fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path()) {
        let Ok(files) = fs::read_dir(member.join("examples")) else { continue };
        for file in files
            .map(|entry| entry.unwrap().path())
            .filter(|file| file.extension().is_some_and(|e| e == "rs"))
        {
            let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
            examples.push((name(&member), name(&file), fs::read_to_string(&file).unwrap()));
        }
    }
    examples.sort();
    examples
}

/// The program of an example, built as this test was.
fn program(name: &str) -> PathBuf {
    // All at once and for the whole workspace, as `cargo test --workspace` did: then nothing is left to do.
    static BUILT: Once = Once::new();
    BUILT.call_once(|| {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.current_dir(root()).args(["build", "--quiet", "--workspace", "--examples"]);
        if !cfg!(debug_assertions) {
            cargo.arg("--release");
        }
        assert!(cargo.status().unwrap().success(), "the examples do not build");
    });
    let here = std::env::current_exe().unwrap();
    here.parent().unwrap().parent().unwrap().join("examples").join(name)
}

fn run(name: &str, flags: &[&str], dir: &Path) -> Output {
    Command::new(program(name)).args(flags).current_dir(dir).output().unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

/// A folder with a small MNIST in `mnist/`, 40 images of noise in each set, 40 frames of noise in `frey/`, a regression set of
/// 40 rows with two splits in `uci/`, 10 objects under 4 views of 28 x 28 pixels in `rotated/`, and a table of counts with
/// gaps.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let mnist = dir.path().join("mnist");
    fs::create_dir(&mnist).unwrap();
    for set in ["train", "t10k"] {
        let mut images = [2051u32, 40, 28, 28].map(u32::to_be_bytes).concat();
        images.extend((0..40 * 784).map(|i: usize| (i * i / 7 % 251) as u8));
        let mut labels = [2049u32, 40].map(u32::to_be_bytes).concat();
        labels.extend((0..40).map(|i| (i % 10) as u8));
        fs::write(mnist.join(format!("{set}-images-idx3-ubyte")), images).unwrap();
        fs::write(mnist.join(format!("{set}-labels-idx1-ubyte")), labels).unwrap();
    }
    let frey = dir.path().join("frey");
    fs::create_dir(&frey).unwrap();
    let mut frames = [2051u32, 40, 28, 20].map(u32::to_be_bytes).concat();
    frames.extend((0..40 * 560).map(|i: usize| (i * i / 11 % 251) as u8));
    fs::write(frey.join("frey-faces-idx3-ubyte"), frames).unwrap();
    let counts = (0..40).map(|i: usize| match i % 7 {
        0 => format!("{},,{},{}\n", i * i % 9, i % 4, i % 2),
        _ => format!("{},{},{},{}\n", i * i % 9, i * 3 % 5, i % 4, i % 2),
    });
    fs::write(dir.path().join("counts.csv"), "a,b,c,kind\n".to_owned() + &counts.collect::<String>())
        .unwrap();
    let rotated = dir.path().join("rotated");
    fs::create_dir(&rotated).unwrap();
    let mut images = vec![0, 0, 0x0d, 4];
    images.extend([10u32, 4, 28, 28].map(u32::to_be_bytes).concat());
    images.extend((0..40 * 784).flat_map(|i: usize| ((i * i / 7 % 251) as f32 / 250.0).to_be_bytes()));
    fs::write(rotated.join("images"), images).unwrap();
    let role = |p: usize| if p < 9 { format!("{p},train/test,1011,1\n") } else { format!("{p},val,-,0\n") };
    let split = "id,role,train_views,in_test\n".to_owned() + &(0..10).map(role).collect::<String>();
    fs::write(rotated.join("split.csv"), split).unwrap();
    let uci = dir.path().join("uci");
    fs::create_dir(&uci).unwrap();
    let row = |i: usize| {
        let (a, b) = ((i as f64).sin(), (7.0 * i as f64).cos());
        format!("{a:.4} {b:.4} {:.4}\n", a * b + 0.1 * (3.0 * i as f64).sin())
    };
    fs::write(uci.join("data.txt"), (0..40).map(row).collect::<String>() + "\n").unwrap();
    fs::write(uci.join("index_features.txt"), "0\n1\n").unwrap();
    fs::write(uci.join("index_target.txt"), "2\n").unwrap();
    for split in 0..2 {
        for (part, test) in [("train", false), ("test", true)] {
            let rows = (0..40).filter(|i| (i % 10 == split) == test).map(|i| format!("{i}\n"));
            fs::write(uci.join(format!("index_{part}_{split}.txt")), rows.collect::<String>()).unwrap();
        }
    }
    dir
}

/// The numbers of the `RESULT` line, which must be the last on standard output.
fn result(output: &Output) -> Vec<(String, f64)> {
    let stdout = text(&output.stdout);
    let line = stdout.lines().last().unwrap_or_default();
    let pairs =
        line.strip_prefix("RESULT ").unwrap_or_else(|| panic!("the last line is no RESULT: {stdout}"));
    let pair = |pair: &str| {
        let (name, value) = pair.split_once('=').unwrap();
        (name.to_owned(), value.parse().unwrap())
    };
    pairs.split(' ').filter(|pair| !pair.starts_with("set=")).map(pair).collect()
}

#[test]
fn every_example_says_the_command_that_runs_it_and_is_run_by_this_test() {
    let examples = examples();
    for (package, name, source) in &examples {
        let command = format!("cargo run --release -p {package} --example {name}");
        let documented: Vec<&str> =
            source.lines().filter(|line| line.starts_with("//!") && line.contains("cargo run")).collect();
        assert!(!documented.is_empty(), "{package}/{name}: its docs do not say how it is run");
        for line in documented {
            let rest = line.trim_start_matches("//!").trim_start().strip_prefix(&command);
            assert!(
                rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' ')),
                "{package}/{name}: documented as {line}"
            );
        }
        assert!(
            SMOKE.iter().any(|(p, n, _)| (p, n) == (&package.as_str(), &name.as_str())),
            "{package}/{name} is not smoke-run"
        );
    }
    let gone = |(package, name, _): &&(&str, &str, &[&str])| {
        !examples.iter().any(|(p, n, _)| (p, n) == (&package.to_string(), &name.to_string()))
    };
    assert_eq!(SMOKE.iter().find(gone), None, "an example that is gone is still listed");
}

#[test]
fn every_example_runs_and_ends_with_finite_results() {
    for (package, name, flags) in SMOKE {
        let dir = folder();
        let output = run(name, flags, dir.path());
        assert!(output.status.success(), "{package}/{name}: {}", text(&output.stderr));
        let results = result(&output);
        assert!(results.iter().any(|(name, _)| name == "seconds"), "{package}/{name}: {results:?}");
        assert!(results.iter().all(|(_, value)| value.is_finite()), "{package}/{name}: {results:?}");
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(
            left,
            ["counts.csv", "frey", "mnist", "rotated", "uci"],
            "{package}/{name}: a dry run leaves something behind"
        );
    }
}

#[test]
fn an_unknown_flag_or_a_senseless_value_is_refused_with_exit_code_2() {
    for (package, name, _) in SMOKE {
        for flags in [&["--no-such-flag"][..], &["--epochs", "many"], &["--batch-size", "0"], &["--lr=-1"]] {
            let output = run(name, flags, &std::env::temp_dir());
            assert_eq!(output.status.code(), Some(2), "{package}/{name} {flags:?}");
            assert!(
                text(&output.stderr).contains(flags[0].split('=').next().unwrap()),
                "{package}/{name}: {}",
                text(&output.stderr)
            );
        }
    }
}

/// The one line on standard error, behind "error: ", of a run that must fail.
fn error(name: &str, flags: &[&str], dir: &Path) -> String {
    let output = run(name, flags, dir);
    assert_eq!(output.status.code(), Some(1), "{name} {flags:?}");
    let stderr = text(&output.stderr);
    let mut lines = stderr.lines();
    let line =
        lines.next().and_then(|line| line.strip_prefix("error: ")).unwrap_or_else(|| panic!("{stderr}"));
    assert_eq!(lines.next(), None, "{stderr}");
    line.to_owned()
}

/// The numbers of lecture 004.
#[test]
fn the_coin_has_the_lectures_digits() {
    let dir = folder();
    let output = run("coin", &[], dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = result(&output);
    let get = |name: &str| results.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1;
    let rounded = |name: &str, digits: i32| (get(name) * 10_f64.powi(digits)).round() / 10_f64.powi(digits);
    assert_eq!(rounded("posterior_unfair", 6), 0.181818);
    assert_eq!(rounded("p_value", 4), 0.0898);
    assert_eq!(rounded("bayes_factor", 2), 1.21);
    assert_eq!([rounded("lo_uniform", 2), rounded("hi_uniform", 2)], [0.45, 0.88]);
    assert_eq!([rounded("lo_peaked", 2), rounded("hi_peaked", 2)], [0.42, 0.75]);
    assert!((get("advi_mean") / (11.0 / 16.0) - 1.0).abs() < 0.01, "{results:?}");
    // Below the evidences, 1/15 and 1.21/15, and close to them.
    let evidence = -15.0_f64.ln();
    for (bound, evidence) in
        [(get("elbo_uniform"), evidence), (get("elbo_peaked"), evidence + get("bayes_factor").ln())]
    {
        assert!(bound < evidence && bound > evidence - 0.01, "{results:?}");
    }
}

#[test]
fn tables_and_faces_that_cannot_be_used_are_refused_with_the_reason() {
    let dir = folder();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("words.csv", "a,b\n1,2\n3,four\n");
    write("short.csv", "a,b\n1,2\n3,4\n");
    write("empty.csv", &("a,b\n".to_owned() + &"1,\n".repeat(20)));
    write("negative.csv", &("a,b\n".to_owned() + &"1,-2\n".repeat(20)));
    for (flags, wanted) in [
        (&["--csv", "none.csv"][..], "none.csv"),
        (&["--csv", "words.csv"], "\"four\""),
        (&["--csv", "short.csv"], "2 rows are too few"),
        (&["--csv", "empty.csv"], "column b: all of it is missing"),
        (&["--csv", "negative.csv", "--counts"], "column b: -2: not a count"),
        (&["--csv", "counts.csv", "--colour", "size"], "size"),
        (&["--clusters", "1000"], "--clusters 1000"),
    ] {
        let error = error("table", &[flags, &["--dry-run"]].concat(), dir.path());
        assert!(error.contains(wanted), "{flags:?}: {error}");
    }
    for (flags, wanted) in [
        (&[][..], "--data DIR is wanted"),
        (&["--data", "mnist"], "no frey-faces-idx3-ubyte"),
        (&["--data", "frey", "--latent", "1"], "--latent must be at least 2"),
    ] {
        let error = error("faces", &[flags, &["--dry-run"]].concat(), dir.path());
        assert!(error.contains(wanted), "{flags:?}: {error}");
    }
}

#[test]
fn mnist_without_or_with_the_wrong_folder_says_what_is_wanted_and_points_to_the_embedded_digits() {
    let dir = folder();
    fs::create_dir(dir.path().join("empty")).unwrap();
    for flags in [&[][..], &["--data", "nowhere"], &["--data", "empty"]] {
        let line = error("mnist", flags, dir.path());
        assert!(line.contains("--example digits"), "{line}");
        assert!(flags.is_empty() || line.contains(flags[1]), "{line}");
    }
    let images = dir.path().join("mnist/t10k-images-idx3-ubyte");
    let bytes = fs::read(&images).unwrap();
    fs::write(&images, &bytes[..1000]).unwrap();
    let line = error("mnist", &["--data", "mnist"], dir.path());
    assert!(line.contains("t10k-images-idx3-ubyte"), "{line}");
    assert!(!dir.path().join("out").exists(), "a run was begun without data");
}

#[test]
fn a_run_keeps_flags_metrics_checkpoint_and_pictures_and_is_not_overwritten() {
    let dir = folder();
    let flags = ["--epochs", "3", "--out", "run", "--importance-samples", "2"];
    let output = run("digits", &flags, dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let run_dir = dir.path().join("run");
    let mut files: Vec<_> =
        fs::read_dir(&run_dir).unwrap().map(|e| e.unwrap().file_name().into_string().unwrap()).collect();
    files.sort();
    let expected = [
        "args.json",
        "checkpoint.safetensors",
        "latent.png",
        "loss.png",
        "manifold.png",
        "metrics.csv",
        "reconstructions.png",
        "samples.png",
    ];
    assert_eq!(files, expected);
    let metrics = fs::read_to_string(run_dir.join("metrics.csv")).unwrap();
    assert_eq!(metrics.lines().count(), 4, "{metrics}");
    for column in
        ["train_elbo", "train_log_likelihood", "train_kl", "validation_elbo", "validation_kl", "seconds"]
    {
        assert!(metrics.lines().next().unwrap().split(',').any(|name| name == column), "{metrics}");
    }

    let line = error("digits", &flags, dir.path());
    assert!(line.contains("--force") && line.contains("--resume"), "{line}");
}

#[test]
fn a_resumed_run_ends_with_the_results_of_an_uninterrupted_one() {
    let dir = folder();
    let flags =
        |epochs, out| ["--data", "mnist", "--importance-samples", "2", "--epochs", epochs, "--out", out];
    let whole = run("mnist", &flags("4", "whole"), dir.path());
    assert!(run("mnist", &flags("2", "halves"), dir.path()).status.success());
    let resumed = run("mnist", &[&flags("4", "halves")[..], &["--resume"]].concat(), dir.path());
    assert!(resumed.status.success(), "{}", text(&resumed.stderr));
    let bits = |output: &Output| {
        result(output).into_iter().filter(|(name, _)| name != "seconds").collect::<Vec<_>>()
    };
    assert_eq!(bits(&whole), bits(&resumed));

    let bytes = fs::read(dir.path().join("halves/checkpoint.safetensors")).unwrap();
    fs::write(dir.path().join("halves/checkpoint.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    let line = error("mnist", &[&flags("5", "halves")[..], &["--resume"]].concat(), dir.path());
    assert!(line.contains("checkpoint.safetensors") && line.contains("damaged"), "{line}");
}

/// Flags that train for a moment on a table.
fn on_table<'a>(file: &'a str, target: &'a str) -> Vec<&'a str> {
    let brief = ["--steps", "20", "--draws", "20", "--modes", "2", "--out", "run", "--force"];
    [&["--csv", file, "--target", target], &brief[..]].concat()
}

#[test]
fn regression_tells_what_is_wrong_with_a_table() {
    let dir = folder();
    let rows = |target: fn(usize) -> String| -> String {
        (0..20).map(|i| format!("{i},{},{}\n", i * i % 7, target(i))).collect()
    };
    let good = rows(|i| format!("{}", 2 * i));
    for (file, content) in [
        ("absent.csv", "a,b,y\n".to_owned() + &good),
        ("text.csv", "a,b,y\n".to_owned() + &good + "20,low,3\n"),
        ("nan.csv", "a,b,y\n".to_owned() + &good + "20,NaN,3\n"),
        ("flat.csv", "a,b,y\n".to_owned() + &rows(|_| "3".to_owned())),
        ("one.csv", "a,b,y\n1,2,3\n".to_owned()),
        ("lonely.csv", "y\n1\n2\n3\n4\n5\n".to_owned()),
    ] {
        fs::write(dir.path().join(file), content).unwrap();
    }
    for (file, target, says) in [
        ("absent.csv", "height", &["height", "a, b, y"][..]),
        ("text.csv", "y", &["text.csv", "line 22", "column 2", "low"]),
        ("nan.csv", "y", &["nan.csv", "line 22", "column 2", "NaN"]),
        ("flat.csv", "y", &["target is 3"]),
        ("one.csv", "y", &["1 rows", "too few"]),
        ("lonely.csv", "y", &["no column but the target"]),
        ("nowhere.csv", "y", &["nowhere.csv"]),
    ] {
        let line = error("regression", &on_table(file, target), dir.path());
        assert!(says.iter().all(|part| line.contains(part)), "{file}: {line}");
        assert!(!dir.path().join("run").exists(), "{file}: a run was begun");
    }
}

#[test]
fn regression_predicts_all_rows_of_a_table_with_or_without_a_header_and_notes_constant_inputs() {
    let dir = folder();
    let rows: String = (0..30).map(|i| format!("{i};5;{}\n", (i as f64 / 5.0).sin())).collect();
    fs::write(dir.path().join("header.csv"), "time;same;wave\n".to_owned() + &rows).unwrap();
    fs::write(dir.path().join("bare.csv"), &rows).unwrap();
    for (file, target, constant) in [("header.csv", "wave", "same"), ("bare.csv", "2", "column 1")] {
        let output = run("regression", &on_table(file, target), dir.path());
        let stderr = text(&output.stderr);
        assert!(output.status.success(), "{stderr}");
        assert!(stderr.contains(&format!("note: {constant} does not vary")), "{stderr}");
        let predictions = fs::read_to_string(dir.path().join("run/predictions.csv")).unwrap();
        assert_eq!(predictions.lines().count(), 31, "{predictions}");
        let held_out = predictions.lines().filter(|line| line.contains(",validation,")).count();
        assert_eq!(held_out, 6, "{predictions}");
        assert!(!predictions.contains("NaN") && !predictions.contains("inf"), "{predictions}");
    }
}

#[test]
fn uci_runs_all_or_some_splits_and_says_which_file_is_missing() {
    let dir = folder();
    let brief = ["--steps", "20", "--draws", "20", "--out", "run", "--force"];
    let with = |flags: &[&'static str]| [flags, &brief[..]].concat();
    let splits = |flags: &[&'static str]| {
        let output = run("uci", &with(flags), dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let line = text(&output.stdout).lines().last().unwrap().to_owned();
        assert!(line.starts_with("RESULT set=uci splits="), "{line}");
        result(&output).into_iter().find(|(name, _)| name == "splits").unwrap().1
    };
    assert_eq!(splits(&["--data", "uci"]), 2.0);
    assert_eq!(splits(&["--data", "uci", "--splits", "1..2"]), 1.0);
    assert_eq!(fs::read_to_string(dir.path().join("run/splits.csv")).unwrap().lines().count(), 2);

    assert!(error("uci", &with(&["--rows", "19"]), dir.path()).contains("--rows 19"));
    let both = run("uci", &with(&["--data", "uci", "--rows", "50"]), dir.path());
    assert!(both.status.code() == Some(2) && text(&both.stderr).contains("--data"), "{}", text(&both.stderr));
    assert!(error("uci", &with(&["--data", "nowhere"]), dir.path()).contains("nowhere"));
    let line = error("uci", &with(&["--data", "uci", "--splits", "1..3"]), dir.path());
    assert!(line.contains("index_train_2.txt"), "{line}");
    fs::remove_file(dir.path().join("uci/index_target.txt")).unwrap();
    assert!(error("uci", &with(&["--data", "uci"]), dir.path()).contains("index_target.txt"));
}

#[test]
fn rotated_digits_tells_what_is_wrong_with_images_and_split() {
    let dir = folder();
    let [images, split] = ["rotated/images", "rotated/split.csv"].map(|name| dir.path().join(name));
    let run = |images, split| {
        error("rotated_digits", &["--images", images, "--split", split, "--out", "run"], dir.path())
    };
    assert!(run("nowhere", "rotated/split.csv").contains("nowhere"));
    assert!(run("rotated/images", "nowhere.csv").contains("nowhere.csv"));
    let text = fs::read_to_string(&split).unwrap();
    for (changed, says) in [
        (text.replace("9,val,-,0\n", ""), &["9 objects", "has 10"][..]),
        (text.replace("3,train/test,1011,1", "3,train/test,0000,1"), &["object 3 is to be predicted"]),
        (text.replace("3,train/test,1011,1", "3,train/test,1111,1"), &["no training image has"]),
        (text.replace("3,train/test,1011,1", "3,train/test,101,1"), &["line 5", "4 views"]),
        (text.replace("in_test", "other"), &["no column in_test"]),
    ] {
        fs::write(&split, changed).unwrap();
        let line = run("rotated/images", "rotated/split.csv");
        assert!(says.iter().all(|part| line.contains(part)), "{line}");
    }
    fs::write(&split, text).unwrap();
    let bytes = fs::read(&images).unwrap();
    fs::write(&images, &bytes[..5000]).unwrap();
    assert!(run("rotated/images", "rotated/split.csv").contains("cut short"));
    let mut damaged = bytes.clone();
    damaged[20..24].copy_from_slice(&f32::NAN.to_be_bytes());
    fs::write(&images, damaged).unwrap();
    assert!(run("rotated/images", "rotated/split.csv").contains("NaN"));
    assert!(error("rotated_digits", &["--data", "nowhere", "--out", "run"], dir.path()).contains("nowhere"));
    assert!(!dir.path().join("run").exists(), "a run was begun without sound data");
    // MNIST of a single digit: four images of each class are turned.
    let flags =
        ["--dry-run", "--data", "mnist", "--digit", "7", "--features", "3", "--methods", "livae,joint"];
    let output = self::run("rotated_digits", &flags, dir.path());
    assert!(output.status.success(), "{}", self::text(&output.stderr));
    let names: Vec<String> = result(&output).into_iter().map(|(name, _)| name).collect();
    assert_eq!(names, ["joint_mse", "joint_se", "joint_sampled_mse", "livae_mse", "livae_se", "seconds"]);
}

#[test]
fn timeseries_fills_a_table_with_gaps_in_any_order_of_time_and_tells_what_is_wrong_with_others() {
    let dir = folder();
    let row = |i: usize| {
        let t = (i * 7 % 40) as f64 / 4.0;
        let b = if i.is_multiple_of(5) { "NA".to_owned() } else { t.cos().to_string() };
        format!("{},{t},{b}\n", t.sin())
    };
    let rows: String = (0..40).map(row).collect();
    fs::write(dir.path().join("good.csv"), "a,when,b\n".to_owned() + &rows + ",10.5,\n").unwrap();
    let brief = |file, time| ["--csv", file, "--time", time, "--epochs", "5", "--draws", "3", "--out", "run"];
    let output = run("timeseries", &brief("good.csv", "when"), dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let filled = fs::read_to_string(dir.path().join("run/filled.csv")).unwrap();
    let mut lines = filled.lines();
    let header = "time,a measured,a seen,a mean,a sd,b measured,b seen,b mean,b sd";
    assert_eq!(lines.next().unwrap(), header);
    let times: Vec<f64> = lines.map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(times.len() == 41 && times.is_sorted(), "{times:?}");
    assert!(!filled.contains("NaN") && !filled.contains("inf"), "{filled}");

    for (file, content, says) in [
        ("untimed.csv", "a,when\n1,2\n3,\n4,5\n", "row 1 has no time"),
        ("still.csv", "a,when\n1,2\n3,2\n", "same time"),
        ("lonely.csv", "when\n1\n2\n", "no column but the time"),
        ("empty.csv", "a,when,b\n1,2,\n3,4,\n", "column b has 0 measured cells"),
        ("words.csv", "a,when\n1,2\nlow,4\n", "low"),
        ("other.csv", "a,b\n1,2\n3,4\n", "when"),
    ] {
        fs::write(dir.path().join(file), content).unwrap();
        let line = error("timeseries", &[&brief(file, "when")[..], &["--force"]].concat(), dir.path());
        assert!(line.contains(says), "{file}: {line}");
    }
    assert!(error("timeseries", &brief("nowhere.csv", "when"), dir.path()).contains("nowhere.csv"));
}
