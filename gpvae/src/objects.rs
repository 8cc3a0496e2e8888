//! Object features X: what of an object does not depend on the view.

use autograd::{Mat, MatMut, Real, Var};
use nn::data::Matrix;
use nn::{Init, Layout, Slot};

use crate::samples::{Places, Samples};

/// The features of objects, which the kernel reads behind the view's numbers.
#[derive(Clone, Debug, PartialEq)]
pub enum Objects {
    /// Samples differ by their views alone.
    None,
    /// X (P, M), known.
    Given(Matrix<f64>),
    /// X (P, M), learned: a slot `objects` of θ.
    Learned(Slot),
}

impl Objects {
    /// Learned features that begin at the rows of `x`.
    pub fn learned(layout: &mut Layout, x: &Matrix<f64>) -> Self {
        Self::Learned(layout.slot("objects", [x.rows, x.cols], Init::Values(x.values.to_vec())))
    }

    /// P, the number of objects.
    pub fn len(&self) -> usize {
        match self {
            Self::None => 0,
            Self::Given(x) => x.rows,
            Self::Learned(slot) => slot.shape()[0],
        }
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The rows (w_n | x_{p_n}) that a kernel takes, (N, R + M).
    ///
    /// # Panics
    /// If the places name objects and there are no features, or the other way round, or an object has none.
    #[track_caller]
    pub fn rows<'t, F: Real>(&self, theta: Var<'t, F>, places: &Places) -> Var<'t, F> {
        let (tape, n) = (theta.tape(), places.len());
        let constant = |matrix: &Matrix<f64>| {
            tape.constant_with([matrix.rows, matrix.cols], |out| {
                out.iter_mut().zip(matrix.values.iter()).for_each(|(out, &value)| *out = F::from_f64(value));
            })
        };
        let w = constant(&places.views);
        let named = places.objects.len();
        assert!(
            named == if self.is_empty() { 0 } else { n },
            "objects: {named} named in {n} rows, {} known",
            self.len()
        );
        match self {
            Self::None => w,
            Self::Given(x) => Var::concatenate(&[w, constant(&x.select(&places.objects))], 1),
            Self::Learned(slot) => Var::concatenate(&[w, slot.of(theta).gather(&places.objects)], 1),
        }
    }
}

/// Features to begin with, (P, M): the M principal directions, over objects, of the objects' mean images.
///
/// The mean images are not centred, so that the first feature is about what all objects have in common; a linear kernel
/// has no other way to say it. Features have mean square 1/M, so that ‖x‖² is about one. An object without images has
/// the mean of the others' features.
///
/// # Panics
/// If M is 0 or larger than P, or an object is not below P.
#[track_caller]
pub fn principal_features<F: Real>(samples: &Samples<F>, objects: usize, features: usize) -> Matrix<f64> {
    let (p, m, k) = (objects, features, samples.images.cols);
    assert!((1..=p).contains(&m), "principal_features: {m} of {p} objects");
    let mut means = vec![0.0; p * k];
    let mut counts = vec![0.0; p];
    for (row, &object) in samples.places.objects.iter().enumerate() {
        assert!(object < p, "principal_features: row {row} is of object {object} of {p}");
        counts[object] += 1.0;
        let mean = &mut means[object * k..][..k];
        mean.iter_mut().zip(samples.images.row(row)).for_each(|(sum, y)| *sum += y.to_f64());
    }
    for (mean, &count) in means.chunks_exact_mut(k).zip(&counts) {
        mean.iter_mut().for_each(|sum| *sum /= f64::max(count, 1.0));
    }
    let mut gram = vec![0.0; p * p];
    let y = Mat::new(&means, p, k);
    f64::gemm(1.0, y, y.t(), 0.0, MatMut::new(&mut gram, p, p));

    // Orthogonal iteration (Golub & Van Loan 2013, section 8.2.4), from irregular numbers.
    let mut u: Vec<f64> = (0..p * m).map(|i| ((i * i) as f64 * 0.731 + i as f64).sin()).collect();
    let mut next = vec![0.0; p * m];
    for _ in 0..200 {
        orthonormalise(&mut u, m);
        f64::gemm(1.0, Mat::new(&gram, p, p), Mat::new(&u, p, m), 0.0, MatMut::new(&mut next, p, m));
        std::mem::swap(&mut u, &mut next);
    }
    orthonormalise(&mut u, m);
    let scale = (p as f64 / m as f64).sqrt();
    u.iter_mut().for_each(|u| *u *= scale);
    let seen = counts.iter().filter(|&&count| count > 0.0).count().max(1) as f64;
    for j in 0..m {
        let mean = (0..p).filter(|&i| counts[i] > 0.0).map(|i| u[i * m + j]).sum::<f64>() / seen;
        (0..p).filter(|&i| counts[i] == 0.0).for_each(|i| u[i * m + j] = mean);
    }
    Matrix::new(p, m, u)
}

/// Makes the columns of an (n, m) matrix orthonormal, one after the other; one that depends on those before it becomes 0.
fn orthonormalise(u: &mut [f64], m: usize) {
    let n = u.len() / m;
    for j in 0..m {
        let whole = (0..n).map(|r| u[r * m + j].powi(2)).sum::<f64>().sqrt();
        // Twice is enough.
        for i in (0..j).chain(0..j) {
            let dot: f64 = (0..n).map(|r| u[r * m + i] * u[r * m + j]).sum();
            (0..n).for_each(|r| u[r * m + j] -= dot * u[r * m + i]);
        }
        let norm = (0..n).map(|r| u[r * m + j].powi(2)).sum::<f64>().sqrt();
        let scale = if norm > 1e-12 * whole { norm.recip() } else { 0.0 };
        (0..n).for_each(|r| u[r * m + j] *= scale);
    }
}
