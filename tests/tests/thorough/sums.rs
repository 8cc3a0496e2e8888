//! Sums of 10⁸ terms in single precision.

use autograd::Tape;

#[test]
fn sums_of_a_hundred_million_terms_are_right_to_a_millionth() {
    const TERMS: usize = 100_000_000;
    let mut tape = Tape::<f32>::new();
    for term in [0.1_f32, 1.0, 0.3] {
        let expected = TERMS as f64 * f64::from(term);
        for shape in [[TERMS, 1], [TERMS / 4, 4], [TERMS / 100, 100]] {
            let x = tape.constant_with(shape, |x| x.fill(term));
            for (what, sum) in
                [("of all", x.sum()), ("of rows", x.sum_axis(0).sum()), ("of columns", x.sum_axis(1).sum())]
            {
                let off = (f64::from(sum.item()) / expected - 1.0).abs();
                assert!(off < 1e-6, "{what}, {shape:?} numbers {term}: off by {off:e}");
            }
            tape.clear();
        }
    }
}
