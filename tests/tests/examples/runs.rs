//! What a run leaves behind, and how it goes on.

use std::fs;
use std::process::Output;

use crate::{error, folder, result, run, success, text};

#[test]
fn newtons_method_arrives_where_gradient_descent_is_still_on_its_way() {
    let dir = folder();
    let flags = ["--dim", "10", "--hidden", "3", "--epochs", "2000", "--out", "newton"];
    let output = run("newton", &flags, dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = result(&output);
    let get = |name: &str| results.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1;
    for function in ["valley", "long_valley"] {
        let of = |method: &str, what: &str| get(&format!("{function}_{method}_{what}"));
        assert!(of("newton", "slope") < 1e-8 && of("newton", "loss") < 1e-15, "{results:?}");
        assert!(of("newton", "work") < 1500.0, "{results:?}");
        assert!(of("gradient_descent", "slope") > 1e-6, "{results:?}");
    }
    assert!(get("network_newton_slope") < 1e-8, "{results:?}");
    assert!(dir.path().join("newton/paths.png").is_file() && dir.path().join("newton/losses.png").is_file());
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
    // Frequencies, within three standard errors of 55,000 throws; and where the answers part.
    assert!((get("unfair_by_frequency") - 2.0 / 11.0).abs() < 0.005, "{results:?}");
    assert!(get("fair_at_two_sigma") > 0.98, "{results:?}");
    assert!(get("rmse_by_learned_prior") < 0.7 * get("rmse_of_shares"), "{results:?}");
}

#[test]
fn mean_field_underestimates_by_the_factors_of_the_formulas() {
    let dir = folder();
    let output = run("cavi", &["--observations", "10", "--correlation", "0.8"], dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = result(&output);
    let get = |name: &str| results.iter().find(|(n, _)| n == name).unwrap_or_else(|| panic!("no {name}")).1;
    assert!((get("variance_ratio") - (1.0 - 0.8 * 0.8)).abs() < 0.01, "{results:?}");
    // (a' − 1)/a' with a' = 1 + 10/2
    assert!((get("variance_of_mean_ratio") - 5.0 / 6.0).abs() < 1e-4, "{results:?}");
    let below = get("log_evidence") - get("elbo");
    assert!(below > 0.0 && below < 0.1, "{results:?}");
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
        ".lock",
        "args.json",
        "checkpoint.safetensors",
        "index.html",
        "latent.png",
        "loss.png",
        "manifold.png",
        "metrics.csv",
        "model.safetensors",
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
fn a_report_says_the_command_and_takes_nothing_in_it_for_a_part_of_the_page() {
    let dir = folder();
    let csv = "<script>it's.csv";
    fs::write(
        dir.path().join(csv),
        "<b>a,\"</table>\",kind\n".to_owned() + &"1,2,x\n3,5,y\n2,1,x\n".repeat(10),
    )
    .unwrap();
    let flags = ["--csv", csv, "--colour", "kind", "--epochs", "2", "--samples", "5", "--out", "run"];
    let output = run("table", &[&flags[..], &["--force", "--latent", "2"]].concat(), dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let page = fs::read_to_string(dir.path().join("run/index.html")).unwrap();
    let command = r"cargo run --release -p vae --example table -- --csv '&lt;script&gt;it'\''s.csv' --colour kind --epochs 2 --samples 5 --out run --latent 2<";
    assert!(page.contains(command), "{page}");
    assert!(!page.contains("<script>it") && !page.contains("<b>a"), "{page}");
    // No path of this machine, but those that the user gave.
    assert!(!page.contains(dir.path().to_str().unwrap()), "{page}");
    assert!(!page.contains(tests::programs::root().to_str().unwrap()), "{page}");
}

/// Linux has a file that is always full.
#[cfg(target_os = "linux")]
#[test]
fn no_stream_that_is_closed_or_full_ends_a_run() {
    use std::fs::File;
    use std::io::pipe;
    use std::process::{Command, Stdio};
    use tests::programs::program;

    let dir = folder();
    let full = || Stdio::from(File::options().write(true).open("/dev/full").unwrap());
    let closed = || Stdio::from(pipe().unwrap().1); // nobody holds the end that is read
    let cases: [(&str, Stdio, Stdio, i32); 4] = [
        ("closed", closed(), Stdio::null(), 0),
        ("silent", Stdio::null(), closed(), 0),
        ("full", full(), Stdio::null(), 1),
        ("quiet", Stdio::null(), full(), 1),
    ];
    for (name, stdout, stderr, code) in cases {
        let mut run = Command::new(program("digits"));
        run.args(["--epochs", "2", "--importance-samples", "2", "--out", name]).current_dir(dir.path());
        let status = run.stdout(stdout).stderr(stderr).status().unwrap();
        assert_eq!(status.code(), Some(code), "{name}");
        for file in ["checkpoint.safetensors", "model.safetensors", "latent.png", "index.html"] {
            assert!(dir.path().join(name).join(file).is_file(), "{name}: {file}");
        }
    }
}

#[test]
fn a_resumed_run_ends_with_the_results_of_an_uninterrupted_one() {
    let dir = folder();
    let flags =
        |epochs, out| ["--data", "mnist", "--importance-samples", "2", "--epochs", epochs, "--out", out];
    // The lecture's draws pictures after the first, the middle and the last epoch.
    for protocol in [&["--force"][..], &["--force", "--protocol", "lecture"]] {
        let whole = run("mnist", &[&flags("4", "whole")[..], protocol].concat(), dir.path());
        assert!(run("mnist", &[&flags("2", "halves")[..], protocol].concat(), dir.path()).status.success());
        let again = [&flags("4", "halves")[..], &protocol[1..], &["--resume"]].concat();
        let resumed = run("mnist", &again, dir.path());
        assert!(resumed.status.success(), "{}", text(&resumed.stderr));
        let bits = |output: &Output| {
            result(output).into_iter().filter(|(name, _)| !name.ends_with("seconds")).collect::<Vec<_>>()
        };
        assert_eq!(bits(&whole), bits(&resumed), "{protocol:?}");
    }
    let page = fs::read_to_string(dir.path().join("halves/index.html")).unwrap();
    for epochs in [1, 2, 4] {
        for picture in ["manifold", "posterior", "reconstructions"] {
            let file = dir.path().join(format!("halves/{picture}-{epochs}.png"));
            assert!(file.is_file(), "{}", file.display());
            // Those of the earlier part, too.
            assert!(
                page.contains(&format!("<code>{picture}-{epochs}.png</code><cite>")),
                "{picture} {epochs}"
            );
        }
    }

    // What has been trained is evaluated again, with more draws.
    let draws = ["--data", "mnist", "--importance-samples", "3", "--epochs", "4", "--out", "whole"];
    let more = run("mnist", &[&draws[..], &["--protocol", "lecture", "--resume"]].concat(), dir.path());
    assert!(more.status.success(), "{}", text(&more.stderr));
    let results = result(&more);
    assert!(results.iter().any(|(name, draws)| name == "draws" && *draws == 3.0), "{results:?}");

    let bytes = fs::read(dir.path().join("halves/checkpoint.safetensors")).unwrap();
    fs::write(dir.path().join("halves/checkpoint.safetensors"), &bytes[..bytes.len() / 2]).unwrap();
    let again = [&flags("5", "halves")[..], &["--protocol", "lecture", "--resume"]].concat();
    let line = error("mnist", &again, dir.path());
    assert!(line.contains("checkpoint.safetensors") && line.contains("damaged"), "{line}");
}

#[test]
fn examples_that_compare_trainings_refuse_the_flags_of_a_checkpoint() {
    let dir = folder();
    for name in [
        "amortisation",
        "anomalies",
        "autoencoder_vs_vae",
        "blur",
        "collapse",
        "compression",
        "conditional",
        "em_vs_gradient",
        "encoder_gradient",
        "genes",
        "learning_rate",
        "noise_level",
        "pca_vs_autoencoder",
        "posterior_family",
        "uci",
    ] {
        for flags in [&["--resume"][..], &["--save", "theta"]] {
            let line = error(name, flags, dir.path());
            assert!(line.contains(&format!("{}: a run of several trainings", flags[0])), "{name}: {line}");
        }
    }
}

/// The recurrences of the guide's first section, for its numbers.
#[test]
fn steps_shows_the_gradient_of_the_hand_derivation_on_a_page_that_it_does_not_write_over() {
    let [w11, w12, w21, w22, b1, b2, v1, v2, c] = [0.5_f64, -0.3, 0.2, 0.4, 0.1, -0.1, 1.0, -2.0, 0.3];
    let (x, y) = ([1.0, -1.0], 0.5);
    let h1 = (b1 + w11 * x[0] + w21 * x[1]).tanh();
    let h2 = (b2 + w12 * x[0] + w22 * x[1]).tanh();
    let d = -2.0 * (y - (c + v1 * h1 + v2 * h2));
    let (d1, d2) = ((1.0 - h1 * h1) * v1 * d, (1.0 - h2 * h2) * v2 * d);
    let by_hand = [d1 * x[0], d2 * x[0], d1 * x[1], d2 * x[1], d1, d2, d * h1, d * h2, d];

    let dir = folder();
    let output = run("steps", &["--out", "run"], dir.path());
    let stdout = text(&output.stdout);
    let (_, gradient) = stdout.split_once("tape.backward: ∂loss/∂θ =\n").unwrap();
    let numbers = gradient.lines().take_while(|line| line.starts_with(' ')).flat_map(str::split_whitespace);
    let numbers: Vec<f64> = numbers.map(|number| number.parse().unwrap()).collect();
    assert_eq!(numbers.len(), 9, "{stdout}");
    assert!(numbers.iter().zip(by_hand).all(|(a, b)| (a - b).abs() < 1e-14), "{numbers:?} {by_hand:?}");
    assert!(result(&output).iter().any(|(name, value)| name == "difference" && *value < 1e-9), "{stdout}");
    let columns = |line: &str| line.chars().filter(|&char| char != '\u{304}').count();
    assert!(stdout.lines().all(|line| line.starts_with("RESULT") || columns(line) <= 80), "{stdout}");

    let page = || fs::read_to_string(dir.path().join("run/steps.html")).unwrap();
    let network = page();
    assert!(["src=", "href=\"http", "url("].iter().all(|loads| !network.contains(loads)), "{network}");
    let product = ["--out", "run", "--expression", "product"];
    let line = error("steps", &product, dir.path());
    assert!(line.contains("run/steps.html") && line.contains("--force"), "{line}");
    assert_eq!(page(), network);
    assert!(run("steps", &[&product[..], &["--force"]].concat(), dir.path()).status.success());
    assert_ne!(page(), network);

    let output = run("steps", &["--expression", "none"], dir.path());
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output.stderr).contains("--expression: expected one of network, product, "));
}

#[cfg(unix)]
#[test]
fn a_signal_in_the_middle_leaves_no_part_of_a_file() {
    use std::io::Write;
    use std::process::{Command, Stdio};
    use std::thread;
    use std::time::{Duration, Instant};

    use tests::programs::program;

    let dir = folder();
    let dir = dir.path();
    let brief = ["--latent", "2", "--epochs", "3", "--samples", "2", "--clusters", "2", "--out", "run"];
    success("table", &[&["--csv", "counts.csv", "--colour", "kind"][..], &brief].concat(), dir);
    let counts = fs::read_to_string(dir.join("counts.csv")).unwrap();
    let (head, rows) = counts.split_once('\n').unwrap();
    let rows = rows.repeat((6 << 20) / rows.len());
    let out = dir.join("new");
    let files = || {
        let entries = fs::read_dir(&out).into_iter().flatten().flatten();
        entries.map(|entry| entry.file_name().into_string().unwrap()).collect::<Vec<_>>()
    };
    for signal in ["-INT", "-TERM", "-HUP", "-KILL"] {
        // A pipe of its own: a process that another test is starting may hold the last one for a moment.
        let pipe = format!("endless{signal}");
        assert!(Command::new("mkfifo").arg(dir.join(&pipe)).status().unwrap().success());
        let flags = ["--model", "run", "--csv", &pipe, "--samples", "1", "--out", "new"];
        let mut child = Command::new(program("vae_apply"))
            .args(flags)
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(fs::File::create(dir.join("stderr")).unwrap())
            .spawn()
            .unwrap();
        // It waits for the rest of the table.
        let mut endless = fs::OpenOptions::new().write(true).open(dir.join(&pipe)).unwrap();
        let (head, rows) = (format!("{head}\n"), rows.clone());
        let writer = thread::spawn(move || {
            let _ = endless.write_all(head.as_bytes()).and_then(|()| endless.write_all(rows.as_bytes()));
            endless
        });
        let started = Instant::now();
        while !files().iter().any(|name| name.starts_with(".imputed.csv.")) {
            let said = || fs::read_to_string(dir.join("stderr")).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "{signal}: {}", said());
            assert!(started.elapsed() < Duration::from_secs(60), "{signal}: {:?} {}", files(), said());
            thread::sleep(Duration::from_millis(5));
        }
        let id = child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
        let code = child.wait().unwrap().code();
        drop(writer.join().unwrap());
        match signal {
            "-KILL" => assert!(files().len() > 1),
            _ => assert_eq!((code, files()), (Some(130), vec![".lock".to_owned()]), "{signal}"),
        }
    }
    // What a killed program left is no obstacle, and goes away.
    success("vae_apply", &["--model", "run", "--csv", "counts.csv", "--out", "new"], dir);
    let mut left = files();
    left.sort();
    assert_eq!(left, [".lock", "args.json", "imputed.csv", "rows.csv"]);
}
