//! Gaussian-process models that programs have trained, applied to other times and angles.

use std::fs;
use std::path::Path;

use nn::data::Idx;
use nn::model::ModelFile;

use crate::{cells, error, folder, result, run, success, text};

/// A column by its name.
fn column(rows: &[Vec<String>], name: &str) -> Vec<String> {
    let place = rows[0].iter().position(|found| found == name).unwrap_or_else(|| panic!("no column {name}"));
    rows[1..].iter().map(|row| row[place].clone()).collect()
}

/// A series of two channels at forty times from 1000 on, in minutes.
fn series(dir: &Path) {
    let row = |i: usize| {
        let t = 0.7 * i as f64;
        format!("{},{:.4},{:.4}\n", 1000.0 + t, 50.0 + 9.0 * t.sin(), (t / 2.0).cos())
    };
    let text = "minute,warm,wet\n".to_owned() + &(0..40).map(row).collect::<String>();
    fs::write(dir.join("series.csv"), text).unwrap();
}

const TRAIN: [&str; 10] =
    ["--csv", "series.csv", "--time", "minute", "--epochs", "1000", "--draws", "40", "--seed", "3"];

#[test]
fn gp_apply_predicts_a_series_at_any_times_as_its_training_did() {
    let dir = folder();
    let dir = dir.path();
    series(dir);
    success("timeseries", &[&TRAIN[..], &["--out", "run"]].concat(), dir);
    let then = cells(dir, "run/imputed.csv");
    // The same times, of which one stands there twice, in another order, with another column beside them.
    let mut times: Vec<String> = column(&then, "time");
    times.reverse();
    times.push(times[7].clone());
    let table: String = times.iter().map(|time| format!("7,{time}\n")).collect();
    fs::write(dir.join("times.csv"), "other,minute\n".to_owned() + &table).unwrap();
    success("gp_apply", &["--model", "run", "--at", "times.csv", "--out", "same"], dir);
    let now = cells(dir, "same/predictions.csv");
    assert_eq!(
        now[0].join(","),
        "minute,warm mean,warm sd,warm low,warm high,wet mean,wet sd,wet low,wet high,outside"
    );
    for name in ["warm mean", "warm sd", "wet mean", "wet sd"] {
        let mut then = column(&then, name);
        then.reverse();
        then.push(then[7].clone());
        assert_eq!(column(&now, name), then, "{name}");
    }
    assert!(column(&now, "outside").iter().all(String::is_empty));
    assert!(dir.join("same/predictions.png").is_file());

    // The interval of 95 % is 1.96 deviations to each side, and that of 50 % 0.6745.
    let number = |rows: &[Vec<String>], name: &str| -> Vec<f64> {
        column(rows, name).iter().map(|x| x.parse().unwrap()).collect()
    };
    let widths = |rows: &[Vec<String>]| -> Vec<f64> {
        let [sd, low, high] = ["sd", "low", "high"].map(|what| number(rows, &format!("warm {what}")));
        (0..sd.len()).map(|i| (high[i] - low[i]) / sd[i]).collect()
    };
    // The numbers are those of single precision.
    let close = |rows: &[Vec<String>], quantile: f64| {
        let (sd, high) = (number(rows, "warm sd"), number(rows, "warm high"));
        let error = |i: usize| 1e-5 + 2.5e-7 * high[i].abs() / sd[i];
        widths(rows).iter().enumerate().all(|(i, width)| (width - 2.0 * quantile).abs() < error(i))
    };
    assert!(close(&now, 1.959964));

    // Times without a header, between and beyond those of the series. Far away the mean is that of the prior on either side.
    fs::write(dir.join("bare.csv"), "1000.35\n-1e9\n1e12\n900\n1027.3\n1e300\n").unwrap();
    let output =
        success("gp_apply", &["--model", "run", "--at", "bare.csv", "--level", "0.5", "--out", "new"], dir);
    let new = cells(dir, "new/predictions.csv");
    assert_eq!(column(&new, "outside"), ["", "before", "after", "before", "", "after"]);
    assert!(
        text(&output.stdout).contains("4 of them lie outside the times of the series, 1000 to 1027.3"),
        "{}",
        text(&output.stdout)
    );
    assert!(close(&new, 0.6744898));
    let (mean, sd) = (number(&new, "warm mean"), number(&new, "warm sd"));
    // Near a measured cell the process is known, far from all it is as wide as the series.
    assert!((mean[0] - 50.0 - 9.0 * 0.35_f64.sin()).abs() < 2.0 && sd[0] < 8.0, "{mean:?} {sd:?}");
    for far in [1, 2, 3, 5] {
        assert!((mean[far] - 50.0).abs() < 8.0 && sd[far] > 1.2 * sd[0], "{mean:?} {sd:?}");
    }
    let dry = success("gp_apply", &["--model", "run", "--at", "bare.csv", "--dry-run", "--out", "dry"], dir);
    assert!(!dir.join("dry").exists() && !text(&dry.stdout).contains("the files of this run"));
}

