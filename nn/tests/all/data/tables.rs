//! Tables of numbers.

use nn::data::{DataError, Matrix};
use nn::data::{Header, Separator, Table, TableOptions, read_date, read_indices, write_date};

use super::{Folder, assert_fails, gzip};

fn parse(text: &str) -> Result<Table, DataError> {
    Table::parse(text.as_bytes(), &TableOptions::default())
}

#[test]
fn a_table_finds_out_its_separator_and_header() {
    let expected = Matrix::new(2, 3, vec![1.0, -2.5, 3e4, 4.0, 5.0, 6.0]);
    for text in [
        "1,-2.5,3e4\n4,5,6",
        "\n1 ; -2.5 ; 3e4 \r\n\r\n4;5;6\r\n",
        "1\t-2.5\t3e4\n \n4\t5\t6\n",
        "  1 -2.5\t\t3e4 \n\n4    5 6\t\n\n",
        "\u{feff}\"1\",\"-2.5\",\"3e4\"\n4,5,6\n",
    ] {
        let table = parse(text).unwrap();
        assert_eq!((&table.values, table.names[2].as_str()), (&expected, "column 3"), "{text:?}");
        assert_eq!(
            parse(text).unwrap(),
            Table::parse(&gzip(text.as_bytes()), &TableOptions::default()).unwrap()
        );
    }
}

#[test]
fn a_first_row_of_words_names_the_columns() {
    for text in ["a,\"b; c\", \n1,2,3\n", "\u{feff}a;\"b; c\";\r\n\r\n1;2;3", "a\tb; c\t\n1\t2\t3"] {
        let separator = if text.contains('\t') { Separator::Tab } else { Separator::Auto };
        let table =
            Table::parse(text.as_bytes(), &TableOptions { separator, ..TableOptions::default() }).unwrap();
        assert_eq!(table.names, ["a", "b; c", "column 3"]);
        assert_eq!(table.values, Matrix::new(1, 3, vec![1.0, 2.0, 3.0]));
    }
}

#[test]
fn a_cell_that_is_not_a_number_is_shown_with_its_place() {
    let bad = "x,y\n1,2\r\n\r\n\n3,\"very much longer than anyone would want to read\"\n";
    assert_fails!(
        parse(bad),
        DataError::Cell { line: 5, column: 2, .. },
        "line 5, column 2",
        "\"very much",
        "…"
    );
    assert_fails!(parse("1 2\n\n3 b"), DataError::Cell { line: 3, column: 2, .. }, "\"b\"");
    assert_fails!(parse("a,b\n\"1\n\",2\n3,c"), DataError::Cell { line: 4, column: 2, .. }, "finite");
    assert_fails!(parse("1,2\n3,inf"), DataError::Cell { line: 2, .. }, "finite");
    assert_fails!(parse("1,2\n3,1e999"), DataError::Cell { line: 2, .. }, "finite", "another unit");
    assert_fails!(parse("1,2\n3,nan"), DataError::Cell { line: 2, .. }, "no value may be missing");
    assert_fails!(parse("a,b\n1,2\n3,x"), DataError::Cell { line: 3, .. }, "column 2 (b)", "--missing");
    assert_fails!(parse("1,2\n3,4\n# end,5"), DataError::Cell { line: 3, .. }, "--comment");
    assert_fails!(parse("1;2,345\n3;4"), DataError::Cell { line: 1, column: 2, .. }, "--decimal-comma");
    // A slip in the first row must not make a header of it.
    assert_fails!(parse("1,2.O\n3,4"), DataError::Cell { line: 1, column: 2, .. }, "--header yes");
    assert_fails!(parse("a,a\n3,4"), DataError::Cell { line: 1, column: 2, .. }, "another column");
}

#[test]
fn a_row_of_another_length_is_refused() {
    for text in ["1,2\n3,4,5\n", "1 2\n3 4 5\n", "1\t2\n3\t4\t5\n"] {
        assert_fails!(
            parse(text),
            DataError::Ragged { line: 2, found: 3, expected: 2, .. },
            "line 2",
            "separator"
        );
    }
    assert_fails!(parse("\r\n1,2\r\n\r\n3\r\n"), DataError::Ragged { line: 4, .. }, "a comma");
}

#[test]
fn a_text_without_data_or_in_another_encoding_is_refused() {
    for text in ["", "\n \n", "\u{feff}", "a,b\n"] {
        assert_fails!(parse(text), DataError::Empty { .. }, "no data");
    }
    let options = TableOptions::default();
    assert_fails!(Table::parse(b"1\n2\n\xff", &options), DataError::Encoding { line: 3, .. }, "UTF-8");
}

