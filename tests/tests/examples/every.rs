//! What holds for every example.

use std::fs;
use std::path::Path;

use tests::programs::root;

use crate::texts::files;
use crate::{folder, result, run, text};

/// An example with flags that make it run on little data, in a folder with a small MNIST and a small regression set.
const SMOKE: &[(&str, &str, &[&str])] = &[
    ("autograd", "steps", &["--dry-run"]),
    ("autograd", "steps", &["--dry-run", "--expression", "nan"]),
    ("bayes-nn", "bayes_apply", &["--dry-run", "--model", "MODEL/regression", "--csv", "uci/data.txt"]),
    ("bayes-nn", "cavi", &["--dry-run"]),
    ("bayes-nn", "coin", &["--dry-run"]),
    ("bayes-nn", "cost", &["--dry-run"]),
    ("bayes-nn", "few_labels", &["--dry-run"]),
    ("bayes-nn", "gradients", &["--dry-run"]),
    ("bayes-nn", "regression", &["--dry-run"]),
    ("bayes-nn", "sensors", &["--dry-run"]),
    ("bayes-nn", "uci", &["--dry-run"]),
    ("bayes-nn", "uci", &["--dry-run", "--data", "uci"]),
    ("gpvae", "curves", &["--dry-run"]),
    ("gpvae", "fmri", &["--dry-run"]),
    ("gpvae", "gp_regression", &["--dry-run"]),
    ("gpvae", "healing", &["--dry-run"]),
    (
        "gpvae",
        "rotated_digits",
        &["--dry-run", "--images", "rotated/images", "--split", "rotated/split.csv", "--features", "8"],
    ),
    ("gpvae", "rotated_digits", &["--dry-run", "--tune", "--members", "2", "--methods", "joint"]),
    ("gpvae", "timeseries", &["--dry-run"]),
    ("gpvae", "timeseries", &["--dry-run", "--rows", "90", "--sensors", "2", "--subjects", "3"]),
    ("nn", "classify", &["--dry-run"]),
    ("nn", "classify", &["--dry-run", "--data", "mnist", "--widths", "--psi", "sigmoid"]),
    ("nn", "classify", &["--dry-run", "--images", "own"]),
    ("nn", "newton", &["--dry-run", "--dim", "3", "--hidden", "2"]),
    ("nn", "nn_apply", &["--dry-run", "--model", "MODEL/classify"]),
    ("nn", "regress", &["--dry-run", "--widths", "8,4", "--phi", "relu"]),
    ("vae", "amortisation", &["--dry-run"]),
    ("vae", "amortisation", &["--dry-run", "--data", "mnist"]),
    ("vae", "anomalies", &["--dry-run"]),
    ("vae", "anomalies", &["--dry-run", "--data", "mnist"]),
    ("vae", "anomalies", &["--dry-run", "--images", "own", "--unknown", "dot", "--latent", "2"]),
    ("vae", "autoencoder_vs_vae", &["--dry-run", "--data", "mnist", "--latent", "3,2"]),
    ("vae", "autoencoder_vs_vae", &["--dry-run"]),
    ("vae", "blur", &["--dry-run"]),
    ("vae", "blur", &["--dry-run", "--data", "mnist", "--latent", "3"]),
    ("vae", "collapse", &["--dry-run"]),
    ("vae", "compression", &["--dry-run"]),
    ("vae", "compression", &["--dry-run", "--data", "mnist", "--latent", "3,1"]),
    ("vae", "conditional", &["--dry-run"]),
    ("vae", "conditional", &["--dry-run", "--data", "mnist", "--latent", "3"]),
    ("vae", "digits", &["--dry-run"]),
    ("vae", "digits", &["--dry-run", "--decoder"]),
    ("vae", "digits", &["--dry-run", "--decoder", "linear,8-16", "--latent", "3"]),
    ("vae", "em_vs_gradient", &["--dry-run"]),
    ("vae", "em_vs_gradient", &["--dry-run", "--data", "mnist", "--latent", "2"]),
    ("vae", "encoder_gradient", &["--dry-run"]),
    ("vae", "encoder_gradient", &["--dry-run", "--data", "mnist"]),
    ("vae", "faces", &["--dry-run", "--data", "frey"]),
    ("vae", "faces", &["--dry-run", "--data", "frey", "--conv"]),
    ("vae", "genes", &["--dry-run"]),
    ("vae", "genes", &["--dry-run", "--cells", "40", "--genes", "7", "--latent", "3"]),
    ("vae", "learning_rate", &["--dry-run"]),
    ("vae", "learning_rate", &["--dry-run", "--data", "mnist"]),
    (
        "vae",
        "mnist",
        &["--dry-run", "--data", "mnist", "--importance-samples", "2", "--ais", "3", "--ais-images", "2"],
    ),
    (
        "vae",
        "mnist",
        &[
            "--dry-run",
            "--data",
            "mnist",
            "--importance-samples",
            "2",
            "--protocol",
            "iwae",
            "--k",
            "3",
            "--ais",
            "2",
            "--ais-encoder",
        ],
    ),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--importance-samples", "2", "--protocol", "lecture"]),
    ("vae", "mnist", &["--dry-run", "--images", "own", "--importance-samples", "2", "--latent", "2"]),
    ("vae", "mnist", &["--dry-run", "--images", "own", "--importance-samples", "2", "--protocol", "lecture"]),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--latent", "2,5"]),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--decoder"]),
    ("vae", "mnist", &["--dry-run", "--data", "mnist", "--importance-samples", "2", "--conv"]),
    ("vae", "noise_level", &["--dry-run", "--data", "mnist"]),
    ("vae", "pca_vs_autoencoder", &["--dry-run"]),
    ("vae", "pca_vs_autoencoder", &["--dry-run", "--data", "mnist", "--latent", "3"]),
    ("vae", "posterior_family", &["--dry-run"]),
    ("vae", "posterior_family", &["--dry-run", "--data", "mnist", "--batch-size", "2"]),
    ("vae", "table", &["--dry-run"]),
    ("vae", "table", &["--dry-run", "--counts"]),
    ("vae", "table", &["--dry-run", "--table", "mixed"]),
    (
        "vae",
        "table",
        &["--dry-run", "--csv", "counts.csv", "--counts", "--colour", "kind", "--clusters", "2"],
    ),
    ("vae", "vae_apply", &["--dry-run", "--model", "MODEL/table", "--csv", "counts.csv"]),
    (
        "vae",
        "vae_apply",
        &[
            "--dry-run",
            "--model",
            "MODEL/digits",
            "--sample",
            "3",
            "--encode",
            "--reconstruct",
            "--interpolate",
            "1",
            "2",
        ],
    ),
];

