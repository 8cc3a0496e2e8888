//! What examples make of tables that are written in unusual ways, or hold unusual numbers.

use std::fs;
use std::path::Path;
use std::process::Output;

use crate::{error, folder, result, run, text};

/// So many rows of three numbers: the first two waves, and their sum in other units.
fn rows(count: usize, cell: impl Fn(usize, usize) -> String) -> String {
    let row = |i| (0..3).map(|j| cell(i, j)).collect::<Vec<_>>().join(",") + "\n";
    (0..count).map(row).collect()
}

fn wave(i: usize, j: usize) -> f64 {
    let (a, b) = ((0.7 * i as f64).sin(), (1.3 * i as f64 + 0.4).cos());
    (1000.0 * [a, b, a + b][j]).round() / 1000.0
}

fn written(dir: &Path, file: &str) -> String {
    fs::read_to_string(dir.join("run").join(file)).unwrap()
}

/// Runs `table` on a text for a moment, which must succeed.
#[track_caller]
fn table(dir: &Path, content: &str, flags: &[&str]) -> Output {
    fs::write(dir.join("table.csv"), content).unwrap();
    let brief = ["--csv", "table.csv", "--epochs", "3", "--samples", "5", "--out", "run", "--force"];
    let output = run("table", &[&brief, flags].concat(), dir);
    assert!(output.status.success(), "{}", text(&output.stderr));
    let results = result(&output);
    assert!(results.iter().all(|(_, value)| value.is_finite()), "{results:?}");
    output
}

#[test]
fn table_writes_back_the_text_that_it_read() {
    let dir = folder();
    // Identities that double precision cannot tell apart, a sign, a zero at the end, a name with a line break.
    let ids = "\"id\n(18)\",b,\"y, of it\"\n".to_owned()
        + &rows(30, |i, j| match (i, j) {
            (_, 0) => (100_000_000_000_000_001 + 7 * i).to_string(),
            (7 | 19, 2) => String::new(),
            _ => format!("{:+.4}", wave(i, j)),
        });
    let output = table(dir.path(), &ids, &[]);
    let imputed = written(dir.path(), "imputed.csv");
    let differs: Vec<_> = ids.lines().zip(imputed.lines()).filter(|(a, b)| a != b).collect();
    assert_eq!((ids.lines().count(), differs.len()), (imputed.lines().count(), 2), "{imputed}");
    assert!(differs.iter().all(|(read, written)| written.starts_with(read) && written.len() > read.len()));
    let stdout = text(&output.stdout);
    let says = "table.csv: 30 rows, 3 columns of numbers, separator comma, a header; 2 missing cells (empty, NA, NaN, ?)\n";
    assert!(stdout.starts_with(says), "{stdout}");
    let stderr = text(&output.stderr);
    for part in ["column 1 (\"id (18)\"): ", "line 3, 100000000000000001 to 100000000000000000"] {
        assert!(stderr.contains(part), "{stderr}");
    }

    // Semicolons, decimal commas, comments, marks, and a column of text with a separator in it; no header.
    let cells = |i: usize| {
        let kind = ["\"green; light\"", "n/a", "red"][i % 3];
        let b = if i % 7 == 3 { "-99".to_owned() } else { format!("{:.2}", wave(i, 1)).replace('.', ",") };
        format!("{};{kind};{b}\n", format!("{:.3}", wave(i, 0)).replace('.', ","))
    };
    let semicolons: String = (0..30).map(cells).collect();
    let flags = ["--colour", "2", "--comment", "%", "--missing", "-99", "--missing=n/a", "--header", "no"];
    let output =
        table(dir.path(), &format!("% by hand, twice\r\n{}", semicolons.replace('\n', "\r\n")), &flags);
    let says = "30 rows, 3 columns, 2 of numbers and 1 of text, separator semicolon, no header, decimal commas, comments %; \
                14 missing cells (empty, -99, n/a)";
    assert!(text(&output.stdout).contains(says), "{}", text(&output.stdout));
    let imputed = written(dir.path(), "imputed.csv");
    assert_eq!(imputed.lines().count(), 30);
    for (read, written) in semicolons.lines().zip(imputed.lines()) {
        match read.strip_suffix("-99") {
            None => assert_eq!(read, written),
            Some(same) => {
                let filled = written.strip_prefix(same).unwrap_or_else(|| panic!("{written}"));
                assert!(filled.replace(',', ".").parse::<f64>().is_ok_and(f64::is_finite), "{filled}");
            }
        }
    }
}

