//! Ctrl-C: the first one is a wish to stop in order, the second one an order.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use tokio::runtime::Builder;
use tokio::signal::unix::{SignalKind, signal};

/// As shells count: 128, and the number of SIGINT.
const INTERRUPTED: i32 = 130;

/// Whether somebody wants us to stop, from now on.
pub(super) fn watch() -> io::Result<Arc<AtomicBool>> {
    let is_wanted = Arc::<AtomicBool>::default();
    let runtime = Builder::new_current_thread().enable_io().build()?;
    let guard = runtime.enter();
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    drop(guard);
    let wish = Arc::clone(&is_wanted);
    thread::Builder::new()
        .name("signals".to_owned())
        .spawn(move || {
            runtime.block_on(async {
                let mut next = async || {
                    tokio::select! {
                        _ = interrupt.recv() => {}
                        _ = terminate.recv() => {}
                    }
                };
                next().await;
                wish.store(true, Ordering::Relaxed);
                next().await;
            });
            std::process::exit(INTERRUPTED);
        })?;
    Ok(is_wanted)
}