/// Trainings of a moment, for programs that apply a model: the flag MODEL/NAME stands for the folder of one of them.
const MODELS: &[(&str, &[&str])] = &[
    ("classify", &["--epochs", "1"]),
    ("digits", &["--epochs", "1", "--importance-samples", "2"]),
    (
        "regression",
        &["--csv", "uci/data.txt", "--target", "3", "--steps", "20", "--draws", "10", "--splits", "1"],
    ),
    (
        "table",
        &[
            "--csv",
            "counts.csv",
            "--counts",
            "--epochs",
            "1",
            "--latent",
            "2",
            "--samples",
            "2",
            "--clusters",
            "2",
        ],
    ),
];

/// The first program of a chapter: no flags, no folder, no RESULT line.
const MINIMAL: &[(&str, &str)] =
    &[("bayes-nn", "bayes_minimal"), ("gpvae", "gp_minimal"), ("vae", "vae_minimal")];

/// All examples of the workspace as (crate, name, source).
pub(crate) fn examples() -> Vec<(String, String, String)> {
    let mut examples = Vec::new();
    // Those of `tests` are tools.
    let members = fs::read_dir(root()).unwrap().map(|entry| entry.unwrap().path());
    for member in members.filter(|member| !member.ends_with("tests")) {
        let Ok(files) = fs::read_dir(member.join("examples")) else { continue };
        for path in files.map(|entry| entry.unwrap().path()) {
            // NAME.rs, or NAME/main.rs
            let source = if path.is_dir() { path.join("main.rs") } else { path.clone() };
            if !source.is_file() || source.extension().is_none_or(|extension| extension != "rs") {
                continue;
            }
            let name = |path: &Path| path.file_stem().unwrap().to_str().unwrap().to_owned();
            examples.push((name(&member), name(&path), fs::read_to_string(source).unwrap()));
        }
    }
    examples.sort();
    examples
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
            // What applies a model needs one first: the module `apply`, and those of the programs that train it, run it.
            name.ends_with("_apply")
                || MINIMAL.contains(&(package.as_str(), name.as_str()))
                || SMOKE.iter().any(|(p, n, _)| (p, n) == (&package.as_str(), &name.as_str())),
            "{package}/{name} is not smoke-run"
        );
    }
    let gone = |(package, name, _): &&(&str, &str, &[&str])| {
        !examples.iter().any(|(p, n, _)| (p, n) == (&package.to_string(), &name.to_string()))
    };
    assert_eq!(SMOKE.iter().find(gone), None, "an example that is gone is still listed");
}

