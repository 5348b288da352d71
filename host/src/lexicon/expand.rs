//! [`Expander`]: what a model says after each of many texts, from an empty context.

use std::thread;

use equalinfo_codec::Frequencies;

use crate::engine::{Batch, Engine, EngineError};

/// Streams in lockstep on one thread: enough to share each weight, few enough for their caches to stay near.
const LANES: usize = 64;

/// Runs texts in batches on several threads.
pub struct Expander {
    batches: Vec<Batch>,
}

impl Expander {
    /// For texts of fewer than `context` bytes.
    ///
    /// # Errors
    /// The context is zero or longer than the model's.
    pub fn new(engine: &Engine, context: usize, threads: usize) -> Result<Self, EngineError> {
        let batches = (0..threads.max(1)).map(|_| engine.batch(LANES, context)).collect::<Result<_, _>>()?;
        Ok(Self { batches })
    }

    /// How many texts keep every thread busy.
    pub fn width(&self) -> usize {
        self.batches.len() * LANES
    }

    /// The frequencies after each text. Texts of similar lengths next to each other are fastest.
    pub fn frequencies(&mut self, texts: &[&[u8]]) -> Vec<Frequencies> {
        let mut all = vec![Frequencies::uniform(); texts.len()];
        let share = texts.len().div_ceil(self.batches.len()).max(1);
        thread::scope(|scope| {
            for (batch, (texts, all)) in self.batches.iter_mut().zip(texts.chunks(share).zip(all.chunks_mut(share))) {
                scope.spawn(move || {
                    for (texts, all) in texts.chunks(LANES).zip(all.chunks_mut(LANES)) {
                        lockstep(batch, texts, all);
                    }
                });
            }
        });
        all
    }
}

fn lockstep(batch: &mut Batch, texts: &[&[u8]], all: &mut [Frequencies]) {
    for lane in 0..texts.len() {
        batch.reset(lane);
    }
    let longest = texts.iter().map(|text| text.len()).max().unwrap_or(0);
    for position in 0..longest {
        for (lane, text) in texts.iter().enumerate() {
            if let Some(&byte) = text.get(position) {
                batch.push(lane, byte);
            }
        }
    }
    for (lane, frequencies) in all.iter_mut().enumerate() {
        frequencies.clone_from(batch.frequencies(lane));
    }
}
