//! [`LexiconImage`]: a `.lex` image in memory, checked once; and how one is written.

use std::path::{Path, PathBuf};

use equalinfo_codec::lexicon::image::{CODES as CODEC_CODES, LEFT_OVER, WIDE, checksum_of, image_length};
use equalinfo_codec::lexicon::{Lexicon, LexiconError, LexiconKind};
use equalinfo_codec::m1::image::id_of;
use self_cell::self_cell;

/// How many codes there are.
pub const CODES: usize = CODEC_CODES;

/// Why there is no lexicon.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LexiconFileError {
    /// The file cannot be read.
    #[error("cannot read lexicon {}: {source}", path.display())]
    Read { path: PathBuf, source: std::io::Error },
    /// The file is not a valid image.
    #[error("{}: {source}; expected a .lex file as `equalinfo lexicon build` writes it", path.display())]
    File { path: PathBuf, source: LexiconError },
}

self_cell!(
    struct Cell {
        owner: Vec<u8>,
        #[covariant]
        dependent: Lexicon,
    }
);

/// A lexicon that owns its bytes, with the view of them that loading checked.
pub struct LexiconImage(Cell);

impl LexiconImage {
    /// Checks `bytes` and keeps them.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LexiconError> {
        Cell::try_new(bytes, |bytes| Lexicon::load(bytes)).map(Self)
    }

    /// Reads a lexicon from a file.
    pub fn load(path: &Path) -> Result<Self, LexiconFileError> {
        let bytes = std::fs::read(path).map_err(|source| LexiconFileError::Read { path: path.into(), source })?;
        Self::from_bytes(bytes).map_err(|source| LexiconFileError::File { path: path.into(), source })
    }

    /// The lexicon in it.
    pub fn lexicon(&self) -> &Lexicon<'_> {
        self.0.borrow_dependent()
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.0.borrow_owner()
    }
}

impl std::fmt::Debug for LexiconImage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.lexicon().fmt(f)
    }
}

/// A code that encoders write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The last byte of its text; 0 for the empty text.
    pub byte: u8,
    /// How many codes lie below it.
    pub below: u16,
}

/// The codes of [`CODES`] texts, the empty one among them; with every text, all that it begins with. Sorted texts are
/// in pre-order, so a text's code is its rank.
pub fn codes_of(mut texts: Vec<Vec<u8>>) -> Vec<Option<Code>> {
    texts.sort_unstable();
    let mut codes: Vec<Code> =
        texts.iter().map(|text| Code { byte: text.last().copied().unwrap_or(0), below: 0 }).collect();
    // The codes whose texts the present one begins with: a path from the root.
    let mut path: Vec<usize> = Vec::new();
    for (code, text) in texts.iter().enumerate() {
        path.truncate(text.len());
        for &above in &path {
            codes[above].below += 1;
        }
        path.push(code);
    }
    codes.into_iter().map(Some).collect()
}

/// The image of these codes; `None`: left over.
pub fn write(codes: &[Option<Code>], kind: LexiconKind, context: u16, model_id: u64) -> Vec<u8> {
    let numbered = || (0..=u16::MAX).zip(codes).filter_map(|(number, code)| code.map(|code| (number, code)));
    let wide: Vec<[u16; 2]> = numbered()
        .filter(|(_, code)| code.below >= u16::from(WIDE))
        .map(|(number, code)| [number, code.below])
        .collect();
    let mut content = model_id.to_le_bytes().to_vec();
    content.extend(context.to_le_bytes());
    content.push(match kind {
        LexiconKind::WindowCode => 0,
        LexiconKind::Optimal => 1,
    });
    content.push(0);
    content.extend((wide.len() as u16).to_le_bytes());
    content.extend([0, 0]);
    content.extend(starts(codes).iter().flat_map(|start| start.to_le_bytes()));
    content.extend(codes.iter().map(|code| code.map_or(0, |code| code.byte)));
    content.extend(codes.iter().map(|code| code.map_or(LEFT_OVER, |code| code.below.min(u16::from(WIDE)) as u8)));
    content.extend(wide.as_flattened().iter().flat_map(|field| field.to_le_bytes()));

    let mut head = [0; 16];
    head[..4].copy_from_slice(b"LEX1");
    head[4..8].copy_from_slice(&(image_length(wide.len()) as u32).to_le_bytes());
    head[8..].copy_from_slice(&id_of(&content).to_le_bytes());
    [&head[..], &checksum_of(&head, &content).to_le_bytes(), &content].concat()
}

/// The codes of the texts of one byte, by byte.
fn starts(codes: &[Option<Code>]) -> [u16; 256] {
    let mut starts = [0; 256];
    let mut number = 1;
    while let Some(&Some(code)) = codes.get(number) {
        starts[usize::from(code.byte)] = number as u16;
        number += 1 + usize::from(code.below);
    }
    starts
}
