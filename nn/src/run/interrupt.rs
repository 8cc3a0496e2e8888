//! Ctrl-C, SIGTERM and SIGHUP: how a run is told to stop.

use std::process;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use super::RunError;
use crate::errln;
use crate::train::abandon;
use crate::train::ranks::Ranks;

/// The exit code that a shell reports of a program that Ctrl-C ended.
const ENDED_BY_INTERRUPT: i32 = 130;

/// Whether Ctrl-C was pressed, or the system asked the process to end (SIGTERM) or closed its terminal (SIGHUP), which is the
/// same. That of the default never is.
#[derive(Clone, Debug, Default)]
pub struct Interrupt {
    requested: Arc<AtomicBool>,
    /// Whether nothing would be lost, so that Ctrl-C ends the program.
    saved: Arc<AtomicBool>,
}

/// The handler of this process, once it is installed.
static INSTALLED: Mutex<Option<Interrupt>> = Mutex::new(None);

impl Interrupt {
    /// Installs the handler of Ctrl-C: the first Ctrl-C asks the run to save and stop, the second ends the program at once, without files
    /// that are not whole. A process has one handler, which further calls return.
    ///
    /// # Errors
    /// [`RunError::System`] if the system, or a handler that another library installed, refuses.
    pub fn install() -> Result<Self, RunError> {
        let mut installed = INSTALLED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(interrupt) = &*installed {
            return Ok(interrupt.clone());
        }
        let interrupt = Self::default();
        let flag = interrupt.clone();
        let handler = move || {
            if flag.requested.swap(true, Ordering::Relaxed) || flag.saved.load(Ordering::Relaxed) {
                abandon();
                process::exit(ENDED_BY_INTERRUPT);
            }
            errln!("\nstopping; Ctrl-C again ends at once, unsaved");
        };
        let refused = |error: ctrlc::Error| RunError::System { what: "Ctrl-C", reason: error.to_string() };
        ctrlc::set_handler(handler).map_err(refused)?;
        Ok(installed.insert(interrupt).clone())
    }

    /// Whether the run should save and stop.
    pub fn requested(&self) -> bool {
        self.requested.load(Ordering::Relaxed)
    }

    /// Sets whether all is saved. Then Ctrl-C ends the program the first time. It always does where there are several ranks: none can
    /// leave an exchange that the others are in, and the last checkpoint is whole.
    pub(super) fn set_saved(&self, saved: bool) {
        self.saved.store(saved || Ranks::world().are_several(), Ordering::Relaxed);
    }
}
