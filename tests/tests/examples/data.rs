//! What examples make of users' data, and say of data that cannot be used.

use std::fs;

use crate::{error, folder, result, run, text};

#[test]
fn tables_and_faces_that_cannot_be_used_are_refused_with_the_reason() {
    let dir = folder();
    let write = |name: &str, text: &str| fs::write(dir.path().join(name), text).unwrap();
    write("words.csv", "a,b\n1,2\n3,four\n");
    write("short.csv", "a,b\n1,2\n3,4\n");
    write("empty.csv", &("a,b\n".to_owned() + &"1,\n".repeat(20)));
    write("negative.csv", &("a,b\n".to_owned() + &"1,-2\n".repeat(20)));
    write("large.csv", &("a,b\n".to_owned() + &"1,1000000\n".repeat(20) + "1,1000001\n"));
    write("lone.csv", &("a,b\n1,\n".to_owned() + &"NA,\n".repeat(20) + ",2\n"));
    write(
        "names.csv",
        &("a,who\n".to_owned() + &(0..20).map(|i| format!("1,Ada {i}\n")).collect::<String>()),
    );
    write("typo.csv", &("a,b\n".to_owned() + &"1,2\n".repeat(20) + "1,red\n"));
    for (flags, wanted) in [
        (&["--csv", "none.csv"][..], "none.csv"),
        (&["--csv", "words.csv"], "\"four\""),
        (&["--csv", "short.csv"], "expected at least 10 rows to learn from, found 2"),
        (&["--csv", "empty.csv"], "column 2 (b): expected known cells, found none"),
        (&["--csv", "negative.csv", "--counts"], "line 2, column 2 (b): expected counts, found \"-2\""),
        (
            &["--csv", "large.csv", "--counts"],
            "line 22, column 2 (b): expected counts up to 1000000, found \"1000001\"",
        ),
        (&["--csv", "lone.csv"], "expected a column with more than one known cell, found none"),
        (
            &["--csv", "names.csv"],
            "column 2 (who): expected a category, of at most 10 classes, found 20 different texts",
        ),
        (&["--csv", "names.csv", "--colour", "a"], "leave the column out by --ignore who"),
        (&["--csv", "typo.csv"], "line 22, column 2 (b): expected a finite number, found \"red\""),
        (
            &["--csv", "negative.csv", "--kind", "c=normal"],
            "expected the name or number of a column, found \"c\"",
        ),
        (
            &["--csv", "negative.csv", "--kind", "b=log-normal"],
            "expected a positive number from 1e-18 to 1e18, found \"-2\"",
        ),
        (&["--csv", "counts.csv", "--colour", "size"], "size"),
        (&["--clusters", "1000"], "--clusters: expected at most 442, the number of rows, found 1000"),
    ] {
        let error = error("table", &[flags, &["--dry-run"]].concat(), dir.path());
        assert!(error.contains(wanted), "{flags:?}: {error}");
    }
    for (flags, wanted) in [
        (&[][..], "expected --data DIR"),
        (&["--data", "mnist"], "no frey-faces-idx3-ubyte"),
        (&["--data", "frey", "--latent", "1"], "--latent: expected 2 or more, found 1"),
    ] {
        let error = error("faces", &[flags, &["--dry-run"]].concat(), dir.path());
        assert!(error.contains(wanted), "{flags:?}: {error}");
    }
}

