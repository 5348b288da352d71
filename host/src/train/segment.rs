//! Where the model's own Equal-Info windows cut the text: the contexts that window methods restart from.
//!
//! Many stretches of text are segmented at once. In each round every stretch runs the model over the next bytes from an empty context and closes its
//! window where the information so far would exceed the window's bits. Training only needs contexts of the right kind, so
//! the float model's `-log2 P` stands in for the coder.

use anyhow::Result;

use super::backend::Backend;
use super::data::{Text, Windows};
use super::model::{Batch, ModelConfig};
use super::random::Random;

/// Bits of a window that a real code leaves unused on average.
const UNUSED_BITS: f32 = 0.4;
/// Bytes of text in a stretch.
const STRETCH: usize = 4096;

/// One stretch of text being segmented.
struct Stretch {
    position: usize,
    end: usize,
    spans: Vec<(u32, u16)>,
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
) -> Result<Windows> {
    let mut random = Random::new(seed ^ u64::from(bits));
    let mut stretches: Vec<Stretch> = (0..bytes.div_ceil(STRETCH))
        .map(|_| {
            let position = random.below(text.bytes.len());
            Stretch { position, end: (position + STRETCH).min(text.bytes.len()), spans: Vec::new() }
        })
        .collect();
    // Twice what a window of ordinary text holds; a window that holds more is cut short, which makes no difference to training.
    let reach = config.context.min(bits as usize).max(16);
    let per_batch = capacity / reach;
    let mut active: Vec<usize> = (0..stretches.len()).collect();
    while !active.is_empty() {
        let mut remaining = Vec::with_capacity(active.len());
        for round in active.chunks(per_batch * backend.parallel_batches()) {
            let groups: Vec<&[usize]> = round.chunks(per_batch).collect();
            let batches = groups.iter().map(|group| look_ahead(group, &stretches, text, config, reach)).collect();
            for (group, losses) in groups.iter().zip(backend.losses(batches)?) {
                let mut at = 0;
                for &index in *group {
                    let stretch = &mut stretches[index];
                    let length = reach.min(stretch.end - stretch.position);
                    let taken = fit(&losses.nats[at..at + length], bits);
                    at += length;
                    stretch.spans.push((stretch.position as u32, taken as u16));
                    stretch.position += taken;
                    if stretch.position < stretch.end {
                        remaining.push(index);
                    }
                }
            }
        }
        active = remaining;
    }
    Ok(Windows { spans: stretches.into_iter().flat_map(|stretch| stretch.spans).collect() })
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

fn look_ahead(group: &[usize], stretches: &[Stretch], text: &Text, config: &ModelConfig, reach: usize) -> Batch {
    let mut batch = Batch::default();
    for stretch in group.iter().map(|index| &stretches[*index]) {
        let first = batch.symbols.len() as u32;
        let bytes = &text.bytes[stretch.position..(stretch.position + reach).min(stretch.end)];
        for (i, byte) in bytes.iter().enumerate() {
            batch.symbols.push(if i == 0 { config.start_symbol() } else { u32::from(bytes[i - 1]) });
            batch.targets.push(u32::from(*byte));
            batch.starts.push(first);
        }
    }
    batch
}
