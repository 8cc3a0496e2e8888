//! Products of covariances of categories: as features, and as the kernel that they are.

use autograd::Tape;
use autograd::check::{Sample, check};
use gpvae::kernel::{Categories, Kernel};
use gpvae::prior::{CategoryProduct, Features, LatentPrior, LowRank};
use nn::data::Matrix;
use nn::model::Layout;
use rand::{SeedableRng, rngs::StdRng};

fn waves(rows: usize, cols: usize, speed: f64) -> Matrix<f64> {
    Matrix::new(rows, cols, (0..rows * cols).map(|i| (speed * (i + 1) as f64).sin()).collect())
}

/// Rows (task | subject) of three tasks and four subjects; some pairs are missing.
fn rows() -> Vec<f64> {
    let pairs = (0..12).filter(|i| i % 5 != 2);
    let row = |i: usize| (0..7).map(move |j| f64::from(u8::from(j == i % 3 || j == 3 + i / 3)));
    pairs.flat_map(row).collect()
}

/// The product of two kernels as features, with noise, and as a kernel.
fn priors(layout: &mut Layout) -> (LowRank<CategoryProduct>, impl Kernel + use<>) {
    let tasks = Categories::new(layout, "tasks", &waves(3, 2, 1.1));
    let people = Categories::new(layout, "people", &waves(4, 3, 0.7));
    let product = tasks.clone().on(0..3).times(people.clone().on(3..7));
    let low = LowRank::new(layout, CategoryProduct::new(vec![(tasks, 0..3), (people, 3..7)]), 0.3);
    (low, product)
}

#[test]
fn the_covariance_of_two_categories_is_an_entry_of_its_matrix() {
    let mut layout = Layout::new();
    let start = waves(3, 2, 1.1);
    let kernel = Categories::new(&mut layout, "tasks", &start);
    let tape = Tape::new();
    let theta = tape.constant(&layout.init::<f64>(&mut StdRng::seed_from_u64(0)), [6]);
    let all = tape.constant(&[1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0], [3, 3]);
    let (gram, diagonal) = (kernel.gram(theta, all).to_vec(), kernel.diagonal(theta, all).to_vec());
    for i in 0..3 {
        for j in 0..3 {
            let wanted: f64 = start.row(i).iter().zip(start.row(j)).map(|(a, b)| a * b).sum();
            assert!((gram[3 * i + j] - wanted).abs() < 1e-14);
        }
        assert!((diagonal[i] - gram[4 * i]).abs() < 1e-14);
    }
    let inputs = [Sample::any([6]), Sample::any([4, 3]), Sample::any([2, 3])];
    check("categories", &inputs, |_, x| kernel.cross(x[0], x[1], x[2])).unwrap();
    check("categories", &inputs[..2], |_, x| kernel.diagonal(x[0], x[1])).unwrap();
}

#[test]
fn the_product_as_features_has_the_density_of_the_product_kernel() {
    let mut layout = Layout::new();
    let (low, kernel) = priors(&mut layout);
    assert_eq!(low.features.rank(), 6);
    let theta = layout.init::<f64>(&mut StdRng::seed_from_u64(0));
    let rows = rows();
    let n = rows.len() / 7;
    let tape = Tape::new();
    let x = tape.constant(&rows, [n, 7]);
    let z = tape.constant(&waves(n, 2, 0.9).values, [n, 2]);
    let theta = tape.constant(&theta, [theta.len()]);
    let v = low.features.features(theta, x).unwrap();
    assert!(v.gap.to_vec().iter().all(|gap| *gap == 0.0));
    let (a, b) = (v.v.matmul_t(v.v).to_vec(), kernel.gram(theta, x).to_vec());
    assert!(a.iter().zip(&b).all(|(a, b)| (a - b).abs() < 1e-12));

    let noise = tape.constant(&vec![0.3; n], [n]).diagonal_matrix();
    let exact = z.multivariate_normal_log_prob(kernel.gram(theta, x) + noise).unwrap().item();
    assert!((low.log_prob(theta, x, z).unwrap().item() - exact).abs() < 1e-9);

    let inputs = [Sample::uniform([layout.size()], -0.5..0.5), Sample::any([n, 7])];
    check("product of categories", &inputs, |_, x| low.features.features(x[0], x[1]).unwrap().v).unwrap();
}
