//! A table that is read some rows at a time is the table that is read at once.

use std::fs;

use nn::data::{
    DataError, Header, ImageFormat, Matrix, Preprocessing, Standardizer, Table, TableOptions, TableReader,
    Target,
};
use nn::model::ModelFile;
use tempfile::tempdir;

use super::gzip;

fn options() -> TableOptions {
    TableOptions { missing: true, comment: Some('#'), ..TableOptions::default() }
}

/// More than two blocks of text: long and short rows, quotes with line breaks and quotes in them, letters of several bytes, blank
/// lines, comments, and every kind of line break.
fn long_text(comment: usize) -> String {
    let mut text = format!("#{}\na,\"b \"\"c\"\"\",kind\r\n", "é".repeat(comment));
    for i in 0..20_000 {
        let kind = match i % 5 {
            0 => "\"two\r\nlines, 𝔁\"".to_owned(),
            1 => format!("\"{}\"", "quote \"\" ".repeat(i % 40)),
            2 => "ü".repeat(i % 300),
            _ => String::new(),
        };
        let b = if i % 7 == 3 { "NA".to_owned() } else { format!("{}", (i as f64).sin()) };
        let end = ["\n", "\r\n", "\r", "\n\n", "\r\n# no, row\r\n"][i * i % 5];
        text += &format!("{i},{b},{kind}{end}");
    }
    text
}

#[test]
fn rows_that_are_read_some_at_a_time_are_those_of_the_whole_table() {
    let dir = tempdir().unwrap();
    let columns = ["a", "b \"c\""].map(String::from);
    for shift in 0..6 {
        let text = long_text(shift);
        assert!(text.len() > 2 << 20);
        let file = dir.path().join("long.csv");
        let bytes = if shift == 5 { gzip(text.as_bytes()) } else { text.into_bytes() };
        fs::write(&file, bytes).unwrap();
        let whole = Table::read_with_text(&file, "kind", &options()).unwrap();
        let mut reader = TableReader::open(&file, &options(), &columns).unwrap();
        assert_eq!(reader.names(), whole.names);
        let most = [1, 7, 999, 20_000, 30_000, 4096][shift];
        let (mut row, mut text) = (0, String::new());
        while let Some(part) = reader.read(most).unwrap() {
            assert!(part.values.rows <= most);
            for i in 0..part.values.rows {
                let bits = |x: &[f64]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                assert_eq!(bits(part.values.row(i)), bits(whole.values.row(row)), "row {row}");
                assert_eq!((part.line(i), part.text(i, 2)), (whole.line(row), whole.text(row, 2)));
                row += 1;
            }
            text = if row == part.values.rows {
                part.write(|_, _| None)
            } else {
                text + &part.write_rows(|_, _| None)
            };
        }
        assert_eq!(row, whole.values.rows);
        assert_eq!(text, whole.write(|_, _| None));
        assert_eq!(reader.share(), 1.0);
    }
}

#[test]
fn columns_are_found_by_name_and_what_is_not_there_is_missing() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("new.csv");
    let columns = ["x", "y", "z"].map(String::from);
    let open = |text: &str| {
        fs::write(&file, text).unwrap();
        TableReader::open(&file, &options(), &columns)
    };
    let mut reader = open("y,word,x\n1,one,2\n3,,4\n").unwrap();
    assert_eq!(
        (reader.names(), reader.absent()),
        (&["y", "word", "x", "z"].map(String::from)[..], &columns[2..])
    );
    let table = reader.read(10).unwrap().unwrap();
    assert!(reader.read(10).unwrap().is_none());
    let cells: Vec<f64> = table.values.values.to_vec();
    assert_eq!([cells[0], cells[2], cells[4], cells[6]], [1.0, 2.0, 3.0, 4.0]);
    assert!([1, 3, 5, 7].iter().all(|&i| cells[i].is_nan()));
    assert_eq!(table.write(|_, column| (column == 3).then_some(0.5)), "y,word,x,z\n1,one,2,0.5\n3,,4,0.5\n");

    for (text, says) in [
        ("", "holds no data"),
        ("a,b\n1,2\n", "expected columns with the names x, y, z, found a, b"),
        ("x,y\n1,2,3\n", "line 2: expected 2 cells, as the first row has, found 3"),
        ("x,y\n1,two\n", "line 2, column 2 (y): expected a finite number, found \"two\""),
        ("x,\"y\n1,2\n", "a second quote"),
    ] {
        let error = open(text).and_then(|mut reader| reader.read(10)).unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
    // Names and no rows.
    assert!(open("x,y\n").unwrap().read(10).unwrap().is_none());
    // Bytes that are no text, far behind the first block.
    let mut bytes = ("x\n".to_owned() + &"1\n".repeat(1 << 20)).into_bytes();
    bytes.extend(b"\xff\n");
    fs::write(&file, bytes).unwrap();
    let mut reader = TableReader::open(&file, &options(), &columns).unwrap();
    let error = loop {
        match reader.read(1000) {
            Ok(Some(_)) => {}
            Ok(None) => panic!("it was read"),
            Err(error) => break error,
        }
    };
    assert!(matches!(error, DataError::Encoding { line: 1_048_578, .. }), "{error}");
    // A record that is longer than may be kept.
    let file = dir.path().join("long.csv");
    fs::write(&file, format!("x\n\"{}\"\n", "1".repeat(4 << 20))).unwrap();
    let short = TableOptions { max_bytes: 1 << 20, ..options() };
    let error = TableReader::open(&file, &short, &columns).and_then(|mut reader| reader.read(1)).unwrap_err();
    assert!(matches!(error, DataError::TooManyBytes { .. }), "{error}");
}

