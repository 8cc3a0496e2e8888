//! Columns of different kinds: what they are taken for, as numbers, and back.

use std::fs;

use nn::data::{
    ColumnCode, ColumnKind, DataError, KindOf, Matrix, NewCell, Preprocessing, Standardizer, Table,
    TableOptions, TableReader, Unseen,
};
use nn::model::ModelFile;
use tempfile::tempdir;

fn options() -> TableOptions {
    TableOptions { missing: true, ..TableOptions::default() }
}

fn parse(text: &str, texts: &[&str]) -> Result<Table, DataError> {
    let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
    Table::parse_mixed(text.as_bytes(), &texts, &options())
}

/// Guessed or, where they are given, these.
fn codes(table: &Table, given: &[(usize, ColumnKind)]) -> Result<Vec<ColumnCode>, DataError> {
    let of = |column| match given.iter().find(|(j, _)| *j == column) {
        Some((_, kind)) => KindOf { kind: *kind, given: true },
        None => KindOf { kind: table.guess_kind(column), given: false },
    };
    let kinds: Vec<KindOf> = (0..table.names.len()).map(of).collect();
    table.codes(&kinds, &(0..table.values.rows).collect::<Vec<_>>())
}

const HOUSES: &str = "rooms,area,price,colour,garden,sold,floor\n\
    3,70.5,100,red,yes,0,1\n\
    0,80,200,blue,no,1,2\n\
    2,NA,90000,\"light, green\",no,0,2\n\
    2,-66,120,blue,,1,1\n\
    5,81,130,red,yes,?,2\n";

#[test]
fn kinds_are_guessed_from_the_cells() {
    let table = parse(HOUSES, &[]).unwrap();
    use ColumnKind::{Category, Count, LogNormal, Normal, YesNo};
    let guessed: Vec<ColumnKind> = (0..7).map(|j| table.guess_kind(j)).collect();
    assert_eq!(guessed, [Count, Normal, LogNormal, Category, YesNo, YesNo, Category]);
    let codes = codes(&table, &[]).unwrap();
    assert_eq!(codes[3].classes, ["blue", "light, green", "red"]);
    assert_eq!(codes[4].classes, ["no", "yes"]);
    assert_eq!(codes[6].classes, ["1", "2"]);
    assert_eq!(codes.iter().map(ColumnCode::width).collect::<Vec<_>>(), [1, 1, 1, 3, 1, 1, 1]);
    assert_eq!(codes[3].names("colour"), ["colour = blue", "colour = light, green", "colour = red"]);
    assert_eq!([codes[4].names("garden"), codes[0].names("rooms")], [["garden = yes"], ["rooms"]]);
    // Whole numbers without a 0 are no counts, a column with one number no category, and numbers that are not skewed not log-normal.
    let table = parse("a,b,c\n3,7,10\n4,7,11\n5,7,12\n6,7,14\n", &[]).unwrap();
    assert!((0..3).all(|j| table.guess_kind(j) == Normal));
    // Numbers that are names are in the order of the numbers.
    let table = parse("a\n10\n9\n2\n10\n9\n", &[]).unwrap();
    assert_eq!(self::codes(&table, &[(0, Category)]).unwrap()[0].classes, ["2", "9", "10"]);
}

#[test]
fn cells_become_numbers_and_numbers_cells() {
    let table = parse(HOUSES, &[]).unwrap();
    let codes = codes(&table, &[]).unwrap();
    let coded = table.coded(&codes).unwrap();
    let nan = f64::NAN;
    let wanted = [
        [3.0, 70.5, 100.0, 2.0, 1.0, 0.0, 0.0],
        [0.0, 80.0, 200.0, 0.0, 0.0, 1.0, 1.0],
        [2.0, nan, 90000.0, 1.0, 0.0, 0.0, 1.0],
        [2.0, -66.0, 120.0, 0.0, nan, 1.0, 0.0],
        [5.0, 81.0, 130.0, 2.0, 1.0, nan, 1.0],
    ];
    let same = |a: &[f64], b: &[f64]| a.iter().zip(b).all(|(a, b)| a == b || a.is_nan() && b.is_nan());
    assert!(same(&coded.values.values, &wanted.concat()), "{:?}", coded.values);
    let numbers = ColumnCode::expand(&codes, &coded.values, Unseen::Missing);
    assert_eq!(numbers.cols, ColumnCode::width_of(&codes));
    assert!(same(numbers.row(2), &[2.0, nan, 90000.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0]));
    assert_eq!(codes[3].likeliest(&[0.2, 0.5, 0.3]), Some(1));
    assert_eq!([codes[4].likeliest(&[0.6]), codes[6].likeliest(&[0.4])], [Some(1), Some(0)]);
    assert_eq!(codes[0].likeliest(&[3.0]), None);

    let fill = |row, column| match (row, column) {
        (2, 1) => Some(NewCell::Number(75.25)),
        (3, 4) => Some(NewCell::Text("yes")),
        (4, 5) => Some(NewCell::Text("1")),
        _ => None,
    };
    let written = table.write_header() + &table.write_cells(&fill);
    assert_eq!(written, HOUSES.replace("NA", "75.25").replace("blue,,", "blue,yes,").replace('?', "1"));
}

