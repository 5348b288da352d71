//! Work on many threads, or many items at a time, whose results come back in the order of the input.
//!
//! Invariant: at most `2 * threads` items, or one batch of at most 256 MiB and an item, are between input and
//! output, so memory is bounded whatever the length of the stream; the order and the values of the results do not
//! depend on the number of threads or the size of the batch.

use std::collections::VecDeque;
use std::sync::mpsc::{self, Receiver, SyncSender};
use std::sync::{Mutex, PoisonError};
use std::thread;

/// Bytes with which a batch is full.
const MOST_BYTES: usize = 256 << 20;

/// Applies `work` to every item on `threads` threads and hands the results to `consume` in order.
///
/// `worker` runs once on each thread and makes the state (a model session, a buffer) that its items share. Where the
/// system gives fewer threads, those do the work.
/// The first error, of any of them, ends everything and is returned; what came before an error of `items` is consumed.
///
/// # Errors
/// Those of `items`, `worker` and `consume`.
pub fn ordered<T, R, W, E>(
    threads: usize,
    items: impl Iterator<Item = Result<T, E>>,
    worker: impl Fn() -> Result<W, E> + Sync,
    work: impl Fn(&mut W, T) -> R + Sync,
    mut consume: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E>
where
    T: Send,
    R: Send,
    E: Send,
{
    if threads <= 1 {
        let mut state = worker()?;
        return items.into_iter().try_for_each(|item| consume(work(&mut state, item?)));
    }
    let (send_job, receive_job) = mpsc::channel::<(T, SyncSender<Result<R, E>>)>();
    let receive_job = &Mutex::new(receive_job);
    let (worker, work) = (&worker, &work);
    let mut items = items.fuse();
    // `move` ends the queue, and with it the workers, when this closure returns.
    thread::scope(move |scope| {
        let mut running = 0;
        while running < threads {
            let spawned = thread::Builder::new().spawn_scoped(scope, move || {
                // The lock is held while waiting: one idle thread waits in `recv`, the others for the lock.
                let next = || receive_job.lock().unwrap_or_else(PoisonError::into_inner).recv().ok();
                let mut state = None;
                while let Some((item, result)) = next() {
                    let state = match &mut state {
                        Some(state) => state,
                        none => match worker() {
                            Ok(new) => none.insert(new),
                            Err(error) => {
                                // Jobs are taken in order, so the consumer meets this error before any job that is
                                // left.
                                let _ = result.send(Err(error));
                                return;
                            }
                        },
                    };
                    // The consumer may have stopped at an error; then nobody wants the result.
                    let _ = result.send(Ok(work(state, item)));
                }
            });
            if spawned.is_err() {
                break;
            }
            running += 1;
        }
        if running == 0 {
            let mut state = worker()?;
            return items.try_for_each(|item| consume(work(&mut state, item?)));
        }
        let mut pending: VecDeque<Receiver<Result<R, E>>> = VecDeque::new();
        let mut failure = None;
        loop {
            while failure.is_none() && pending.len() < 2 * running {
                match items.next() {
                    Some(Ok(item)) => {
                        let (send, receive) = mpsc::sync_channel(1);
                        // Fails only when every worker has panicked; `recv` below then ends the loop and the scope
                        // reports the panic.
                        let _ = send_job.send((item, send));
                        pending.push_back(receive);
                    }
                    Some(Err(error)) => failure = Some(error),
                    None => break,
                }
            }
            let Some(first) = pending.pop_front() else { return failure.map_or(Ok(()), Err) };
            let Ok(result) = first.recv() else { return Ok(()) };
            consume(result?)?;
        }
    })
}

/// Items in groups of up to `most`, so that `threads` threads have as many each, also at the end.
pub fn grouped<T, E>(
    threads: usize,
    most: usize,
    mut items: impl Iterator<Item = Result<T, E>>,
) -> impl Iterator<Item = Result<Vec<T>, E>> {
    let mut groups: VecDeque<Result<Vec<T>, E>> = VecDeque::new();
    std::iter::from_fn(move || {
        if groups.is_empty() {
            let (mut taken, mut error) = (Vec::new(), None);
            for item in items.by_ref().take(threads * most) {
                match item {
                    Ok(item) => taken.push(item),
                    Err(found) => {
                        error = Some(found);
                        break;
                    }
                }
            }
            let mut left = taken.len();
            let mut taken = taken.into_iter();
            for thread in (1..=threads).rev() {
                let share = left.div_ceil(thread);
                left -= share;
                if share > 0 {
                    groups.push_back(Ok(taken.by_ref().take(share).collect()));
                }
            }
            groups.extend(error.map(Err));
        }
        groups.pop_front()
    })
}

/// Applies `work` to batches of up to `most` items and hands the results to `consume` in order; an item has `size`
/// bytes.
///
/// The first error, of any of them, ends everything and is returned.
///
/// # Errors
/// Those of `items`, `work` and `consume`.
pub fn batched<T, R, E>(
    most: usize,
    mut items: impl Iterator<Item = Result<T, E>>,
    size: impl Fn(&T) -> usize,
    mut work: impl FnMut(Vec<T>) -> Result<Vec<R>, E>,
    mut consume: impl FnMut(R) -> Result<(), E>,
) -> Result<(), E> {
    loop {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while batch.len() < most.max(1) && bytes < MOST_BYTES {
            let Some(item) = items.next() else { break };
            let item = item?;
            bytes += size(&item);
            batch.push(item);
        }
        if batch.is_empty() {
            return Ok(());
        }
        work(batch)?.into_iter().try_for_each(&mut consume)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_order_on_any_number_of_threads() {
        for threads in [1, 2, 3, 8] {
            let mut seen = Vec::new();
            let result: Result<(), ()> = ordered(
                threads,
                (0..500u32).map(Ok),
                || Ok(0u32),
                |count, item| {
                    *count += 1;
                    if item % 7 == 0 {
                        thread::yield_now();
                    }
                    item * 3
                },
                |result| {
                    seen.push(result);
                    Ok(())
                },
            );
            assert_eq!(result, Ok(()));
            assert!(seen.iter().copied().eq((0..500).map(|item| item * 3)));
        }
    }

    #[test]
    fn an_error_on_either_side_ends_the_work() {
        for threads in [1, 4] {
            let items = (0..100).map(|item| if item == 50 { Err("input") } else { Ok(item) });
            let mut seen = 0;
            let result = ordered(
                threads,
                items,
                || Ok(()),
                |(), item: i32| item,
                |_| {
                    seen += 1;
                    Ok(())
                },
            );
            assert_eq!((result, seen), (Err("input"), 50));
            let stop = |item| if item == 10 { Err("output") } else { Ok(()) };
            assert_eq!(ordered(threads, (0..100).map(Ok), || Ok(()), |(), item: i32| item, stop), Err("output"));
            let no_worker = || Err::<(), _>("worker");
            assert_eq!(ordered(threads, (0..100).map(Ok), no_worker, |(), item: i32| item, |_| Ok(())), Err("worker"));
        }
    }

    #[test]
    fn groups_are_even() {
        let groups = |threads, most, count: u32| -> Vec<Vec<u32>> {
            grouped(threads, most, (0..count).map(Ok::<_, ()>)).map(Result::unwrap).collect()
        };
        let lengths = |threads, most, count| groups(threads, most, count).iter().map(Vec::len).collect::<Vec<_>>();
        assert_eq!(lengths(2, 4, 13), [4, 4, 3, 2]);
        assert_eq!(lengths(3, 16, 7), [3, 2, 2]);
        assert_eq!(lengths(4, 16, 2), [1, 1]);
        assert_eq!(lengths(1, 2, 5), [2, 2, 1]);
        assert_eq!(lengths(2, 4, 0), [0; 0]);
        assert!(groups(3, 5, 100).concat().into_iter().eq(0..100));
        let items = (0..9).map(|item| if item == 5 { Err("input") } else { Ok(item) });
        let found: Vec<_> = grouped(2, 4, items).take(3).collect();
        assert_eq!(found, [Ok(vec![0, 1, 2]), Ok(vec![3, 4]), Err("input")]);
    }

    #[test]
    fn batches_are_bounded_in_items_and_bytes() {
        let batches = |most, size: usize| {
            let (mut lengths, mut seen) = (Vec::new(), Vec::new());
            let work = |batch: Vec<u32>| {
                lengths.push(batch.len());
                Ok::<_, ()>(batch)
            };
            let consume = |item| {
                seen.push(item);
                Ok(())
            };
            assert_eq!(batched(most, (0..10).map(Ok), |_| size, work, consume), Ok(()));
            assert!(seen.into_iter().eq(0..10));
            lengths
        };
        assert_eq!(batches(4, 1), [4, 4, 2]);
        assert_eq!(batches(5, 1), [5, 5]);
        assert_eq!(batches(0, 1), [1; 10]);
        assert_eq!(batches(100, MOST_BYTES / 2), [2; 5]);
        assert_eq!(batches(100, 2 * MOST_BYTES), [1; 10]);
        let items = (0..10).map(|item| if item == 5 { Err("input") } else { Ok(item) });
        assert_eq!(batched(3, items, |_| 1, Ok, |_| Ok(())), Err("input"));
        let stop = |item| if item == 7 { Err("output") } else { Ok(()) };
        assert_eq!(batched(3, (0..10).map(Ok), |_| 1, Ok, stop), Err("output"));
        assert_eq!(batched(3, (0..10).map(Ok), |_| 1, |_| Err::<Vec<i32>, _>("work"), |_| Ok(())), Err("work"));
    }
}
