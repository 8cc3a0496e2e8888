//! Operations that move numbers without computing.

use crate::gradcheck::{Case, Sample};
use crate::{Grads, Inputs, Op, Real, Shape, Var};

/// The last two axes exchanged.   X̄ += Ȳᵀ
#[derive(Clone, Copy, Debug)]
pub struct Transpose;

impl<F: Real> Op<F> for Transpose {
    fn name(&self) -> &'static str {
        "transpose"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x] = x else { return Err("takes one input".into()) };
        let mut axes = [0; Shape::MAX_RANK];
        let axes = &mut axes[..x.rank()];
        axes.copy_from_slice(x.dims());
        let [.., rows, cols] = axes else { return Err("takes a matrix, or a stack of them".into()) };
        std::mem::swap(rows, cols);
        Ok(Shape::new(axes))
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let (rows, cols) = last_two(x.shape(0));
        let size = (rows * cols).max(1);
        for (x, y) in x[0].chunks_exact(size).zip(y.chunks_exact_mut(size)) {
            for (j, y) in y.chunks_exact_mut(rows).enumerate() {
                for (i, y) in y.iter_mut().enumerate() {
                    *y = x[i * cols + j];
                }
            }
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let Some(dx) = grads.get(0) else { return };
        let (rows, cols) = last_two(x.shape(0));
        let size = rows * cols;
        dx.add((0..dy.len()).map(|at| {
            let (matrix, i, j) = (at / size, at % size / cols, at % cols);
            dy[matrix * size + j * rows + i]
        }));
    }

    fn cases() -> Vec<Case<Self>> {
        [&[3, 4][..], &[2, 3, 4], &[2, 1, 1, 5]].map(|shape| Case::new(Self, [Sample::any(shape)])).into()
    }
}

fn last_two(shape: Shape) -> (usize, usize) {
    let rank = shape.rank();
    (shape[rank - 2], shape[rank - 1])
}

/// The entries `start..end` of the last axis: a block of columns, copied (a block of rows is a view).
#[derive(Clone, Copy, Debug)]
pub struct Columns {
    /// The first column.
    pub start: usize,
    /// One past the last.
    pub end: usize,
}

impl<F: Real> Op<F> for Columns {
    fn name(&self) -> &'static str {
        "columns"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x] = x else { return Err("takes one input".into()) };
        let Self { start, end } = *self;
        if x.rank() == 0 || start > end || end > x.last() {
            return Err(format!("there are no columns {start}..{end}"));
        }
        Ok(x.with_last(end - start))
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let width = x.shape(0).last();
        for (x, y) in x[0].chunks_exact(width.max(1)).zip(y.chunks_exact_mut((self.end - self.start).max(1)))
        {
            y.copy_from_slice(&x[self.start..self.end]);
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let Some(dx) = grads.get(0) else { return };
        let width = x.shape(0).last();
        for (dx, dy) in dx.sum().chunks_exact_mut(width).zip(dy.chunks_exact((self.end - self.start).max(1)))
        {
            add(&mut dx[self.start..self.end], dy);
        }
    }

    fn cases() -> Vec<Case<Self>> {
        vec![
            Case::new(Self { start: 1, end: 3 }, [Sample::any([3, 4])]),
            Case::new(Self { start: 0, end: 4 }, [Sample::any([2, 3, 4])]),
            Case::new(Self { start: 2, end: 3 }, [Sample::any([5])]),
        ]
    }
}

/// Arrays one after the other along `axis`; they agree in the other axes.
#[derive(Clone, Copy, Debug)]
pub struct Concatenate {
    /// The axis along which sizes are added.
    pub axis: usize,
}

impl Concatenate {
    /// The length of an array's contiguous blocks, its axes from `axis` on.
    fn block(self, shape: Shape) -> usize {
        shape.dims()[self.axis..].iter().product()
    }
}

impl<F: Real> Op<F> for Concatenate {
    fn name(&self) -> &'static str {
        "concatenate"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let axis = self.axis;
        let Some(first) = x.first() else { return Err("takes at least one input".into()) };
        if axis >= first.rank() {
            return Err(format!("there is no axis {axis}"));
        }
        if x.iter().any(|x| x.rank() != first.rank() || x.without(axis) != first.without(axis)) {
            return Err(format!("the axes other than {axis} differ"));
        }
        let mut axes = [0; Shape::MAX_RANK];
        axes[..first.rank()].copy_from_slice(first.dims());
        axes[axis] = x.iter().map(|x| x[axis]).sum();
        Ok(Shape::new(&axes[..first.rank()]))
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let total: usize = (0..x.len()).map(|i| self.block(x.shape(i))).sum();
        let mut offset = 0;
        for i in 0..x.len() {
            let block = self.block(x.shape(i));
            for (x, y) in x[i].chunks_exact(block.max(1)).zip(y.chunks_exact_mut(total.max(1))) {
                y[offset..offset + block].copy_from_slice(x);
            }
            offset += block;
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let total: usize = (0..x.len()).map(|i| self.block(x.shape(i))).sum();
        let mut offset = 0;
        for i in 0..x.len() {
            let block = self.block(x.shape(i));
            if let Some(dx) = grads.get(i) {
                for (dx, dy) in dx.sum().chunks_exact_mut(block.max(1)).zip(dy.chunks_exact(total)) {
                    add(dx, &dy[offset..offset + block]);
                }
            }
            offset += block;
        }
    }