#[test]
fn what_is_not_of_its_kind_is_refused_with_its_line_and_column() {
    let text = |cells: &str| {
        let rows: String = (0..6).map(|i| format!("{},{i}\n", i + 1)).collect();
        format!("a,b\n{rows}{cells}\n")
    };
    // One text among numbers is a mistake, unless somebody says that they are categories.
    let wrong = text("x7,6");
    let error = parse(&wrong, &[]).unwrap_err().to_string();
    for part in
        ["line 8, column 1 (a): expected a finite number, found \"x7\"", "--kind a=category", "--ignore a"]
    {
        assert!(error.contains(part), "{error}");
    }
    assert_eq!(
        codes(&parse(&wrong, &["a"]).unwrap(), &[(0, ColumnKind::Category)]).unwrap()[0].classes.len(),
        7
    );
    for (cells, kind, expected) in [
        (
            "-1,6",
            ColumnKind::LogNormal,
            "line 8, column 1 (a): expected a positive number from 1e-18 to 1e18, found \"-1\"",
        ),
        ("-1,6", ColumnKind::Count, "line 8, column 1 (a): expected counts, found \"-1\""),
        ("1.5,6", ColumnKind::Count, "line 8, column 1 (a): expected counts, found \"1.5\""),
        ("1e7,6", ColumnKind::Count, "line 8, column 1 (a): expected counts up to 1000000, found \"1e7\""),
    ] {
        let table = parse(&text(cells), &[]).unwrap();
        let codes = codes(&table, &[(0, kind)]).unwrap();
        let error = table.coded(&codes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}");
    }
    let table = parse(&text("9,6"), &[]).unwrap();
    let error = codes(&table, &[(0, ColumnKind::YesNo)]).unwrap_err().to_string();
    assert!(error.contains("line 4, column 1 (a): expected \"1\" or \"2\", found \"3\""), "{error}");
    // Of one answer that is known the other is known, too; another text alone is no answer.
    for (only, both) in [("yes", ["no", "yes"]), ("NO", ["NO", "yes"]), ("1", ["0", "1"])] {
        let rows =
            |texts: [&str; 3]| parse(&format!("a,b\n{}\n", texts.join(",1\n") + ",1"), &["a"]).unwrap();
        let table = rows([only, "", only]);
        let coder = codes(&table, &[(0, ColumnKind::YesNo)]).unwrap();
        assert_eq!(coder[0].classes, both);
        let answer = f64::from(u8::from(only != "NO"));
        assert_eq!(table.coded(&coder).unwrap().values.row(2)[0], answer);
        // A row of training and one that is not.
        let some = rows([only, only, both[usize::from(only == "NO")]]);
        let given = [(ColumnKind::YesNo, true), (ColumnKind::Normal, false)];
        let given = given.map(|(kind, given)| KindOf { kind, given });
        assert_eq!(some.codes(&given, &[0]).unwrap()[0].classes, both);
    }
    let table = parse("a,b\n,1\nmaybe,2\nmaybe,3\n", &["a"]).unwrap();
    let error = codes(&table, &[(0, ColumnKind::YesNo)]).unwrap_err().to_string();
    let expected = "line 3, column 1 (a): expected two answers, such as no and yes, found \"maybe\"";
    assert!(error.contains(expected) && error.contains("--kind a=category"), "{error}");
    // A number is one class, however it is written.
    let table = parse("a,b\n1.0,1\n2,2\n1,3\n01.00,4\n", &[]).unwrap();
    let coder = codes(&table, &[(0, ColumnKind::Category)]).unwrap();
    assert_eq!(coder[0].classes, ["1", "2"]);
    let coded = table.coded(&coder).unwrap();
    assert_eq!((0..4).map(|row| coded.values.row(row)[0]).collect::<Vec<_>>(), [0.0, 1.0, 0.0, 0.0]);
    let new = parse("a,b\n2.000,1\n3,2\n", &[]).unwrap().coded(&coder).unwrap();
    assert_eq!([new.values.row(0)[0], new.values.row(1)[0]], [1.0, 2.0]);
    // Names of rows are no categories.
    let names: String = (0..30).map(|i| format!("name {i},{}\n", i % 3)).collect();
    let table = parse(&format!("who,b\n{names}"), &[]).unwrap();
    let error = codes(&table, &[]).unwrap_err();
    assert!(matches!(error, DataError::Classes { classes: 30, cells: 30, most: 15, .. }), "{error}");
    assert!(error.to_string().contains("leave the column out by --ignore who"), "{error}");
    assert_eq!(codes(&table, &[(0, ColumnKind::Category)]).unwrap()[0].classes.len(), 30);
    assert!(
        "categories".parse::<ColumnKind>().unwrap_err().starts_with("expected normal, log-normal, yes-no")
    );
}

