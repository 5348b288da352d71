//! `.jsonl`: one object per line with the text in one field, of the object or of an object within it; the other fields
//! are skipped without being stored.

use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Value;

use super::error::CorpusError;
use super::text::NumberedLines;

/// The documents of a `.jsonl` file.
pub struct JsonLines {
    lines: NumberedLines,
    line: Vec<u8>,
    field: String,
}

impl JsonLines {
    pub fn open(path: &Path, field: &str) -> Result<Self, CorpusError> {
        Ok(Self { lines: NumberedLines::open(path)?, line: Vec::new(), field: field.to_owned() })
    }

    fn next_document(&mut self) -> Result<Option<Vec<u8>>, CorpusError> {
        while let Some(number) = self.lines.read(&mut self.line)? {
            if self.line.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let mut deserializer = serde_json::Deserializer::from_slice(&self.line);
            let text = TextField(&self.field)
                .deserialize(&mut deserializer)
                .and_then(|text| deserializer.end().map(|()| text))
                .map_err(|source| CorpusError::Json {
                    path: self.lines.path().to_owned(),
                    line: number,
                    field: self.field.clone(),
                    source,
                })?;
            return Ok(Some(text.into_bytes()));
        }
        Ok(None)
    }
}

impl Iterator for JsonLines {
    type Item = Result<Vec<u8>, CorpusError>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_document().transpose()
    }
}

/// Reads an object and keeps the string of one field, which may lie in objects within it: `meta.text`, as Parquet has
/// it. A field whose own name has the dot goes before.
struct TextField<'a>(&'a str);

impl<'de> DeserializeSeed<'de> for TextField<'_> {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<String, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for TextField<'_> {
    type Value = String;

    fn expecting(&self, formatter: &mut fmt::Formatter) -> fmt::Result {
        write!(formatter, "an object with the field \"{}\"", self.0)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<String, A::Error> {
        let (mut text, mut within) = (None, None);
        while let Some(key) = map.next_key::<std::borrow::Cow<'de, str>>()? {
            if key == self.0 {
                text = Some(map.next_value::<String>()?);
            } else if let Some(path) = self.0.strip_prefix(&*key).and_then(|rest| rest.strip_prefix('.')) {
                within = at(&mut map.next_value()?, path).or(within);
            } else {
                map.next_value::<IgnoredAny>()?;
            }
        }
        match (text, within) {
            (Some(text), _) | (None, Some(Value::String(text))) => Ok(text),
            (None, Some(other)) => Err(A::Error::custom(format_args!("expected a string, found {other}"))),
            (None, None) => Err(A::Error::custom(format_args!("the object has no field \"{}\"", self.0))),
        }
    }
}

/// What lies at a path below a value, whose names may have dots themselves.
fn at(value: &mut Value, path: &str) -> Option<Value> {
    let fields = value.as_object_mut()?;
    if let Some(found) = fields.get_mut(path) {
        return Some(found.take());
    }
    path.match_indices('.').find_map(|(dot, _)| at(fields.get_mut(&path[..dot])?, &path[dot + 1..]))
}
