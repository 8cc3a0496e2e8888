//! A tape that tells what reads memory that it has not written.

use autograd::{Real, Tape};

/// An empty tape whose memory is full of NaN: what reads memory that it has not written gives itself away.
pub(crate) fn dirty_tape<F: Real>() -> Tape<F> {
    let mut tape = Tape::new();
    let nan = vec![F::from_f64(f64::NAN); 1 << 12];
    let x = tape.parameter(&nan, [nan.len()]);
    drop(tape.backward_from(&[(x, &nan)]));
    tape.clear();
    tape
}
