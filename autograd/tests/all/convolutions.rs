//! Convolutions against loops over the formula, against each other, and against numbers computed by hand.

use crate::common::{assert_close, numbers};
use crate::dirty::dirty_tape;
use autograd::ops::{Convolution, Nonlinearity};
use autograd::{Tape, Var};
use proptest::prelude::*;

const LINEAR: Nonlinearity = Nonlinearity::Identity;

/// Shapes and attributes of a convolution.
#[derive(Clone, Copy, Debug)]
struct Setting {
    batch: usize,
    channels: usize,
    features: usize,
    size: [usize; 2],
    kernel: [usize; 2],
    stride: usize,
    padding: usize,
}

impl Setting {
    fn out(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.size[axis] + 2 * self.padding - self.kernel[axis]) / self.stride + 1)
    }

    fn images(&self) -> [usize; 4] {
        [self.batch, self.channels, self.size[0], self.size[1]]
    }

    fn kernels(&self) -> [usize; 4] {
        [self.features, self.channels, self.kernel[0], self.kernel[1]]
    }

    fn result(&self) -> [usize; 4] {
        [self.batch, self.features, self.out()[0], self.out()[1]]
    }

    /// Calls `f` with the place of each product's factors in X and W, and of its sum in Y.
    fn products(&self, mut f: impl FnMut(usize, usize, usize)) {
        let ([h, w], [kh, kw], [oh, ow]) = (self.size, self.kernel, self.out());
        let index = |place: &[usize], size: &[usize]| place.iter().zip(size).fold(0, |at, (i, n)| at * n + i);
        let all = [self.batch, self.features, oh, ow, self.channels, kh, kw];
        for at in 0..all.iter().product() {
            let (mut rest, mut place) = (at, [0; 7]);
            for axis in (0..7).rev() {
                (place[axis], rest) = (rest % all[axis], rest / all[axis]);
            }
            let [n, o, i, j, c, k, l] = place;
            let (row, column) = (i * self.stride + k, j * self.stride + l);
            let inside = (self.padding..h + self.padding).contains(&row)
                && (self.padding..w + self.padding).contains(&column);
            if inside {
                let x = index(&[n, c, row - self.padding, column - self.padding], &self.images());
                f(x, index(&[o, c, k, l], &self.kernels()), index(&[n, o, i, j], &self.result()));
            }
        }
    }

    /// What must be added to a transposed convolution's output to have the images' size again, if that is the same for
    /// height and width.
    fn output_padding(&self) -> Option<usize> {
        let rest = [0, 1].map(|axis| (self.size[axis] + 2 * self.padding - self.kernel[axis]) % self.stride);
        (rest[0] == rest[1]).then_some(rest[0])
    }
}

fn settings() -> impl Strategy<Value = Setting> {
    // Batches beyond the number of images that are interleaved; images of more rows than are gathered at a time.
    let batch = prop_oneof![4 => 1..4_usize, 1 => 15..20_usize, 1 => 33..34_usize];
    let kernel = (1..4_usize, 1..5_usize);
    (batch, 1..4_usize, 1..4_usize, 1..9_usize, 1..9_usize, kernel, 1..4_usize, 0..3_usize)
        .prop_map(|(batch, channels, features, h, w, (kh, kw), stride, padding)| {
            let (size, kernel) = ([h, w], [kh, kw]);
            Setting { batch, channels, features, size, kernel, stride, padding }
        })
        .prop_filter("the kernel fits", |s| (0..2).all(|axis| s.size[axis] + 2 * s.padding >= s.kernel[axis]))
}

fn var<'t>(tape: &'t Tape<f64>, seed: u64, shape: [usize; 4]) -> Var<'t, f64> {
    tape.parameter(&numbers(seed, shape.iter().product()), shape)
}

