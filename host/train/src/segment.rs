//! Where the model's own Equal-Info windows cut the text: the contexts that window methods restart from.
//!
//! Many stretches of text are segmented at once. In each round every stretch runs the model over the next bytes from an empty context and closes its
//! window where the information so far would exceed the window's bits. How far a round looks ahead follows the windows of the rounds before; a window that
//! has not been closed by then is looked at again, further. Training only needs contexts of the right kind, so the float model's `-log2 P` stands in for
//! the coder.

use std::ops::Range;

use super::backend::Backend;
use super::data::{Segmentation, Text};
use super::device::DeviceError;
use super::graph::{Batch, ModelConfig};
use equalinfo::random::Random;

/// Bits of a window that a real code leaves unused on average.
const UNUSED_BITS: f32 = 0.4;
/// Bytes of text in a stretch.
const STRETCH: usize = 4096;

/// One stretch of text being segmented.
struct Stretch {
    position: usize,
    end: usize,
    /// How far to look ahead from the position.
    reach: usize,
    spans: Vec<(u32, u16)>,
}

impl Stretch {
    /// The text to look at.
    fn ahead(&self) -> Range<usize> {
        self.position..(self.position + self.reach).min(self.end)
    }
}

/// Segments about `bytes` of the text, drawn from all over it, into windows of `bits`.
pub fn segment(
    backend: &mut dyn Backend,
    config: &ModelConfig,
    capacity: usize,
    text: &Text,
    bits: u32,
    bytes: usize,
    seed: u64,
) -> Result<Segmentation, DeviceError> {
    // Twice what a window of ordinary text holds; a window that holds more is cut short, which makes no difference to training.
    let farthest = config.context.min(bits as usize).max(16);
    let mut random = Random::new(seed ^ u64::from(bits));
    // Of a longer text the beginning, as far as positions have room for.
    let length = text.bytes.len().min(u32::MAX as usize);
    let mut stretches: Vec<Stretch> = (0..bytes.div_ceil(STRETCH))
        .map(|_| {
            let position = random.below(length);
            let end = (position + STRETCH).min(length);
            Stretch { position, end, reach: farthest, spans: Vec::new() }
        })
        .collect();
    let (mut closed, mut covered) = (0, 0);
    let mut active: Vec<usize> = (0..stretches.len()).collect();
    while !active.is_empty() {
        for groups in groups(&active, &stretches, capacity).chunks(backend.parallel_batches()) {
            let batches = groups.iter().map(|group| look_ahead(group, &stretches, text, config)).collect();
            for (group, losses) in groups.iter().zip(backend.losses(batches)?) {
                let mut nats = &losses.nats[..];
                for &index in *group {
                    let stretch = &mut stretches[index];
                    let length = stretch.ahead().len();
                    let taken = fit(&nats[..length], bits);
                    nats = &nats[length..];
                    if taken == length && length < farthest && stretch.position + length < stretch.end {
                        stretch.reach = farthest;
                        continue;
                    }
                    stretch.spans.push((stretch.position as u32, taken as u16));
                    stretch.position += taken;
                    (closed, covered) = (closed + 1, covered + taken);
                    stretch.reach = (covered * 3 / 2 / closed + 1).min(farthest);
                }
            }
        }
        active.retain(|index| stretches[*index].position < stretches[*index].end);
    }
    Ok(Segmentation { spans: stretches.into_iter().flat_map(|stretch| stretch.spans).collect() })
}

/// Divides the active stretches into groups that look at no more than `capacity` bytes together.
fn groups<'a>(active: &'a [usize], stretches: &[Stretch], capacity: usize) -> Vec<&'a [usize]> {
    let mut together = active.first().map_or(0, |first| stretches[*first].ahead().len());
    active
        .chunk_by(|_, next| {
            let length = stretches[*next].ahead().len();
            let fits = together + length <= capacity;
            together = length + if fits { together } else { 0 };
            fits
        })
        .collect()
}

/// How many bytes fit into a window: at least one.
fn fit(nats: &[f32], bits: u32) -> usize {
    let limit = (bits as f32 - UNUSED_BITS) * std::f32::consts::LN_2;
    let mut sum = 0.0;
    let fitting = nats.iter().take_while(|n| {
        sum += **n;
        sum <= limit
    });
    fitting.count().max(1)
}

fn look_ahead(group: &[usize], stretches: &[Stretch], text: &Text, config: &ModelConfig) -> Batch {
    let mut batch = Batch::default();
    for stretch in group.iter().map(|index| &stretches[*index]) {
        let first = batch.symbols.len() as u32;
        let bytes = &text.bytes[stretch.ahead()];
        for (i, byte) in bytes.iter().enumerate() {
            batch.symbols.push(if i == 0 { config.start_symbol() } else { u32::from(bytes[i - 1]) });
            batch.targets.push(u32::from(*byte));
            batch.starts.push(first);
        }
    }
    batch
}

#[cfg(test)]
mod tests {
    use std::f32::consts::LN_2;
    use std::sync::Arc;

    use super::*;
    use crate::backend::cpu::CpuBackend;
    use crate::graph::initial_parameters;
    use crate::ranks::Ranks;
    use crate::tests::{TINY, settings, source};

    #[test]
    fn windows_close_where_they_are_full() {
        const BITS: u32 = 32;
        // Larger weights, so that some windows hold much more than others.
        let parameters = initial_parameters(&TINY, 5).iter().map(|weight| 4.0 * weight).collect();
        let mut backend = CpuBackend::new(&TINY, &settings(4), parameters, Arc::new(Ranks::alone()));
        let text = source(Default::default()).text;
        let windows = segment(&mut backend, &TINY, 512, &text, BITS, 30_000, 9).unwrap().spans;
        let limit = (BITS as f32 - UNUSED_BITS) * LN_2;
        let farthest = TINY.context.min(BITS as usize);
        let lengths: Vec<u16> = windows.iter().map(|(_, length)| *length).collect();
        assert!(lengths.iter().max() > lengths.iter().min().map(|least| 3 * least).as_ref(), "{lengths:?}");
        assert_eq!(lengths.iter().map(|length| usize::from(*length)).sum::<usize>(), 8 * STRETCH);
        for (at, (position, length)) in windows.iter().enumerate() {
            let (position, length) = (*position as usize, usize::from(*length));
            let goes_on = windows.get(at + 1).is_some_and(|(next, _)| *next as usize == position + length);
            let end = (position + farthest).min(text.bytes.len());
            let stretch = Stretch { position, end, reach: farthest, spans: Vec::new() };
            let losses = backend.losses(vec![look_ahead(&[0], &[stretch], &text, &TINY)]).unwrap();
            let sum = |length: usize| losses[0].nats[..length].iter().sum::<f32>();
            assert!(length == 1 || sum(length) < limit + 1e-3, "{position}: {length} bytes are too many");
            assert!(
                !goes_on || length == farthest || sum(length + 1) > limit - 1e-3,
                "{position}: {length} bytes are too few"
            );
        }
    }
}
