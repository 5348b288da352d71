//! Encodes lines of telemetry with the model `pico`, byte by byte as they come, and sends each as a message: its length
//! in a byte, and the message, which ends in a check. `equalinfo decompress --raw --model pico --context 32 --check 16`
//! reads one.
#![no_std]
#![no_main]

use equalinfo_codec::m1::{M1, Model};
use equalinfo_codec::raw::{Check, MessageEncoder};
use equalinfo_cortex_m::Fastest;
use equalinfo_firmware_example::debugger::Output;
use equalinfo_firmware_example::{Failure, entry, measured, run};
use pico::{CONFIG, IMAGE};
use static_cell::ConstStaticCell;

/// The model, as written by `equalinfo export --format rust`.
#[allow(dead_code)] // Its id, which the model knows too.
#[path = "../../generated/pico.rs"]
mod pico;

/// What a sensor would say.
const LINES: &str = include_str!("../../telemetry.txt");

/// The context that the receiver decodes with.
const CONTEXT: usize = 32;

/// The model's working memory.
static BYTES: ConstStaticCell<[i8; CONFIG.byte_buffer(CONTEXT)]> = ConstStaticCell::new([0; _]);
static WORDS: ConstStaticCell<[i32; CONFIG.word_buffer(CONTEXT)]> = ConstStaticCell::new([0; _]);

#[entry]
fn main() -> ! {
    run(send_all)
}

fn send_all() -> Result<(), Failure> {
    let console = Output::standard().ok_or(Failure::NoConsole)?;
    let bytes = BYTES.try_take().ok_or(Failure::MemoryInUse)?;
    let words = WORDS.try_take().ok_or(Failure::MemoryInUse)?;
    let model = Model::load_trusting(&IMAGE.0)?;
    let mut m1 = M1::<Fastest>::with_kernels(&model, CONTEXT, bytes, words)?;
    let (mut text, mut sent) = (0usize, 0usize);
    for line in LINES.lines() {
        let mut message = heapless::Vec::<u8, 80>::new();
        let (mut encoder, mut check) = (MessageEncoder::new(), Check::Bits16.begin(m1.identity()));
        for &byte in line.as_bytes() {
            check.update(&[byte]);
            if let Some(window) = measured(|| encoder.push(&mut m1, byte)) {
                // A radio would send it here.
                message.extend_from_slice(&window).map_err(|_| Failure::MessageTooLong)?;
            }
        }
        let (last, length) = encoder.finish();
        let last = last.get(..length).unwrap_or_default();
        message.extend_from_slice(last).map_err(|_| Failure::MessageTooLong)?;
        let (check, length) = check.finish();
        let check = check.get(..length).unwrap_or_default();
        message.extend_from_slice(check).map_err(|_| Failure::MessageTooLong)?;
        console.write(&[message.len() as u8]);
        console.write(&message);
        text = text.saturating_add(line.len());
        sent = sent.saturating_add(message.len());
    }
    defmt::info!("{=usize} bytes of lines sent as {=usize}", text, sent);
    Ok(())
}
