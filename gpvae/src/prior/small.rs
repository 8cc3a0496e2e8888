//! Vectors and square matrices of a size that is known to the compiler.

use std::array::from_fn;

/// A vector of D numbers.
pub(super) type Vector<const D: usize> = [f64; D];
/// A matrix of D rows.
pub(super) type Square<const D: usize> = [[f64; D]; D];

pub(super) fn identity<const D: usize>() -> Square<D> {
    from_fn(|i| from_fn(|j| f64::from(u8::from(i == j))))
}

/// a + b
pub(super) fn plus<const D: usize>(a: Square<D>, b: Square<D>) -> Square<D> {
    from_fn(|i| from_fn(|j| a[i][j] + b[i][j]))
}

/// c a
pub(super) fn scaled<const D: usize>(c: f64, a: Square<D>) -> Square<D> {
    a.map(|row| row.map(|x| c * x))
}

/// a b
pub(super) fn product<const D: usize>(a: &Square<D>, b: &Square<D>) -> Square<D> {
    from_fn(|i| from_fn(|j| (0..D).map(|k| a[i][k] * b[k][j]).sum()))
}

/// aᵀ
pub(super) fn transposed<const D: usize>(a: &Square<D>) -> Square<D> {
    from_fn(|i| from_fn(|j| a[j][i]))
}

/// a b aᵀ
pub(super) fn sandwich<const D: usize>(a: &Square<D>, b: &Square<D>) -> Square<D> {
    product(&product(a, b), &transposed(a))
}

/// The lower triangular G with G Gᵀ = a, for a matrix without negative eigenvalues. A pivot that is not above ε a_jj counts as `least`,
/// and the column of a pivot 0 is 0.
pub(super) fn factor<const D: usize>(a: &Square<D>, least: f64) -> Square<D> {
    let mut g = [[0.0; D]; D];
    for j in 0..D {
        let rest = |i: usize| a[i][j] - (0..j).map(|k| g[i][k] * g[j][k]).sum::<f64>();
        let pivot = if rest(j) > f64::EPSILON * a[j][j] { rest(j).max(least) } else { least };
        let root = pivot.sqrt();
        let column: Vector<D> = from_fn(|i| if root > 0.0 && i > j { rest(i) / root } else { 0.0 });
        (j + 1..D).for_each(|i| g[i][j] = column[i]);
        g[j][j] = root;
    }
    g
}

/// g⁻¹ of a lower triangular matrix
pub(super) fn inverse_of_lower<const D: usize>(g: &Square<D>) -> Square<D> {
    let mut inverse = [[0.0; D]; D];
    for j in 0..D {
        inverse[j][j] = 1.0 / g[j][j];
        for i in j + 1..D {
            inverse[i][j] = -(j..i).map(|k| g[i][k] * inverse[k][j]).sum::<f64>() / g[i][i];
        }
    }
    inverse
}

/// a x
pub(super) fn times<const D: usize>(a: &Square<D>, x: &Vector<D>) -> Vector<D> {
    from_fn(|i| dot(&a[i], x))
}

pub(super) fn dot<const D: usize>(x: &Vector<D>, y: &Vector<D>) -> f64 {
    (0..D).map(|i| x[i] * y[i]).sum()
}

/// x += c y
pub(super) fn add<const D: usize>(x: &mut Vector<D>, c: f64, y: &Vector<D>) {
    (0..D).for_each(|i| x[i] += c * y[i]);
}

/// a += c x yᵀ
pub(super) fn add_outer<const D: usize>(a: &mut Square<D>, c: f64, x: &Vector<D>, y: &Vector<D>) {
    (0..D).for_each(|i| add(&mut a[i], c * x[i], y));
}

/// a += ½ c (x yᵀ + y xᵀ)
pub(super) fn add_symmetric<const D: usize>(a: &mut Square<D>, c: f64, x: &Vector<D>, y: &Vector<D>) {
    add_outer(a, 0.5 * c, x, y);
    add_outer(a, 0.5 * c, y, x);
}
