//! String tables: the texts of a user interface in one blob, for devices that look them up by number.

pub mod export;

pub use equalinfo_codec::strings::{Lengths, StringCoding, StringError, StringTable, StringTableError};

use equalinfo_codec::checksum::image_checksum;
use equalinfo_codec::container::ModelIdentity;
use equalinfo_codec::strings::WithIdentity;

use crate::coding::{CodingError, CodingModel};
use crate::message::{MessageCoder, MessageError};

/// The longest text in bytes.
pub const LONGEST_TEXT: usize = u16::MAX as usize;
/// The longest name of a language in bytes.
const LONGEST_NAME: usize = u8::MAX as usize;

/// Why texts make no table, or a table gives no text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StringsError {
    /// There is no language, or there are more than 255.
    #[error("a string table has 1 to 255 languages, found {found}")]
    Languages {
        /// How many there are.
        found: usize,
    },
    /// Languages have as many texts each.
    #[error("language '{language}' has {found} texts, expected {expected} as in the first")]
    Unequal {
        /// The language that differs.
        language: String,
        /// The texts of the first.
        expected: usize,
        /// Its texts.
        found: usize,
    },
    /// There are too many texts for the fields of the format.
    #[error(
        "too many texts: {found} in {languages} languages; at most 65,535 in each are possible, and an index of 65,535 \
         bytes for all"
    )]
    TooMany {
        /// Texts in each language.
        found: usize,
        /// Languages.
        languages: usize,
    },
    /// A text is too long for the fields of the format.
    #[error("text {id} of language '{language}' has {found} bytes, at most {LONGEST_TEXT} are possible")]
    TooLong {
        /// Its language.
        language: String,
        /// Its number.
        id: usize,
        /// Its length.
        found: usize,
    },
    /// A name is not that of a language.
    #[error("'{name}' cannot be the name of a language: it has at most 255 ASCII characters and is not used twice")]
    Name {
        /// The name.
        name: String,
    },
    /// A table names the model that it needs, and byte frequencies have no name.
    #[error("a string table is coded with a model or a lexicon; byte frequencies do not travel in it")]
    Frequencies,
    /// A text cannot be coded.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// The model does not run so.
    #[error(transparent)]
    Coding(#[from] CodingError),
    /// The blob is no table.
    #[error(transparent)]
    Table(#[from] StringTableError),
    /// The table does not give this text.
    #[error(transparent)]
    Text(#[from] StringError),
}

/// Codes texts into a string table (`.eqt`), which [`StringTable`] reads, on devices too.
///
/// ```
/// use equalinfo::strings::{StringTable, StringTableBuilder, text};
/// use equalinfo::Model;
///
/// let model = Model::shipped("nano")?;
/// let blob = StringTableBuilder::new(&model)
///     .language("en", ["Battery low", "No connection to the server"])?
///     .language("de", ["Akku schwach", "Keine Verbindung zum Server"])?
///     .build()?;
/// let table = StringTable::load(&blob)?;
/// let german = table.language("de").unwrap();
/// assert_eq!(text(&table, &model.into(), german, 1)?, "Keine Verbindung zum Server".as_bytes());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone)]
pub struct StringTableBuilder {
    coder: MessageCoder,
    identity: ModelIdentity,
    coding: StringCoding,
    names: Vec<String>,
    strings: usize,
    longest: usize,
    codes: Vec<Vec<u8>>,
}

impl StringTableBuilder {
    /// A table of texts that this model or lexicon codes.
    pub fn new(model: impl Into<CodingModel>) -> Self {
        let model = model.into();
        let context = model.context();
        Self::with_context(model, context)
    }

    /// The same with a shorter context, for devices with little memory; a lexicon has but one.
    pub fn with_context(model: impl Into<CodingModel>, context: usize) -> Self {
        let model = model.into();
        let identity = identity(&model, context);
        let coding =
            if matches!(model, CodingModel::Lexicon(_)) { StringCoding::Codes } else { StringCoding::Messages };
        Self {
            coder: MessageCoder::new(model).context(context),
            identity,
            coding,
            names: Vec::new(),
            strings: 0,
            longest: 0,
            codes: Vec::new(),
        }
    }

    /// Adds a language: its texts in the order of their ids, as many as the first language has.
    ///
    /// # Errors
    /// The name is taken or no name, the number of texts is another, or a text cannot be coded.
    pub fn language<T: AsRef<[u8]>>(
        mut self,
        name: &str,
        texts: impl IntoIterator<Item = T>,
    ) -> Result<Self, StringsError> {
        if name.len() > LONGEST_NAME || !name.is_ascii() || self.names.iter().any(|other| other == name) {
            return Err(StringsError::Name { name: name.to_owned() });
        }
        if matches!(self.coder.model(), CodingModel::Frequencies(_)) {
            return Err(StringsError::Frequencies);
        }
        let before = self.codes.len();
        for (id, text) in texts.into_iter().enumerate() {
            let text = text.as_ref();
            if text.len() > LONGEST_TEXT {
                return Err(StringsError::TooLong { language: name.to_owned(), id, found: text.len() });
            }
            self.longest = self.longest.max(text.len());
            self.codes.push(self.coder.encode(text)?);
        }
        let found = self.codes.len() - before;
        if self.names.is_empty() {
            self.strings = found;
        } else if found != self.strings {
            return Err(StringsError::Unequal { language: name.to_owned(), expected: self.strings, found });
        }
        self.names.push(name.to_owned());
        Ok(self)
    }

    /// The blob.
    ///
    /// # Errors
    /// There is no language, or there are too many texts.
    pub fn build(&self) -> Result<Vec<u8>, StringsError> {
        let found = self.names.len();
        let languages = u8::try_from(found).ok().filter(|&languages| languages > 0);
        let languages = languages.ok_or(StringsError::Languages { found })?;
        let lengths: Vec<usize> = self.codes.iter().map(Vec::len).collect();
        let indices = (0..=Lengths::LARGEST_PARAMETER).map(|parameter| (index(&lengths, parameter), parameter));
        let (index, parameter) = indices.min_by_key(|(index, _)| index.len()).unwrap_or_default();
        let too_many = || StringsError::TooMany { found: self.strings, languages: found };
        let strings = u16::try_from(self.strings).map_err(|_| too_many())?;
        let index_length = u16::try_from(index.len()).map_err(|_| too_many())?;
        let ModelIdentity { id, context } = self.identity;
        let form = parameter | if self.coding == StringCoding::Codes { 0x10 } else { 0 };

        let mut blob = b"EQT1\0\0\0\0\0\0\0\0".to_vec();
        blob.extend(id.to_le_bytes());
        blob.extend(context.to_le_bytes());
        blob.extend(strings.to_le_bytes());
        blob.extend([languages, form]);
        blob.extend((self.longest as u16).to_le_bytes());
        blob.extend(index_length.to_le_bytes());
        for name in &self.names {
            blob.push(name.len() as u8);
            blob.extend(name.bytes());
        }
        blob.extend(index);
        blob.extend(self.codes.concat());
        let length = u32::try_from(blob.len()).map_err(|_| too_many())?;
        blob[4..8].copy_from_slice(&length.to_le_bytes());
        let checksum = image_checksum(&blob[..8], &blob[12..]);
        blob[8..12].copy_from_slice(&checksum.to_le_bytes());
        Ok(blob)
    }
}

fn identity(model: &CodingModel, context: usize) -> ModelIdentity {
    if matches!(model, CodingModel::None) { ModelIdentity::default() } else { model.identity(context) }
}

/// The lengths as Rice numbers, see [`Lengths`].
fn index(lengths: &[usize], parameter: u8) -> Vec<u8> {
    let (mut bytes, mut count) = (Vec::new(), 0usize);
    let mut push = |bit: bool| {
        if count.is_multiple_of(8) {
            bytes.push(0);
        }
        if let Some(byte) = bytes.last_mut() {
            *byte |= u8::from(bit) << (7 - count % 8);
        }
        count += 1;
    };
    for length in lengths {
        (0..length >> parameter).for_each(|_| push(true));
        push(false);
        (0..parameter).rev().for_each(|bit| push(length >> bit & 1 == 1));
    }
    bytes
}

/// A text of a table, decoded with the model or lexicon that coded it.
///
/// # Errors
/// It is another model or context, or there is no such text.
pub fn text(table: &StringTable, model: &CodingModel, language: u8, id: u16) -> Result<Vec<u8>, StringsError> {
    let mut buffer = vec![0; table.longest()];
    let length = if let CodingModel::Lexicon(lexicon) = model {
        table.get(&mut lexicon.view().clone(), language, id, &mut buffer)?.len()
    } else {
        let context = usize::from(table.identity().context).clamp(1, model.context());
        let identity = identity(model, context);
        table.get(&mut WithIdentity { model: model.session(context)?, identity }, language, id, &mut buffer)?.len()
    };
    buffer.truncate(length);
    Ok(buffer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Model;
    use crate::frequencies::ByteFrequencies;
    use proptest::prelude::*;

    fn tiny() -> CodingModel {
        Model::from_bytes(include_bytes!("../../../codec/tests/data/tiny.m1q").to_vec()).unwrap().into()
    }

    proptest! {
        #[test]
        fn every_text_comes_back(
            texts in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..80), 0..60),
            languages in 1usize..4,
        ) {
            let mut builder = StringTableBuilder::new(tiny());
            for language in 0..languages {
                let turned = (0..texts.len()).map(|id| &texts[(id + language) % texts.len()]);
                builder = builder.language(&language.to_string(), turned).unwrap();
            }
            let blob = builder.build().unwrap();
            let mut followed = blob.clone();
            followed.extend([7; 5]);
            let table = StringTable::load(&followed).unwrap();
            prop_assert_eq!(table.longest(), texts.iter().map(Vec::len).max().unwrap_or(0));
            for language in 0..languages {
                for id in 0..texts.len() {
                    let found = text(&table, &tiny(), language as u8, id as u16).unwrap();
                    prop_assert_eq!(&found, &texts[(id + language) % texts.len()]);
                }
            }
            let past = text(&table, &tiny(), 0, texts.len() as u16);
            let is_past = matches!(past, Err(StringsError::Text(StringError::NoString { .. })));
            prop_assert!(is_past);
        }

        #[test]
        fn damage_is_found_and_trusting_lookups_end(
            byte in any::<proptest::sample::Index>(),
            value in 1u8..,
            language in any::<u8>(),
            id in any::<u16>(),
        ) {
            let blob = StringTableBuilder::new(tiny())
                .language("en", ["Battery low", "", "No connection"])
                .unwrap()
                .build()
                .unwrap();
            let mut damaged = blob.clone();
            damaged[byte.index(blob.len())] ^= value;
            prop_assert!(StringTable::load(&damaged).is_err());
            if let Ok(table) = StringTable::load_trusting(&damaged) {
                let _ = text(&table, &tiny(), language % 2, id % 4);
            }
        }
    }

    #[test]
    fn a_table_of_two_texts_has_these_bytes() {
        let blob = StringTableBuilder::new(CodingModel::None).language("", ["on", "off"]).unwrap().build().unwrap();
        let expected = b"EQT1\x23\0\0\0\x40\xb2\x2e\xc5\0\0\0\0\0\0\x02\0\x01\x01\x03\0\x01\0\0\xb8n\x1e\xdcn\x181\x97";
        assert_eq!(blob.escape_ascii().to_string(), expected.escape_ascii().to_string());
    }

    #[test]
    fn tables_belong_to_their_model_and_context() {
        let (nano, micro) = (Model::shipped("nano").unwrap(), Model::shipped("micro").unwrap());
        let lexicon = nano.lexicon(64, 2).unwrap();
        let texts = ["Battery low", "No connection to the server"];
        let blob = StringTableBuilder::with_context(&nano, 40).language("en", texts).unwrap().build().unwrap();
        let table = StringTable::load(&blob).unwrap();
        assert_eq!(text(&table, &(&nano).into(), 0, 1).unwrap(), texts[1].as_bytes());
        for other in [CodingModel::from(&micro), (&lexicon).into(), CodingModel::None] {
            let error = text(&table, &other, 0, 1).unwrap_err();
            assert!(matches!(error, StringsError::Text(StringError::WrongModel { .. })), "{error}");
        }
        let blob = StringTableBuilder::new(&lexicon).language("en", texts).unwrap().build().unwrap();
        let table = StringTable::load(&blob).unwrap();
        assert_eq!(text(&table, &(&lexicon).into(), 0, 1).unwrap(), texts[1].as_bytes());
        // The same model with the same context codes messages, not codes.
        let same = crate::strings::text(&table, &(&nano).into(), 0, 1);
        assert!(matches!(same, Err(StringsError::Text(StringError::WrongModel { .. }))));
    }

    #[test]
    fn languages_have_names_and_as_many_texts() {
        let builder = || StringTableBuilder::new(tiny()).language("en", ["a", "b"]).unwrap();
        assert!(matches!(builder().language("de", ["a"]), Err(StringsError::Unequal { expected: 2, found: 1, .. })));
        assert!(matches!(builder().language("en", ["a", "b"]), Err(StringsError::Name { .. })));
        assert!(matches!(builder().language("für", ["a", "b"]), Err(StringsError::Name { .. })));
        assert!(matches!(builder().language("x", [vec![0; 65536]]), Err(StringsError::TooLong { .. })));
        assert!(matches!(StringTableBuilder::new(tiny()).build(), Err(StringsError::Languages { found: 0 })));
        let frequencies = StringTableBuilder::new(ByteFrequencies::english()).language("en", ["a"]);
        assert!(matches!(frequencies, Err(StringsError::Frequencies)));
        let many = StringTableBuilder::new(tiny()).language("en", vec![""; 65536]).unwrap();
        assert!(matches!(many.build(), Err(StringsError::TooMany { .. })));
    }
}
