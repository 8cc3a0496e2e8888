//! Operations that move numbers: [`Movement`]s, tables of where each run of the result comes from, and [`BroadcastTo`], which
//! repeats an array along axes that are missing or of size 1.

use std::ops::Range;

use super::binary::{Add, backward};
use crate::check::{Case, Checked, Sample};
use crate::ops::broadcast::Walk;
use crate::{InputAdjoints, Inputs, Op, Real, Shape, Var};

/// A piece of a result.
#[derive(Clone, Debug)]
pub enum Piece {
    /// A run of elements of the input with this number.
    Run(usize, Range<usize>),
    /// So many zeros.
    Zeros(usize),
}

use Piece::{Run, Zeros};

impl Piece {
    fn len(&self) -> usize {
        match self {
            Run(_, run) => run.len(),
            Zeros(len) => *len,
        }
    }
}

/// A way to put a result together from runs of the inputs. [`Move`] makes an operation of it.
pub trait Movement: Clone + Send + 'static {
    /// The name in drawings and messages.
    const NAME: &'static str;

    /// The number of the first input of which something is moved; the inputs before it only choose.
    const FIRST_MOVED: usize = 0;

    /// The shape of the result, or why the inputs do not fit.
    fn shape(&self, x: &[Shape]) -> Result<Shape, String>;

    /// Calls `put` with one piece of the result after the other.
    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, put: impl FnMut(Piece));

    /// Movements and inputs on which the adjoint is checked.
    fn cases() -> Vec<(Self, Vec<Sample>)>;
}

/// Numbers moved: y is runs of the inputs and zeros, one after the other.   x̄ at each run += ȳ
#[derive(Clone, Copy, Debug)]
pub struct Move<M>(pub M);

impl<F: Real, M: Movement> Op<F> for Move<M> {
    fn name(&self) -> &'static str {
        M::NAME
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        self.0.shape(x)
    }

    fn forward(&self, x: &Inputs<'_, F>, mut y: &mut [F], _: &mut [F]) {
        self.0.pieces(x, |piece| {
            let (at, rest) = std::mem::take(&mut y).split_at_mut(piece.len());
            match piece {
                Run(input, run) => at.copy_from_slice(&x[input][run]),
                Zeros(_) => at.fill(F::ZERO),
            }
            y = rest;
        });
        assert!(y.is_empty(), "{}: the pieces are {} numbers too few", M::NAME, y.len());
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        for wanted in M::FIRST_MOVED..x.len() {
            let (Some(dx), mut dy) = (dx.get(wanted), dy) else { continue };
            self.0.pieces(x, |piece| {
                let (at, rest) = dy.split_at(piece.len());
                match piece {
                    Run(input, run) if input == wanted => {
                        dx[run].iter_mut().zip(at).for_each(|(dx, &dy)| *dx += dy);
                    }
                    _ => {}
                }
                dy = rest;
            });
        }
    }
}

impl<F: Real, M: Movement> Checked<F> for Move<M> {
    fn cases() -> Vec<Case<Self>> {
        M::cases().into_iter().map(|(movement, inputs)| Case::new(Move(movement), inputs)).collect()
    }
}

fn one(x: &[Shape]) -> Result<Shape, String> {
    if let [x] = x { Ok(*x) } else { Err(format!("expected one input, found {}", x.len())) }
}

fn no_matrix(x: Shape) -> String {
    format!("expected a matrix or a stack of matrices, found {x}")
}

/// The last two axes exchanged.
#[derive(Clone, Copy, Debug)]
pub struct Transpose;

