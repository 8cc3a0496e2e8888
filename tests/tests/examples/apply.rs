//! Models that programs have trained, applied to new data by other programs.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::{error, folder, result, run, text};

fn wave(i: usize, j: usize) -> f64 {
    let (a, b) = ((0.7 * i as f64).sin(), (1.3 * i as f64 + 0.4).cos());
    (1000.0 * [a, b, a + b][j]).round() / 1000.0
}

/// The cells of a CSV file of the folder, without quotes and commas in cells.
fn cells(dir: &Path, file: &str) -> Vec<Vec<String>> {
    let text = fs::read_to_string(dir.join(file)).unwrap_or_else(|error| panic!("{file}: {error}"));
    text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
}

/// Some columns of rows.
fn columns(rows: &[Vec<String>], names: &[&str]) -> Vec<Vec<String>> {
    let position =
        |name: &&str| rows[0].iter().position(|found| found == name).unwrap_or_else(|| panic!("no {name}"));
    let positions: Vec<usize> = names.iter().map(position).collect();
    rows[1..].iter().map(|row| positions.iter().map(|&j| row[j].clone()).collect()).collect()
}

#[track_caller]
fn success(name: &str, flags: &[&str], dir: &Path) -> Output {
    let output = run(name, flags, dir);
    assert!(output.status.success(), "{name} {flags:?}: {}", text(&output.stderr));
    let results = result(&output);
    assert!(results.iter().all(|(_, value)| value.is_finite()), "{results:?}");
    output
}

#[test]
fn a_bayesian_network_predicts_new_rows_as_it_did_those_of_its_training() {
    let dir = folder();
    let dir = dir.path();
    let row = |i: usize, order: [usize; 3]| order.map(|j| wave(i, j).to_string()).join(",") + "\n";
    let data: String = (0..40).map(|i| row(i, [0, 1, 2])).collect();
    fs::write(dir.join("t.csv"), "a,b,y\n".to_owned() + &data).unwrap();
    let flags =
        ["--csv", "t.csv", "--target", "y", "--steps", "40", "--draws", "30", "--splits", "1", "--seed", "5"];
    success("regression", &[&flags[..], &["--modes", "2", "--out", "run"]].concat(), dir);
    success("bayes_apply", &["--model", "run", "--csv", "t.csv", "--out", "same"], dir);
    let numbers = ["row", "target", "mean", "sd", "epistemic_sd", "aleatoric_sd", "q05", "q95"];
    let (then, now) = (cells(dir, "run/predictions.csv"), cells(dir, "same/predictions.csv"));
    assert_eq!(columns(&then, &numbers), columns(&now, &numbers));

    // Columns in another order, one that the model does not know, no target, and a row far from the others.
    let new: String = (0..3)
        .map(|i| format!("x{i},{}", row(i, [1, 0, 2]).replace(&format!(",{}\n", wave(i, 2)), "\n")))
        .collect();
    fs::write(dir.join("new.csv"), "who,b,a\n".to_owned() + &new + "far,0.5,17\n").unwrap();
    let flags = ["--model", "run/model.safetensors", "--csv", "new.csv", "--level", "0.5", "--out", "new"];
    let output = success("bayes_apply", &flags, dir);
    let stderr = text(&output.stderr);
    assert_eq!(stderr, "note: new.csv: the model does not know who: left out\n");
    let new = cells(dir, "new/predictions.csv");
    assert_eq!(new[0].join(","), "row,mean,sd,epistemic_sd,aleatoric_sd,q25,q75,outside");
    assert_eq!(columns(&new, &["mean", "sd"])[..3], columns(&now, &["mean", "sd"])[..3]);
    assert_eq!(columns(&new, &["outside"])[3], ["a"]);
    assert_eq!(result(&output)[2], ("scored".to_owned(), 0.0));

    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write("absent.csv", "a,c\n1,2\n");
    write("gap.csv", "a,b,y\n1,,2\n");
    write("word.csv", "a,b,y\r\n1,2,3\r\n1,2,four\r\n");
    write("other.csv", "p,q\n1,2\n");
    write("head.csv", "a,b\n");
    write("none.csv", "");
    for (flags, wanted) in [
        (
            &["--csv", "absent.csv"][..],
            "absent.csv: expected columns with the names b too, found none; add them",
        ),
        (
            &["--csv", "gap.csv"],
            "gap.csv: line 2, column 2 (b): expected a finite number, found \"\"; no value may be missing",
        ),
        (&["--csv", "word.csv"], "word.csv: line 3, column 3 (y): expected a finite number, found \"four\""),
        (&["--csv", "other.csv"], "other.csv: expected columns with the names a, b, found p, q"),
        (&["--csv", "head.csv"], "head.csv: holds no rows below its header"),
        (&["--csv", "none.csv"], "none.csv: holds no data"),
        (&["--csv", "nowhere.csv"], "nowhere.csv: cannot be opened"),
        (
            &["--csv", "t.csv", "--draws", "1"],
            "--draws: expected at least 2, the modes of the model, found 1",
        ),
    ] {
        let line =
            error("bayes_apply", &[&["--model", "run", "--out", "bad", "--force"], flags].concat(), dir);
        assert!(line.contains(wanted), "{flags:?}: {line}");
    }
    for (model, wanted) in [
        (
            "run/checkpoint.safetensors",
            "expected a trained model, found a safetensors file without the entry",
        ),
        ("t.csv", "t.csv"),
        ("mnist", "model.safetensors"),
    ] {
        let line = error("bayes_apply", &["--model", model, "--csv", "t.csv", "--out", "bad"], dir);
        assert!(line.contains(wanted), "{model}: {line}");
    }
    let line = error("bayes_apply", &["--model", "run", "--csv", "t.csv", "--out", "run", "--force"], dir);
    assert!(line.contains("--out: expected another folder than that of the model"), "{line}");
    assert!(dir.join("run/model.safetensors").is_file());
}
