//! Bayesian networks of counts and of classes, and the straight line beside them.

use std::fs;

use crate::apply::{columns, wave};
use crate::{cells, error, folder, result, success, text};

#[test]
fn a_bayesian_network_predicts_counts_and_classes_as_it_did_those_of_its_training() {
    let dir = folder();
    let dir = dir.path();
    let row = |i: usize| {
        let kind = ["low", "\"high up\"", "3"][i % 3];
        format!("{},{},{},{kind}\n", wave(i, 0), wave(i, 1), (3.0 * wave(i, 2).abs()).round())
    };
    let data: String = (0..60).map(row).collect();
    fs::write(dir.join("t.csv"), "a,b,count,kind\n".to_owned() + &data).unwrap();
    let learn = |target, other, likelihood, out| {
        let flags = ["--csv", "t.csv", "--target", target, "--ignore", other, "--likelihood", likelihood];
        let brief =
            ["--steps", "40", "--draws", "30", "--splits", "1", "--modes", "2", "--force", "--out", out];
        success("regression", &[&flags[..], &brief].concat(), dir);
    };
    for likelihood in ["poisson", "negative-binomial"] {
        learn("count", "kind", likelihood, "run");
        success("bayes_apply", &["--model", "run", "--csv", "t.csv", "--force", "--out", "same"], dir);
        let numbers = ["row", "target", "mean", "sd", "epistemic_sd", "aleatoric_sd", "q05", "q95"];
        let (then, now) = (cells(dir, "run/predictions.csv"), cells(dir, "same/predictions.csv"));
        assert_eq!(columns(&then, &numbers), columns(&now, &numbers));
        let end = |row: &Vec<String>| row.last().unwrap().parse::<f64>().unwrap();
        assert!(then[1..].iter().all(|row| end(row).fract() == 0.0), "an interval of counts ends at counts");
        fs::write(dir.join("half.csv"), "a,b,count\n0.1,0.2,3\n0.1,0.2,1.5\n").unwrap();
        let line = error("bayes_apply", &["--model", "run", "--csv", "half.csv", "--out", "bad"], dir);
        assert!(
            line.contains("half.csv: line 3, column 3 (count): expected counts, found \"1.5\""),
            "{line}"
        );
    }
    learn("kind", "count", "categorical", "run");
    let output =
        success("bayes_apply", &["--model", "run", "--csv", "t.csv", "--force", "--out", "same"], dir);
    let numbers = ["row", "target", "class", "entropy", "epistemic_entropy", "p_3", "p_high up", "p_low"];
    let (then, now) = (cells(dir, "run/predictions.csv"), cells(dir, "same/predictions.csv"));
    assert_eq!(columns(&then, &numbers), columns(&now, &numbers));
    let sum = |row: &Vec<String>| row[5..8].iter().map(|p| p.parse::<f64>().unwrap()).sum::<f64>();
    assert!(now[1..].iter().all(|row| (sum(row) - 1.0).abs() < 1e-6));
    let right = now[1..].iter().filter(|row| row[1] == row[2]).count();
    let accuracy = result(&output).into_iter().find(|(name, _)| name == "accuracy").unwrap().1;
    assert!((accuracy - right as f64 / 60.0).abs() < 1e-6, "{accuracy} of {right}");

    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write("new.csv", "a,b,kind\n0.1,0.2,3.0\n0.1,0.2,\n0.1,0.2,red\n");
    let line = error("bayes_apply", &["--model", "run", "--csv", "new.csv", "--out", "bad"], dir);
    let wanted =
        "new.csv: line 4, column 3 (kind): expected one of the classes 3, high up, low, found \"red\"";
    assert!(line.contains(wanted), "{line}");
    write(
        "minus.csv",
        &("a,y\n".to_owned() + &(0..30).map(|i| format!("{i},{}\n", i - 2)).collect::<String>()),
    );
    write(
        "gap.csv",
        &("a,y\n,x\n".to_owned()
            + &(0..30).map(|i| format!("{i},{}\n", ["x", "z"][i % 2])).collect::<String>()),
    );
    write(
        "many.csv",
        &("a,y\n1,2000000\n".to_owned() + &(0..30).map(|i| format!("{i},{i}\n")).collect::<String>()),
    );
    write("same.csv", &("a,y\n".to_owned() + &(0..30).map(|i| format!("{i},x\n")).collect::<String>()));
    for (file, likelihood, wanted) in [
        ("minus.csv", "poisson", "minus.csv: line 2, column 2 (y): expected counts, found \"-2\""),
        (
            "many.csv",
            "poisson",
            "many.csv: line 2, column 2 (y): expected counts up to 1000000, found \"2000000\"",
        ),
        ("minus.csv", "categorical", "y has 30 values in 30 rows: expected classes with some rows each"),
        ("gap.csv", "categorical", "gap.csv: line 2, column 1 (a): expected a finite number, found \"\""),
        ("same.csv", "categorical", "y is x in all rows: expected at least 2 classes"),
    ] {
        let flags = ["--csv", file, "--target", "y", "--likelihood", likelihood, "--out", "bad"];
        let line = error("regression", &flags, dir);
        assert!(line.contains(wanted), "{line}");
    }
    // A target that is named by its number; no cell may be missing, and nothing is said of gaps.
    let flags = ["--csv", "minus.csv", "--target", "2", "--dry-run", "--out", "number"];
    let says = text(&success("regression", &flags, dir).stdout).to_owned();
    assert!(says.contains("6 rows held out of 30, random splits: 2, in units of y\n"), "{says}");
    assert!(!says.contains("missing"), "{says}");
    let line = error("regression", &["--likelihood", "student", "--out", "bad"], dir);
    assert!(line.contains("--likelihood: the noise of the curve is known"), "{line}");
}

#[test]
fn regression_warns_where_a_straight_line_does_as_well() {
    let dir = folder();
    let dir = dir.path();
    let row = |i: usize| {
        format!("{},{},{}\n", wave(i, 0), wave(i, 1), 2.0 * wave(i, 0) - wave(i, 1) + 0.3 * wave(i, 2))
    };
    let data: String = (0..80).map(row).collect();
    fs::write(dir.join("line.csv"), "a,b,y\n".to_owned() + &data).unwrap();
    let flags = ["--csv", "line.csv", "--target", "y", "--steps", "200", "--draws", "30", "--modes", "2"];
    let output = success("regression", &[&flags[..], &["--splits", "5", "--out", "run"]].concat(), dir);
    let stderr = text(&output.stderr);
    let warning =
        stderr.lines().find(|line| line.starts_with("warning: linear regression")).unwrap_or_default();
    assert!(warning.contains("take the line, which is simpler") && warning.contains("nats"), "{stderr}");
    let value = |name: &str| result(&output).into_iter().find(|(found, _)| found == name).unwrap().1;
    assert!(value("linear_evidence") > value("bound"));
}
