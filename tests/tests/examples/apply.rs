//! Models that programs have trained, applied to new data by other programs.

use std::fs;
use std::path::Path;

use nn::model::ModelFile;

use crate::{cells, error, folder, result, run, success, text};

/// Two waves and their sum.
pub(crate) fn wave(i: usize, j: usize) -> f64 {
    let (a, b) = ((0.7 * i as f64).sin(), (1.3 * i as f64 + 0.4).cos());
    (1000.0 * [a, b, a + b][j]).round() / 1000.0
}

/// Some columns of rows.
pub(crate) fn columns(rows: &[Vec<String>], names: &[&str]) -> Vec<Vec<String>> {
    let position =
        |name: &&str| rows[0].iter().position(|found| found == name).unwrap_or_else(|| panic!("no {name}"));
    let positions: Vec<usize> = names.iter().map(position).collect();
    rows[1..].iter().map(|row| positions.iter().map(|&j| row[j].clone()).collect()).collect()
}

/// Whether cells are the same numbers, but for what depends on the rows that are computed together.
#[track_caller]
fn assert_close(a: &[Vec<String>], b: &[Vec<String>]) {
    let numbers =
        |rows: &[Vec<String>]| -> Vec<f64> { rows.concat().iter().map(|x| x.parse().unwrap()).collect() };
    let (a, b) = (numbers(a), numbers(b));
    assert_eq!(a.len(), b.len());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1e-5 * a.abs().max(1.0)), "{a:?} {b:?}");
}

/// Writes `edited.safetensors`, the model of the folder `run` whose training had another flag.
fn edit_flag(dir: &Path, flag: &str, value: u64) {
    let mut file = ModelFile::load(dir.join("run")).unwrap();
    let mut run: serde_json::Value = file.get("run").unwrap();
    run["flags"][flag] = value.into();
    file.set("run", &run);
    file.save(dir.join("edited.safetensors")).unwrap();
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
    assert_eq!(stderr, "note: new.csv: the model does not know who: not used\n");
    let new = cells(dir, "new/predictions.csv");
    assert_eq!(new[0].join(","), "row,mean,sd,epistemic_sd,aleatoric_sd,q25,q75,outside");
    assert_close(&columns(&new, &["mean", "sd"])[..3], &columns(&now, &["mean", "sd"])[..3]);
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
    // A number of draws that no memory holds, and the narrowest interval.
    edit_flag(dir, "draws", 1 << 33);
    let flags = ["--model", "edited.safetensors", "--level", "1e-6", "--out", "many"];
    success("bayes_apply", &[&flags[..], &["--csv", "new.csv", "--dry-run"]].concat(), dir);
    success("bayes_apply", &[&flags[..], &["--csv", "t.csv", "--draws", "9"]].concat(), dir);
    assert_eq!(cells(dir, "many/predictions.csv")[0][6..8], ["q49.99995", "q50.00005"]);
    for level in ["1e-13", "0.999999999999"] {
        let output = run("bayes_apply", &["--model", "run", "--csv", "t.csv", "--level", level], dir);
        assert_eq!(output.status.code(), Some(2), "{}", text(&output.stderr));
    }
    let line = error("bayes_apply", &["--model", "run", "--csv", "t.csv", "--out", "run", "--force"], dir);
    assert!(line.contains("--out: expected another folder than that of a trained model"), "{line}");
    assert!(dir.join("run/model.safetensors").is_file());
}

/// A table with gaps, a column of text whose name has a line break, and every kind of mark that a text can have.
fn odd_table(rows: usize) -> String {
    let row = |i: usize| {
        let kind = ["red", "\"green; dark\"", ""][i * i % 3];
        let gap = if i % 7 == 3 { "-99".to_owned() } else { format!("{:+.3}", wave(i, 2)).replace('.', ",") };
        format!("{};{kind};{gap};0,{:03}\r\n", wave(i, 0).to_string().replace('.', ","), i * 37 % 1000)
    };
    "\"a \"\"x\"\"\";\"kind\nof it\";b;c\r\n".to_owned() + &(0..rows).map(row).collect::<String>()
}

