//! Tables whose columns differ in kind, and what a model of one says of new rows.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use nn::data::{ColumnCode, ColumnKind, Preprocessing, Unseen};
use nn::model::ModelFile;

use crate::apply::columns;
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

#[test]
fn regression_learns_from_columns_of_text_and_says_which_classes_it_has_not_seen() {
    let dir = folder();
    let dir = dir.path();
    // The target is a wave and a step for each tree; ten of 120 rows have a tree of their own.
    let tree = |i: usize| {
        if i % 12 == 10 { format!("rare {}", i / 12) } else { ["ash", "elm", "oak"][i % 3].to_owned() }
    };
    let row = |i: usize| {
        let y = wave(i, 0) + [2.0, 0.0, -2.0][i % 3] + 0.1 * wave(i, 1);
        let tall = if wave(i, 1) > 0.0 { "yes" } else { "no" };
        format!("{:.3},{},{tall},{},{y:.3}\n", wave(i, 0), tree(i), i / 2 % 4)
    };
    let table = "x,tree,tall,plot,y\n".to_owned() + &(0..120).map(row).collect::<String>();
    fs::write(dir.join("trees.csv"), &table).unwrap();
    let brief = ["--steps", "400", "--draws", "40", "--modes", "1", "--splits", "2"];
    let learn = ["--csv", "trees.csv", "--target", "y"];
    let output = success("regression", &[&learn[..], &brief, &["--out", "run"]].concat(), dir);
    let says = text(&output.stdout);
    assert!(says.contains("columns: normal x, plot; yes-no tall (2); category tree ("), "{says}");
    let found = result(&output);
    let of = |name: &str| found.iter().find(|(key, _)| key == name).unwrap_or_else(|| panic!("{name}")).1;
    // Without the indicators nobody could know the steps, of which the root mean square is 1.6.
    assert!(of("rmse") < 1.0 && of("linear_rmse") < 1.0, "{found:?}");

    let written = cells(dir, "run/predictions.csv");
    let rows = |part: &str| -> BTreeMap<String, usize> {
        let mut count = BTreeMap::new();
        let of_part = written[1..].iter().zip(0..).filter(|(row, _)| row[1] == part);
        of_part.for_each(|(_, i)| *count.entry(tree(i)).or_default() += 1);
        count
    };
    let (seen, held_out) = (rows("train"), rows("validation"));
    let unseen: Vec<_> = held_out.iter().filter(|(tree, _)| !seen.contains_key(*tree)).collect();
    assert!(!unseen.is_empty(), "{held_out:?}");
    let names: Vec<String> = unseen.iter().map(|(tree, _)| format!("{tree:?}")).collect();
    let count: usize = unseen.iter().map(|(_, rows)| *rows).sum();
    let rows = if count == 1 { "row" } else { "rows" };
    let says = format!(
        "note: held-out rows have classes that no row to train on has, and count as none of those: tree: {} ({count} {rows})\n",
        names.join(", ")
    );
    assert!(text(&output.stderr).contains(&says), "{says}: {}", text(&output.stderr));

    // The model knows the classes of its rows, and no others.
    let entry: Preprocessing = ModelFile::load(dir.join("run")).unwrap().get(Preprocessing::ENTRY).unwrap();
    let classes: BTreeSet<&String> = entry.codes[1].classes.iter().collect();
    assert_eq!((classes, entry.unseen), (seen.keys().collect(), Unseen::Zeros));
    assert_eq!((&*entry.inputs.join(" "), entry.codes[0].clone()), ("x tree tall plot", ColumnCode::NUMBERS));
    assert_eq!(entry.codes[2].kind, ColumnKind::YesNo);

    let apply = |file: &str, out: &str| {
        success("bayes_apply", &["--model", "run", "--csv", file, "--out", out, "--force"], dir)
    };
    apply("trees.csv", "same");
    let numbers = ["row", "target", "mean", "sd", "epistemic_sd", "aleatoric_sd", "q05", "q95"];
    assert_eq!(columns(&written, &numbers), columns(&cells(dir, "same/predictions.csv"), &numbers));
    fs::write(
        dir.join("new.csv"),
        "tall,tree,x,plot\nno,ash,0.1,1\nno,yew,0.1,1\nno,oak,0.1,1\nno,fir,0.1,1\n",
    )
    .unwrap();
    let says = "note: new.csv: line 3, column 2 (tree): \"yew\" is a class that the model does not know; cells of such: 2\n";
    let stderr = text(&apply("new.csv", "new").stderr);
    assert!(stderr.contains(says), "{stderr}");
    let new = cells(dir, "new/predictions.csv");
    let mean = |row: usize| new[row][1].parse::<f64>().unwrap();
    assert!(mean(3) < mean(2) && mean(2) < mean(1) && (mean(2) - mean(4)).abs() < 1e-4, "{new:?}");
    assert_eq!(columns(&new, &["outside"]).concat(), ["", "tree", "", "tree"]);

    // A class is learned from the same columns, and numbers can be names.
    let flags = ["--csv", "trees.csv", "--target", "tall", "--likelihood", "categorical", "--force"];
    let output = success(
        "regression",
        &[&flags[..], &brief, &["--out", "class", "--kind", "plot=category"]].concat(),
        dir,
    );
    let says = text(&output.stdout);
    assert!(
        says.contains("columns: normal x, y; category tree (") && says.contains("), plot (4);"),
        "{says}"
    );

    let write = |file: &str, text: &str| fs::write(dir.join(file), text).unwrap();
    let third = table.lines().nth(3).unwrap();
    let (x, rest) = third.split_once(',').unwrap();
    write("gap.csv", &table.replacen(&format!("{x},oak"), &format!("{x},"), 1));
    write("word.csv", &table.replacen(third, &format!("much,{rest}"), 1));
    write("new.csv", "tall,tree,x,plot\nno,ash,0.1,1\nno,,0.1,1\n");
    let gap = "expected a class, found \"\"; no value may be missing here: fill it in, or leave the row out";
    let flags = |file, more: &[&'static str]| [&["--csv", file, "--target", "y"][..], more].concat();
    for (program, flags, wanted) in [
        ("regression", flags("gap.csv", &[]), format!("gap.csv: line 4, column 2 (tree): {gap}")),
        (
            "bayes_apply",
            vec!["--model", "run", "--csv", "new.csv"],
            format!("new.csv: line 3, column 2 (tree): {gap}"),
        ),
        (
            "regression",
            flags("word.csv", &[]),
            "word.csv: line 4, column 1 (x): expected a finite number, found \"much\"; correct it".to_owned(),
        ),
        (
            "regression",
            vec!["--csv", "trees.csv", "--target", "tree"],
            "line 2, column 2 (tree): expected a finite number, found \"ash\"; the target is a number unless"
                .to_owned(),
        ),
        ("regression", flags("trees.csv", &["--kind", "y=category"]), "--kind: y is the target".to_owned()),
        ("regression", flags("trees.csv", &["--kind", "tree=normal"]), "--kind: tree holds text".to_owned()),
        (
            "regression",
            flags("trees.csv", &["--kind", "x=count"]),
            "--kind: x is an input: expected normal, yes-no or category, found count".to_owned(),
        ),
        ("regression", vec!["--kind", "x=category"], "--kind: there is no table to read".to_owned()),
    ] {
        let line = error(program, &[&flags[..], &["--out", "bad"]].concat(), dir);
        assert!(line.contains(&wanted), "{program}: {line}");
    }
}
