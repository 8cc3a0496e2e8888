//! Rows, their order, and what becomes of their values.

use std::collections::{BTreeMap, BTreeSet};

use nn::data::{
    self, Binarise, DataError, Matrix, Minibatches, ScaleError, Standardizer, Table, TableOptions, counts,
    hide, split,
};
use proptest::prelude::*;

use super::assert_fails;

proptest! {
    #[test]
    fn every_index_comes_once_an_epoch(rows in 0..500usize, batch in 1..60usize, seed: u64, epoch: u64) {
        let mut batches = Minibatches::new(rows, batch, seed);
        let sizes: Vec<_> = batches.epoch(epoch).map(<[_]>::len).collect();
        prop_assert_eq!(sizes.len(), batches.per_epoch());
        prop_assert!(sizes.iter().rev().skip(1).all(|&size| size == batch));
        let mut seen: Vec<_> = batches.epoch(epoch).flatten().copied().collect();
        seen.sort_unstable();
        prop_assert!(seen.into_iter().eq(0..rows));
    }

    #[test]
    fn the_parts_of_a_split_are_disjoint(rows in 1..300usize, f in 0.0..1.0f64, seed: u64) {
        let sizes = counts(rows, [f, 1.0 - f]);
        prop_assert_eq!(sizes[0] + sizes[1], rows);
        let [a, b] = split(rows, sizes, seed);
        let union: BTreeSet<_> = a.iter().chain(&b).copied().collect();
        prop_assert!(union.into_iter().eq(0..rows));
    }

    #[test]
    fn to_standardise_and_invert_changes_nothing(values in prop::collection::vec(-1e6..1e6f64, 12)) {
        let values = Matrix::new(4, 3, values);
        let fitted = Standardizer::fit(&values, &[0, 1, 3]).unwrap();
        let back = fitted.invert(&fitted.apply(&values));
        for (x, y) in values.values.iter().zip(&**back.values) {
            prop_assert!((x - y).abs() <= 1e-9 * (1.0 + x.abs()), "{} became {}", x, y);
        }
    }
}

#[test]
fn rows_and_columns_are_taken_in_the_order_asked_for() {
    let m = Matrix::new(3, 2, vec![1, 2, 3, 4, 5, 6]);
    assert_eq!(m.select(&[2, 0, 2]), Matrix::new(3, 2, vec![5, 6, 1, 2, 5, 6]));
    assert_eq!(m.columns(&[1]), Matrix::new(3, 1, vec![2, 4, 6]));
    assert_eq!(m.columns(&[]).cols, 0);
    let (top, bottom) = m.split_at_row(1);
    assert_eq!((top.row(0), bottom.row(1)), (&[1, 2][..], &[5, 6][..]));
    let mut out = [0; 4];
    m.gather_into(&[1, 0], &mut out);
    assert_eq!(out, [3, 4, 1, 2]);
    assert_eq!(m.map(f64::from).row(1), [3.0, 4.0]);
}

#[test]
#[should_panic(expected = "Matrix: [2, 3]: expected as many values, found 5")]
fn a_matrix_of_the_wrong_size_panics_with_the_sizes() {
    Matrix::new(2, 3, vec![0; 5]);
}

#[test]
fn batches_are_a_function_of_seed_and_epoch() {
    let order =
        |batches: &mut Minibatches, epoch| batches.epoch(epoch).flatten().copied().collect::<Vec<_>>();
    let (mut a, mut b) = (Minibatches::new(100, 7, 3), Minibatches::new(100, 7, 3));
    let late = order(&mut a, 5);
    let early = order(&mut a, 0);
    assert_eq!((order(&mut b, 0), order(&mut b, 5)), (early.clone(), late.clone()));
    assert_ne!(early, late);
    assert_ne!(early, order(&mut Minibatches::new(100, 7, 4), 0));
    // The index buffer is used again.
    let place = |batches: &mut Minibatches, epoch| batches.epoch(epoch).next().unwrap().as_ptr();
    assert_eq!(place(&mut a, 0), place(&mut a, 1));
    // The same bits in every version: what was published with a seed stays reproducible.
    assert_eq!(order(&mut Minibatches::new(8, 3, 0), 0), [5, 7, 1, 3, 4, 6, 0, 2]);
}

#[test]
fn every_order_is_equally_likely() {
    let mut batches = Minibatches::new(3, 3, 11);
    let mut seen = BTreeMap::new();
    for epoch in 0..6000 {
        *seen.entry(batches.epoch(epoch).next().unwrap().to_vec()).or_insert(0) += 1;
    }
    // 1000 each, standard deviation 29.
    assert_eq!(seen.len(), 6);
    assert!(seen.values().all(|n| (880..1120).contains(n)), "{seen:?}");
}

