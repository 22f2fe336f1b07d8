//! Points shared between workers.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;

use crate::{Error, Execution};

/// Hands what `work` makes of each point to `receive`, in the order in which they finish.
///
/// Points are shared between `execution.threads` workers, each on one thread of its own:
/// points are independent, so this scales better than splitting one point's matrix products.
/// `bytes` is what a point takes.
/// Setting `stop` ends the run after the points in flight; so does an error of `receive`.
pub(crate) fn share<R: Send>(
    bytes: usize,
    points: &[usize],
    execution: Execution,
    stop: &AtomicBool,
    work: impl Fn(usize) -> R + Sync,
    receive: impl FnOnce(&mpsc::Receiver<R>) -> Result<(), Error>,
) -> Result<(), Error> {
    let affordable = (execution.memory / bytes).max(1);
    let workers = execution.threads.min(points.len()).min(affordable);
    let pools = (0..workers)
        .map(|_| rayon::ThreadPoolBuilder::new().num_threads(1).build())
        .collect::<Result<Vec<_>, _>>()?;
    let next = AtomicUsize::new(0);
    let each = |results: &mpsc::SyncSender<R>| {
        while !stop.load(Ordering::Relaxed) {
            let Some(&point) = points.get(next.fetch_add(1, Ordering::Relaxed)) else { return };
            // The receiver is gone only after an error, which it reports itself.
            if results.send(work(point)).is_err() {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        // Bounded, so that workers wait for a slow disk instead of filling memory.
        let (sender, receiver) = mpsc::sync_channel(2 * workers);
        for pool in &pools {
            let (sender, each) = (sender.clone(), &each);
            scope.spawn(move || pool.install(|| each(&sender)));
        }
        drop(sender);
        let received = receive(&receiver);
        if received.is_err() {
            stop.store(true, Ordering::Relaxed);
        }
        received
    })
}