    fn cases() -> Vec<Case<Self>> {
        vec![
            Case::new(Self { axis: 0 }, [Sample::any([2, 3]), Sample::any([1, 3])]),
            Case::new(Self { axis: 1 }, [Sample::any([2, 3]), Sample::any([2, 1]), Sample::any([2, 2])]),
            Case::new(Self { axis: 1 }, [Sample::any([2, 1, 2]), Sample::any([2, 3, 2])]),
            Case::new(Self { axis: 0 }, [Sample::any([4])]),
        ]
    }
}

/// The rows at `indices`, in that order; a row may be taken several times.   `dx[indices[i]] += dy[i]`
#[derive(Clone, Debug)]
pub struct Gather {
    /// Which entries of the first axis are taken.
    pub indices: Vec<usize>,
}

impl<F: Real> Op<F> for Gather {
    fn name(&self) -> &'static str {
        "gather"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x] = x else { return Err("takes one input".into()) };
        if x.rank() == 0 {
            return Err("a scalar has no rows".into());
        }
        if let Some(row) = self.indices.iter().find(|&&row| row >= x[0]) {
            return Err(format!("there is no row {row}"));
        }
        let mut axes = [0; Shape::MAX_RANK];
        axes[..x.rank()].copy_from_slice(x.dims());
        axes[0] = self.indices.len();
        Ok(Shape::new(&axes[..x.rank()]))
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        let width = x.shape(0).without(0).size();
        for (&row, y) in self.indices.iter().zip(y.chunks_exact_mut(width.max(1))) {
            y.copy_from_slice(&x[0][row * width..][..width]);
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let Some(dx) = grads.get(0) else { return };
        let (width, dx) = (x.shape(0).without(0).size(), dx.sum());
        for (&row, dy) in self.indices.iter().zip(dy.chunks_exact(width.max(1))) {
            add(&mut dx[row * width..][..width], dy);
        }
    }

    fn cases() -> Vec<Case<Self>> {
        vec![
            Case::new(Self { indices: vec![2, 0, 2, 1] }, [Sample::any([3, 2])]),
            Case::new(Self { indices: vec![3, 3] }, [Sample::any([4])]),
        ]
    }
}

/// The array repeated along axes that are missing or of size 1.   x̄ += Σ over the repetitions
#[derive(Clone, Copy, Debug)]
pub struct BroadcastTo {
    /// The shape of the result.
    pub shape: Shape,
}

impl BroadcastTo {
    /// The place in x of every element of the result.
    fn sources(self, from: Shape) -> impl Iterator<Item = usize> {
        let (sizes, from) = (self.shape.padded(), from.padded());
        let mut steps = [0; Shape::MAX_RANK];
        let mut step = 1;
        for axis in (0..Shape::MAX_RANK).rev() {
            steps[axis] = if from[axis] == 1 { 0 } else { step };
            step *= from[axis];
        }
        (0..self.shape.size()).map(move |mut at| {
            let mut source = 0;
            for axis in (0..Shape::MAX_RANK).rev() {
                source += at % sizes[axis] * steps[axis];
                at /= sizes[axis];
            }
            source
        })
    }
}

impl<F: Real> Op<F> for BroadcastTo {
    fn name(&self) -> &'static str {
        "broadcast_to"
    }

    fn shape(&self, x: &[Shape]) -> Result<Shape, String> {
        let [x] = x else { return Err("takes one input".into()) };
        match x.broadcast(&self.shape) {
            Ok(shape) if shape == self.shape => Ok(shape),
            _ => Err(format!("cannot be broadcast to {}", self.shape)),
        }
    }

    fn forward(&self, x: &Inputs<'_, F>, y: &mut [F], _: &mut [F]) {
        for (y, source) in y.iter_mut().zip(self.sources(x.shape(0))) {
            *y = x[0][source];
        }
    }

    fn backward(&self, x: &Inputs<'_, F>, _: &[F], _: &[F], dy: &[F], grads: &mut Grads<'_, F>) {
        let Some(dx) = grads.get(0) else { return };
        let dx = dx.sum();
        for (&dy, source) in dy.iter().zip(self.sources(x.shape(0))) {
            dx[source] += dy;
        }
    }

    fn cases() -> Vec<Case<Self>> {
        vec![
            Case::new(Self { shape: [3, 4].into() }, [Sample::any([4])]),
            Case::new(Self { shape: [2, 3, 4].into() }, [Sample::any([3, 1])]),
            Case::new(Self { shape: [2, 3].into() }, [Sample::any([])]),
            Case::new(Self { shape: [2, 3].into() }, [Sample::any([2, 3])]),
        ]
    }
}

fn add<F: Real>(sum: &mut [F], terms: &[F]) {
    for (sum, &term) in sum.iter_mut().zip(terms) {
        *sum += term;
    }
}

impl<'t, F: Real> Var<'t, F> {
    /// The transpose of a matrix, or of each in a stack.
    ///
    /// # Panics
    /// If there are fewer than two axes.
    #[track_caller]
    pub fn transpose(self) -> Self {
        self.tape().apply(Transpose, &[self])
    }

    /// The entries `range` of the last axis (the columns of a matrix), copied.
    ///
    /// # Panics
    /// If the range reaches beyond the axis.
    #[track_caller]
    pub fn columns(self, range: std::ops::Range<usize>) -> Self {
        self.tape().apply(Columns { start: range.start, end: range.end }, &[self])
    }

    /// The rows at `indices`: see [`Gather`].
    ///
    /// # Panics
    /// If there is no such row.
    #[track_caller]
    pub fn gather(self, indices: &[usize]) -> Self {
        self.tape().apply(Gather { indices: indices.to_vec() }, &[self])
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
        let first = parts.first().expect("concatenate: takes at least one input");
        first.tape().apply(Concatenate { axis }, parts)
    }
}