impl Movement for Transpose {
    const NAME: &'static str = "transpose";

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let x = one(x)?;
        let &[.., rows, cols] = x.dims() else { return Err(no_matrix(x)) };
        Ok(x.with_axis(x.rank() - 2, cols).with_axis(x.rank() - 1, rows))
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        let &[.., rows, cols] = x.shape(0).dims() else { unreachable!("the shape rule asks for two axes") };
        for matrix in (0..x[0].len()).step_by((rows * cols).max(1)) {
            for column in matrix..matrix + cols {
                (0..rows).map(|row| column + row * cols).for_each(|at| put(Run(0, at..at + 1)));
            }
        }
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        [&[3, 4][..], &[2, 3, 4], &[2, 1, 1, 5]].map(|shape| (Self, vec![Sample::any(shape)])).into()
    }
}

/// The entries `start..end` of the last axis: a block of columns, copied (a block of rows is a view).
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The first column.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

impl Movement for Columns {
    const NAME: &'static str = "columns";

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let (x, &Self { start, end }) = (one(x)?, self);
        if x.rank() == 0 || start > end || end > x.last() {
            return Err(format!("expected a range within the last axis, found {start}..{end}"));
        }
        Ok(x.with_last(end - start))
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        let rows = (0..x[0].len()).step_by(x.shape(0).last().max(1));
        rows.for_each(|row| put(Run(0, row + self.start..row + self.end)));
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        vec![
            (Self { start: 1, end: 3 }, vec![Sample::any([3, 4])]),
            (Self { start: 0, end: 4 }, vec![Sample::any([2, 3, 4])]),
            (Self { start: 2, end: 3 }, vec![Sample::any([5])]),
        ]
    }
}

/// Arrays one after the other along `axis`; they agree in the other axes.
#[derive(Clone, Copy, Debug)]
pub struct Concatenate {
    /// The axis along which sizes are added.
    pub axis: usize,
}

impl Movement for Concatenate {
    const NAME: &'static str = "concatenate";

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let axis = self.axis;
        let Some(first) = x.first() else { return Err("expected at least one input, found none".into()) };
        if axis >= first.rank() {
            return Err(format!("expected an axis below {}, found {axis}", first.rank()));
        }
        if x.iter().any(|x| x.rank() != first.rank() || x.without(axis) != first.without(axis)) {
            return Err(format!("expected equal axes but for axis {axis}, found {x:?}"));
        }
        Ok(first.with_axis(axis, x.iter().map(|x| x[axis]).sum()))
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        // An array's axes from `axis` on are contiguous.
        for block in 0..x.shape(0).dims()[..self.axis].iter().product() {
            for input in 0..x.len() {
                let size: usize = x.shape(input).dims()[self.axis..].iter().product();
                put(Run(input, block * size..(block + 1) * size));
            }
        }
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        vec![
            (Self { axis: 0 }, vec![Sample::any([2, 3]), Sample::any([1, 3])]),
            (Self { axis: 1 }, vec![Sample::any([2, 3]), Sample::any([2, 1]), Sample::any([2, 2])]),
            (Self { axis: 1 }, vec![Sample::any([2, 1, 2]), Sample::any([2, 3, 2])]),
            (Self { axis: 0 }, vec![Sample::any([4])]),
        ]
    }
}

/// The rows at `indices`, in that order; a row may be taken several times.
#[derive(Clone, Debug)]
pub struct Gather {
    /// Which entries of the first axis are taken.
    pub indices: Vec<usize>,
}

impl Movement for Gather {
    const NAME: &'static str = "gather";

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let x = one(x)?;
        let Some(&rows) = x.dims().first() else {
            return Err(format!("expected at least one axis, found {x}"));
        };
        match self.indices.iter().find(|&&row| row >= rows) {
            Some(row) => Err(format!("expected rows below {rows}, found {row}")),
            None => Ok(x.with_axis(0, self.indices.len())),
        }
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        let width = x.shape(0).without(0).size();
        self.indices.iter().for_each(|row| put(Run(0, row * width..(row + 1) * width)));
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        vec![
            (Self { indices: vec![2, 0, 2, 1] }, vec![Sample::any([3, 2])]),
            (Self { indices: vec![3, 3] }, vec![Sample::any([4])]),
        ]
    }
}

