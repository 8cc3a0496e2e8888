//! Operations on arrays of any shapes, with any attributes: the shape rule accepts or refuses, and what it accepts is computed.
//!
//! The first byte chooses the operation, the second one of its cases, the third how many inputs there are. Attributes and
//! sizes follow.
#![no_main]

use std::sync::OnceLock;

use autograd::check::{Checked, Operation, Visitor, catalogue};
use autograd::ops::*;
use autograd::{Op, Shape, Tape};
use fuzz::{bounded, seeds};
use libfuzzer_sys::fuzz_target;

/// The most numbers that an operation may have to compute.
const SIZE: usize = 1 << 12;

/// The operations of the catalogue with the attributes of their cases.
fn operations() -> &'static [fn(u8, &[Shape])] {
    struct Collect(Vec<fn(u8, &[Shape])>);
    impl Visitor for Collect {
        fn visit<O: Operation>(&mut self) {
            fn run<O: Checked<f64>>(case: u8, shapes: &[Shape]) {
                let mut cases = O::cases();
                try_on(cases.swap_remove(usize::from(case) % cases.len()).op, shapes);
            }
            self.0.push(run::<O::On<f64>>);
        }
    }
    static OPERATIONS: OnceLock<Vec<fn(u8, &[Shape])>> = OnceLock::new();
    OPERATIONS.get_or_init(|| {
        let mut collected = Collect(Vec::new());
        catalogue(&mut collected);
        collected.0
    })
}

fn try_on<O: Op<f64> + Clone>(op: O, shapes: &[Shape]) {
    match op.shape(shapes) {
        Err(why) => assert!(!why.is_empty()),
        Ok(shape) if shape.dims().iter().try_fold(1, |size: usize, &n| size.checked_mul(n)).is_none() => {
            panic!("{}: {shapes:?}: more elements than can be counted", op.name())
        }
        Ok(shape) if shape.size() <= SIZE && op.aux(shapes) <= SIZE => {
            let clean = compute(Tape::new(), &op, shapes);
            assert!(clean == compute(dirty(), &op, shapes), "{}: {shapes:?}: old memory", op.name());
        }
        Ok(_) => {}
    }
}

/// The bits of the value and of all adjoints; one NaN is as good as another.
fn compute<O: Op<f64> + Clone>(tape: Tape<f64>, op: &O, shapes: &[Shape]) -> Vec<u64> {
    let number = |i: usize| (i as f64 * 0.7).sin() + if i.is_multiple_of(3) { 1.0 } else { 0.0 };
    let leaf = |shape: &Shape| {
        let values: Vec<f64> = (0..shape.size()).map(number).collect();
        tape.parameter(&values, *shape)
    };
    let inputs: Vec<_> = shapes.iter().map(leaf).collect();
    let y = tape.record(op.clone(), &inputs);
    let cotangent: Vec<f64> = (0..y.size()).map(|i| number(i + 5)).collect();
    let gradients = tape.backward_from(&[(y, &cotangent)]);
    let adjoints = inputs.iter().flat_map(|&x| gradients.wrt(x).to_vec());
    let bits = |x: f64| if x.is_nan() { u64::MAX } else { x.to_bits() };
    y.to_vec().into_iter().chain(adjoints).map(bits).collect()
}

/// A tape whose memory is full of NaN.
fn dirty() -> Tape<f64> {
    let mut tape = Tape::new();
    let nan = vec![f64::NAN; 4 * SIZE];
    let x = tape.parameter(&nan, [nan.len()]);
    drop(tape.backward_from(&[(x, &nan)]));
    tape.clear();
    tape
}

/// Numbers from bytes: mostly small, some as large as they can be.
struct Numbers<'a>(std::slice::Iter<'a, u8>);

impl Numbers<'_> {
    fn byte(&mut self) -> u8 {
        self.0.next().copied().unwrap_or(0)
    }

    fn attribute(&mut self) -> usize {
        match self.byte() {
            byte @ 0..0xe0 => usize::from(byte % 16),
            byte @ 0xe0..0xf0 => (1 << 60) >> (byte - 0xe0),
            byte => usize::MAX - usize::from(byte - 0xf0),
        }
    }

    /// A shape of no more than `SIZE` elements.
    fn shape(&mut self) -> Shape {
        let rank = usize::from(self.byte() % 5);
        let mut left = SIZE;
        let axes: Vec<usize> = (0..rank)
            .map(|_| {
                let byte = self.byte();
                let axis = usize::from(if byte < 0xf0 { byte % 8 } else { byte }).min(left);
                left /= axis.max(1);
                axis
            })
            .collect();
        Shape::new(&axes)
    }
}

fuzz_target!(
    init: {
        // Each operation on two matrices, and on arrays as a convolution has them.
        let kinds = 0..operations().len() as u8 + 16;
        seeds("shapes", kinds.flat_map(|kind| {
            [vec![kind, 0, 2, 2, 3, 3, 2, 3, 3], vec![kind, 1, 3, 1, 1, 4, 2, 3, 5, 5, 4, 4, 3, 2, 2, 1, 4]]
        }));
    },
    |bytes: &[u8]| {
        let mut numbers = Numbers(bytes.iter());
        let (kind, case, inputs) = (usize::from(numbers.byte()), numbers.byte(), numbers.byte() % 5);
        let attributes: [usize; 4] = match kind < operations().len() {
            true => [0; 4],
            false => [(); 4].map(|()| numbers.attribute()),
        };
        let shapes: Vec<Shape> = (0..inputs).map(|_| numbers.shape()).collect();
        let [a, b, c, d] = attributes;
        let convolution = Convolution { stride: a, padding: b };
        bounded(bytes, || match kind.checked_sub(operations().len()) {
            None => operations()[kind](case, &shapes),
            Some(0) => try_on(Conv2d { phi: Tanh, convolution }, &shapes),
            Some(1) => try_on(ConvTranspose2d { phi: Tanh, convolution, output_padding: c }, &shapes),
            Some(2) => try_on(UpsampleNearest { factor: a }, &shapes),
            Some(3) => try_on(Move(Columns { start: a, end: b }), &shapes),
            Some(4) => try_on(Move(Concatenate { axis: a }), &shapes),
            Some(5) => try_on(Move(Gather { indices: vec![a, b, c, d] }), &shapes),
            Some(6) => try_on(Map(Powi(a as i32)), &shapes),
            Some(7) => try_on(Reduce { reduction: Sum, over: a }, &shapes),
            Some(8) => try_on(Reduce { reduction: Max, over: a }, &shapes),
            Some(9) => try_on(Reduce { reduction: CumSum, over: a }, &shapes),
            Some(10) => try_on(Reduce { reduction: Softmax, over: a }, &shapes),
            Some(11) => try_on(Reduce { reduction: LogSumExp, over: a }, &shapes),
            _ => {
                let axes = [a, b, c, d].map(|axis| axis.min(SIZE));
                let rank = usize::from(case % 5);
                if axes[..rank].iter().product::<usize>() <= SIZE {
                    try_on(BroadcastTo { shape: Shape::new(&axes[..rank]) }, &shapes);
                }
            }
        });
    }
);
