//! A table that is read some rows at a time is the table that is read at once.

use std::fs;

use nn::data::{
    DataError, Header, ImageFormat, Preprocessing, Standardizer, Table, TableOptions, TableReader, Target,
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
    let x = preprocessing.apply(&inputs).unwrap();
    let scaling = preprocessing.scaling.as_ref().unwrap();
    assert_eq!(x.row(0)[0], ((3.5 - 2.0) / scaling.sd[0]) as f32);
    assert!(x.row(1)[1].is_nan());
    assert_eq!(preprocessing.outside(inputs.values.row(0)), ["a"]);
    assert!(preprocessing.outside(inputs.values.row(1)).is_empty());
    let counts = Preprocessing { counts: Some(2.0), scaling: None, ..preprocessing };
    let error = counts.apply(&inputs).unwrap_err().to_string();
    assert!(error.contains("line 2, column 3 (a): expected counts, found \"3.5\""), "{error}");
}
