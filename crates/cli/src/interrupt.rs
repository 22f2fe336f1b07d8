use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

static STOP: AtomicBool = AtomicBool::new(false);
static INSTALLED: OnceLock<()> = OnceLock::new();

/// A flag that Ctrl-C (or SIGTERM) sets, so that long work can end in order; a second
/// one ends the process at once.
pub(crate) fn flag() -> &'static AtomicBool {
    INSTALLED.get_or_init(|| {
        let handler = || {
            if STOP.swap(true, Ordering::Relaxed) {
                std::process::exit(130);
            }
            crate::output::note(
                "\nstopping after the work in flight; press Ctrl-C again to stop at once",
            );
        };
        // Without a handler Ctrl-C ends the process, which loses nothing but the work in flight.
        let _ = ctrlc::set_handler(handler);
    });
    &STOP
}