#[test]
fn the_report_shows_every_picture_of_an_example() {
    let mut pictures = 0;
    let sources =
        ["bayes-nn", "gpvae", "nn", "vae"].map(|name| files(&root().join(name).join("examples"), "rs"));
    // Programs that apply a model write no report.
    for path in sources.iter().flatten().filter(|path| !path.to_string_lossy().contains("apply")) {
        for line in fs::read_to_string(path).unwrap().lines() {
            let is_silent = line.contains("file(") && line.contains(".png");
            assert!(!is_silent, "{}: {line}: expected run.picture", path.display());
            pictures += usize::from(line.contains(".png\""));
        }
    }
    assert!(pictures > 30, "only {pictures} pictures");
}

#[test]
fn flags_that_are_paths_need_not_be_unicode() {
    let mut paths = 0;
    let examples =
        ["bayes-nn", "gpvae", "nn", "vae"].map(|name| files(&root().join(name).join("examples"), "rs"));
    for path in examples.iter().flatten() {
        let text = fs::read_to_string(path).unwrap();
        // A field of the flags, with its attributes.
        for field in text.split("    /// ").filter(|field| field.contains("#[arg(")) {
            let declared =
                field.lines().find(|line| !line.trim_start().starts_with('#') && line.contains("PathBuf"));
            let Some(line) = declared.filter(|line| line.ends_with(',')) else { continue };
            assert!(field.contains("path_text"), "{}: {line}: expected serialize_with", path.display());
            paths += 1;
        }
    }
    assert!(paths > 10, "only {paths} paths");
}

#[test]
fn the_report_names_a_section_that_there_is() {
    let mut sections = 0;
    for package in ["bayes-nn", "gpvae", "nn", "vae"] {
        let text = fs::read_to_string(root().join(package).join("README.md")).unwrap();
        for path in files(&root().join(package).join("examples"), "rs") {
            let source = fs::read_to_string(&path).unwrap();
            for (at, _) in source.match_indices("Run::open(") {
                let named = source[at..].split_once(&format!("documented(\"{package}\", \""));
                let section =
                    named.and_then(|(_, rest)| rest.split_once('"')).map_or("none", |(name, _)| name);
                assert!(text.contains(&format!("\n## {section}\n")), "{}: {section}", path.display());
                sections += 1;
            }
        }
    }
    assert!(sections > 20, "only {sections} sections");
}

