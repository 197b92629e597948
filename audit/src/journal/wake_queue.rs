//! Waking those who wait on a worker from that worker itself.
//!
//! To wake a task from another thread costs a call into the kernel, and then the task stands
//! behind all that its own thread has to do: the `LocalSet` on which Actix-web runs handlers
//! takes one such task after thirty others. On a busy worker a frame was kept for a tenth of a
//! second before its request went on.
//!
//! So every worker has a queue of tasks that are to be woken, and a task of its own that
//! wakes them. Only that one is woken from elsewhere, once for all that wait by then.
//!
//! Threads that Actix does not run have no queue, and their tasks are woken as usual. So are
//! those that find it full. A queue whose worker does not come to empty it is no harm either:
//! who waits looks himself after [`LOOK_AGAIN`](super::LOOK_AGAIN).

use std::cell::RefCell;
use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Wake, Waker};

use actix_rt::Arbiter;
use tokio::sync::Notify;

/// More are not woken by way of one queue at a time.
const TASKS: usize = 65_536;

#[derive(Default)]
pub(super) struct WakeQueue {
    state: Mutex<State>,
    /// Whether there is something in it.
    filled: Notify,
}

#[derive(Default)]
struct State {
    tasks: Vec<Waker>,
    /// Nobody empties it any more.
    is_closed: bool,
}

thread_local! {
    static QUEUE: RefCell<Option<Arc<WakeQueue>>> = const { RefCell::new(None) };
    /// The queues that this thread has put something in and is not done with.
    static BEING_FILLED: RefCell<Option<Vec<Arc<WakeQueue>>>> = const { RefCell::new(None) };
}

/// Wakes many: those who empty the queues begin when all are in them.
pub(super) fn together(wake: impl FnOnce()) {
    BEING_FILLED.set(Some(Vec::new()));
    wake();
    let filled = BEING_FILLED.take().unwrap_or_default();
    filled.iter().for_each(|queue| queue.filled.notify_one());
}

impl WakeQueue {
    /// The queue of this thread, if it is a worker of Actix.
    pub(super) fn of_this_worker() -> Option<Arc<Self>> {
        let worker = Arbiter::try_current()?;
        QUEUE.with_borrow_mut(|known| {
            if known.as_ref().is_none_or(|queue| queue.lock().is_closed) {
                *known = None;
                let queue = Arc::<Self>::default();
                let consumer = Consumer(Arc::clone(&queue));
                if worker.spawn(consumer.run()) {
                    *known = Some(queue);
                }
            }
            known.clone()
        })
    }

    /// Wakes this task by way of the queue.
    pub(super) fn waker(self: &Arc<Self>, task: &Waker) -> Waker {
        Waker::from(Arc::new(Entry {
            queue: Arc::clone(self),
            task: task.clone(),
        }))
    }

    fn push(self: &Arc<Self>, task: Waker) {
        let mut state = self.lock();
        if state.is_closed || state.tasks.len() >= TASKS {
            drop(state);
            task.wake();
            return;
        }
        state.tasks.push(task);
        let is_first = state.tasks.len() == 1;
        drop(state);
        if is_first {
            BEING_FILLED.with_borrow_mut(|being_filled| match being_filled {
                Some(queues) => queues.push(Arc::clone(self)),
                None => self.filled.notify_one(),
            });
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The task that empties the queue.
struct Consumer(Arc<WakeQueue>);

impl Consumer {
    async fn run(self) {
        loop {
            self.0.filled.notified().await;
            let tasks = mem::take(&mut self.0.lock().tasks);
            tasks.into_iter().for_each(Waker::wake);
        }
    }
}

impl Drop for Consumer {
    /// The worker ends; what still waits there is woken as usual.
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.is_closed = true;
        let tasks = mem::take(&mut state.tasks);
        drop(state);
        tasks.into_iter().for_each(Waker::wake);
    }
}

struct Entry {
    queue: Arc<WakeQueue>,
    task: Waker,
}

impl Wake for Entry {
    fn wake(self: Arc<Self>) {
        self.queue.push(self.task.clone());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;
    use std::time::Duration;

    use actix_web::rt::System;
    use tokio::sync::oneshot;

    use super::*;

    #[derive(Default)]
    struct Count(AtomicUsize);

    impl Wake for Count {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn tasks_are_woken_on_the_thread_of_their_worker() {
        struct Here(Mutex<Option<oneshot::Sender<thread::ThreadId>>>);
        impl Wake for Here {
            fn wake(self: Arc<Self>) {
                let sender = self.0.lock().unwrap().take().unwrap();
                sender.send(thread::current().id()).unwrap();
            }
        }
        System::new().block_on(async {
            let queue = WakeQueue::of_this_worker().unwrap();
            let (sender, woken_on) = oneshot::channel();
            let task = Waker::from(Arc::new(Here(Mutex::new(Some(sender)))));
            let waker = queue.waker(&task);
            thread::spawn(move || waker.wake()).join().unwrap();
            assert_eq!(woken_on.await.unwrap(), thread::current().id());
        });
    }

    #[test]
    fn many_are_woken_together_and_later_ones_alone() {
        System::new().block_on(async {
            let queue = WakeQueue::of_this_worker().unwrap();
            let count = Arc::<Count>::default();
            let waker = queue.waker(&Waker::from(Arc::clone(&count)));
            for expected in [3, 4] {
                let waker = waker.clone();
                let woken = count.0.load(Ordering::Relaxed);
                thread::spawn(move || {
                    if woken == 0 {
                        together(|| (0..3).for_each(|_| waker.wake_by_ref()));
                    } else {
                        waker.wake();
                    }
                })
                .join()
                .unwrap();
                let woken = async {
                    while count.0.load(Ordering::Relaxed) < expected {
                        tokio::task::yield_now().await;
                    }
                };
                tokio::time::timeout(Duration::from_secs(60), woken)
                    .await
                    .unwrap();
            }
        });
    }

    #[test]
    fn where_actix_runs_no_worker_there_is_no_queue() {
        assert!(WakeQueue::of_this_worker().is_none());
    }

    #[test]
    fn a_worker_that_ends_leaves_nobody_asleep_and_another_one_begins_anew() {
        let (first, waker, count) = System::new().block_on(async {
            let queue = WakeQueue::of_this_worker().unwrap();
            let count = Arc::<Count>::default();
            let waker = queue.waker(&Waker::from(Arc::clone(&count)));
            (queue, waker, count)
        });
        waker.wake_by_ref();
        assert_eq!(count.0.load(Ordering::Relaxed), 1);
        System::new().block_on(async {
            let second = WakeQueue::of_this_worker().unwrap();
            assert!(!Arc::ptr_eq(&first, &second));
        });
    }
}