/// Compares a convolution and its gradients with the formula.
fn compare(s: Setting) {
    let tape = dirty_tape();
    let (x, w) = (var(&tape, 1, s.images()), var(&tape, 2, s.kernels()));
    let b = tape.parameter(&numbers(3, s.features), [s.features]);
    let y = x.conv2d(w, b, Convolution { stride: s.stride, padding: s.padding }, LINEAR);
    assert_eq!(y.shape().dims(), s.result());

    let (xs, ws, bs) = (x.to_vec(), w.to_vec(), b.to_vec());
    let plane = s.out()[0] * s.out()[1];
    let mut expected: Vec<f64> = (0..y.size()).map(|at| bs[at / plane % s.features]).collect();
    s.products(|x, w, y| expected[y] += xs[x] * ws[w]);
    assert_close(&y.to_vec(), &expected, 1e-13);

    let dy = numbers(4, y.size());
    let gradients = tape.backward_from(&[(y, &dy)]);
    let (mut dx, mut dw, mut db) = (vec![0.0; xs.len()], vec![0.0; ws.len()], vec![0.0; bs.len()]);
    s.products(|x, w, y| {
        dx[x] += ws[w] * dy[y];
        dw[w] += xs[x] * dy[y];
    });
    dy.iter().enumerate().for_each(|(at, dy)| db[at / plane % s.features] += dy);
    assert_close(gradients.wrt(x), &dx, 1e-12);
    assert_close(gradients.wrt(w), &dw, 1e-12);
    assert_close(gradients.wrt(b), &db, 1e-12);
}

/// ⟨conv(x), y⟩ = ⟨x, conv_transpose(y)⟩, and the gradients of the one are the values of the other.
fn compare_transposed(s: Setting) {
    let Some(output_padding) = s.output_padding() else { return };
    let tape = dirty_tape();
    let (x, w, y) = (var(&tape, 1, s.images()), var(&tape, 2, s.kernels()), var(&tape, 3, s.result()));
    let none = |n| tape.constant(&vec![0.0; n], [n]);
    let forth = x.conv2d(w, none(s.features), Convolution { stride: s.stride, padding: s.padding }, LINEAR);
    let back = y.conv_transpose2d(
        w,
        none(s.channels),
        Convolution { stride: s.stride, padding: s.padding },
        output_padding,
        LINEAR,
    );
    assert_eq!(back.shape().dims(), s.images());
    let (left, right) = ((forth * y).sum(), (x * back).sum());
    assert_close(&[left.item()], &[right.item()], 1e-11);

    let (of_forth, of_back) = (tape.backward(left), tape.backward(right));
    for var in [x, w, y] {
        assert_close(of_forth.wrt(var), of_back.wrt(var), 1e-11);
    }
    assert_close(of_forth.wrt(x), &back.to_vec(), 1e-12);
    assert_close(of_back.wrt(y), &forth.to_vec(), 1e-12);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn a_convolution_and_its_gradients_are_the_sums_of_the_formula(s in settings()) {
        compare(s);
    }

    #[test]
    fn a_transposed_convolution_is_the_adjoint(s in settings()) {
        compare_transposed(s);
    }
}

#[test]
fn large_images_are_cut_into_strips_of_windows() {
    let s = Setting {
        batch: 17,
        channels: 4,
        features: 3,
        size: [22, 31],
        kernel: [3, 2],
        stride: 1,
        padding: 1,
    };
    assert!(s.channels * 6 * s.out()[0] * s.out()[1] * 16 > 2 << 15, "several strips");
    for stride in [1, 2, 3] {
        compare(Setting { stride, ..s });
        compare_transposed(Setting { size: [22, 22], kernel: [3, 3], stride, ..s });
    }
}

