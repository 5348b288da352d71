//! The streams that `docs/container.md` shows byte by byte. If they change, the test prints what belongs there.

use crate::header;
use equalinfo_codec::container::{Header, Method, ModelIdentity, ModelName, encode_stream, stream_bound};
use equalinfo_codec::mix::{AnyTables, Class, Coder, WithTables};
use equalinfo_codec::{Frequencies, StaticModel, Uniform};

/// A stream, cut into fields.
struct Dump<'s> {
    rest: &'s [u8],
    lines: String,
}

impl Dump<'_> {
    /// Takes a field, and returns it.
    fn field(&mut self, length: usize, meaning: &str) -> Vec<u8> {
        let (field, rest) = self.rest.split_at(length);
        self.rest = rest;
        for (number, row) in field.chunks(12).enumerate() {
            let hex: Vec<String> = row.iter().map(|byte| format!("{byte:02x}")).collect();
            let meaning = if number == 0 { meaning } else { "" };
            self.lines += format!("    {:<36}{meaning}", hex.join(" ")).trim_end();
            self.lines += "\n";
        }
        field.to_vec()
    }

    fn number(&mut self, length: usize, meaning: &str) -> u64 {
        let value = self.rest[..length].iter().rfold(0, |value, &byte| value << 8 | u64::from(byte));
        self.field(length, &format!("{meaning} {value}"));
        value
    }

    fn length(&mut self, meaning: &str) -> usize {
        let bytes = 1 + self.rest.iter().take_while(|&&byte| byte >= 0x80).count();
        let value = self.rest[..bytes].iter().rfold(0, |value, &byte| value << 7 | usize::from(byte & 0x7f));
        self.field(bytes, &format!("{meaning} {value}"));
        value
    }

    /// Up to the layout; whether one block is all.
    fn start(&mut self) -> bool {
        self.field(3, "magic");
        let form = self.rest[0];
        let is_one = form & 8 > 0;
        let method = form & 7;
        self.field(1, &format!("version 2, {}, method {method}", if is_one { "one block" } else { "blocks" }));
        let byte = self.rest[0];
        let (code, parameter) = (byte >> 4, byte & 15);
        self.field(1, &format!("name {code}, parameter {parameter}"));
        if !matches!(method, 0 | 1 | 4) {
            if code == 15 {
                let length = self.length("length of the name");
                let name = String::from_utf8(self.rest[..length].to_vec()).unwrap();
                self.field(length, &format!("its characters, \"{name}\""));
            }
            self.field(4, "upper half of the model's id");
            self.field(1, &format!("context {} - 1", u32::from(self.rest[0]) + 1));
        }
        is_one
    }
}

fn dump(coder: &mut impl Coder, header: &Header, text: &[u8]) -> String {
    let mut stream = vec![0; stream_bound(header, text.len())];
    let length = encode_stream(coder, header, text, &mut stream).unwrap();
    let mut dump = Dump { rest: &stream[..length], lines: String::new() };
    if dump.start() {
        let text_length = dump.length("text length");
        let is_stored = Header::parse(&stream).unwrap().method == Method::Stored;
        let payload = if is_stored { text_length } else { dump.length("payload length") };
        dump.field(4, "check");
        dump.field(payload, "payload");
    } else {
        dump.number(4, "block size");
        dump.field(4, "tag");
        dump.field(4, "checksum");
        while dump.rest[3] != b'E' {
            dump.field(4, &format!("marker, kind {}", dump.rest[3] as char));
            dump.number(4, "number");
            dump.number(4, "text length");
            let payload = dump.number(4, "payload length");
            dump.field(4, "checksum of the text");
            dump.field(4, "checksum of the tag and these fields");
            dump.field(payload as usize, "payload");
        }
        dump.field(4, "end marker");
        let start = Header::parse_with_length(&stream).unwrap().1;
        dump.field(start, "the header again");
        while dump.rest.len() > 22 {
            dump.number(4, "index: payload length");
            let word = u32::from_le_bytes(dump.rest[..4].try_into().unwrap());
            dump.field(4, &format!("  kind {}, text length {}", word >> 29, word & 0x1fff_ffff));
            dump.field(4, "  checksum of the text");
        }
        dump.number(2, "length of the header");
        dump.number(4, "blocks");
        dump.number(8, "text length");
        dump.field(4, "checksum of the end");
        dump.field(4, "magic");
    }
    assert!(dump.rest.is_empty());
    dump.lines
}

#[test]
fn the_specification_shows_these_streams() {
    let counts = core::array::from_fn(|byte| if byte == 0x61 || byte == 0x62 { 32_514 } else { 2 });
    let mut model = StaticModel(Frequencies::from_counts(&counts).unwrap());
    let mut memory = vec![0; Class::Kib4.words()];
    let mut tables = WithTables::new(Uniform, AnyTables::new(&mut memory));
    let identity = ModelIdentity { id: 0x1122_3344, context: 64 };
    let none = header(Method::Stored, 64);
    let dumps = [
        dump(&mut model, &none, b""),
        dump(&mut model, &none, b"short"),
        dump(&mut model, &Header::new(Method::Ac, identity, ModelName::new("nano"), 64), b"abbabaabbaababba"),
        dump(&mut tables, &header(Method::Tables(Class::Kib4), 64), &b"tick tock ".repeat(6)),
        dump(&mut model, &Header::new(Method::Ac, identity, ModelName::new("ab"), 16), b"abbabaabbaababbabaab"),
    ];
    let specification = include_str!("../../docs/container.md");
    let missing: String =
        dumps.into_iter().filter(|dump| !specification.contains(dump)).map(|dump| dump + "\n").collect();
    assert!(missing.is_empty(), "the specification lacks\n\n{missing}");
}