#[test]
fn a_last_batch_that_is_not_full_can_be_dropped() {
    let mut batches = Minibatches::new(10, 4, 0).drop_last();
    assert_eq!((batches.per_epoch(), batches.epoch(2).map(<[_]>::len).collect::<Vec<_>>()), (2, vec![4, 4]));
}

#[test]
fn a_split_is_reproducible_and_may_leave_rows_out() {
    let parts = split(1965, [1565, 200, 100], 1);
    assert_eq!(parts.each_ref().map(Vec::len), [1565, 200, 100]);
    assert_eq!(parts, split(1965, [1565, 200, 100], 1));
    assert_ne!(parts, split(1965, [1565, 200, 100], 2));
    assert_eq!(counts(10, [0.1; 10]), [1; 10]);
}

#[test]
#[should_panic(expected = "split: [3, 2]: expected at most 4 rows, found 5")]
fn a_split_into_more_rows_than_there_are_panics() {
    split(4, [3, 2], 0);
}

#[test]
fn only_the_fitted_rows_are_measured_and_constant_columns_are_reported() {
    let values = Matrix::new(4, 3, vec![1.0, 0.1, 0.0, 3.0, 0.1, f64::NAN, 5.0, 0.1, 2.0, 99.0, 7.0, 9.0]);
    let fitted = Standardizer::fit(&values, &[0, 1, 2]).unwrap();
    assert_eq!(fitted.constant_columns(), [1]);
    assert_eq!((&fitted.mean[..], fitted.sd[1], fitted.sd[2]), (&[3.0, 0.1, 1.0][..], 1.0, 1.0));
    assert!((fitted.sd[0] - (8.0f64 / 3.0).sqrt()).abs() < 1e-15);
    assert_eq!(fitted.apply(&values).row(0)[1], 0.0);
}

#[test]
fn columns_of_any_magnitude_are_scaled_and_come_back() {
    let ordinary = [3.0, -1.0, 2.0, f64::NAN, 7.0];
    let usual = Standardizer::fit(&Matrix::new(5, 1, ordinary.to_vec()), &[0, 1, 2, 3, 4]).unwrap();
    for unit in [1e200, 1e-200, 1e-300, 1e289] {
        let values = Matrix::new(5, 1, ordinary.map(|x| x * unit).to_vec());
        let fitted = Standardizer::fit(&values, &[0, 1, 2, 3, 4]).unwrap();
        assert!(fitted.constant_columns().is_empty(), "{unit}");
        assert!((fitted.sd[0] / unit / usual.sd[0] - 1.0).abs() < 1e-14, "{unit}: {fitted:?}");
        let z = fitted.narrow::<f32>(&values).unwrap();
        let expected = usual.narrow::<f32>(&Matrix::new(5, 1, ordinary.to_vec())).unwrap();
        for (z, expected) in z.values.iter().zip(&**expected.values) {
            assert!((z - expected).abs() < 1e-6 || z.is_nan() && expected.is_nan(), "{unit}: {z}");
        }
        for (back, x) in fitted.invert(&fitted.apply(&values)).values.iter().zip(&**values.values) {
            assert!((back / x - 1.0).abs() < 1e-14 || x.is_nan(), "{unit}: {back}");
        }
    }
    let tiny = Standardizer::fit(&Matrix::new(2, 1, vec![0.0, 5e-324]), &[0, 1]).unwrap();
    assert!(tiny.sd[0] > 0.0 && tiny.constant_columns().is_empty());
}

#[test]
fn a_number_that_cannot_be_scaled_is_refused_with_its_place() {
    let text = b"a,b,c\n1,2,3\n4,5,6\n\n7,1e300,9\n";
    let table = Table::parse(text, &TableOptions::default()).unwrap();
    let error = Standardizer::fit(&table.values, &[2, 1]).unwrap_err();
    assert_eq!(error, ScaleError::TooLarge { row: 2, column: 1, value: 1e300 });
    let message = table.locate(&error).to_string();
    assert!(message.contains("line 5, column 2 (b)") && message.contains("\"1e300\""), "{message}");
    // Columns keep their place in the file.
    let (rest, b) = table.split_target("a").unwrap();
    assert_eq!(b.values.len(), 3);
    let fitted = Standardizer::fit(&rest.values, &[0, 1]).unwrap();
    let far = Matrix::new(1, 2, vec![1e60, 0.0]);
    let error = fitted.narrow::<f32>(&far).unwrap_err();
    assert!(matches!(error, ScaleError::TooFar { row: 0, column: 0, .. }), "{error}");
    let message = rest.locate(&error).to_string();
    assert!(message.contains("line 2, column 2 (b)") && message.contains("mean 3.500e0"), "{message}");
    assert!(matches!(fitted.narrow::<f32>(&rest.values), Err(ScaleError::TooLarge { row: 2, .. })));
    let infinite = Matrix::new(1, 1, vec![f64::INFINITY]);
    assert!(matches!(Standardizer::fit(&infinite, &[0]), Err(ScaleError::TooLarge { .. })));
}