/// An array repeated along axes that are missing or of size 1.   x̄ += the sum of ȳ over the repetitions
#[derive(Clone, Copy, Debug)]
pub struct BroadcastTo {
    /// The shape of the result.
    pub shape: Shape,
}

impl<F: Real> Op<F> for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        match one(x)?.broadcast(&self.shape) {
            Ok(shape) if shape == self.shape => Ok(shape),
            _ => Err(format!("expected an array that can be broadcast to {}, found {}", self.shape, x[0])),
        }
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let walk = Walk::new(x.shape(0), self.shape, y.len());
        for (run, y) in y.chunks_mut(walk.run_len().max(1)).enumerate() {
            let x = &x[0][walk.start(run).0..];
            match walk.inner_steps() {
                (0, _) => y.fill(x[0]),
                _ => y.copy_from_slice(&x[..y.len()]),
            }
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], dx: &mut InputAdjoints<'_, F>) {
        // x is added to something of the result's shape.
        let walk = Walk::new(x.shape(0), self.shape, dy.len());
        if let Some(dx) = dx.get(0) {
            backward(&Add, &walk, &x[0], dy, dy, dy, dx);
        }
    }
}

impl<F: Real> Checked<F> for BroadcastTo {
    fn cases() -> Vec<Case<Self>> {
        let case =
            |(x, shape): (&[usize], &[usize])| Case::new(Self { shape: Shape::new(shape) }, [Sample::any(x)]);
        let shapes: [(&[usize], &[usize]); 5] = [
            (&[4], &[3, 4]),
            (&[3, 1], &[2, 3, 4]),
            (&[2, 1, 3], &[2, 2, 3]),
            (&[], &[2, 3]),
            (&[2, 3], &[2, 3]),
        ];
        shapes.map(case).into()
    }
}

/// The diagonal of a square matrix, as a vector.
#[derive(Clone, Copy, Debug)]
pub struct Diagonal;

impl Movement for Diagonal {
    const NAME: &'static str = "diagonal";

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        match one(x)?.dims() {
            &[rows, cols] if rows == cols => Ok([rows].into()),
            _ => Err(format!("expected a square matrix, found {}", x[0])),
        }
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        let n = x.shape(0)[0];
        (0..n).map(|i| i * (n + 1)).for_each(|at| put(Run(0, at..at + 1)));
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        [4, 1].map(|n| (Self, vec![Sample::any([n, n])])).into()
    }
}

/// The matrix with a vector on its diagonal, and zeros elsewhere.
#[derive(Clone, Copy, Debug)]
pub struct DiagonalMatrix;

impl Movement for DiagonalMatrix {
    const NAME: &'static str = "diagonal_matrix";

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        match *one(x)?.dims() {
            [n] => Ok([n, n].into()),
            _ => Err(format!("expected a vector, found {}", x[0])),
        }
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        let n = x[0].len();
        for i in 0..n {
            put(Zeros(if i == 0 { 0 } else { n }));
            put(Run(0, i..i + 1));
        }
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        [4, 1].map(|n| (Self, vec![Sample::any([n])])).into()
    }
}

/// A matrix, or each in a stack, with zeros above the diagonal.
#[derive(Clone, Copy, Debug)]
pub struct LowerTriangle;

impl Movement for LowerTriangle {
    const NAME: &'static str = "tril";

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let x = one(x)?;
        if x.rank() >= 2 { Ok(x) } else { Err(no_matrix(x)) }
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        let &[.., rows, cols] = x.shape(0).dims() else { unreachable!("the shape rule asks for two axes") };
        for (row, start) in (0..x[0].len()).step_by(cols.max(1)).enumerate() {
            let kept = cols.min(row % rows + 1);
            put(Run(0, start..start + kept));
            put(Zeros(cols - kept));
        }
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        [&[4, 4][..], &[2, 4], &[4, 2], &[2, 3, 3]].map(|shape| (Self, vec![Sample::any(shape)])).into()
    }
}