#[test]
fn headers_of_numbers_empty_corners_and_blank_lines_are_read_as_what_they_are() {
    let dir = folder();
    let data = rows(30, |i, j| wave(i, j).to_string());
    let words: String = data.lines().enumerate().map(|(i, row)| format!("land{},{row}\n", i % 4)).collect();
    for (content, flags, count, note) in [
        (format!("0,1,2\n{data}"), &[][..], 30, true),
        (format!("0,1,2\n{data}"), &["--header", "yes"], 30, false),
        (format!("0,1,2\n{data}"), &["--header", "no"], 31, false),
        (format!("country,1952,1957,1962\n{words}"), &["--colour", "country"], 30, true),
        (format!("\tbody mass\tage\n{}", data.replace(',', "\t")), &[], 30, false),
        (
            "y\n".to_owned()
                + &(0..30)
                    .map(|i| if i % 5 == 2 { "\n".to_owned() } else { format!("{}\n", wave(i, 0)) })
                    .collect::<String>(),
            &[],
            30,
            false,
        ),
    ] {
        let output = table(dir.path(), &content, &[flags, &["--clusters", "2"]].concat());
        let stdout = text(&output.stdout);
        assert!(stdout.starts_with(&format!("table.csv: {count} rows, ")), "{stdout}");
        assert_eq!(text(&output.stderr).contains("--header"), note, "{}", text(&output.stderr));
        let (imputed, scores) = (written(dir.path(), "imputed.csv"), written(dir.path(), "rows.csv"));
        assert_eq!(scores.lines().count(), count + 1);
        // What was known is the same, in the same line.
        for (read, written) in content.lines().zip(imputed.lines()) {
            assert!(
                read == written || read.is_empty() && written.parse::<f64>().is_ok(),
                "{read}: {written}"
            );
        }
    }
    // The words of a column that is not the colour's are categories.
    let output = table(dir.path(), &format!("country,1952,1957,1962\n{words}"), &["--clusters", "2"]);
    assert!(text(&output.stdout).contains("category country (4)"), "{}", text(&output.stdout));
}