#[test]
fn gp_apply_says_what_is_wrong_with_times_flags_and_models() {
    let dir = folder();
    let dir = dir.path();
    series(dir);
    success("timeseries", &[&TRAIN[..4], &["--epochs", "1", "--draws", "2", "--out", "run"]].concat(), dir);
    let digits = ["--epochs", "1", "--importance-samples", "2", "--out", "digits"];
    success("digits", &digits, dir);
    for (name, content) in [
        ("words.csv", "noon\nlate\n"),
        ("two.csv", "1,2\n3,4\n"),
        ("none.csv", ""),
        ("gap.csv", "minute\n1\n\n3\n"),
        ("good.csv", "1\n2\n"),
    ] {
        fs::write(dir.join(name), content).unwrap();
    }
    for (flags, wanted) in [
        (
            &["--model", "run"][..],
            "expected times to predict: give a file with a column of them by --at FILE, in the units of minute",
        ),
        (
            &["--model", "run", "--at", "words.csv"],
            "words.csv: line 2, column 1 (noon): expected a number or a date, found \"late\"",
        ),
        (
            &["--model", "run", "--at", "two.csv"],
            "two.csv: expected a single column of times, or one with the name minute, found",
        ),
        (&["--model", "run", "--at", "none.csv"], "none.csv: holds no data"),
        (&["--model", "run", "--at", "gap.csv"], "gap.csv: line 3"),
        (&["--model", "run", "--at", "nowhere.csv"], "nowhere.csv"),
        (
            &["--model", "run", "--angle", "30"],
            "--angle: run is a model of time series; give times by --at FILE",
        ),
        (&["--model", "digits", "--at", "good.csv"], "expected a model of kind gpvae.GpVae, found vae.Vae"),
        (&["--model", "run/checkpoint.safetensors", "--at", "good.csv"], "expected a trained model"),
        (&["--model", "nowhere", "--at", "good.csv"], "nowhere"),
    ] {
        let line = error("gp_apply", &[flags, &["--out", "new"]].concat(), dir);
        assert!(line.contains(wanted), "{flags:?}: {line}");
    }
    assert!(!dir.join("new").exists());
    for flags in [
        &["--at", "good.csv"][..],
        &["--model", "run", "--at", "good.csv", "--level", "2"],
        &["--model", "run", "--at", "good.csv", "--level", "0.999999999999"],
        &["--model", "run", "--angle", "east"],
    ] {
        let output = run("gp_apply", flags, dir);
        assert_eq!(output.status.code(), Some(2), "{flags:?}: {}", text(&output.stderr));
    }
}

#[test]
fn several_series_stand_in_one_table_and_each_is_filled_in_by_its_own() {
    let dir = folder();
    let dir = dir.path();
    // Rows of two people in turn at irregular times, of which one person's values are opposite to the other's.
    let row = |i: usize| {
        let t = (i / 2) as f64 + 0.3 * (1.7 * i as f64).sin();
        let (who, sign) = [("Ada", 1.0), ("Bob", -1.0)][i % 2];
        let y = |phase: f64| sign * (0.3 * t + phase).sin();
        // Nothing is measured in one row, and some rows are not there at all.
        match i {
            60 => format!("{who},{t:.3},,\n"),
            100..110 => String::new(),
            _ => format!("{who},{t:.3},{:.4},{:.4}\n", y(0.0), y(0.8)),
        }
    };
    let rows: String = (0..200).map(row).collect();
    fs::write(dir.join("people.csv"), "who,t,a,b\n".to_owned() + &rows).unwrap();
    let flags = ["--csv", "people.csv", "--time", "t", "--series", "who", "--steps", "500", "--out", "run"];
    let results = result(&success("timeseries", &flags, dir));
    let of = |name: &str| results.iter().find(|(of, _)| of == name).unwrap().1;
    assert!(of("rmse") < 0.5 * of("rmse_mean") && of("days_coverage_95") <= 1.0, "{results:?}");
    let filled = cells(dir, "run/imputed.csv");
    assert_eq!(filled[0][..3].join(","), "time,who,a measured");
    let who = column(&filled, "who");
    assert!(
        who.len() == 190
            && who[..95].iter().all(|who| who == "Ada")
            && who[95..].iter().all(|who| who == "Bob")
    );

    // A time that is in no row, of both.
    fs::write(dir.join("at.csv"), "t,who\n52.2,Bob\n52.2,Ada\n-1e6,Ada\n").unwrap();
    success("gp_apply", &["--model", "run", "--at", "at.csv", "--out", "new"], dir);
    let new = cells(dir, "new/predictions.csv");
    assert_eq!(new[0][..3].join(","), "t,who,a mean");
    assert_eq!(column(&new, "who"), ["Bob", "Ada", "Ada"]);
    let number = |name: &str| column(&new, name).iter().map(|x| x.parse().unwrap()).collect::<Vec<f64>>();
    let (mean, sd) = (number("a mean"), number("a sd"));
    let truth = (0.3_f64 * 52.2).sin();
    assert!((mean[1] - truth).abs() < 0.5 && (mean[0] + truth).abs() < 0.5, "{mean:?}, {truth}");
    assert!(sd[2] > 1.5 * sd[1], "{sd:?}");
    for (content, wanted) in [
        ("t,who\n1,Eve\n", "line 2, column 2 (who): expected a series of the training, found \"Eve\""),
        ("t\n1\n", "expected the name or number of a column, found \"who\""),
    ] {
        fs::write(dir.join("bad.csv"), content).unwrap();
        let line = error("gp_apply", &["--model", "run", "--at", "bad.csv", "--out", "bad"], dir);
        assert!(line.contains(wanted), "{line}");
    }
    fs::write(dir.join("bad.csv"), "who,t,a\nAda,1,2\n,2,3\n").unwrap();
    let flags = ["--csv", "bad.csv", "--time", "t", "--series", "who", "--out", "bad"];
    let line = error("timeseries", &flags, dir);
    assert!(line.contains("line 3, column 1 (who): expected a series, found \"\""), "{line}");
}