#[test]
fn a_trained_model_prepares_texts_of_new_rows_and_knows_which_it_never_saw() {
    let table = parse(HOUSES, &[]).unwrap();
    let train = [0, 1, 3, 4];
    let kinds: Vec<KindOf> = (0..7).map(|j| KindOf { kind: table.guess_kind(j), given: false }).collect();
    // Indicators are those of the rows to train on: no light green.
    let codes = table.codes(&kinds, &train).unwrap();
    assert_eq!(codes[3].classes, ["blue", "red"]);
    let coded = table.coded(&codes).unwrap();
    let numbers = ColumnCode::expand(&codes, &coded.values, Unseen::Zeros);
    assert_eq!(numbers.row(2)[3], 0.5);
    let scaling = Standardizer::fit(&numbers, &train).unwrap().leaving(|j| j > 2);
    let preprocessing =
        Preprocessing { codes, scaling: Some(scaling.clone()), ..Preprocessing::new(&coded, &train) };
    assert_eq!(preprocessing.ranges[3], [0.0, 1.0]);
    let mut file = ModelFile::new("example.Net", &1);
    file.set(Preprocessing::ENTRY, &preprocessing);
    let dir = tempdir().unwrap();
    let path = dir.path().join("model.safetensors");
    file.save(&path).unwrap();
    let file = ModelFile::load(&path).unwrap();
    assert_eq!(Preprocessing::of_file(&file, 7).unwrap(), preprocessing);
    assert!(Preprocessing::of_file(&file, 8).is_err());

    let new = dir.path().join("new.csv");
    fs::write(&new, "sold,colour,area,note,rooms\n1,mauve,70,hello,1\n0,RED,75,,2\n").unwrap();
    let (texts, inputs) = (preprocessing.texts(), preprocessing.inputs.clone());
    assert_eq!(texts, ["colour", "garden", "sold", "floor"]);
    let mut reader = TableReader::open_mixed(&new, &options(), &inputs, &texts).unwrap();
    assert_eq!(reader.absent(), ["price", "garden", "floor"]);
    let part = reader.read(9).unwrap().unwrap();
    let rows = preprocessing.inputs_of(&part).unwrap();
    assert_eq!(preprocessing.unseen_in(&rows).collect::<Vec<_>>(), [(0, 3)]);
    assert_eq!(preprocessing.outside(rows.values.row(0)), ["colour"]);
    let x: Matrix<f64> = preprocessing.apply(&rows).unwrap();
    assert_eq!(x.row(0)[0], (1.0 - scaling.mean[0]) / scaling.sd[0]);
    assert!(x.row(0)[3].is_nan() && x.row(0)[4].is_nan() && x.row(0)[5] == 1.0);
    assert_eq!(x.row(1)[3], 1.0);
    let zeros = Preprocessing { unseen: Unseen::Zeros, ..preprocessing.clone() };
    assert_eq!(zeros.apply::<f64>(&rows).unwrap().row(0)[3], 0.5);

    // Text where a number is expected, a number too far from the training.
    fs::write(&new, "rooms,colour\nmany,red\n").unwrap();
    let error =
        TableReader::open_mixed(&new, &options(), &inputs, &texts).and_then(|mut reader| reader.read(9));
    let error = error.unwrap_err().to_string();
    assert!(error.contains("line 2, column 1 (rooms): expected a finite number, found \"many\""), "{error}");
    let near = Matrix::new(2, 7, [[0.0; 7], [1e-300; 7]].concat());
    let scaling = Standardizer::fit(&near, &[0, 1]).unwrap();
    let tiny = Preprocessing { scaling: Some(scaling), ..preprocessing };
    assert!(tiny.apply::<f32>(&rows).unwrap_err().to_string().contains("line 2, column 5 (rooms)"));
}

#[test]
fn a_file_without_a_header_may_hold_columns_of_text() {
    let table = parse("1.5,red\n2.5,blue\n3.5,red\n4.5,blue\n", &[]).unwrap();
    assert!(!table.has_header());
    assert_eq!(table.guess_kind(1), ColumnKind::Category);
    // A first row of categories alone names the columns, unless it was said otherwise by number.
    let words = "red,small\nblue,large\nred,large\nblue,small\n";
    assert!(parse(words, &[]).unwrap().has_header());
    assert!(!parse(words, &["1", "2"]).unwrap().has_header());
    assert!(matches!(parse(words, &["size"]).unwrap_err(), DataError::NoColumn { .. }));
}