/// a or b, element by element: yᵢ = aᵢ where maskᵢ > 0, else bᵢ.
///
/// The mask has the gradient 0 and does not count as reached; what was not chosen has the gradient 0. (An infinite slope further back makes NaN of that 0: guard
/// the argument, not the result.)
#[derive(Clone, Copy, Debug)]
pub struct Select;

impl Movement for Select {
    const NAME: &'static str = "select";
    const FIRST_MOVED: usize = 1;

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        match x {
            [mask, a, b] if mask == a && a == b => Ok(*a),
            [_, _, _] => Err(format!("expected equal shapes, found {x:?}")),
            _ => Err(format!("expected a mask and two inputs, found {} inputs", x.len())),
        }
    }

    fn pieces<F: Real>(&self, x: &Inputs<'_, F>, mut put: impl FnMut(Piece)) {
        let (chosen, mut at) = (|mask: &F| *mask > F::ZERO, 0);
        for run in x[0].chunk_by(|left, right| chosen(left) == chosen(right)) {
            put(Run(if chosen(&run[0]) { 1 } else { 2 }, at..at + run.len()));
            at += run.len();
        }
    }

    fn cases() -> Vec<(Self, Vec<Sample>)> {
        vec![(Self, vec![Sample::any([3, 4]).constant(), Sample::any([3, 4]), Sample::any([3, 4])])]
    }
}

impl<F: Real> Var<'_, F> {
    /// The transpose of a matrix, or of each in a stack.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn transpose(self) -> Self {
        self.tape().apply(Move(Transpose), &[self])
    }

    /// The entries `range` of the last axis (the columns of a matrix), copied.
    ///
    /// # Panics
    /// If the range reaches beyond the axis.
    #[track_caller]
    pub fn columns(self, range: Range<usize>) -> Self {
        self.tape().apply(Move(Columns { start: range.start, end: range.end }), &[self])
    }

    /// The rows at `indices`: see [`Gather`].
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn gather(self, indices: &[usize]) -> Self {
        self.tape().apply(Move(Gather { indices: indices.to_vec() }), &[self])
    }

    /// The array repeated to fill `shape`: see [`BroadcastTo`].
    ///
    /// # Panics
    /// If an axis is neither 1 nor as long as that of `shape`.
    #[track_caller]
    pub fn broadcast_to(self, shape: impl Into<Shape>) -> Self {
        self.tape().apply(BroadcastTo { shape: shape.into() }, &[self])
    }

    /// Arrays one after the other along `axis`: see [`Concatenate`].
    ///
    /// # Panics
    /// If there are none, or their other axes differ.
    #[track_caller]
    pub fn concatenate(parts: &[Self], axis: usize) -> Self {
        let first = parts.first().expect("concatenate: expected at least one input, found none");
        first.tape().apply(Move(Concatenate { axis }), parts)
    }

    /// The diagonal of a square matrix, as a vector.
    ///
    /// # Panics
    /// If it is not a square matrix.
    #[track_caller]
    pub fn diagonal(self) -> Self {
        self.tape().apply(Move(Diagonal), &[self])
    }

    /// The matrix with this vector on its diagonal.
    ///
    /// # Panics
    /// If it is not a vector.
    #[track_caller]
    pub fn diagonal_matrix(self) -> Self {
        self.tape().apply(Move(DiagonalMatrix), &[self])
    }

    /// The matrix, or each in the stack, with zeros above the diagonal.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn tril(self) -> Self {
        self.tape().apply(Move(LowerTriangle), &[self])
    }

    /// `a` where `self` > 0, else `b`: see [`Select`].
    ///
    /// # Panics
    /// If the shapes differ.
    #[track_caller]
    pub fn select(self, a: Self, b: Self) -> Self {
        self.tape().apply(Move(Select), &[self, a, b])
    }
}
