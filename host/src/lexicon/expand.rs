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

    /// The frequencies after each text. Sorted texts are fastest, as a text goes on where it differs from the one before.
    pub fn frequencies(&mut self, texts: &[&[u8]]) -> Vec<Frequencies> {
        let mut all = vec![Frequencies::uniform(); texts.len()];
        let share = texts.len().div_ceil(self.batches.len()).max(1);
        thread::scope(|scope| {
            for (batch, (texts, all)) in self.batches.iter_mut().zip(texts.chunks(share).zip(all.chunks_mut(share))) {
                scope.spawn(move || lockstep(batch, texts, all));
            }
        });
        all
    }
}

/// Each lane takes consecutive texts, one after the other.
fn lockstep(batch: &mut Batch, texts: &[&[u8]], all: &mut [Frequencies]) {
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

/// Begins a text in a lane, which has the text `before`, if any. The bytes that need not be pushed.
fn begin(batch: &mut Batch, lane: usize, before: Option<&[u8]>, text: &[u8]) -> usize {
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
    use crate::model::LoadedModel;

    /// Texts that go on from each other in every way, in any order, on any number of threads.
    #[test]
    fn texts_share_what_they_begin_with() {
        let model = LoadedModel::m1(Some("nano")).unwrap();
        let engine = model.engine().unwrap();
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
                    let mut session = model.session(12).unwrap();
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
