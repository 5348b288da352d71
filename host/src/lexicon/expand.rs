//! [`Expander`]: a model's frequencies after each of many texts, from an empty context.

use std::sync::{Mutex, PoisonError};
use std::thread;

use equalinfo_codec::Frequencies;

use crate::engine::{Engine, EngineError, Lockstep};

/// Streams in lockstep per thread: enough to share each weight, few enough for their caches to stay close.
const LANES: usize = 64;

/// Runs texts in batches on several threads.
pub struct Expander {
    batches: Vec<Lockstep>,
}

impl Expander {
    /// Handles texts of fewer than `context` bytes.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn new(engine: &Engine, context: usize, threads: usize) -> Result<Self, EngineError> {
        let batches = (0..threads.max(1)).map(|_| engine.lockstep(LANES, context)).collect::<Result<_, _>>()?;
        Ok(Self { batches })
    }

    /// The number of texts that keep every thread busy.
    pub fn width(&self) -> usize {
        self.batches.len() * LANES
    }

    /// The frequencies after each text. Sorted texts are fastest, because each resumes where it differs from the one
    /// before.
    pub fn frequencies(&mut self, texts: &[&[u8]]) -> Vec<Frequencies> {
        let mut all = vec![Frequencies::uniform(); texts.len()];
        let share = texts.len().div_ceil(self.batches.len()).max(1);
        let shares = texts.chunks(share).zip(all.chunks_mut(share));
        let jobs: Vec<_> = self.batches.iter_mut().zip(shares).map(|job| Mutex::new(Some(job))).collect();
        let run = |job: &Mutex<Option<_>>| {
            if let Some((batch, (texts, all))) = job.lock().unwrap_or_else(PoisonError::into_inner).take() {
                lockstep(batch, texts, all);
            }
        };
        thread::scope(|scope| {
            // If the system grants fewer threads, this one does the remaining work.
            for job in jobs.iter().skip(1) {
                if thread::Builder::new().spawn_scoped(scope, || run(job)).is_err() {
                    break;
                }
            }
            jobs.iter().for_each(run);
        });
        drop(jobs);
        all
    }
}

/// Each lane takes consecutive texts, one after another.
fn lockstep(batch: &mut Lockstep, texts: &[&[u8]], all: &mut [Frequencies]) {
    let turns = texts.len().div_ceil(LANES).max(1);
    for turn in 0..turns {
        let of_lane = || (turn..texts.len()).step_by(turns).enumerate();
        let mut pushed = [0; LANES];
        for (lane, number) in of_lane() {
            let before = if turn == 0 { None } else { texts.get(number - 1) };
            pushed[lane] = begin(batch, lane, before.copied(), texts[number]);
        }
        let longest = of_lane().map(|(lane, number)| texts[number].len() - pushed[lane]).max().unwrap_or(0);
        for position in 0..longest {
            for (lane, number) in of_lane() {
                if let Some(&byte) = texts[number].get(pushed[lane] + position) {
                    batch.push(lane, byte);
                }
            }
        }
        for (lane, number) in of_lane() {
            all[number].clone_from(batch.frequencies(lane));
        }
    }
}

/// Starts a text in a lane that holds the text `before`, if any. Returns how many of its bytes need not be pushed.
fn begin(batch: &mut Lockstep, lane: usize, before: Option<&[u8]>, text: &[u8]) -> usize {
    if let (Some(before), Some(last)) = (before, text.len().checked_sub(1)) {
        let common = before.iter().zip(text).take_while(|(one, other)| one == other).count().min(last);
        if batch.branch(lane, common, text[common]) {
            return common + 1;
        }
    }
    batch.reset(lane);
    0
}

#[cfg(test)]
mod tests {
    use equalinfo_codec::ByteModel;

    use super::*;
    use std::sync::Arc;

    use crate::engine::Image;

    /// Texts that extend each other in every way, in any order, on any number of threads.
    #[test]
    fn texts_share_what_they_begin_with() {
        let nano = Image::embedded("nano").unwrap();
        let engine = &Engine::new(Arc::new(nano)).unwrap();
        let mut texts: Vec<Vec<u8>> = vec![Vec::new()];
        for i in 0..1500usize {
            let mut text = texts[i * 7 % texts.len()].clone();
            text.push(b"etaoin shr"[i * i % 10]);
            text.truncate(12);
            texts.push(text);
        }
        texts.extend([b"a".to_vec(), Vec::new(), b"ab".to_vec(), b"a".to_vec()]);
        let mut sorted = texts.clone();
        sorted.sort();
        for texts in [texts, sorted] {
            let texts: Vec<&[u8]> = texts.iter().map(|text| &text[..]).collect();
            for threads in [1, 3] {
                let mut expander = Expander::new(engine, 12, threads).unwrap();
                for texts in [&texts[..], &texts[..70], &texts[..0], &texts[400..]] {
                    let found = expander.frequencies(texts);
                    let mut session = engine.session(12).unwrap();
                    for (text, found) in texts.iter().zip(&found).step_by(13) {
                        session.reset();
                        text.iter().for_each(|&byte| session.push(byte));
                        assert!(session.frequencies() == found, "{text:?}");
                    }
                }
            }
        }
    }
}