#[test]
fn hidden_cells_are_known_and_leave_some_in_every_column() {
    let gap = f64::NAN;
    let values = Matrix::new(4, 3, vec![1.0, gap, 2.0, 3.0, gap, gap, 4.0, 5.0, gap, 6.0, 7.0, gap]);
    for seed in 0..50 {
        for (count, keep, most) in [(3, 1, 3), (9, 1, 4), (9, 2, 2), (9, 4, 0)] {
            let hidden = hide(&values, count, keep, seed);
            assert_eq!(hidden.len(), most, "{count}, {keep}, {seed}");
            assert_eq!(hidden.iter().collect::<BTreeSet<_>>().len(), most);
            assert!(hidden.iter().all(|&cell| !values.values[cell].is_nan()));
            for (j, known) in [4, 2, 1].into_iter().enumerate() {
                let gone = hidden.iter().filter(|&cell| cell % 3 == j).count();
                assert!(known - gone >= keep.min(known), "column {j} of seed {seed}");
            }
        }
    }
    assert_ne!(hide(&values, 3, 1, 0), hide(&values, 3, 1, 1));
}

#[test]
fn a_pixels_draw_depends_on_seed_epoch_and_place_only() {
    let image = |how: Binarise, row, epoch| {
        let mut pixels = vec![0.5; 64];
        how.apply(row, epoch, &mut pixels);
        pixels
    };
    let (fixed, redrawn) = (Binarise::Fixed { seed: 1 }, Binarise::Redrawn { seed: 1 });
    assert_eq!(image(fixed, 3, 0), image(fixed, 3, 9));
    assert_eq!(image(redrawn, 3, 4), image(redrawn, 3, 4));
    let others = [image(redrawn, 3, 5), image(redrawn, 4, 4), image(Binarise::Redrawn { seed: 2 }, 3, 4)];
    assert!(others.iter().all(|other| *other != image(redrawn, 3, 4)));
}

#[test]
fn pixels_are_drawn_with_their_own_probability() {
    for p in [0.0, 0.1, 0.5, 0.9, 1.0] {
        let mut pixels = vec![p; 100_000];
        Binarise::Redrawn { seed: 5 }.apply(0, 0, &mut pixels);
        assert!(pixels.iter().all(|&x| x == 0.0 || x == 1.0));
        let mean = pixels.iter().sum::<f32>() / 1e5;
        let sd = (p * (1.0 - p) / 1e5).sqrt();
        assert!((mean - p).abs() <= 4.0 * sd, "{mean} for {p}");
    }
    for how in
        [Binarise::Grey, Binarise::Threshold(0.5), Binarise::Fixed { seed: 5 }, Binarise::Redrawn { seed: 5 }]
    {
        let mut pixels = [0.0, f32::NAN, 1.0];
        how.apply(0, 0, &mut pixels);
        assert!((pixels[0], pixels[2]) == (0.0, 1.0) && pixels[1].is_nan(), "{how:?}: {pixels:?}");
    }
    let mut pixels = [0.2, 0.5, 0.7];
    Binarise::Grey.apply(0, 0, &mut pixels);
    Binarise::Threshold(0.5).apply(0, 0, &mut pixels);
    assert_eq!(pixels, [0.0, 0.0, 1.0]);
}

#[test]
fn a_pixel_that_is_no_probability_is_refused() {
    assert!(Binarise::check(&data::digits().images).is_ok());
    for bad in [-0.1, 1.1, f32::NAN] {
        let images = Matrix::new(2, 2, vec![0.0, 1.0, 0.5, bad]);
        assert_fails!(
            Binarise::check(&images),
            DataError::Pixel { row: 1, column: 1, .. },
            "row 2, column 2"
        );
    }
}