#[test]
fn a_table_s_vae_scores_and_fills_new_rows_as_it_did_those_of_its_training() {
    let dir = folder();
    let dir = dir.path();
    fs::write(dir.join("t.csv"), odd_table(700)).unwrap();
    let flags = ["--csv", "t.csv", "--colour", "2", "--missing", "-99", "--seed", "3"];
    let brief = ["--latent", "2", "--epochs", "4", "--samples", "20", "--clusters", "3", "--out", "run"];
    success("table", &[&flags[..], &brief].concat(), dir);
    let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
    for rows in ["1", "200", "60000"] {
        let flags = ["--model", "run", "--csv", "t.csv", "--out", "same", "--force", "--batch-size", rows];
        let results = result(&success("vae_apply", &flags, dir));
        assert_eq!(results[0..2], [("rows".to_owned(), 700.0), ("gaps".to_owned(), 100.0)]);
        for file in ["rows.csv", "imputed.csv"] {
            assert_eq!(read(&format!("run/{file}")), read(&format!("same/{file}")), "{rows} rows at a time");
        }
    }
    // All that was known stands as it was read.
    for (line, filled) in odd_table(700).replace("\r\n", "\n").lines().zip(read("same/imputed.csv").lines()) {
        assert!(line == filled || line.contains(";-99;") && !filled.contains(";-99;"), "{line}: {filled}");
    }

    // Other columns in another order, without a's; semicolons and marks are guessed, or known from the training.
    fs::write(dir.join("new.csv"), "c,who,b\n0.1,\"x, y\",0.5\n0.2,z,-99\n").unwrap();
    let output = success("vae_apply", &["--model", "run", "--csv", "new.csv", "--out", "new"], dir);
    let stderr = text(&output.stderr);
    assert!(stderr.starts_with("note: new.csv: no \"a \\\"x\\\"\": missing in every row\n"), "{stderr}");
    assert!(stderr.ends_with("note: new.csv: the model does not know who: not used\n"), "{stderr}");
    let imputed = read("new/imputed.csv");
    let lines: Vec<&str> = imputed.lines().collect();
    assert_eq!(lines[0], "c,who,b,\"a \"\"x\"\"\"");
    assert!(lines[1].starts_with("0.1,\"x, y\",0.5,") && lines[2].starts_with("0.2,z,"), "{imputed}");
    assert!(
        !lines[2].contains("-99") && lines[1].rsplit(',').next().unwrap().parse::<f64>().is_ok(),
        "{imputed}"
    );
    let rows = cells(dir, "new/rows.csv");
    assert_eq!(rows[0].join(","), "row,z1,z2,cluster,score,observed,outside");
    assert_eq!(columns(&rows, &["observed"]), [["2"], ["1"]]);
    assert!(columns(&rows, &["cluster"]).iter().all(|row| ["1", "2", "3"].contains(&&*row[0])));
    // Where the model extrapolates is marked, and a gap is nowhere.
    fs::write(dir.join("beyond.csv"), "\"a \"\"x\"\"\",b,c\n0.5,0.5,0.5\n9,-99,0.5\n0.5,-30,2\n").unwrap();
    let output = success("vae_apply", &["--model", "run", "--csv", "beyond.csv", "--out", "beyond"], dir);
    let outside = |line: &str| line.splitn(7, ',').last().unwrap().to_owned();
    let lines: Vec<String> = read("beyond/rows.csv").lines().map(outside).collect();
    // A name with a quote in it is in quotes, and once more for the file.
    assert_eq!(lines, ["outside", "", r#""""a \""x\""""""#, "b; c"]);
    assert!(
        text(&output.stdout).contains("\n2 of them have inputs outside the range of the rows to train on\n")
    );
    assert_eq!(result(&output)[2], ("outside".to_owned(), 2.0));

    // A single draw of z, for a number of them that makes no sense.
    edit_flag(dir, "samples", 0);
    let flags = ["--model", "edited.safetensors", "--csv", "new.csv", "--out", "one"];
    let output = success("vae_apply", &flags, dir);
    assert!(result(&output).iter().all(|(name, _)| name != "k_sample_rise"));
    // Wider than what is read at a time, and with a column that only its place names.
    let wide = format!("b{}\n0.5{}\n", ",".repeat(1 << 20), ",".repeat(1 << 20));
    fs::write(dir.join("wide.csv"), wide).unwrap();
    let output = success("vae_apply", &["--model", "run", "--csv", "wide.csv", "--out", "wide"], dir);
    assert!(text(&output.stdout).starts_with("1 row, 2 gaps filled"), "{}", text(&output.stdout));

    let write = |name: &str, text: &str| fs::write(dir.join(name), text).unwrap();
    write("word.csv", "\"a \"\"x\"\"\",b,c\n0,1,2\n0,1,two\n");
    write("far.csv", "\"a \"\"x\"\"\",b,c\n0,1,1e60\n");
    write("other.csv", "p,q\n1,2\n");
    for (flags, wanted) in [
        (
            &["--csv", "word.csv"][..],
            "word.csv: line 3, column 3 (c): expected a finite number, found \"two\"",
        ),
        (&["--csv", "far.csv"], "far.csv: line 2, column 3 (c): expected a number near those to learn from"),
        (&["--csv", "other.csv"], "expected columns with the names \"a \\\"x\\\"\", b, c, found p, q"),
        (&["--sample", "3"], "run: a model of a table: give new rows by --csv"),
        (&["--csv", "t.csv", "--invert"], "--invert"),
        (&[], "run: a model of a table: give new rows by --csv"),
    ] {
        let line = error("vae_apply", &[&["--model", "run", "--out", "bad", "--force"], flags].concat(), dir);
        assert!(line.contains(wanted), "{flags:?}: {line}");
        assert!(!dir.join("bad/rows.csv").exists());
    }
}

#[test]
fn clusters_without_rows_take_none_and_columns_without_a_name_are_noted() {
    let dir = folder();
    let dir = dir.path();
    // Two rows, many times.
    fs::write(dir.join("dup.csv"), ",b\n".to_owned() + &"1,2\n3,5\n".repeat(20)).unwrap();
    let brief = ["--latent", "1", "--epochs", "3", "--samples", "5", "--clusters", "4", "--out", "run"];
    success("table", &[&["--csv", "dup.csv"][..], &brief].concat(), dir);
    let output = success("vae_apply", &["--model", "run", "--csv", "dup.csv", "--out", "same"], dir);
    assert_eq!(cells(dir, "run/rows.csv"), cells(dir, "same/rows.csv"));
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("note: dup.csv: \"column 1\" without a name: taken for the input in the same place"),
        "{stderr}"
    );
    let mut file = ModelFile::load(dir.join("run")).unwrap();
    file.insert("clusters", &[4, 1], vec![f64::NAN; 4]);
    file.save(dir.join("edited.safetensors")).unwrap();
    let line =
        error("vae_apply", &["--model", "edited.safetensors", "--csv", "dup.csv", "--out", "bad"], dir);
    assert!(line.contains("\"clusters\": expected a cluster with a finite centre"), "{line}");
}

#[test]
fn a_vae_of_counts_takes_counts_alone() {
    let dir = folder();
    let dir = dir.path();
    let brief = ["--latent", "2", "--epochs", "3", "--samples", "5", "--clusters", "2", "--out", "run"];
    let flags = ["--csv", "counts.csv", "--counts", "--colour", "kind"];
    success("table", &[&flags[..], &brief].concat(), dir);
    success("vae_apply", &["--model", "run", "--csv", "counts.csv", "--out", "same"], dir);
    for file in ["rows.csv", "imputed.csv"] {
        assert_eq!(
            fs::read(dir.join("run").join(file)).unwrap(),
            fs::read(dir.join("same").join(file)).unwrap()
        );
    }
    fs::write(dir.join("half.csv"), "a,b,c\n1,2,0.5\n").unwrap();
    let line = error("vae_apply", &["--model", "run", "--csv", "half.csv", "--out", "bad"], dir);
    assert!(line.contains("half.csv: line 2, column 3 (c): expected counts, found \"0.5\""), "{line}");
}

#[test]
fn a_vae_of_images_samples_encodes_reconstructs_decodes_and_interpolates() {
    let dir = folder();
    let dir = dir.path();
    success("digits", &["--epochs", "2", "--importance-samples", "3", "--latent", "3", "--out", "run"], dir);
    // Six images of 8 x 8 pixels as an IDX file.
    let idx = |count: u32, side: u32| {
        let mut bytes = [2051, count, side, side].map(u32::to_be_bytes).concat();
        bytes.extend((0..count * side * side).map(|i| (i * i / 7 % 251) as u8));
        bytes
    };
    fs::write(dir.join("six"), idx(6, 8)).unwrap();
    fs::write(dir.join("large"), idx(2, 9)).unwrap();
    let tasks = [
        "--encode",
        "six",
        "--reconstruct",
        "six",
        "--sample",
        "5",
        "--images",
        "six",
        "--interpolate",
        "2",
        "6",
    ];
    let output = success("vae_apply", &[&["--model", "run", "--out", "new"], &tasks[..]].concat(), dir);
    let results = result(&output);
    for (name, count) in [("samples", 5.0), ("encoded", 6.0), ("reconstructed", 6.0)] {
        assert!(results.contains(&(name.to_owned(), count)), "{results:?}");
    }
    let z = ["z1", "z2", "z3"];
    let codes = cells(dir, "new/codes.csv");
    assert_eq!(codes[0].join(","), "row,z1,z2,z3,sigma1,sigma2,sigma3,log_p");
    assert!(columns(&codes, &["sigma1"]).iter().all(|row| row[0].parse::<f64>().unwrap() > 0.0));
    let walk = columns(&cells(dir, "new/interpolation.csv"), &z);
    let ends = columns(&codes, &z);
    assert_eq!((walk.len(), &walk[0], &walk[9]), (10, &ends[1], &ends[5]));
    assert_eq!(cells(dir, "new/samples.csv").len(), 6);
    for picture in ["samples", "reconstructions", "interpolation"] {
        assert!(dir.join(format!("new/{picture}.png")).is_file(), "{picture}");
    }

    // What was encoded is decoded to its reconstruction; the order of the columns is free.
    success("vae_apply", &["--model", "run", "--decode", "new/codes.csv", "--out", "decoded"], dir);
    assert_eq!(cells(dir, "decoded/decoded.csv"), cells(dir, "new/reconstructions.csv"));
    // Without a file the embedded digits, as far as they have the size.
    success("vae_apply", &["--model", "run", "--encode", "--out", "all"], dir);
    assert_eq!(cells(dir, "all/codes.csv").len(), 1798);

    // A trial has few images, and both ends of a walk all the same.
    success("vae_apply", &["--model", "run", "--interpolate", "1", "100", "--dry-run"], dir);

    fs::write(dir.join("z.csv"), "z1,z3\n1,2\n").unwrap();
    fs::write(dir.join("far.csv"), "z3,z1,z2\n1,2,3\n1,1e300,3\n").unwrap();
    for (flags, wanted) in [
        (
            &[][..],
            "run: a model of images: give --sample, --reconstruct, --encode, --decode or --interpolate",
        ),
        (&["--csv", "counts.csv"], "run: a model of images: give --sample"),
        (
            &["--encode", "large"],
            "large: expected images of 8x8 pixels, which the model was trained on, found 9x9",
        ),
        (&["--encode", "counts.csv"], "counts.csv: expected an IDX file"),
        (&["--encode", "nothing"], "nothing: cannot be opened"),
        (&["--decode", "z.csv"], "z.csv: expected columns with the names z2 too, found none"),
        (
            &["--decode", "far.csv"],
            "far.csv: line 3, column 2 (z1): expected a code of the size of those of images, found \"1e300\"",
        ),
        (&["--encode", "--invert"], "--invert: there are no images to read"),
        (&["--sample", "3", "--skip-damaged"], "--skip-damaged: there are no images to read"),
        (
            &["--interpolate", "1", "7", "--images", "six"],
            "--interpolate: expected images from 1 to 6, found 7",
        ),
        (&["--sample", "3", "--separator", "comma"], "--separator: there is no table to read"),
    ] {
        let line = error("vae_apply", &[&["--model", "run", "--out", "bad", "--force"], flags].concat(), dir);
        assert!(line.contains(wanted), "{flags:?}: {line}");
    }
    let line = error("bayes_apply", &["--model", "run", "--csv", "counts.csv", "--out", "bad"], dir);
    assert!(line.ends_with("expected a model of kind bayes_nn.BayesMlp, found vae.Vae"), "{line}");
}

#[test]
fn a_network_predicts_new_rows_and_tells_new_images_apart() {
    let dir = folder();
    let dir = dir.path();
    success("regress", &["--epochs", "3", "--out", "line"], dir);
    let names = "age,sex,bmi,bp,s1,s2,s3,s4,s5,s6";
    let row = "59,2,32.1,101,157,93.2,38,4,4.8598,87";
    // The same row twice, with its columns turned round, and one that is far from all others.
    let turned = |line: &str| line.split(',').rev().collect::<Vec<_>>().join(",");
    fs::write(
        dir.join("new.csv"),
        format!("{names},progression\n{row},151\n{row},\n{},\n", row.replace("32.1", "99")),
    )
    .unwrap();
    fs::write(dir.join("turned.csv"), format!("who,{}\nAda,{}\n", turned(names), turned(row))).unwrap();
    let results = result(&success("nn_apply", &["--model", "line", "--csv", "new.csv", "--out", "new"], dir));
    assert_eq!(results[..2], [("rows".to_owned(), 3.0), ("outside".to_owned(), 1.0)]);
    success("nn_apply", &["--model", "line", "--csv", "turned.csv", "--out", "turned"], dir);
    let (new, turned) = (cells(dir, "new/predictions.csv"), cells(dir, "turned/predictions.csv"));
    let predicted = columns(&new, &["prediction"]);
    assert!(predicted[0] == predicted[1] && predicted[0] != predicted[2]);
    assert_close(&predicted[..1], &columns(&turned, &["prediction"]));
    assert_eq!(columns(&new, &["target", "outside"]), [["151", ""], ["", ""], ["", "bmi"]]);
    fs::write(dir.join("far.csv"), format!("{names}\n{}\n", row.replace("4.8598", "1e308"))).unwrap();
    let line = error("nn_apply", &["--model", "line", "--csv", "far.csv", "--out", "bad"], dir);
    assert!(
        line.contains("far.csv: line 2, column 9 (s5): expected a number from -1e290 to 1e290"),
        "{line}"
    );
    let error_of_one = (predicted[0][0].parse::<f64>().unwrap() - 151.0).abs();
    // Results have eight digits.
    assert!((results[2].1 - error_of_one).abs() < 1e-7 * error_of_one, "{results:?}");

    success("classify", &["--epochs", "20", "--out", "digits"], dir);
    success("nn_apply", &["--model", "digits", "--out", "all"], dir);
    let rows = cells(dir, "all/predictions.csv");
    assert_eq!((rows.len(), rows[0][..3].join(",")), (1798, "row,class,p(0)".to_owned()));
    let digits = nn::data::digits();
    let right =
        rows[1..].iter().zip(&digits.labels).filter(|(row, label)| row[1] == label.to_string()).count();
    assert!(right > 1600, "{right} of 1797 digits");
    for row in &rows[1..20] {
        let sum: f64 = row[2..].iter().map(|p| p.parse::<f64>().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-5, "{row:?}");
    }
    // Images in folders with the names of classes are scored; one folder has another name.
    success("classify", &["--images", "own", "--epochs", "60", "--out", "drawn"], dir);
    fs::rename(dir.join("own/dot"), dir.join("own/star")).unwrap();
    let output = success("nn_apply", &["--model", "drawn", "--images", "own", "--out", "own-new"], dir);
    let stderr = text(&output.stderr);
    assert!(
        stderr.contains("note: subfolders that are no classes of the model: star; it has bar, cross, dot"),
        "{stderr}"
    );
    let rows = cells(dir, "own-new/predictions.csv");
    assert_eq!(rows[0].join(","), "row,file,target,class,p(bar),p(cross),p(dot)");
    let right = columns(&rows, &["target", "class"]).iter().filter(|row| row[0] == row[1]).count();
    let results = result(&output);
    let accuracy = right as f64 / 40.0;
    assert!(accuracy > 0.8, "{right} of 40");
    assert_eq!(results[..2], [("images".to_owned(), 60.0), ("scored".to_owned(), 40.0)]);
    assert!(results[2].0 == "accuracy" && (results[2].1 - accuracy).abs() < 1e-7, "{results:?}");
    assert!(
        text(&output.stdout)
            .contains(&format!("{right} of 40 images in a subfolder of the model's classes are right"))
    );
    let one = success("nn_apply", &["--model", "drawn", "--images", "own/bar/3.png", "--out", "one"], dir);
    assert_eq!((result(&one).len(), text(&one.stdout).contains("\n1 image: ")), (2, true));

    for (flags, wanted) in [
        (&["--model", "line"][..], "line: a model of a table: give new rows by --csv"),
        (&["--model", "digits", "--csv", "new.csv"], "digits: a model of images: give them by --images"),
        (&["--model", "digits", "--images", "mnist/t10k-images-idx3-ubyte"], "expected images of 8x8 pixels"),
        (&["--model", "line", "--csv", "counts.csv"], "counts.csv: expected columns with the names age, sex"),
    ] {
        let line = error("nn_apply", &[flags, &["--out", "bad", "--force"]].concat(), dir);
        assert!(line.contains(wanted), "{flags:?}: {line}");
    }
}