#[test]
fn columns_of_any_magnitude_have_finite_results() {
    let dir = folder();
    for unit in ["e200", "e-200"] {
        let data =
            "a,b,y\n".to_owned() + &rows(30, |i, j| wave(i, j).to_string() + if j == 2 { unit } else { "" });
        let gaps = data.replacen(&format!("{}{unit}", wave(4, 2)), "", 1);
        let output = table(dir.path(), &gaps, &[]);
        assert!(!text(&output.stderr).contains("same number everywhere"), "{}", text(&output.stderr));
        let imputed = written(dir.path(), "imputed.csv");
        let filled = imputed.lines().nth(5).unwrap().rsplit(',').next().unwrap().to_owned();
        let size = filled.parse::<f64>().unwrap().abs() / format!("1{unit}").parse::<f64>().unwrap();
        assert!((1e-3..10.0).contains(&size), "{filled}");

        fs::write(dir.path().join("whole.csv"), &data).unwrap();
        let flags = ["--csv", "whole.csv", "--target", "y", "--steps", "20", "--draws", "20", "--modes", "2"];
        let output = run("regression", &[&flags[..], &["--out", "run", "--force"]].concat(), dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(result(&output).iter().all(|(name, value)| value.is_finite()
            && (*value != 0.0 || name.contains("coverage") || name == "wins")));
        let predictions = written(dir.path(), "predictions.csv");
        for (i, line) in predictions.lines().skip(1).enumerate() {
            let cells: Vec<&str> = line.split(',').collect();
            // Rows are counted from 1, and the target is what was read.
            assert_eq!((cells[0], cells[2]), (&*(i + 1).to_string(), &*format!("{}{unit}", wave(i, 2))));
            let sound = |cell: &&str| cell.parse().is_ok_and(|x: f64| x.is_finite() && x != 0.0);
            assert!(cells[3..].iter().all(sound), "{line}");
        }
    }
    // Finite, and too large for what is predicted of them; or one number too far from all others.
    let far = |number: &str| {
        "a,b,y\n".to_owned()
            + &rows(30, |i, j| if (i, j) == (11, 1) { number.to_owned() } else { wave(i, j).to_string() })
    };
    for number in ["1e300", "-1e299"] {
        fs::write(dir.path().join("large.csv"), far(number)).unwrap();
        for (program, flags) in [
            ("table", &["--epochs", "1"][..]),
            ("regression", &["--target", "y"]),
            ("timeseries", &["--time", "a"]),
        ] {
            let line = error(program, &[&["--csv", "large.csv"], flags].concat(), dir.path());
            let says = format!(
                "large.csv: line 13, column 2 (b): expected a number from -1e290 to 1e290, found \"{number}\""
            );
            assert!(line.contains(&says), "{program}: {line}");
        }
    }
    for seed in ["0", "1", "2", "3", "4", "5", "6", "7"] {
        fs::write(dir.path().join("far.csv"), far("1e200")).unwrap();
        let flags = [
            "--csv",
            "far.csv",
            "--epochs",
            "1",
            "--samples",
            "2",
            "--seed",
            seed,
            "--out",
            "far",
            "--force",
        ];
        let output = run("table", &flags, dir.path());
        match output.status.success() {
            true => assert!(result(&output).iter().all(|(_, value)| value.is_finite())),
            false => {
                assert!(text(&output.stderr).contains("line 13, column 2 (b)"), "{}", text(&output.stderr))
            }
        }
    }
}

#[test]
fn timeseries_keeps_some_of_every_channel_and_says_what_is_odd_about_times() {
    let dir = folder();
    let series = |content: &str, flags: &[&str]| {
        fs::write(dir.path().join("t.csv"), content).unwrap();
        let brief =
            ["--csv", "t.csv", "--time", "t", "--epochs", "2", "--draws", "3", "--out", "run", "--force"];
        let output = run("timeseries", &[&brief, flags].concat(), dir.path());
        assert!(output.status.success(), "{}", text(&output.stderr));
        assert!(result(&output).iter().all(|(_, value)| value.is_finite()), "{:?}", result(&output));
        output
    };
    // Two cells of a channel, of which none may be hidden: whatever the seed.
    let cell = |i: usize| ["", "0.30", "5.00"][usize::from(i == 3) + 2 * usize::from(i == 50)];
    let gaps: String = (0..60).map(|i| format!("{i},{:.3},{}\n", wave(i, 0), cell(i))).collect();
    for seed in ["0", "32", "33"] {
        series(&format!("t,u,v\n{gaps}"), &["--seed", seed, "--hide", "0.5"]);
        let filled = written(dir.path(), "imputed.csv");
        for i in [3, 50] {
            let cells: Vec<&str> = filled.lines().nth(i + 1).unwrap().split(',').collect();
            assert_eq!(cells[5..7], [cell(i), "1"], "{filled}");
        }
    }

    let clock = |zero: usize| {
        let time = |i: usize| if i == zero { 0 } else { 1_700_000_000 + 60 * i };
        let row = |i: usize| format!("{}.50,{:.3},{:.3}\n", time(i), wave(i, 0), wave(i, 1));
        "t,u,v\n".to_owned() + &(0..60).map(row).collect::<String>()
    };
    let output = series(&clock(60), &[]);
    assert!(!text(&output.stderr).contains("note"), "{}", text(&output.stderr));
    assert!(written(dir.path(), "imputed.csv").contains("\n1700000060.50,"));
    let note = text(&series(&clock(30), &[]).stderr);
    let says = "the largest gap between times, 1700000000, is 28333333 times the median gap, 60: between lines 32 and 2";
    assert!(note.contains(says), "{note}");
}

#[test]
fn columns_are_left_out_by_name_in_every_program_that_reads_a_table() {
    let dir = folder();
    let dir = dir.path();
    let row = |i: usize| {
        format!(
            "Ada {i},{},{},2024-01-0{}\n",
            wave(i, 0),
            if i == 3 { String::new() } else { wave(i, 1).to_string() },
            1 + i % 9
        )
    };
    let whole = "full name,a,y,day\n".to_owned() + &(0..40).map(row).collect::<String>();
    let ignore = ["--ignore", "full name", "--ignore", "4"];
    let output = table(dir, &whole, &ignore);
    let says = "table.csv: 40 rows, 2 columns of numbers, 2 more left out, separator comma, a header; 1 missing cell ";
    assert!(text(&output.stdout).starts_with(says), "{}", text(&output.stdout));
    // What was left out is there again, and only the gap is filled.
    for (read, written) in whole.lines().zip(written(dir, "imputed.csv").lines()) {
        let gap = read.contains(",,");
        assert!(
            if gap { written.starts_with("Ada 3,") && !written.contains(",,") } else { read == written },
            "{written}"
        );
    }
    // New rows of the same kind: the model does not ask for it.
    let output =
        run("vae_apply", &["--model", "run", "--csv", "table.csv", "--out", "new", "--ignore", "day"], dir);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(text(&output.stderr), "note: table.csv: the model does not know \"full name\": not used\n");
    assert_eq!(fs::read_to_string(dir.join("new/imputed.csv")).unwrap(), written(dir, "imputed.csv"));

    fs::write(
        dir.join("full.csv"),
        whole.lines().filter(|line| !line.contains(",,")).collect::<Vec<_>>().join("\n"),
    )
    .unwrap();
    let brief = [
        "--csv", "full.csv", "--target", "y", "--steps", "9", "--draws", "8", "--splits", "1", "--out", "net",
    ];
    for (program, flags) in [
        ("regression", &brief[..]),
        ("bayes_apply", &["--model", "net", "--csv", "full.csv", "--out", "predicted"]),
        (
            "timeseries",
            &["--csv", "full.csv", "--time", "a", "--epochs", "1", "--draws", "2", "--out", "series"],
        ),
    ] {
        let output = run(program, &[flags, &ignore].concat(), dir);
        assert!(output.status.success(), "{program}: {}", text(&output.stderr));
    }
    for (program, flags, wanted) in [
        ("table", &["--csv", "table.csv"][..], "leave the column out by --ignore \"full name\""),
        ("table", &["--csv", "table.csv"], "or let the column colour the picture by --colour 1"),
        (
            "table",
            &["--csv", "table.csv", "--ignore", "Full name"],
            "found \"Full name\": is it \"full name\"?; the 4 columns are, from 1: ",
        ),
        (
            "regression",
            &["--csv", "full.csv", "--target", "y"],
            "(\"full name\"): expected a category, of at most 15 classes, found 31 different texts in 31 cells; leave the column out by \
             --ignore \"full name\"",
        ),
        ("timeseries", &["--csv", "full.csv", "--time", "5"], "found \"5\""),
        (
            "bayes_apply",
            &["--model", "net", "--csv", "full.csv", "--ignore", "a"],
            "expected columns with the names a, found",
        ),
        ("table", &["--ignore", "a"], "--ignore: there is no table to read"),
    ] {
        let line = error(program, &[flags, &["--out", "bad"]].concat(), dir);
        assert!(line.contains(wanted), "{program}: {line}");
    }
}

#[test]
fn flags_of_a_table_need_one_and_a_folder_is_none() {
    let dir = folder();
    for (program, flags, wanted) in [
        ("table", &["--separator", "comma"][..], "--separator: there is no table to read"),
        ("regression", &["--missing", "?", "--table", "diabetes"], "--missing: there is no table to read"),
        ("timeseries", &["--decimal-comma"], "--decimal-comma: there is no table to read"),
        ("uci", &["--header", "no"], "--header: there is no table to read"),
        ("table", &["--csv", "uci"], "uci: expected a file, found a folder"),
        ("uci", &["--data", "uci", "--separator", "comma"], "data.txt: line 2, column 1"),
    ] {
        let line = error(program, flags, dir.path());
        assert!(line.contains(wanted), "{program}: {line}");
    }
}