#[test]
fn times_may_be_dates_and_come_back_as_they_were_read() {
    let dir = folder();
    let dir = dir.path();
    // A row every six hours from the end of January on, written in several ways; a column of names beside them.
    let time = |i: usize| {
        let (day, hour) = (i / 4, 6 * (i % 4));
        let date =
            if day < 5 { format!("2024-01-{:02}", 27 + day) } else { format!("2024-02-{:02}", day - 4) };
        match i % 4 {
            0 => date,
            1 => format!("{date} {hour:02}:00"),
            2 => format!("{date}T{hour:02}:00:00.000Z"),
            _ => format!("{date}T{:02}:30:00+02:30", hour + 2),
        }
    };
    let row = |i: usize| format!("Ada,{},{:.3}\n", time(i), 20.0 + 5.0 * (0.4 * i as f64).sin());
    let rows: String = (0..60).map(row).collect();
    fs::write(dir.join("dates.csv"), "who,when,warm\n".to_owned() + &rows).unwrap();
    let brief = ["--epochs", "3", "--draws", "3", "--ignore", "who"];
    let output = success(
        "timeseries",
        &[&["--csv", "dates.csv", "--time", "when", "--out", "run"], &brief[..]].concat(),
        dir,
    );
    let stdout = text(&output.stdout);
    assert!(
        stdout.starts_with("dates.csv: 60 rows, 2 columns of numbers, 1 more left out")
            && stdout.contains("dates in column 2 (when) as seconds since 1970-01-01 UTC"),
        "{stdout}"
    );
    // They are even: nothing is odd about them.
    assert!(!text(&output.stderr).contains("gap"), "{}", text(&output.stderr));
    let times: Vec<String> = (0..60).map(time).collect();
    assert_eq!(column(&cells(dir, "run/imputed.csv"), "time"), times);
    let file = nn::model::ModelFile::load(dir.join("run")).unwrap();
    let clock: serde_json::Value = file.get::<serde_json::Value>("series").unwrap()["clock"].clone();
    assert_eq!(clock["range"], serde_json::json!([1_706_313_600.0, 1_706_313_600.0 + 59.0 * 21_600.0]));

    // Without a header, and within and beyond those of the series.
    fs::write(dir.join("at.csv"), "2024-02-01T12:00:00Z\n2024-01-26\n2024-02-11 00:00\n").unwrap();
    let output = success("gp_apply", &["--model", "run", "--at", "at.csv", "--out", "new"], dir);
    let new = cells(dir, "new/predictions.csv");
    assert_eq!(column(&new, "when"), ["2024-02-01T12:00:00Z", "2024-01-26", "2024-02-11 00:00"]);
    assert_eq!(column(&new, "outside"), ["", "before", "after"]);
    let stdout = text(&output.stdout);
    let range = "2 of them lie outside the times of the series, 2024-01-27 to 2024-02-10T18:00:00Z";
    assert!(stdout.contains(range), "{stdout}");
    // The same moments by other texts.
    fs::write(dir.join("same.csv"), "when,x\n2024-02-01 14:00+02:00,1\n2024-01-25T23:00:00-01,2\n").unwrap();
    success("gp_apply", &["--model", "run", "--at", "same.csv", "--out", "same"], dir);
    let same = cells(dir, "same/predictions.csv");
    let means = |rows: &[Vec<String>]| {
        column(rows, "warm mean").iter().map(|x| x.parse().unwrap()).collect::<Vec<f64>>()
    };
    // The last digits depend on how many times are computed together.
    assert!(means(&same).iter().zip(&means(&new)).all(|(a, b)| (a - b).abs() < 1e-4), "{same:?} {new:?}");

    for (content, wanted) in [
        (
            "when\n1706313600\n",
            "line 2, column 1 (when): expected a date, as the times of the series are, found \"1706313600\"",
        ),
        (
            "when\n2024-01-27\n27.1.2024\n",
            "line 3, column 1 (when): expected a date, as in line 2, found \"27.1.2024\"",
        ),
    ] {
        fs::write(dir.join("bad.csv"), content).unwrap();
        let line = error("gp_apply", &["--model", "run", "--at", "bad.csv", "--out", "bad"], dir);
        assert!(line.contains(wanted), "{line}");
    }
    fs::write(dir.join("bad.csv"), "when,a\n27.1.2024,1\n28.1.2024,2\n").unwrap();
    let line = error("timeseries", &["--csv", "bad.csv", "--out", "bad"], dir);
    assert!(line.contains("expected a number or a date, found \"27.1.2024\"; correct it"), "{line}");
    assert!(line.ends_with("; --time names the column of times"), "{line}");
    assert!(
        line.contains("dates are written as 2024-01-31, 2024-01-31 10:00 or 2024-01-31T10:00:00.25+02:00"),
        "{line}"
    );
}

