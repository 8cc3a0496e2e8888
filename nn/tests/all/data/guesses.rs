//! What is guessed of a table, and what is said of it.

use nn::data::{DataError, Header, Table, TableOptions};

use super::assert_fails;

fn parse(text: &str) -> Result<Table, DataError> {
    Table::parse(text.as_bytes(), &TableOptions { missing: true, ..TableOptions::default() })
}

/// So many rows of so many numbers between -10 and 10, most with digits behind the point.
fn rows(count: usize, cols: usize) -> String {
    let cell = |i: usize, j: usize| format!("{:.3}", 10.0 * ((7 * i + 3 * j) as f64).sin());
    let row = |i| (0..cols).map(|j| cell(i, j)).collect::<Vec<_>>().join(",") + "\n";
    (0..count).map(row).collect()
}

/// Whether a first row of numbers is taken for names, and whether there is a note about it.
#[track_caller]
fn assert_header(text: &str, header: bool, doubtful: bool) {
    let table = parse(text).unwrap();
    assert_eq!(table.summary().contains(", a header"), header, "{}", table.summary());
    let notes = table.notes();
    assert_eq!(notes.iter().any(|note| note.contains("--header")), doubtful, "{notes:?}");
}

#[test]
fn numbers_that_can_hardly_be_data_are_names_and_that_is_said() {
    let data = rows(40, 3);
    // Numbers of columns; years.
    for head in ["0,1,2", "1,2,3", "1952,1957,1962", "2007,2002,1997", "\"1952\" , 1957, 1962"] {
        assert_header(&format!("{head}\n{data}"), true, true);
    }
    let whole: String = (0..20).map(|i| format!("{},{},3,4,{}\n", i % 7, i * i % 11, i % 3)).collect();
    assert_header(&format!("0,1,2,3,4\n{whole}"), true, true);
    // The first column has a name that is a word, over words, or none.
    let words: String = data.lines().enumerate().map(|(i, row)| format!("land{},{row}\n", i % 4)).collect();
    let text = format!("country,1952,1957,1962\n{words}");
    assert_fails!(
        parse(&text),
        DataError::Cell { line: 2, column: 1, .. },
        "column 1 (country)",
        "\"land0\""
    );
    let numbered: String = data.lines().enumerate().map(|(i, row)| format!("{i},{row}\n")).collect();
    assert_header(&format!(",0,1,2\n{numbered}"), true, true);
    let table = parse(&format!(",1952,1957,1962\n{numbered}")).unwrap();
    assert_eq!(table.names, ["column 1", "1952", "1957", "1962"]);
    assert_eq!(table.values.rows, 40);
}

#[test]
fn a_first_row_of_data_remains_data() {
    let data = rows(40, 3);
    assert_header(&data, false, false);
    for first in ["3,1,2", "0,0,0", "0.5,1,2", "5,7,9", "-1,-2,-3", "2,1,0"] {
        assert_header(&format!("{first}\n{data}"), false, false);
    }
    // Counts, epochs of seconds that go on, a single row, an indicator that is mostly 0.
    assert_header("0,1,2\n3,1,0\n2,2,1\n5,0,0\n", false, false);
    assert_header("1700000000,1\n1700000060,2\n1700000120,3\n1700000180,5\n", false, false);
    assert_header("1952,1957\n3,4\n", false, false);
    assert_header("1,2\n0,0\n0,0\n0,0\n", false, false);
    // It may be either: then it is data, and that is said.
    assert_header(&format!("0,1\n{}", rows(40, 2)), false, true);
    assert_header(&format!("2020\n{}", rows(40, 1)), false, true);
}

#[test]
fn the_flag_decides_of_the_header_without_a_note() {
    let text = format!("0,1,2\n{}", rows(40, 3));
    for (header, count) in [(Header::Present, 40), (Header::Absent, 41)] {
        let table =
            Table::parse(text.as_bytes(), &TableOptions { header, ..TableOptions::default() }).unwrap();
        assert_eq!((table.values.rows, table.notes()), (count, vec![]));
    }
}