#[test]
fn table_fills_the_gaps_of_a_table_and_leaves_all_else_as_it_is() {
    let dir = folder();
    let wave = |i: usize, j: usize| ((i * (j + 1)) as f64).sin().to_string();
    // A column of text with gaps, between two of numbers.
    let kinds = (0..40).map(|i| {
        let kind = ["green", "\"red, dark\"", ""][i * i % 3];
        format!("{},{kind},{}\n", wave(i, 0), if i % 5 == 0 { String::new() } else { wave(i, 1) })
    });
    // Of ten cells nine are gaps, and some rows are empty.
    let sparse = (0..100).map(|i| {
        let cell = |j: usize| if (i + 3 * j).is_multiple_of(10) { wave(i, j) } else { String::new() };
        (0..4).map(cell).collect::<Vec<_>>().join(",") + "\n"
    });
    for (file, text) in [
        ("kinds.csv", "a,kind,b\n".to_owned() + &kinds.collect::<String>()),
        ("sparse.csv", "a,b,c,d\n".to_owned() + &sparse.collect::<String>()),
    ] {
        fs::write(dir.path().join(file), text).unwrap();
    }
    for (file, flags, hidden) in [
        ("kinds.csv", &["--colour", "kind"][..], 8),
        ("sparse.csv", &[], 4),
        ("counts.csv", &["--counts", "--colour", "kind"], 12),
    ] {
        let brief =
            ["--csv", file, "--latent", "2", "--epochs", "5", "--samples", "5", "--out", "run", "--force"];
        let output = run("table", &[&brief, flags].concat(), dir.path());
        assert!(output.status.success(), "{file}: {}", text(&output.stderr));
        let stdout = text(&output.stdout);
        assert!(stdout.contains(&format!(" {hidden} cells hidden")), "{file}: {stdout}");
        let results = result(&output);
        assert!(results.iter().all(|(_, value)| value.is_finite()), "{file}: {results:?}");

        let read = |file: &str| -> Vec<Vec<String>> {
            let text = fs::read_to_string(dir.path().join(file)).unwrap().replace("\"red, dark\"", "red");
            text.lines().map(|line| line.split(',').map(str::to_owned).collect()).collect()
        };
        let (table, rows, imputed) = (read(file), read("run/rows.csv"), read("run/imputed.csv"));
        assert_eq!((rows.len(), imputed.len()), (table.len(), table.len()), "{file}");
        assert_eq!(imputed[0], table[0], "{file}");
        let colour = table[0].iter().position(|name| name == "kind");
        let names = ["row", "z1", "z2", "cluster", "score", "observed", "outside", "kind"];
        assert_eq!(rows[0], names[..7 + usize::from(colour.is_some())], "{file}");
        let number = |cell: &String| cell.parse().is_ok_and(f64::is_finite);
        let mut strangest = (0, f64::NEG_INFINITY);
        for i in 1..table.len() {
            let is_gap = |j: usize| table[i][j].is_empty() && Some(j) != colour;
            let sound =
                |j: usize| if is_gap(j) { number(&imputed[i][j]) } else { imputed[i][j] == table[i][j] };
            assert!((0..table[0].len()).all(sound), "{file}: {:?}", imputed[i]);
            let observed = (0..table[0].len()).filter(|&j| !is_gap(j) && Some(j) != colour).count();
            assert!(rows[i][..6].iter().all(number), "{file}: {:?}", rows[i]);
            assert_eq!((&rows[i][5], &rows[i][6][..]), (&observed.to_string(), ""), "{file}"); // of the training: inside
            assert_eq!(rows[i].get(7), colour.map(|j| &table[i][j]), "{file}");
            let score = rows[i][4].parse::<f64>().unwrap() / observed as f64;
            if observed > 0 && score > strangest.1 {
                strangest = (i, score);
            }
        }
        let (row, score) = strangest;
        assert!(stdout.contains(&format!("per observed cell in nats: {row} ({score:.2})")), "{stdout}");
    }
}

