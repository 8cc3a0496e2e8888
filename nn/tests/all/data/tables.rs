//! Tables of numbers.

use nn::data::{DataError, Matrix};
use nn::data::{Header, Separator, Table, TableOptions, read_indices};

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
        assert_eq!((&table.values, table.names[2].as_str()), (&expected, "column 2"), "{text:?}");
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
        assert_eq!(table.names, ["a", "b; c", "column 2"]);
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
fn the_options_overrule_what_is_found_out() {
    let header = TableOptions { header: Header::Present, ..TableOptions::default() };
    assert_eq!(Table::parse(b"2019 2020\n1 2", &header).unwrap().names, ["2019", "2020"]);
    let absent = TableOptions { header: Header::Absent, ..TableOptions::default() };
    assert_fails!(Table::parse(b"a b\n1 2", &absent), DataError::Cell { line: 1, .. }, "\"a\"");
    let tabs = TableOptions { separator: Separator::Tab, missing: true, ..header };
    assert_eq!(Table::parse(b"a b\t\n\n1\t\n", &tabs).unwrap().names, ["a b", "column 1"]);
}

#[test]
fn columns_are_found_by_name_or_number() {
    let table = parse("x y z\n1 2 3\n4 5 6").unwrap();
    assert_eq!(table.column("y").unwrap(), [2.0, 5.0]);
    assert_eq!(table.column("2").unwrap(), [3.0, 6.0]);
    let (features, target) = table.split_target("y").unwrap();
    assert_eq!(features.names, ["x", "z"]);
    assert_eq!(features.values, Matrix::new(2, 2, vec![1.0, 3.0, 4.0, 6.0]));
    assert_eq!(target, Matrix::new(2, 1, vec![2.0, 5.0]));
    assert_fails!(table.split_target("3"), DataError::NoColumn { .. }, "\"3\"", "x, y, z");
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
    assert_eq!(texts(&read(b"1,x\n2,y\n", "1").unwrap(), 1), ["x", "y"]);
    assert_eq!(texts(&read(b"a,2020\n2,y\n", "1").unwrap(), 1), ["y"]);
    assert_fails!(read(b"a,kind\n1,x\ny,z\n", "kind"), DataError::Cell { line: 3, column: 1, .. }, "\"y\"");
    assert_fails!(read(b"1,x\n2,y\n", "x"), DataError::NoColumn { .. }, "column 0, column 1");
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
