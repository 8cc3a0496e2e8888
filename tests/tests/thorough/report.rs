//! Reports in a browser: what they compute is what the models do, nothing is said in the console, and the keyboard is enough.

use std::path::Path;
use std::process::Command;

use nn::data::{Matrix, Table, diabetes, digits};
use tests::programs::program;

use crate::alone;
use crate::browser::{is_there, said, tested};

/// Runs a program for a moment, and returns the verdict of its report.
#[track_caller]
fn tried(name: &str, flags: &[&str]) -> String {
    said(&page_of(name, flags), "verdict")
}

/// Runs a program for a moment, and returns its report after it tested itself and found nothing wrong.
#[track_caller]
fn page_of(name: &str, flags: &[&str]) -> String {
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let output = Command::new(program(name)).args(flags).arg("--out").arg(&run).output().unwrap();
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let (dom, console) = tested(&run.join("index.html"), &folder.path().join("profile"));
    assert_eq!(console, [""; 0], "{name} {flags:?}");
    let verdict = said(&dom, "verdict");
    assert!(verdict.starts_with("ok: "), "{name} {flags:?}: {verdict}");
    dom
}

#[test]
fn a_page_decodes_as_the_model_does_without_a_word_in_the_console_and_by_keyboard() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    let brief = ["--epochs", "2", "--importance-samples", "2"];
    for latent in ["2", "5"] {
        let verdict = tried("digits", &[&brief[..], &["--latent", latent]].concat());
        for part in ["10 points decoded", "arrow keys move the point", "a code is chosen without a mouse"] {
            assert!(verdict.contains(part), "{verdict}");
        }
    }
    let verdict = tried("conditional", &["--epochs", "2", "--seeds", "2", "--samples", "2"]);
    assert!(verdict.contains("10 points decoded"), "{verdict}");
    // A single dimension is no plane.
    assert_eq!(tried("digits", &[&brief[..], &["--latent", "1"]].concat()), "ok: ");
}

/// The embedded digits as the example `table` has them with `--counts`.
fn counts() -> Table {
    let digits = digits();
    let names =
        (0..64).map(|i| format!("row {} column {}", i / 8 + 1, i % 8 + 1)).chain(["digit".to_owned()]);
    let cells = digits.images.values[..128].chunks(64).flat_map(|image| {
        image.iter().map(|grey| (f64::from(*grey) * 16.0).round()).chain([0.0]).collect::<Vec<_>>()
    });
    Table::new(names.collect(), Matrix::new(2, 65, cells.collect()))
}

#[test]
fn a_page_tells_the_rows_of_a_table_in_its_units_and_decodes_as_the_model_does() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    let brief = ["--epochs", "2", "--samples", "2", "--latent", "3"];
    for (more, table) in [(&[][..], diabetes()), (&["--counts"], counts())] {
        let dom = page_of("table", &[&brief[..], more].concat());
        let verdict = said(&dom, "verdict");
        for part in [
            "10 points decoded",
            "arrow keys move the point",
            "a code is chosen without a mouse",
            "the row is told",
        ] {
            assert!(verdict.contains(part), "{verdict}");
        }
        // The test of the page chose the second row. Its cells are written in four digits; the last column colours.
        let seen = table.values.cols - 1;
        for (name, &x) in table.names.iter().zip(table.values.row(1)).take(seen) {
            let cell = dom.split_once(&format!("<th scope=\"row\">{name}</th><td class=\"\">"));
            let text =
                cell.and_then(|(_, rest)| rest.split_once("</td>")).map(|(text, _)| text.replace('−', "-"));
            let told: f64 = text.and_then(|text| text.parse().ok()).unwrap_or(f64::NAN);
            assert!((told - x).abs() <= 1e-3 * x.abs(), "{name}: {told} for {x}");
        }
    }
}

