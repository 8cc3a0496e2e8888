//! Tables whose columns differ in kind, and what a model of one says of new rows.

use std::fs;

use crate::{cells, error, folder, result, success, text};

/// Between −1 and 1.
fn wave(i: usize, j: usize) -> f64 {
    if j == 0 { (0.7 * i as f64).sin() } else { (1.3 * i as f64 + 0.4).cos() }
}

#[test]
fn a_mixed_table_is_filled_with_its_own_texts_and_new_rows_know_the_classes() {
    let dir = folder();
    let dir = dir.path();
    // A wave, a positive number, a count, an answer and a category, all functions of it, with gaps in each.
    let row = |i: usize| {
        let x = wave(i, 0);
        let kind = ["ash", "elm wych", "oak"][(1.5 + 1.4 * x) as usize];
        let cells = [
            format!("{x:.3}"),
            format!("{:.3}", (3.0 * x + wave(i, 1)).exp()),
            ((2.0 + 2.0 * x) as usize).to_string(),
            if x > 0.2 { "yes" } else { "no" }.to_owned(),
            kind.to_owned(),
        ];
        let cell =
            |(j, cell): (usize, &String)| if (i + 5 * j) % 17 == 3 { String::new() } else { cell.clone() };
        cells.iter().enumerate().map(cell).collect::<Vec<_>>().join(",") + "\n"
    };
    let table = "x,size,leaves,tall,tree\n".to_owned() + &(0..150).map(row).collect::<String>();
    fs::write(dir.join("trees.csv"), &table).unwrap();
    let brief = ["--latent", "2", "--epochs", "40", "--samples", "50", "--out", "run", "--clusters", "2"];
    let output = success("table", &[&["--csv", "trees.csv"][..], &brief].concat(), dir);
    let says = "columns: normal x; log-normal size; yes-no tall (2); category tree (3); count leaves; --kind";
    assert!(text(&output.stdout).contains(says), "{}", text(&output.stdout));
    let found = result(&output);
    let of = |name: &str| found.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("{name}")).1;
    for way in ["mean", "normal", "neighbours", "hidden"] {
        assert!(
            (0.0..2.0).contains(&of(&format!("rmse_{way}")))
                && (0.0..1.0).contains(&of(&format!("wrong_{way}")))
        );
    }
    assert!(of("wrong_hidden") < of("wrong_mean") && of("rmse_hidden") < of("rmse_mean"), "{found:?}");
    assert_eq!(of("gaps"), table.split(['\n', ',']).filter(|cell| cell.is_empty()).count() as f64 - 1.0);

    // The page decodes each column in its own way.
    let page = fs::read_to_string(dir.join("run/index.html")).unwrap();
    let ways = [("identity", 1), ("exp", 1), ("bounded_exp", 1), ("sigmoid", 1), ("softmax", 3)];
    let outputs = ways.map(|(phi, count)| format!("{{\"count\":{count},\"phi\":\"{phi}\"}}")).join(",");
    assert!(page.contains(&format!("\"outputs\":[{outputs}]")), "{page}");

    let apply = |file: &str, out: &str| {
        success("vae_apply", &["--model", "run", "--csv", file, "--out", out, "--force"], dir)
    };
    apply("trees.csv", "same");
    let read = |file: &str| fs::read_to_string(dir.join(file)).unwrap();
    for file in ["rows.csv", "imputed.csv"] {
        assert_eq!(read(&format!("run/{file}")), read(&format!("same/{file}")));
    }
    // Every gap holds what its column may hold, everything else what it held.
    for (before, after) in cells(dir, "trees.csv").iter().zip(cells(dir, "run/imputed.csv")).skip(1) {
        for (j, (before, after)) in before.iter().zip(&after).enumerate() {
            let sound = match j {
                3 => ["yes", "no"].contains(&&**after),
                4 => ["ash", "elm wych", "oak"].contains(&&**after),
                1 => after.parse::<f64>().is_ok_and(|x| x > 0.0),
                _ => after.parse::<f64>().is_ok(),
            };
            assert!(sound && (before.is_empty() || before == after), "{before:?}: {after:?}");
        }
    }
    // A class that was never seen is said and left as it is, an input that is not there is filled.
    fs::write(dir.join("new.csv"), "tree,x,note\nyew,0.9,a\noak,,b\nyew,-0.9,c\n").unwrap();
    let output = apply("new.csv", "new");
    let stderr = text(&output.stderr);
    let says = "note: new.csv: line 2, column 1 (tree): \"yew\" is a class that the model does not know; cells of such: 2\n";
    assert!(
        stderr.contains(says) && stderr.contains("no size, leaves, tall: missing in every row"),
        "{stderr}"
    );
    let imputed = cells(dir, "new/imputed.csv");
    assert_eq!(imputed[0], ["tree", "x", "note", "size", "leaves", "tall"]);
    assert_eq!([&imputed[1][0], &imputed[2][0], &imputed[3][5]], ["yew", "oak", "no"]);
    let rows = cells(dir, "new/rows.csv");
    assert_eq!(
        rows[1..].iter().map(|row| &row[5..]).collect::<Vec<_>>(),
        [["1", "tree"], ["1", ""], ["1", "tree"]]
    );
    for (text, wanted) in [
        (
            "x,leaves,size,tall,tree\n1,-2,1,no,oak\n",
            "line 2, column 2 (leaves): expected counts, found \"-2\"",
        ),
        ("x,size,leaves,tall,tree\n1,0,1,no,oak\n", "line 2, column 2 (size): expected a positive number"),
        (
            "x,size,leaves,tall,tree\n1,much,1,no,oak\n",
            "line 2, column 2 (size): expected a finite number, found \"much\"",
        ),
    ] {
        fs::write(dir.join("bad.csv"), text).unwrap();
        let line =
            error("vae_apply", &["--model", "run", "--csv", "bad.csv", "--out", "bad", "--force"], dir);
        assert!(line.contains(wanted), "{line}");
    }
}
