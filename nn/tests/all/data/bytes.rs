//! Whatever the bytes: no reader panics.

use nn::data::{Idx, Table, TableOptions};
use proptest::prelude::*;

use super::{gzip, idx_file};

proptest! {
    #[test]
    fn no_bytes_make_a_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300), head in 0..4usize) {
        let heads: [&[u8]; 4] = [&[], &[0, 0, 8, 2], &[0, 0, 13, 1], &[0x1f, 0x8b, 8, 0]];
        let bytes = [heads[head], &bytes].concat();
        for bytes in [gzip(&bytes), bytes] {
            let _ = Idx::parse(&bytes).map(|idx| idx.into_matrix());
            let _ = Table::parse(&bytes, &TableOptions::default());
        }
    }

    #[test]
    fn no_text_makes_a_reader_panic(text in "[ \t\r\n,;\"0-9a.eN?é-]{0,80}", missing: bool) {
        let options = TableOptions { missing, ..TableOptions::default() };
        if let Ok(table) = Table::parse(text.as_bytes(), &options) {
            prop_assert_eq!(table.values.cols, table.names.len());
            prop_assert!(missing || table.values.values.iter().all(|x| x.is_finite()));
            // What is written of it has as many lines, but for those that are inside of cells.
            prop_assert!(table.write(|_, _| Some(0.5)).lines().count() >= table.values.rows);
            prop_assert!(!table.summary().is_empty() && table.notes().len() < 4 + table.values.cols);
        }
    }

    #[test]
    fn no_damage_to_a_file_makes_a_reader_panic(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..4),
        end: prop::sample::Index,
    ) {
        let image = idx_file(8, &[5, 4, 3], &(0..60).collect::<Vec<_>>());
        let text = b"a,b,c\n1,2,3\n4.5,-6e7,8\n\"9\",10,11\n".to_vec();
        for whole in [gzip(&image), gzip(&text), image, text] {
            let mut bytes = whole.clone();
            for (place, byte) in &damage {
                bytes[place.index(whole.len())] = *byte;
            }
            for bytes in [&bytes[..], &bytes[..end.index(whole.len())], &whole[..end.index(whole.len())]] {
                if let Ok(idx) = Idx::parse(bytes) {
                    prop_assert!(idx.shape.iter().product::<usize>() <= 60);
                    idx.into_matrix();
                }
                let _ = Table::parse(bytes, &TableOptions::default());
            }
        }
    }
}
