//! Tables: what is guessed and read is a whole table of finite numbers, and comes back from a plain file.
//!
//! The first byte chooses the options, the rest is the file.
#![no_main]

use fuzz::{bounded, seeds};
use libfuzzer_sys::fuzz_target;
use nn::data::{Header, Separator, Table, TableOptions};

fn read(options: u8, bytes: &[u8]) -> Option<(TableOptions, Table)> {
    let separators =
        [Separator::Auto, Separator::Comma, Separator::Semicolon, Separator::Tab, Separator::Blanks];
    let options = TableOptions {
        separator: separators[usize::from(options >> 4) % separators.len()],
        header: [Header::Auto, Header::Auto, Header::Present, Header::Absent][usize::from(options & 3)],
        missing: options & 4 != 0,
        ..TableOptions::default()
    };
    let table = bounded(bytes, || Table::parse(bytes, &options)).ok()?;
    Some((options, table))
}

fuzz_target!(
    init: {
        let files = [
            "1,-2.5,3e4\n4,5,6",
            "\n1 ; -2.5 ; 3e4 \r\n\r\n4;5;6\r\n",
            "1\t-2.5\t3e4\n \n4\t5\t6\n",
            "  1 -2.5\t\t3e4 \n\n4    5 6\t\n\n",
            "\u{feff}\"1\",\"-2.5\",\"3e4\"\n4,5,6\n",
            "a,\"b; c\", \n1,2,3\n",
            "name,\"a\nb\",c\n1,\"2\n\",3\n",
            "NA,?,1\n,NaN,2\n",
            "x\n1\n\n2\n\"\"\n",
            "id,x\n100000000000000001,0.1\n100000000000000002,1e200\n",
            "\tb\tc\n1\t2\t3\n",
            "2019 2020\n1 2",
            "# a comment\n1,5;2,5\n",
        ];
        seeds("table", files.iter().flat_map(|file| [0, 4, 0x12].map(|options| [&[options], file.as_bytes()].concat())));
    },
    |bytes: &[u8]| {
        let Some((&first, bytes)) = bytes.split_first() else { return };
        let Some((options, table)) = read(first, bytes) else { return };
        let (rows, cols) = (table.values.rows, table.values.cols);
        assert!(rows > 0 && cols > 0 && table.names.len() == cols);
        assert!(table.values.values.iter().all(|x| x.is_finite() || options.missing && x.is_nan()));

        let row = |i| table.values.row(i).iter().map(|x| format!("{x:?}")).collect::<Vec<_>>().join(",");
        let text = (0..rows).map(row).collect::<Vec<_>>().join("\n");
        let plain = TableOptions { header: Header::Absent, separator: Separator::Comma, missing: true, ..options };
        let again = Table::parse(text.as_bytes(), &plain).expect("a plain table");
        assert_eq!((again.values.rows, again.values.cols), (rows, cols));
        let bits = |table: &Table| table.values.values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
        assert_eq!(bits(&again), bits(&table));
    }
);
