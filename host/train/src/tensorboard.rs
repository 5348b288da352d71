//! A run's metrics as an event file of TensorBoard: records of TFRecord, each a message `Event` of its protocol buffers
//! (tensorflow/core/util/event.proto, tensorflow/core/lib/io/record_writer.h), of which it takes scalars alone.

use std::fs::File;
use std::io::{self, Write};
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use crc::{CRC_32_ISCSI, Crc, Table};

use super::metrics::Metrics;

/// The name that TensorBoard knows event files by.
pub(super) const FILE: &str = "events.out.tfevents.equalinfo";

static CRC: Crc<u32, Table<1>> = Crc::<u32, Table<1>>::new(&CRC_32_ISCSI);

/// An event file that is being written.
pub(super) struct EventFile {
    file: File,
    /// When the run would have begun had it never stopped, in seconds since 1970.
    began: f64,
}

impl EventFile {
    /// Writes the file anew, with the metrics that a run of so many seconds has so far.
    pub(super) fn create(path: &Path, so_far: &[Metrics], seconds: f64) -> io::Result<Self> {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |since| since.as_secs_f64());
        let mut this = Self { file: File::create(path)?, began: now - seconds };
        let mut version = message(1, &Value::Double(this.began));
        version.extend(message(3, &Value::Bytes(b"brain.Event:2")));
        this.file.write_all(&record(&version))?;
        so_far.iter().try_for_each(|metrics| this.add(metrics))?;
        Ok(this)
    }

    /// Adds a line of the metrics.
    pub(super) fn add(&mut self, metrics: &Metrics) -> io::Result<()> {
        let mut values = vec![
            ("bits_per_byte/train", metrics.train_bits_per_byte),
            ("learning_rate", f64::from(metrics.learning_rate)),
            ("gradient_norm", metrics.gradient_norm),
            ("bytes_per_second", metrics.bytes_per_second),
        ];
        values.extend(metrics.dev_bits_per_byte.map(|bits| ("bits_per_byte/dev", bits)));
        let summary: Vec<u8> = values
            .into_iter()
            .flat_map(|(tag, value)| {
                let value =
                    [message(1, &Value::Bytes(tag.as_bytes())), message(2, &Value::Float(value as f32))].concat();
                message(1, &Value::Bytes(&value))
            })
            .collect();
        let event = [
            message(1, &Value::Double(self.began + metrics.seconds)),
            message(2, &Value::Integer(metrics.step)),
            message(5, &Value::Bytes(&summary)),
        ];
        self.file.write_all(&record(&event.concat()))
    }
}

/// A field's value in a protocol buffer.
enum Value<'a> {
    Double(f64),
    Float(f32),
    Integer(u64),
    Bytes(&'a [u8]),
}

/// A field of a message.
fn message(field: u8, value: &Value<'_>) -> Vec<u8> {
    match value {
        Value::Integer(number) => [vec![field << 3], variable_length(*number)].concat(),
        Value::Double(number) => [&[field << 3 | 1][..], &number.to_le_bytes()].concat(),
        Value::Bytes(bytes) => [&[field << 3 | 2], &variable_length(bytes.len() as u64)[..], bytes].concat(),
        Value::Float(number) => [&[field << 3 | 5][..], &number.to_le_bytes()].concat(),
    }
}

/// Seven bits a byte, the lowest first, bit 7 set in all bytes but the last.
fn variable_length(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number > 0x7f {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// A record: the length, its checksum, the data, and theirs.
fn record(data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u64).to_le_bytes();
    [&length[..], &masked(&length), data, &masked(data)].concat()
}

/// The CRC-32C of bytes, turned and shifted so that the checksum of bytes that hold checksums is a good one.
fn masked(bytes: &[u8]) -> [u8; 4] {
    CRC.checksum(bytes).rotate_right(15).wrapping_add(0xa282_ead8).to_le_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_those_of_tensorflow() {
        // tf.io.TFRecordWriter and tf.compat.v1.Event(file_version="brain.Event:2", wall_time=0.0) write this.
        let version = message(3, &Value::Bytes(b"brain.Event:2"));
        assert_eq!(version, b"\x1a\x0dbrain.Event:2");
        assert_eq!(message(2, &Value::Integer(300)), [0x10, 0xac, 0x02]);
        assert_eq!(message(2, &Value::Float(1.0)), [0x15, 0, 0, 0x80, 0x3f]);
        let record = record(b"");
        assert_eq!(record.len(), 16);
        // The length 0 has this checksum, no bytes that of CRC-32C's 0.
        assert_eq!(record[8..12], [0x29, 0x03, 0x98, 0x07]);
        assert_eq!(record[12..], 0xa282_ead8u32.to_le_bytes());
    }
}