#[test]
fn a_text_that_unpacks_to_more_than_the_limit_is_refused() {
    let bomb = gzip(&b"1\n".repeat(1 << 20));
    let options = TableOptions { max_bytes: 1000, ..TableOptions::default() };
    assert_fails!(Table::parse(&bomb, &options), DataError::TooManyBytes { .. }, "1000", "max_bytes");
}

#[test]
fn missing_values_are_nan_where_they_are_allowed() {
    let options = TableOptions { missing: true, ..TableOptions::default() };
    let table = Table::parse(b"NA,?,1\n,NaN,2\n", &options).unwrap();
    assert!(table.values.values.iter().map(|x| x.is_nan()).eq([true, true, false, true, true, false]));
    assert_fails!(Table::parse(b"1\n-inf\n", &options), DataError::Cell { .. }, "finite");
}

#[test]
fn the_options_overrule_what_is_guessed() {
    let header = TableOptions { header: Header::Present, ..TableOptions::default() };
    assert_eq!(Table::parse(b"2019 2020\n1 2", &header).unwrap().names, ["2019", "2020"]);
    let absent = TableOptions { header: Header::Absent, ..TableOptions::default() };
    assert_fails!(Table::parse(b"a b\n1 2", &absent), DataError::Cell { line: 1, .. }, "\"a\"");
    let tabs = TableOptions { separator: Separator::Tab, missing: true, ..header };
    assert_eq!(Table::parse(b"a b\t\n\n1\t\n", &tabs).unwrap().names, ["a b", "column 2"]);
}

#[test]
fn columns_are_found_by_name_or_number() {
    let table = parse("x y z\n1 2 3\n4 5 6").unwrap();
    assert_eq!(table.column("y").unwrap(), [2.0, 5.0]);
    assert_eq!(table.column("3").unwrap(), [3.0, 6.0]);
    let (features, target) = table.split_target("y").unwrap();
    assert_eq!(features.names, ["x", "z"]);
    assert_eq!(features.values, Matrix::new(2, 2, vec![1.0, 3.0, 4.0, 6.0]));
    assert_eq!(target, Matrix::new(2, 1, vec![2.0, 5.0]));
    for none in ["0", "4", "-1"] {
        assert_fails!(
            table.split_target(none),
            DataError::NoColumn { .. },
            &format!("{none:?}"),
            "from 1: x, y, z"
        );
    }
    // A number is that of the file, whichever columns are left.
    assert_eq!(features.column("3").unwrap(), [3.0, 6.0]);
    assert_fails!(features.position("2"), DataError::NoColumn { .. }, "\"2\"");
    assert_eq!(features.describe(1), "column 3 (z)");
    let message = |text: &str, column| parse(text).unwrap().position(column).unwrap_err().to_string();
    let found = message("bmi,age,Body mass,weight\n1,2,3,4", "body mas");
    assert!(found.contains("found \"body mas\": is it \"Body mass\"?; the 4 columns are"), "{found}");
    // Quotes where a name could be taken for a number, or for two names.
    let header = TableOptions { header: Header::Present, ..TableOptions::default() };
    let years = Table::parse(b"1952,\"a, b\",c-1\n0,0.5,1", &header).unwrap();
    let found = years.position("nothing").unwrap_err().to_string();
    assert!(found.ends_with("the 3 columns are, from 1: \"1952\", \"a, b\", c-1"), "{found}");
}