#[test]
fn gp_apply_turns_the_objects_of_rotated_digits_to_any_angle() {
    let dir = folder();
    let dir = dir.path();
    let flags =
        ["--objects", "20", "--features", "4", "--epochs", "4", "--methods", "joint,livae", "--out", "run"];
    let output = success("rotated_digits", &flags, dir);
    assert!(
        text(&output.stdout).contains("the model that is recommended and kept: GP prior, joint"),
        "{}",
        text(&output.stdout)
    );
    let output =
        success("gp_apply", &["--model", "run", "--angle", "0,157.5,-22.5,337.5,33", "--out", "new"], dir);
    let results = result(&output);
    assert_eq!(
        results[..3],
        [("objects".to_owned(), 20.0), ("angles".to_owned(), 5.0), ("unseen".to_owned(), 2.0)]
    );
    let rows = cells(dir, "new/angles.csv");
    assert_eq!((rows.len(), rows[0].len()), (101, 2 + 144));
    // A whole turn further is the same view.
    for object in 0..20 {
        let row = |angle: usize| &rows[1 + 5 * object + angle][2..];
        assert_eq!(row(2), row(3));
        assert_ne!(row(0), row(1));
    }
    let idx = Idx::read(dir.join("new/angles.idx")).unwrap();
    assert_eq!(idx.shape, [20, 5, 12, 12]);
    let pixels = idx.into_matrix();
    assert_eq!(pixels.row(3)[144 + 7].to_string(), rows[1 + 5 * 3 + 1][2 + 7]);
    assert!(dir.join("new/angles.png").is_file());
    for (flags, wanted) in [
        (&["--model", "run"][..], "expected angles in degrees for the objects of run: give them by --angle"),
        (
            &["--model", "run", "--at", "counts.csv"],
            "--at: run is a model of turned objects; give angles by --angle",
        ),
    ] {
        let line = error("gp_apply", &[flags, &["--out", "bad"]].concat(), dir);
        assert!(line.contains(wanted), "{line}");
    }
    // Sizes that the model has not.
    for (entry, value) in [
        ("features", serde_json::json!(4096)),
        ("features", serde_json::json!(5)),
        ("angles", serde_json::json!(vec![0.5; 200_000])),
    ] {
        let mut file = ModelFile::load(dir.join("run")).unwrap();
        let mut rotated: serde_json::Value = file.get("rotated").unwrap();
        rotated[entry] = value;
        file.set("rotated", &rotated);
        file.save(dir.join("edited.safetensors")).unwrap();
        let line =
            error("gp_apply", &["--model", "edited.safetensors", "--angle", "30", "--out", "bad"], dir);
        assert!(line.contains("the entry \"rotated\": expected"), "{line}");
    }
    // Without the method that is recommended there is no model to keep.
    success("rotated_digits", &[&flags[..6], &["--methods", "livae", "--out", "other"]].concat(), dir);
    assert!(!dir.join("other/model.safetensors").exists());
}