/// Each prints its bound as it learns, which rises, and the chapter shows what it prints but for the last digits.
#[test]
fn a_minimal_example_learns_and_has_at_most_sixty_lines() {
    let examples = examples();
    for (package, name) in MINIMAL {
        let lines = examples.iter().find(|(_, n, _)| n == name).unwrap().2.lines().count();
        assert!(lines <= 60, "{package}/{name}: {lines} lines");
        let dir = folder();
        let before = fs::read_dir(dir.path()).unwrap().count();
        let output = run(name, &[], dir.path());
        assert!(output.status.success(), "{package}/{name}: {}", text(&output.stderr));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), before, "{package}/{name} left files");
        let printed = text(&output.stdout);
        let number = |line: &str| {
            let after = line.rsplit_once("ELBO ").or_else(|| line.rsplit_once("F = "))?.1;
            after.split_whitespace().next()?.parse::<f64>().ok()
        };
        let bounds: Vec<f64> = printed.lines().filter_map(number).collect();
        let (first, last) = (bounds[0], bounds[bounds.len() - 1]);
        // bayes_minimal prints the free energy, minus the bound.
        let rises = if printed.contains("F = ") { last < first } else { last > first };
        assert!(bounds.len() > 3 && rises, "{package}/{name}: {printed}");
    }
}

#[test]
fn every_example_runs_and_ends_with_finite_results() {
    let models = tempfile::tempdir().unwrap();
    for (name, flags) in MODELS {
        let out = models.path().join(name);
        let output = run(name, &[flags, &["--out", out.to_str().unwrap()][..]].concat(), folder().path());
        assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    }
    let mut wide = Vec::new();
    for (package, name, flags) in SMOKE {
        let dir = folder();
        let flags = flags.iter().map(|flag| flag.replace("MODEL", models.path().to_str().unwrap()));
        let flags: Vec<String> = flags.collect();
        let output = run(name, &flags.iter().map(String::as_str).collect::<Vec<_>>(), dir.path());
        assert!(output.status.success(), "{package}/{name}: {}", text(&output.stderr));
        let results = result(&output);
        // Text of a terminal's width, but for what is for programs and what names the user's own file and columns. (The numbers of a
        // table, which is indented, may be of any size here.) A macron takes no column.
        let printed = text(&output.stdout);
        let is_free = |line: &str| {
            ["RESULT", "columns: ", "  "].iter().any(|start| line.starts_with(start))
                || line.contains(".csv: ")
        };
        let width = |line: &str| line.chars().filter(|c| *c != '\u{304}').count();
        for line in printed.lines().filter(|line| width(line) > 80 && !is_free(line)) {
            wide.push(format!("{package}/{name} {flags:?}: {line}"));
        }
        let promised = printed.contains("the files of this run");
        assert!(!promised, "{package}/{name}: a dry run keeps no files");
        assert!(results.iter().any(|(name, _)| name == "seconds"), "{package}/{name}: {results:?}");
        assert!(results.iter().all(|(_, value)| value.is_finite()), "{package}/{name}: {results:?}");
        let mut left: Vec<_> = fs::read_dir(dir.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(
            left,
            ["counts.csv", "frey", "mnist", "own", "rotated", "uci"],
            "{package}/{name}: a dry run leaves something behind"
        );
    }
    assert!(wide.is_empty(), "lines of more than 80 characters:\n{}", wide.join("\n"));
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

#[test]
fn a_number_that_no_memory_allows_is_refused_before_anything_is_computed() {
    let mut tried = 0;
    for (package, name, _) in SMOKE {
        let help = run(name, &["--help"], &std::env::temp_dir());
        for line in text(&help.stdout).lines().filter_map(|line| line.trim().strip_prefix("--")) {
            let (flag, value) = line.split_once([' ', '[']).unwrap_or((line, ""));
            let is_count = value
                .split_whitespace()
                .next()
                .is_some_and(|name| ["<N>", "<N,…>", "<M>", "<K>", "<D>"].contains(&name));
            // Any seed will do, and epochs take time alone.
            if !is_count || ["seed", "epochs"].contains(&flag) {
                continue;
            }
            for number in ["1000000000000", "18446744073709551615"] {
                let output = run(name, &["--dry-run", &format!("--{flag}={number}")], &std::env::temp_dir());
                let error = text(&output.stderr);
                assert_eq!(output.status.code(), Some(2), "{package}/{name} --{flag} {number}: {error}");
                assert!(error.contains(flag), "{package}/{name} --{flag}: {error}");
                tried += 1;
            }
        }
    }
    assert!(tried > 100, "only {tried} numbers");
}