#[test]
fn columns_that_are_left_out_may_hold_any_text_and_are_written_as_they_were_read() {
    let text = "name;a;date;b\n\"x; y\";1;2024-01-31;\nz;;?;4\n";
    let options = |ignore: &[&str]| TableOptions {
        ignore: ignore.iter().map(|column| (*column).to_owned()).collect(),
        missing: true,
        ..TableOptions::default()
    };
    for ignore in [["name", "date"], ["3", "1"], ["date", "1"]] {
        let table = Table::parse(text.as_bytes(), &options(&ignore)).unwrap();
        assert_eq!(table.names, ["a", "b"]);
        assert!(table.values.row(0)[1].is_nan() && table.values.row(1)[1] == 4.0);
        assert_eq!(
            (table.position("4").unwrap(), table.text(1, 1), table.describe(1)),
            (1, "4", "column 4 (b)".into())
        );
        assert_eq!(table.places(), [None, Some(0), None, Some(1)]);
        assert_eq!(table.write(|_, _| None), text);
        let filled = table.columns(&[1, 0]).write(|row, column| (row + column == 0).then_some(7.0));
        assert_eq!(filled, text.replace("31;\n", "31;7\n"));
        let summary = table.summary();
        assert!(summary.starts_with("2 rows, 2 columns of numbers, 2 more left out"), "{summary}");
        assert!(summary.ends_with("; 2 missing cells (empty, NA, NaN, ?)"), "{summary}");
        assert_fails!(
            table.position("name"),
            DataError::NoColumn { left_out: true, .. },
            "the 2 columns are: a, b"
        );
    }
    // Without a header what is left out does not make one.
    let table = Table::parse(b"x,1\ny,2\n", &options(&["1"])).unwrap();
    assert_eq!((table.values.rows, &*table.names[0]), (2, "column 2"));
    let read = |text: &str, ignore: &[&str]| Table::parse(text.as_bytes(), &options(ignore));
    assert_fails!(read(text, &["Name"]), DataError::NoColumn { .. }, "found \"Name\": is it name?");
    assert_fails!(read("a,b\n1,2\n", &["b", "1"]), DataError::AllIgnored { .. }, "--ignore");
    // What to do with a column of text.
    assert_fails!(
        read("land,a b\n1,Ada\n", &[]),
        DataError::Cell { .. },
        "leave the column out by --ignore \"a b\""
    );
    assert_fails!(read("1,2.5\n1,Ada\n", &[]), DataError::Cell { .. }, "leave the column out by --ignore 2");
}

#[test]
fn a_column_may_hold_dates() {
    let folder = Folder::new("dates");
    let options = TableOptions { missing: true, ..TableOptions::default() };
    let read = |text: &str, column| {
        Table::read_with_dates(folder.file("dates", text.as_bytes()), column, None, &options)
    };
    let table = read("a,when\n1,2001-09-09T01:46:40Z\n2,\n3,2001-09-09 03:46:41.5+02:00\n", "when").unwrap();
    let seconds = table.column("when").unwrap();
    assert!(seconds[0] == 1e9 && seconds[1].is_nan() && seconds[2] == 1e9 + 1.5, "{seconds:?}");
    assert!(table.has_dates() && table.text(2, 1) == "2001-09-09 03:46:41.5+02:00");
    assert!(
        table.summary().contains("dates in column 2 (when) as seconds since 1970-01-01 UTC"),
        "{}",
        table.summary()
    );
    let path = folder.file("dates", b"who,when,x\nAda,2001-01-01,1\n2,2001-01-02,3\n");
    let both = Table::read_with_dates(&path, "when", Some("who"), &options).unwrap();
    assert_eq!((both.text(0, 0), both.text(1, 0), both.values.row(1)[1]), ("Ada", "2", 978_393_600.0));
    // A first row of dates is data, and a blank before the time of day no separator.
    for text in ["1970-01-02\n1970-01-03\n", "1970-01-02 00:00\n1970-01-03\n", "t\n1970-01-02T00\n"] {
        let read = read(text, "1");
        if text.starts_with('t') {
            assert_fails!(read, DataError::Cell { line: 2, .. }, "a number or a date", "2024-01-31 10:00");
        } else {
            assert_eq!(read.unwrap().column("1").unwrap(), [86_400.0, 172_800.0]);
        }
    }
    let years = Table::parse(b"land,2001-01-01,2002-01-01\n1,2,3\n", &options).unwrap();
    assert_eq!(&*years.names[1], "2001-01-01");
    let pointed = read("when;a\n2001-09-09T01:46:40,5Z;0,5\n", "when").unwrap();
    assert_eq!(
        (pointed.pointed(0, 0), pointed.pointed(0, 1)),
        ("2001-09-09T01:46:40,5Z".into(), "0.5".into())
    );
    // Numbers stay numbers, and one kind goes through the column.
    let numbers = read("when,a\n20010909,1\n20010910,2\n", "when").unwrap();
    assert!(!numbers.has_dates() && numbers.column("when").unwrap()[0] == 20_010_909.0);
    assert_fails!(
        read("t,a\n1,1\n2001-01-01,2\n", "t"),
        DataError::Cell { line: 3, .. },
        "expected a number, as in line 2"
    );
    assert_fails!(
        read("t,a\n2001-01-01,1\n,1\n5,2\n", "t"),
        DataError::Cell { line: 4, .. },
        "expected a date, as in line 2"
    );
    assert_fails!(read("t,a\n2001-13-01,1\n", "t"), DataError::Cell { .. }, "expected a number or a date");
}