#[test]
fn examples_by_hand() {
    let tape = Tape::new();
    let x = tape.parameter(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0], [1, 1, 3, 3]);
    let w = tape.parameter(&[1.0, 0.0, 0.0, -1.0], [1, 1, 2, 2]);
    let b = tape.parameter(&[0.5], [1]);
    // 1 − 5, 2 − 6, 4 − 8, 5 − 9
    assert_eq!(x.conv2d(w, b, Convolution { stride: 1, padding: 0 }, LINEAR).to_vec(), [-3.5; 4]);
    // Windows at the corners: −1, −3, −7, 5 − 9
    assert_eq!(
        x.conv2d(w, b, Convolution { stride: 2, padding: 1 }, LINEAR).to_vec(),
        [-0.5, -2.5, -6.5, -3.5]
    );
    assert_eq!(x.conv2d(w, b, Convolution { stride: 2, padding: 1 }, Nonlinearity::Relu).to_vec(), [0.0; 4]);

    let small = tape.parameter(&[1.0, 2.0, 3.0, 4.0], [1, 1, 2, 2]);
    let y = small.conv_transpose2d(w, b, Convolution { stride: 1, padding: 0 }, 0, LINEAR);
    assert_eq!(y.to_vec(), [1.5, 2.5, 0.5, 3.5, 3.5, -1.5, 0.5, -2.5, -3.5]);
    let y = small.conv_transpose2d(w, b, Convolution { stride: 2, padding: 0 }, 1, LINEAR);
    assert_eq!(y.shape().dims(), [1, 1, 5, 5]);
    assert_eq!(y.to_vec()[..10], [1.5, 0.5, 2.5, 0.5, 0.5, 0.5, -0.5, 0.5, -1.5, 0.5]);

    let y = tape.parameter(&[1.0, 2.0], [1, 2]).upsample_nearest(2);
    assert_eq!(y.shape().dims(), [2, 4]);
    assert_eq!(y.to_vec(), [1.0, 1.0, 2.0, 2.0, 1.0, 1.0, 2.0, 2.0]);
    let weights = tape.constant(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], [2, 4]);
    let x = tape.parameter(&[0.0, 0.0], [1, 2]);
    assert_eq!(tape.backward((x.upsample_nearest(2) * weights).sum()).wrt(x), [14.0, 22.0]);
}

#[test]
fn a_kernel_as_large_as_the_image_is_a_dense_layer() {
    let tape = Tape::new();
    let (x, w) = (var(&tape, 1, [3, 2, 4, 5]), var(&tape, 2, [6, 2, 4, 5]));
    let b = tape.parameter(&numbers(3, 6), [6]);
    for phi in [Nonlinearity::Elu, Nonlinearity::LeakyRelu(0.2), Nonlinearity::Sigmoid] {
        let convolved = x.conv2d(w, b, Convolution { stride: 1, padding: 0 }, phi);
        let dense = x.reshape([3, 40]).dense(w.reshape([6, 40]).transpose(), b, phi);
        assert_eq!(convolved.shape().dims(), [3, 6, 1, 1]);
        assert_close(&convolved.to_vec(), &dense.to_vec(), 1e-13);
    }
}

#[test]
fn an_image_has_the_same_features_alone_and_in_any_batch() {
    let tape = Tape::new();
    let (x, w) = (var(&tape, 1, [21, 3, 9, 8]), var(&tape, 2, [4, 3, 3, 3]));
    let b = tape.parameter(&numbers(3, 4), [4]);
    let all = x.conv2d(w, b, Convolution { stride: 2, padding: 1 }, Nonlinearity::Elu);
    for n in [0, 15, 16, 20] {
        let alone = x.rows(n..n + 1).conv2d(w, b, Convolution { stride: 2, padding: 1 }, Nonlinearity::Elu);
        assert_close(&alone.to_vec(), &all.rows(n..n + 1).to_vec(), 1e-14);
    }
}

#[test]
fn a_batch_of_none_has_no_features_and_adds_nothing() {
    let tape = dirty_tape();
    let (x, w) = (var(&tape, 1, [0, 2, 4, 4]), var(&tape, 2, [3, 2, 3, 3]));
    let b = tape.parameter(&numbers(3, 3), [3]);
    let y = x.conv2d(w, b, Convolution { stride: 1, padding: 1 }, Nonlinearity::Elu);
    assert_eq!(y.shape().dims(), [0, 3, 4, 4]);
    let (wide, c) = (y.upsample_nearest(2), tape.parameter(&numbers(4, 2), [2]));
    assert_eq!(wide.shape().dims(), [0, 3, 8, 8]);
    let back = wide.conv_transpose2d(w, c, Convolution { stride: 2, padding: 1 }, 1, Nonlinearity::Elu);
    assert_eq!(back.shape().dims(), [0, 2, 16, 16]);
    let gradients = tape.backward(back.sum());
    assert_eq!((gradients.wrt(w), gradients.wrt(b)), (&[0.0; 54][..], &[0.0; 3][..]));
    assert_eq!(gradients.wrt(c), [0.0; 2]);
}
