//! What programs claim of their methods holds in short runs, too.

use tests::programs::root;

use crate::{result, run, text};

/// The results of a run.
fn results(name: &str, flags: &[&str]) -> impl Fn(&str) -> f64 + use<> {
    let dir = tempfile::tempdir().unwrap();
    let out = dir.path().join("run");
    let output = run(name, &[flags, &["--no-report", "--out", out.to_str().unwrap()]].concat(), &root());
    assert!(output.status.success(), "{name}: {}", text(&output.stderr));
    let results = result(&output);
    move |name| {
        let found = results.iter().find(|(of, _)| of == name);
        found.unwrap_or_else(|| panic!("no {name} in {results:?}")).1
    }
}

#[test]
fn iterations_of_em_and_small_gradient_steps_never_fall_and_steps_of_minibatches_do() {
    let of = results("em_vs_gradient", &["--epochs", "30"]);
    assert_eq!((of("em_rising"), of("gradient_rising")), (1.0, 1.0));
    assert!(of("vae_rising") < 0.9, "{}", of("vae_rising"));
    // An iteration of EM goes farther than a step.
    assert!(of("em_below") < 0.1 && of("em_below") >= -1e-9, "{}", of("em_below"));
    assert!(of("gradient_below") > 10.0 * of("em_below"), "{}", of("gradient_below"));
}

/// A rate that is too large makes the log-likelihood fall, and the report does not say otherwise.
#[test]
fn the_report_counts_the_steps_that_fall() {
    let dir = tempfile::tempdir().unwrap();
    let flags = ["--epochs", "6", "--rate", "0.03", "--out", "run"];
    let output = run("em_vs_gradient", &flags, dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let of = |name: &str| result(&output).iter().find(|(of, _)| of == name).unwrap().1;
    let page = std::fs::read_to_string(dir.path().join("run/index.html")).unwrap();
    let steps = |share: f64| format!("in {:.0} of 6 ", 6.0 * share);
    assert!(of("gradient_rising") < 1.0, "{}", of("gradient_rising"));
    for (key, what) in [("em", "iterations of EM"), ("gradient", "steps along its gradient")] {
        let wanted = steps(of(&format!("{key}_rising"))) + what;
        assert!(page.contains(&wanted), "no {wanted}");
    }
}

#[test]
fn without_a_code_the_least_squares_image_is_the_average() {
    let of = results("blur", &["--epochs", "4", "--seeds", "2"]);
    assert!(of("large_kl") < 0.05, "{}", of("large_kl"));
    assert!(of("large_to_average") < 0.05 * of("least_error"), "{}", of("large_to_average"));
    assert!(of("large_error") > of("least_error"), "{} is less than can be", of("large_error"));
    assert!(of("small_error") < 0.5 * of("least_error"), "{}", of("small_error"));
    assert!(of("small_sharpness") > 2.0 * of("large_sharpness"), "{}", of("small_sharpness"));
}

#[test]
fn a_model_that_is_told_the_batch_finds_the_groups_and_another_finds_the_batches() {
    let of = results("genes", &["--epochs", "120", "--seeds", "2"]);
    assert!(of("vae_batches") > 0.5 && of("vae_groups") < 0.2, "{} {}", of("vae_batches"), of("vae_groups"));
    let told = (of("conditional_groups"), of("conditional_batches"));
    assert!(told.0 > 0.5 && told.1 < 0.2, "{told:?}");
}

#[test]
fn more_numbers_lose_less_of_an_image_and_rounding_costs_something() {
    let of = results("compression", &["--epochs", "20", "--seeds", "2", "--latent", "2,8"]);
    for method in ["pca", "autoencoder"] {
        let error = |m: usize, how: &str| of(&format!("{method}_{m}_{how}"));
        assert!(error(8, "exact") < error(2, "exact"), "{method}");
        for m in [2, 8] {
            assert!(error(m, "4_bits") > error(m, "exact"), "{method} {m}");
            assert!((error(m, "8_bits") / error(m, "exact") - 1.0).abs() < 0.02, "{method} {m}");
        }
    }
    assert!(of("autoencoder_2_exact") < of("pca_2_exact"));
}

#[test]
fn an_autoencoder_keeps_the_scale_that_its_codes_begin_with_and_a_vae_does_not() {
    let of =
        |scale: &str| results("autoencoder_vs_vae", &["--epochs", "60", "--latent", "2", "--scale", scale]);
    let (usual, large) = (of("1"), of("30"));
    let grown = |key: &str| large(&format!("{key}_2_spread")) / usual(&format!("{key}_2_spread"));
    assert!(grown("autoencoder") > 5.0, "{}", grown("autoencoder"));
    assert!(grown("vae") < 2.0, "{}", grown("vae"));
}