#[test]
fn table_takes_the_latent_dimension_that_fills_validation_rows_best_and_tries_no_more_than_columns() {
    let dir = folder();
    let wave = |i: usize, j: usize| ((i * (j + 1)) as f64 * 0.1).sin().to_string();
    for (columns, wanted) in [(1, vec![2.0]), (5, vec![2.0, 4.0])] {
        let row = |i: usize| (0..columns).map(|j| wave(i, j)).collect::<Vec<_>>().join(",") + "\n";
        let names = ["a", "b", "c", "d", "e"][..columns].join(",") + "\n";
        fs::write(dir.path().join("waves.csv"), names + &(0..60).map(row).collect::<String>()).unwrap();
        let brief = ["--csv", "waves.csv", "--epochs", "5", "--samples", "5", "--out", "run", "--force"];
        let output = run("table", &brief, dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let stdout = text(&output.stdout);
        let tried = stdout
            .lines()
            .filter_map(|line| line.split_once(" latent dimensions, cells of validation rows:"));
        let number = |text: &str| text.trim().parse::<f64>().unwrap();
        let tried: Vec<[f64; 2]> = tried.map(|(latent, error)| [number(latent), number(error)]).collect();
        assert_eq!(tried.iter().map(|[latent, _]| *latent).collect::<Vec<_>>(), wanted, "{stdout}");
        let least = tried.iter().map(|[_, error]| *error).fold(f64::INFINITY, f64::min);
        let (_, taken) = result(&output).into_iter().find(|(name, _)| name == "latent").unwrap();
        assert!(tried.contains(&[taken, least]), "{taken}: {stdout}");
        let rows = fs::read_to_string(dir.path().join("run/rows.csv")).unwrap();
        let codes = rows.lines().next().unwrap().split(',').filter(|name| name.starts_with('z')).count();
        assert_eq!(codes as f64, taken, "{rows}");
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
    for (flags, wanted) in [
        (&["--protocol", "lecture", "--k", "2"][..], "--k, --dreg and --full are for --protocol iwae"),
        (&["--protocol", "iwae", "--latent", "2,5"], "a protocol takes a single --latent"),
        (&["--latent", "2,5", "--importance-samples", "9"], "--importance-samples is for a single --latent"),
        (&["--latent", "2,5", "--resume"], "--resume: a run of several trainings has no checkpoint"),
        (&["--decoder", "--save", "theta"], "--save: a run of several trainings has no checkpoint"),
        (&["--decoder", "--latent", "1"], "--decoder takes a single --latent from 2 on"),
        (&["--decoder", "64-none"], "--decoder 64-none"),
    ] {
        let line = error("mnist", &[&["--data", "mnist"], flags].concat(), dir.path());
        assert!(line.contains(wanted), "{flags:?}: {line}");
    }
    for (flags, wanted) in [
        (&["--decoder", "--resume"][..], "--resume: a run of several trainings has no checkpoint"),
        (&["--decoder", "--latent", "1"], "--decoder takes a single --latent from 2 on"),
        (&["--decoder", "linear,0"], "--decoder 0: expected \"linear\" or widths such as 64-256"),
        (&["--decoder", "64-99999"], "--decoder 64-99999"),
        (&["--decoder", "linear,8,linear"], "--decoder: expected each decoder once, found linear twice"),
    ] {
        let line = error("digits", flags, dir.path());
        assert!(line.contains(wanted), "{flags:?}: {line}");
    }
    for flags in [["--protocol=iwae", "--hidden=9"], ["--decoder=64", "--importance-samples=9"]] {
        let output = run("mnist", &flags, dir.path());
        assert!(output.status.code() == Some(2), "{flags:?}: {}", text(&output.stderr));
    }
    let images = dir.path().join("mnist/t10k-images-idx3-ubyte");
    let bytes = fs::read(&images).unwrap();
    fs::write(&images, &bytes[..1000]).unwrap();
    let line = error("mnist", &["--data", "mnist"], dir.path());
    assert!(line.contains("t10k-images-idx3-ubyte"), "{line}");
    assert!(!dir.path().join("out").exists(), "a run was begun without data");
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
        ("one.csv", "y", &["1 row:", "too few"]),
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
    for (file, target, constant) in [("header.csv", "wave", "same"), ("bare.csv", "3", "column 2")] {
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
        assert!(line.starts_with("RESULT set=uci splits=") && !line.contains("NaN"), "{line}");
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
    // A dry run takes the two first splits, or the only one.
    fs::remove_file(dir.path().join("uci/index_train_1.txt")).unwrap();
    assert_eq!(splits(&["--data", "uci", "--dry-run"]), 1.0);
    fs::remove_file(dir.path().join("uci/index_target.txt")).unwrap();
    assert!(error("uci", &with(&["--data", "uci"]), dir.path()).contains("index_target.txt"));
}

#[test]
fn rotated_digits_trains_by_the_lectures_schedule_to_the_letter() {
    let dir = folder();
    let flags = ["--methods", "lecture", "--rounds", "2", "--epochs", "6", "--kernel-steps", "3"];
    let output =
        run("rotated_digits", &[&flags[..], &["--objects", "24", "--out", "run"]].concat(), dir.path());
    assert!(output.status.success(), "{}", text(&output.stderr));
    let metrics = fs::read_to_string(dir.path().join("run/metrics-lecture.csv")).unwrap();
    let mut lines = metrics.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let place = lines.next().unwrap().iter().position(|name| *name == "train_log_likelihood").unwrap();
    // In each round two epochs of the networks, three steps of the kernel, which reads no pixels, one epoch of everything.
    let reads_pixels: Vec<bool> = lines.map(|cells| cells[place] != "0").collect();
    let round = [true, true, false, false, false, true];
    assert_eq!(reads_pixels, [round, round].concat());
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
    let beyond = error("rotated_digits", &["--hold-out", "16", "--out", "run"], dir.path());
    assert!(beyond.contains("--hold-out 16: expected a view from 0 to 15"), "{beyond}");
    assert!(!dir.path().join("run").exists(), "a run was begun without sound data");
    // MNIST of a single digit: four images of each class are turned.
    let flags =
        ["--dry-run", "--data", "mnist", "--digit", "7", "--features", "3", "--methods", "livae,joint"];
    let output = self::run("rotated_digits", &flags, dir.path());
    assert!(output.status.success(), "{}", self::text(&output.stderr));
    let names: Vec<String> = result(&output).into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        names,
        ["joint_mse", "joint_mse_se", "joint_sampled_mse", "livae_mse", "livae_mse_se", "seconds"]
    );
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
    let filled = fs::read_to_string(dir.path().join("run/imputed.csv")).unwrap();
    let mut lines = filled.lines();
    let header = "time,a measured,a seen,a mean,a sd,b measured,b seen,b mean,b sd";
    assert_eq!(lines.next().unwrap(), header);
    let times: Vec<f64> = lines.map(|line| line.split(',').next().unwrap().parse().unwrap()).collect();
    assert!(times.len() == 41 && times.is_sorted(), "{times:?}");
    assert!(!filled.contains("NaN") && !filled.contains("inf"), "{filled}");

    for (file, content, says) in [
        ("untimed.csv", "a,when\n1,2\n3,\n4,5\n", "line 3, column 2 (when): expected a time"),
        ("still.csv", "a,when\n1,2\n3,2\n", "same time"),
        ("lonely.csv", "when\n1\n2\n", "no column but the time"),
        ("empty.csv", "a,when,b\n1,2,\n3,4,\n", "column 3 (b) has 0 measured cells"),
        ("words.csv", "a,when\n1,2\nlow,4\n", "low"),
        ("other.csv", "a,b\n1,2\n3,4\n", "when"),
    ] {
        fs::write(dir.path().join(file), content).unwrap();
        let line = error("timeseries", &[&brief(file, "when")[..], &["--force"]].concat(), dir.path());
        assert!(line.contains(says), "{file}: {line}");
    }
    assert!(error("timeseries", &brief("nowhere.csv", "when"), dir.path()).contains("nowhere.csv"));
}