#[test]
fn a_page_tells_answers_and_categories_by_their_texts_and_probabilities() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("trees.csv");
    let row = |i: usize| {
        let x = (0.7 * i as f64).sin();
        let tree = ["ash", "elm", "oak"][(1.5 + 1.4 * x) as usize];
        let tall = if i == 1 { "" } else { ["no", "yes"][usize::from(x > 0.2)] };
        let sex = ["f", "m"][i % 2];
        format!("{x:.3},{:.3},{},{tall},{tree},{sex}\n", (3.0 * x).exp(), (2.0 + 2.0 * x) as usize)
    };
    let table = "x,size,leaves,tall,tree,sex\n".to_owned() + &(0..80).map(row).collect::<String>();
    std::fs::write(&file, table).unwrap();
    let brief = ["--epochs", "2", "--samples", "2", "--latent", "3", "--kind", "sex=category"];
    let dom = page_of("table", &[&["--csv", file.to_str().unwrap()][..], &brief].concat());
    assert!(said(&dom, "verdict").contains("10 points decoded"));
    let cells = |name: &str| {
        let rest = dom.split_once(&format!("<th scope=\"row\">{name}</th>")).expect(name).1;
        let text = |cell: &str| cell.split_once('>').unwrap().1.replace("&nbsp;", " ");
        let mut cells = rest.split_once("</tr>").unwrap().0.split("</td>").map(str::to_owned);
        [cells.next().unwrap(), cells.next().unwrap()].map(|cell| text(&cell))
    };
    // A probability behind this text, and before that one.
    let between = |text: &str, before: &str, after: &str| -> f64 {
        let number = text.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
        number.and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{text}"))
    };
    // The test of the page chose the second row, where it is not known whether the tree is tall.
    let [row, point] = cells("tall");
    assert!((0.0..=1.0).contains(&between(&row, "filled: P(yes) = ", "")));
    assert!((0.0..=1.0).contains(&between(&point, "P(yes) = ", "")));
    for (name, known, classes) in [("tree", "oak", &["ash", "elm", "oak"][..]), ("sex", "m", &["f", "m"])] {
        let [row, point] = cells(name);
        assert_eq!(row, known);
        let class = classes.iter().find(|class| point.starts_with(**class)).expect(&point);
        // The most probable of n classes has at least 1 / n.
        let least = 1.0 / classes.len() as f64 - 0.01;
        assert!((least..=1.0).contains(&between(&point, &format!("{class} ("), ")")), "{point}");
    }
    let quantity: f64 = cells("leaves")[1].parse().unwrap();
    assert!((0.5..4.0).contains(&quantity), "{quantity}");
}

#[test]
fn images_of_a_convolutional_decoder_are_those_of_a_grid() {
    let _alone = alone();
    let Some(data) = std::env::var_os("DATA_DIR") else {
        eprintln!("skipped: DATA_DIR names no folder with mnist");
        return;
    };
    if !is_there() {
        return;
    }
    let data = Path::new(&data).join("mnist");
    let flags = ["--data", data.to_str().unwrap(), "--epochs", "1", "--importance-samples", "2"];
    assert!(tried("mnist", &flags).contains("10 points decoded"));
    let verdict = tried("mnist", &[&flags[..], &["--conv", "--latent", "2", "--batch-size", "512"]].concat());
    assert!(verdict.contains("1 points decoded"), "{verdict}");
}

#[test]
fn sliders_and_switches_change_what_is_shown() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    for (name, flags) in [
        ("coin", &["--epochs", "20"][..]),
        ("sensors", &["--epochs", "20"]),
        ("rotated_digits", &["--epochs", "2"]),
    ] {
        assert!(tried(name, flags).contains("the slider changes the scene"), "{name}");
    }
    for (name, flags) in [
        ("timeseries", &["--epochs", "2", "--draws", "2"][..]),
        ("regression", &["--epochs", "20", "--hmc", "10", "--draws", "16"]),
        ("regression", &["--table", "diabetes", "--steps", "50", "--splits", "1", "--draws", "16"]),
        ("uci", &["--rows", "200", "--splits", "0..1", "--steps", "20", "--draws", "16"]),
    ] {
        let verdict = tried(name, flags);
        assert!(verdict.contains("a series is switched off; values are told"), "{name}: {verdict}");
    }
}

#[test]
fn a_page_that_is_wrong_says_so() {
    let _alone = alone();
    if !is_there() {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let run = folder.path().join("run");
    let flags = ["--epochs", "1", "--importance-samples", "2", "--out"];
    assert!(Command::new(program("digits")).args(flags).arg(&run).output().unwrap().status.success());
    let page = std::fs::read_to_string(run.join("index.html")).unwrap();
    let wrong = |from: &str, to: &str| {
        assert!(page.contains(from), "{from}");
        std::fs::write(run.join("wrong.html"), page.replace(from, to)).unwrap();
        let (dom, console) = tested(&run.join("wrong.html"), &folder.path().join("profile"));
        (said(&dom, "verdict"), console)
    };
    let (said, _) = wrong("\"phi\":\"sigmoid\"", "\"phi\":\"tanh\"");
    assert!(said.starts_with("failed: 10 points decoded"), "{said}");
    let (said, _) = wrong("ArrowUp: [0, 1]", "ArrowUp: [0, 0]");
    assert!(said.starts_with("failed: arrow keys"), "{said}");
    let (said, console) =
        wrong("const selfTests = [];", "const selfTests = []; queueMicrotask(() => nothing());");
    assert!(said.starts_with("failed: ") && !console.is_empty(), "{said} {console:?}");
}
