//! What is written of a table is the text that was read.

use nn::data::{Header, Separator, Table, TableOptions};
use proptest::prelude::*;

const SEPARATORS: [Separator; 5] =
    [Separator::Comma, Separator::Semicolon, Separator::Tab, Separator::Bar, Separator::Blanks];

fn quoted(cell: &str) -> String {
    format!("\"{}\"", cell.replace('"', "\"\""))
}

fn mark(separator: Separator) -> &'static str {
    match separator {
        Separator::Comma => ",",
        Separator::Semicolon => ";",
        Separator::Tab => "\t",
        Separator::Bar => "|",
        _ => " ",
    }
}

#[test]
fn cells_are_written_back_as_they_were_read_and_gaps_filled() {
    let text = "id;\"b; of it\";y\n100000000000000001;+1,50;\n0100;NA;1e3\n";
    let options = TableOptions { missing: true, ..TableOptions::default() };
    let table = Table::parse(text.as_bytes(), &options).unwrap();
    assert_eq!(table.write(|_, _| None), text);
    assert_eq!((table.text(0, 1), table.pointed(0, 1)), ("+1,50", "+1.50".to_owned()));
    let filled = table.write(|row, column| table.values.row(row)[column].is_nan().then_some(-0.25));
    assert_eq!(filled, "id;\"b; of it\";y\n100000000000000001;+1,50;-0,25\n0100;-0,25;1e3\n");
    assert_eq!(table.split_target("id").unwrap().0.write(|_, _| None), "\"b; of it\";y\n+1,50;\nNA;1e3\n");
    // Without a header, as it was read.
    let bare = "1,\n,2\n";
    assert_eq!(Table::parse(bare.as_bytes(), &options).unwrap().write(|_, _| None), bare);
    assert_eq!(Table::parse(b"a\n1e200\n", &options).unwrap().write(|_, _| Some(-2.5e200)), "a\n-2.5e200\n");
    // Numbers that were not read.
    let made = Table::new(vec!["a".into()], nn::data::Matrix::new(2, 1, vec![0.1, f64::NAN]));
    assert_eq!(made.write(|_, _| None), "a\n0.1\n\"\"\n");
}

proptest! {
    #[test]
    fn what_is_written_reads_as_the_same_texts(
        cells in prop::collection::vec("[ -~\u{e9}\t\r\n]{0,6}", 1..24),
        numbers in prop::collection::vec(any::<f64>().prop_filter("finite", |x| x.is_finite()), 24),
        cols in 1..4usize,
        which in 0..5usize,
        header: bool,
    ) {
        // Any text in the first column, numbers or nothing in the others.
        let (separator, rows) = (SEPARATORS[which], cells.len().div_ceil(cols));
        let cell = |i: usize| match i % cols {
            0 => cells[i % cells.len()].clone(),
            _ if i.is_multiple_of(5) => String::new(),
            _ => numbers[i % numbers.len()].to_string(),
        };
        let line = |row: Vec<String>| row.iter().map(|cell| quoted(cell)).collect::<Vec<_>>().join(mark(separator)) + "\n";
        let mut text = String::new();
        if header {
            text += &line((0..cols).map(|j| format!("name {j}")).collect());
        }
        (0..rows).for_each(|i| text += &line((0..cols).map(|j| cell(i * cols + j)).collect()));

        let folder = super::Folder::new(&format!("texts-{which}-{cols}"));
        let options = TableOptions {
            separator,
            header: if header { Header::Present } else { Header::Absent },
            comment: Some('#'),
            missing: true,
            ..TableOptions::default()
        };
        let read = |text: &str| Table::read_with_text(folder.file("text", text.as_bytes()), "1", &options);
        let table = read(&text).unwrap();
        prop_assert_eq!(table.values.rows, rows);
        for i in 0..rows * cols {
            let same = table.text(i / cols, i % cols) == cell(i);
            prop_assert!(same, "{:?} for {:?} in {:?}", table.text(i / cols, i % cols), cell(i), text);
        }
        let again = read(&table.write(|_, _| None)).unwrap();
        prop_assert_eq!(&again.names, &table.names);
        for i in 0..rows * cols {
            prop_assert_eq!(again.text(i / cols, i % cols), table.text(i / cols, i % cols));
        }
        // And once more it is the same file.
        prop_assert_eq!(again.write(|_, _| None), table.write(|_, _| None));
    }

    #[test]
    fn usual_tables_are_read_without_being_told_how_they_are_written(
        numbers in prop::collection::vec(-99_999..99_999i32, 12..60),
        cols in 2..5usize,
        which in 0..5usize,
        header: bool,
        comma: bool,
        crlf: bool,
        gap: prop::sample::Index,
    ) {
        let (separator, rows) = (SEPARATORS[which], numbers.len() / cols);
        let comma = comma && separator != Separator::Comma;
        let gap = gap.index(rows * cols);
        // With two digits behind it, no comma stands between thousands.
        let cell = |i: usize| match numbers[i] {
            _ if i == gap => "NA".to_owned(),
            x => format!("{:.2}", f64::from(x) / 100.0 + 0.005).replace('.', if comma { "," } else { "." }),
        };
        let line = |cells: Vec<String>| cells.join(mark(separator)) + if crlf { "\r\n" } else { "\n" };
        let mut text = String::new();
        if header {
            text += &line((0..cols).map(|j| format!("n{j}")).collect());
        }
        (0..rows).for_each(|i| text += &line((0..cols).map(|j| cell(i * cols + j)).collect()));
        let options = TableOptions { missing: true, ..TableOptions::default() };
        let table = Table::parse(text.as_bytes(), &options).unwrap();
        prop_assert_eq!((table.values.rows, table.values.cols), (rows, cols), "{}", text);
        for i in 0..rows * cols {
            let (read, expected) = (table.values.values[i], cell(i).replace(',', ".").parse().unwrap_or(f64::NAN));
            prop_assert!(read == expected || i == gap && read.is_nan(), "{} for {} in {}", read, expected, text);
        }
        prop_assert_eq!(&*table.names[0], if header { "n0" } else { "column 1" });
        prop_assert_eq!(table.write(|_, _| None), text.replace('\r', ""));
    }
}