#[test]
fn dates_are_seconds_since_1970() {
    // `date -u -d TEXT +%s.%N`
    for (text, seconds) in [
        ("1970-01-01", 0.0),
        ("1969-12-31T23:59:59Z", -1.0),
        ("2000-02-29T12:00:00Z", 951_825_600.0),
        ("2024-01-31", 1_706_659_200.0),
        ("2024-01-31T10:00:00Z", 1_706_695_200.0),
        ("2024-01-31 10:00", 1_706_695_200.0),
        ("2024-01-31t10:00:00.125z", 1_706_695_200.125),
        ("2024-01-31T10:00:00,125+0530", 1_706_675_400.125),
        ("2024-01-31 10:00:00 -08", 1_706_724_000.0),
        ("1900-03-01", -2_203_891_200.0),
        ("0001-01-01", -62_135_596_800.0),
        ("9999-12-31T23:59:59Z", 253_402_300_799.0),
        ("2016-12-31T23:59:60Z", 1_483_228_800.0),
    ] {
        assert_eq!(read_date(text), Some(seconds), "{text}");
    }
    for wrong in [
        "",
        "2024",
        "2024-1-31",
        "2024-01",
        "2023-02-29",
        "1900-02-29",
        "2024-00-10",
        "2024-04-31",
        "2024-01-31T",
        "2024-01-31T24:00",
        "2024-01-31T10",
        "2024-01-31T10:60",
        "2024-01-31T10:00:00.",
        "2024-01-31T10:00:00.1e5",
        "2024-01-31T10:00+1:00",
        "2024-01-31+01:00",
        "2024-01-31T10:00:00Zulu",
        "-024-01-31",
        "+024-01-31",
        "2024-01-31T10:00:00+é",
    ] {
        assert_eq!(read_date(wrong), None, "{wrong}");
    }
    // Every day of more than four centuries, there and back.
    for day in -150_000..150_000 {
        let seconds = f64::from(day) * 86_400.0;
        assert_eq!(read_date(&write_date(seconds)), Some(seconds));
    }
    assert_eq!(write_date(1_706_695_200.4), "2024-01-31T10:00:00Z");
}

#[test]
fn one_column_may_hold_any_text() {
    let folder = Folder::new("text");
    let options = TableOptions { missing: true, ..TableOptions::default() };
    let read = |text: &[u8], column| Table::read_with_text(folder.file("text", text), column, &options);
    let texts =
        |table: &Table, j| (0..table.values.rows).map(|i| table.text(i, j).to_owned()).collect::<Vec<_>>();
    let table = read(b"a,kind,b\n1,\"x, y\",\n2, 7 ,3\n4,NA,5\n", "kind").unwrap();
    assert_eq!((&*table.names[1], texts(&table, 1)), ("kind", ["x, y", "7", "NA"].map(String::from).into()));
    assert!(table.column("kind").unwrap().iter().map(|x| x.is_nan()).eq([true, false, true]));
    assert_eq!(table.values.row(1), [2.0, 7.0, 3.0]);
    // The text of a first row without names does not make a header of it, nor does a number unmake one.
    assert_eq!(texts(&read(b"1,x\n2,y\n", "2").unwrap(), 1), ["x", "y"]);
    assert_eq!(texts(&read(b"a,2020\n2,y\n", "2").unwrap(), 1), ["y"]);
    assert_fails!(read(b"a,kind\n1,x\ny,z\n", "kind"), DataError::Cell { line: 3, column: 1, .. }, "\"y\"");
    assert_fails!(read(b"1,x\n2,y\n", "x"), DataError::NoColumn { .. }, "\"column 1\", \"column 2\"");
}

#[test]
fn a_list_of_indices_holds_nothing_else() {
    let folder = Folder::new("indices");
    assert_eq!(read_indices(folder.file("good", b"2\n0\n"), 3).unwrap(), [2, 0]);
    for bad in ["0\n3\n", "0\n-1\n", "0\n1.5\n"] {
        let path = folder.file("bad", bad.as_bytes());
        assert_fails!(read_indices(path, 3), DataError::Index { entry: 1, .. }, "line 2", "below 3");
    }
}

#[test]
#[should_panic(expected = "Table: no column 2 of 2")]
fn a_column_that_is_not_there_is_not_described() {
    Table::parse(b"a,b\n1,2\n", &TableOptions::default()).unwrap().describe(2);
}
