//! Standard output and error, of which neither may end a run.

use std::fmt::Arguments;
use std::io::{ErrorKind, Write};
use std::sync::atomic::{AtomicBool, Ordering};

use crate::train::ranks::Ranks;

/// Whether something could not be written although somebody was there to read it.
static LOST: AtomicBool = AtomicBool::new(false);

/// Prints a line on standard output, as `println!` does. If it cannot be written the run goes on: a reader that went away, as
/// `head` does, misses nothing, and any other failure, such as a full disk, makes the program end with exit code 1.
#[macro_export]
macro_rules! outln {
    ($($text:tt)*) => { $crate::run::write_line(&mut std::io::stdout(), format_args!($($text)*)) };
}

/// Prints a line on standard error, as `eprintln!` does. If it cannot be written the run goes on: see
/// [`outln!`](crate::outln).
#[macro_export]
macro_rules! errln {
    ($($text:tt)*) => { $crate::run::write_line(&mut std::io::stderr(), format_args!($($text)*)) };
}

/// Writes a line to one of the standard streams. Of several ranks only the first speaks.
#[doc(hidden)]
pub fn write_line(to: &mut dyn Write, text: Arguments<'_>) {
    if !Ranks::world().is_first() {
        return;
    }
    // One call of the system for a line: a line of another thread does not come between.
    let line = format!("{text}\n");
    let written = to.write_all(line.as_bytes()).and_then(|()| to.flush());
    if written.is_err_and(|error| error.kind() != ErrorKind::BrokenPipe) {
        LOST.store(true, Ordering::Relaxed);
    }
}

/// Whether something was lost so far.
pub(super) fn is_lost() -> bool {
    LOST.load(Ordering::Relaxed)
}