#[test]
fn blank_lines_of_one_column_are_rows_that_never_exceed_what_is_asked_for() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("one.csv");
    fs::write(&file, "x\n1\n\n\n\n\n2\n\n3\n\n\n").unwrap();
    let whole = Table::read(&file, &options()).unwrap();
    assert_eq!((whole.values.rows, whole.line(2), whole.line(6)), (8, 4, 8));
    for most in 1..9 {
        let mut reader = TableReader::open(&file, &options(), &["x".to_owned()]).unwrap();
        let (mut rows, mut notes) = (0, Vec::new());
        while let Some(part) = reader.read(most).unwrap() {
            assert_eq!(part.values.rows, most.min(8 - rows), "{most} at a time from {rows}");
            for i in 0..part.values.rows {
                assert_eq!((part.text(i, 0), part.line(i)), (whole.text(rows + i, 0), whole.line(rows + i)));
            }
            rows += part.values.rows;
            notes = part.notes();
        }
        assert_eq!(rows, 8);
        assert!(8 % most == 0 || notes[..] == whole.notes()[..], "{notes:?}");
    }
    // None is kept where it is no row, and not any number where it is one.
    let many = "\n".repeat((1 << 20) + 1);
    fs::write(&file, format!("{many}x,y\n{many}1,2\n{many}")).unwrap();
    let mut reader = TableReader::open(&file, &options(), &["x".to_owned()]).unwrap();
    assert_eq!(reader.read(9).unwrap().unwrap().values.rows, 1);
    fs::write(&file, format!("x\n1\n{many}2\n")).unwrap();
    let mut reader = TableReader::open(&file, &options(), &["x".to_owned()]).unwrap();
    let error = reader.read(4096).unwrap_err().to_string();
    assert!(error.contains("line 1048579: expected at most 1048576 blank lines in a row"), "{error}");
}

#[test]
fn a_quote_that_is_not_closed_is_named_before_all_of_the_file_is_read() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("open.csv");
    fs::write(&file, format!("x,y\n1,2\n3,\"{}", "4\n".repeat(9 << 20))).unwrap();
    let columns = ["x".to_owned()];
    let error =
        TableReader::open(&file, &options(), &columns).and_then(|mut reader| reader.read(9)).unwrap_err();
    assert!(matches!(error, DataError::LongQuote { line: 3, column: 2, .. }), "{error}");
}

#[test]
fn columns_that_are_not_there_or_have_no_name_are_said_before_the_first_row() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("new.csv");
    let open = |text: &str, header: Header, columns: &[&str]| {
        fs::write(&file, text).unwrap();
        let options = TableOptions { header, ..TableOptions::default() };
        TableReader::open(&file, &options, &columns.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>())
    };
    let quoted = |name: &str| if name.contains(' ') { format!("{name:?}") } else { name.to_owned() };
    let numbered = ["column 1", "column 3"];
    for (text, header, columns) in
        [("1,2\n", Header::Absent, numbered), ("a,b\n1,2\n", Header::Present, ["a", "c"])]
    {
        let error = open(text, header, &columns).unwrap_err().to_string();
        assert!(
            error.contains(&format!("expected columns with the names {} too", quoted(columns[1]))),
            "{error}"
        );
    }
    let error = open("a,b,c\n1,2,3\n", Header::Absent, &numbered).unwrap_err().to_string();
    assert!(error.contains("found \"a\"; correct it, or take this line out"), "{error}");
    let reader = open(" ,a,,column 4\n1,2,3,4\n", Header::Present, &numbered).unwrap();
    assert_eq!(reader.unnamed().collect::<Vec<_>>(), ["column 1", "column 3"]);
    let reader = open("1,2,3\n", Header::Absent, &numbered).unwrap();
    assert_eq!(reader.unnamed().count(), 0);
}

#[test]
fn numbers_that_are_rounded_are_counted_over_all_that_was_read() {
    let dir = tempdir().unwrap();
    let file = dir.path().join("large.csv");
    fs::write(&file, "x,y\n1,2\n3,4\n5,9007199254740993\n7,9007199254740995\n0,0\n").unwrap();
    let columns = ["x", "y"].map(String::from);
    let mut reader = TableReader::open(&file, &options(), &columns).unwrap();
    let mut notes = Vec::new();
    while let Some(part) = reader.read(2).unwrap() {
        notes.push(part.notes());
    }
    assert!(notes[0].is_empty() && notes[1] == notes[2]);
    assert!(
        notes[2][0].contains("column 2 (y): 2 whole numbers") && notes[2][0].contains("in line 4"),
        "{notes:?}"
    );
}