#[test]
fn separators_are_found_out_on_several_records_with_quotes() {
    for (text, names, first) in [
        // A line break and separators inside a quoted name.
        ("\"a\n(mm)\",\"b; of, it\",y\n1,2,3\n4,5,6\n", &["a\n(mm)", "b; of, it", "y"][..], [1.0, 2.0, 3.0]),
        ("\"a\r\n(mm)\"|b|y\r\n1|2|3\r\n4|5|6\r\n", &["a\r\n(mm)", "b", "y"], [1.0, 2.0, 3.0]),
        // An empty first cell over the numbers of the rows.
        ("\tbody mass\tage\n0\t0.5\t7\n1\t0.25\t8\n", &["column 1", "body mass", "age"], [0.0, 0.5, 7.0]),
        (
            "body mass,sepal length,sepal width\n1,2,3\n4,5,6\n",
            &["body mass", "sepal length", "sepal width"],
            [1.0, 2.0, 3.0],
        ),
        // Commas are decimal, or part of a name.
        ("\u{feff}a;b, of it;c\r\n1,5;2;3\r\n0,25;5;6\r\n", &["a", "b, of it", "c"], [1.5, 2.0, 3.0]),
        ("a\tb\tc\n1,5\t\t-3,0\n2,5\t1\t4\n", &["a", "b", "c"], [1.5, f64::NAN, -3.0]),
        // Runs of blanks or tabs that align.
        ("a\t\tb  c\n1\t\t2  3\n4\t\t5  6\n", &["a", "b", "c"], [1.0, 2.0, 3.0]),
        ("a \"b c\" d\n1 \"2\" 3\n", &["a", "b c", "d"], [1.0, 2.0, 3.0]),
    ] {
        let table = parse(text).unwrap_or_else(|error| panic!("{text:?}: {error}"));
        assert_eq!(table.names, names, "{text:?}");
        let same = |(a, b): (&f64, &f64)| a == b || a.is_nan() && b.is_nan();
        assert!(table.values.row(0).iter().zip(&first).all(same), "{text:?}: {:?}", table.values.row(0));
    }
    let decimal = parse("mass\n1,25\n-0,5\n10,0\n").unwrap();
    assert_eq!(decimal.values.values[..], [1.25, -0.5, 10.0]);
    // Only the name of the only column has a comma, or a blank.
    for text in ["mass, kg\n1\n2\n", "body mass\n1\n2\n", "\"a, b; c\"\n1\n2\n"] {
        assert_eq!(parse(text).unwrap().values.cols, 1, "{text:?}");
    }
}

#[test]
fn a_comma_between_thousands_is_not_taken_for_a_decimal_comma() {
    assert_eq!(parse("a;b\n1,5;2\n").unwrap().values.row(0), [1.5, 2.0]);
    assert_eq!(parse("a;b\n0,125;2\n").unwrap().values.row(0), [0.125, 2.0]);
    for text in ["a;b\n1,234;2\n", "a;b\n1,5;2.5\n"] {
        assert_fails!(parse(text), DataError::Cell { line: 2, column: 1, .. }, "--decimal-comma");
    }
    let options = TableOptions { decimal_comma: true, ..TableOptions::default() };
    assert_eq!(Table::parse(b"a;b\n1,234;2\n", &options).unwrap().values.row(0), [1.234, 2.0]);
    assert_fails!(
        Table::parse(b"a;b\n1,5;2.5\n", &options),
        DataError::Cell { column: 2, .. },
        "decimal comma"
    );
    let cell = Table::parse(b"a,b\n\"1,5\",2\n", &options).unwrap().values.row(0)[0];
    assert_eq!(cell, 1.5);
}

#[test]
fn a_blank_line_is_a_gap_of_a_table_of_one_column_and_nothing_in_another() {
    for end in ["\n", "\r\n"] {
        let table = parse(&["y", "6", "", "5", "  ", "\"\"", "7", ""].join(end)).unwrap();
        assert_eq!(table.values.rows, 6);
        assert!(table.values.values.iter().map(|x| x.is_nan()).eq([false, true, false, true, true, false]));
        assert_eq!((0..6).map(|row| table.line(row)).collect::<Vec<_>>(), [2, 3, 4, 5, 6, 7]);
        assert!(table.notes().is_empty(), "{:?}", table.notes());
        let ended = parse(&["y", "6", "", "", ""].join(end)).unwrap();
        assert_eq!(ended.values.rows, 1);
        assert!(ended.notes()[0].contains("2 blank lines at the end"), "{:?}", ended.notes());
        let two = parse(&["a,b", "1,2", "", "3,4", ""].join(end)).unwrap();
        assert_eq!((two.values.rows, two.line(1)), (2, 4));
    }
    let refused = Table::parse(b"1\n\n2\n", &TableOptions::default());
    assert_fails!(refused, DataError::Cell { line: 2, column: 1, .. }, "no value may be missing");
}