#[test]
fn preprocessing_comes_back_from_a_file_and_prepares_new_rows() {
    let dir = tempdir().unwrap();
    let options = TableOptions { missing: true, header: Header::Present, ..TableOptions::default() };
    let table = Table::parse(b"a,b,y\n1,0.1,5\n3,NA,6\n2,0.3,7\n9,9,9\n", &options).unwrap();
    let (inputs, y) = table.split_target("y").unwrap();
    let train = [0, 1, 2];
    let preprocessing = Preprocessing {
        scaling: Some(Standardizer::fit(&inputs.values, &train).unwrap()),
        target: Some(Target::fit("y", &y, &train).unwrap()),
        ..Preprocessing::new(&inputs, &train)
    };
    assert_eq!(preprocessing.ranges, [[1.0, 3.0], [0.1, 0.3]]);
    let mut file = ModelFile::new("example.Net", &1);
    file.set(Preprocessing::ENTRY, &preprocessing);
    file.set(ImageFormat::ENTRY, &ImageFormat::new(2, 3));
    let path = dir.path().join("model.safetensors");
    file.save(&path).unwrap();
    let file = ModelFile::load(&path).unwrap();
    assert_eq!(Preprocessing::of_file(&file, 2).unwrap(), preprocessing);
    assert!(Preprocessing::of_file(&file, 3).unwrap_err().to_string().contains("of 3 inputs"));
    assert_eq!(ImageFormat::of_file(&file, 6).unwrap(), ImageFormat::new(2, 3));
    assert!(ImageFormat::of_file(&file, 7).is_err());

    // Of a column without numbers nothing is outside, also in the file.
    let unknown = Preprocessing::new(&inputs.columns(&[1]), &[1]);
    assert!(unknown.outside(&[1e300]).is_empty());
    assert_eq!(
        serde_json::from_str::<Preprocessing>(&serde_json::to_string(&unknown).unwrap()).unwrap(),
        unknown
    );

    // Columns in another order.
    let new = Table::parse(b"b,c,a\n0.2,7,3.5\nNA,7,1\n", &options).unwrap();
    let inputs = preprocessing.inputs_of(&new).unwrap();
    assert_eq!(inputs.names, ["a", "b"]);
    let x = preprocessing.apply::<f32>(&inputs).unwrap();
    let scaling = preprocessing.scaling.as_ref().unwrap();
    assert_eq!(x.row(0)[0], ((3.5 - 2.0) / scaling.sd[0]) as f32);
    assert!(x.row(1)[1].is_nan());
    assert_eq!(preprocessing.outside(inputs.values.row(0)), ["a"]);
    assert!(preprocessing.outside(inputs.values.row(1)).is_empty());
    // Twice the range of double precision from the mean.
    let far = Table::parse(b"a,b\n1,1\n-1.7e308,1\n", &options).unwrap();
    let tiny = Standardizer::fit(&Matrix::new(2, 2, vec![0.0, 0.0, 1e-3, 1e-3]), &[0, 1]).unwrap();
    let error =
        Preprocessing { scaling: Some(tiny), ..preprocessing.clone() }.apply::<f64>(&far).unwrap_err();
    assert!(error.to_string().contains("line 3, column 1 (a): expected a number from -1e290"), "{error}");
    // Grey values of which a file says something else than readers give.
    let mut other = ModelFile::new("example.Net", &1);
    other.set(ImageFormat::ENTRY, &ImageFormat { range: [0.0, 255.0], ..ImageFormat::new(2, 3) });
    let error = ImageFormat::of_file(&other, 6).unwrap_err().to_string();
    assert!(error.ends_with("expected grey values from 0 to 1, found the range [0.0, 255.0]"), "{error}");

    // A model may have been trained on a part of them.
    let inner = ImageFormat { range: [0.25, 0.75], ..ImageFormat::new(1, 3) };
    let mut file = ModelFile::new("example.Net", &1);
    file.set(ImageFormat::ENTRY, &inner);
    let format = ImageFormat::of_file(&file, 3).unwrap();
    let grey = Matrix::new(1, 3, vec![0.0, 0.5, 1.0]);
    assert_eq!(*format.apply(grey.clone()).values, [0.25, 0.5, 0.75]);
    assert_eq!(ImageFormat::new(1, 3).apply(grey.clone()), grey);

    let counts = Preprocessing { counts: Some(2.0), scaling: None, ..preprocessing };
    let error = counts.apply::<f32>(&inputs).unwrap_err().to_string();
    assert!(error.contains("line 2, column 3 (a): expected counts, found \"3.5\""), "{error}");
}