#[test]
fn comments_and_marks_are_those_of_the_options() {
    let marks = ["-999", "n/a"].map(String::from).to_vec();
    let options = TableOptions { comment: Some('#'), missing: true, marks, ..TableOptions::default() };
    let text = b"# made by hand, twice\na,b\n1,-999\n # a, b, c\nN/A,4\n\"# 5\",6\n";
    assert_fails!(Table::parse(text, &options), DataError::Cell { line: 6, column: 1, .. }, "\"# 5\"");
    let table = Table::parse(&text[..text.len() - 8], &options).unwrap();
    assert_eq!((table.names.join(" "), table.values.rows, table.line(1)), ("a b".to_owned(), 2, 5));
    assert!(table.values.values.iter().map(|x| x.is_nan()).eq([false, true, true, false]));
    assert!(table.is_missing(1, 0) && !table.is_missing(0, 0));
    // Other marks take the place of the usual ones.
    assert_fails!(Table::parse(b"a\n1\nNA\n", &options), DataError::Cell { line: 3, .. }, "\"NA\"");
}

#[test]
fn one_line_says_how_a_table_was_read() {
    for (text, says) in [
        (
            "a;b\n1,5;\n2;NA\n",
            "2 rows, 2 columns of numbers, separator semicolon, a header, decimal commas; 2 missing cells (empty, NA, NaN, ?)",
        ),
        ("1\n2\n", "2 rows, 1 column of numbers, no header; 0 missing cells (empty, NA, NaN, ?)"),
    ] {
        assert_eq!(parse(text).unwrap().summary(), says);
    }
    let table = Table::parse(b"1|2\n", &TableOptions::default()).unwrap();
    assert_eq!(table.summary(), "1 row, 2 columns of numbers, separator bar, no header");
}

#[test]
fn whole_numbers_that_double_precision_rounds_are_said() {
    let table = parse("id,b,y\n9007199254740992,1,1e300\n9007199254740993,2,3\n100000000000000001,4,5\n-123456789012345678901234567890123456789012,4,5\n").unwrap();
    let [note] = &table.notes()[..] else { panic!("{:?}", table.notes()) };
    assert!(note.contains("column 1 (id): 3 whole numbers beyond 2^53"), "{note}");
    assert!(note.contains("line 3, 9007199254740993 to 9007199254740992"), "{note}");
    assert_eq!(table.split_target("id").unwrap().0.notes(), Vec::<String>::new());
}

#[test]
fn an_open_quote_is_refused_where_it_stands() {
    let text = "a,b\n1,2\n3,\"4\n5,6\n7,8\n";
    assert_fails!(parse(text), DataError::Quote { line: 3, column: 2, .. }, "line 3, column 2");
}

#[test]
fn many_columns_are_not_all_listed() {
    let head: Vec<String> = (0..20_000).map(|j| format!("gene {j}")).collect();
    let table = parse(&format!("{}\n{}\n", head.join(","), vec!["1"; 20_000].join(","))).unwrap();
    let message = table.position("gene 20000").unwrap_err().to_string();
    assert!(
        message.contains("the 20000 columns are, from 1: \"gene 0\", \"gene 1\"")
            && message.contains("19988 more")
    );
    assert!(message.len() < 400, "{message}");
    let nameless = parse("1,2\n3,4\n").unwrap().position("country").unwrap_err().to_string();
    assert!(nameless.contains("--header yes"), "{nameless}");
}

#[test]
fn a_folder_is_called_a_folder() {
    let folder = super::Folder::new("folder");
    let read = Table::read(&folder.0, &TableOptions::default());
    assert_fails!(read, DataError::Folder { .. }, "expected a file, found a folder");
}
