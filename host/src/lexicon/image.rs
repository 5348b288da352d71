//! [`Lexicon`]: a `.lex` image in memory, validated once; and its writer.

use std::path::Path;
use std::sync::Arc;

use equalinfo_codec::checksum::{image_checksum, image_id};
use equalinfo_codec::lexicon::image::{CODES as CODEC_CODES, LEFT_OVER, WIDE, image_length};
use equalinfo_codec::lexicon::{Lexicon as LexiconView, LexiconError, LexiconKind};
use self_cell::self_cell;

use crate::error::LoadError;

/// The number of codes.
pub const CODES: usize = CODEC_CODES;

const EXPECTED: &str = "a .lex image, as 'equalinfo lexicon build' writes it";

self_cell!(
    struct Cell {
        owner: Vec<u8>,
        #[covariant]
        dependent: LexiconView,
    }
);

/// The texts of all codes of 16 bits, compiled from an M1: it codes windows in the place of the model. Cheap to clone,
/// and shared between threads.
///
/// ```
/// use equalinfo::{Lexicon, Model};
///
/// let model = Model::shipped("nano")?;
/// let lexicon = model.lexicon(model.context(), 2)?;
/// assert_eq!(lexicon.model_id(), model.id());
/// let (code, length) = lexicon.view().encode(b"the best of times");
/// assert_eq!(lexicon.view().text(code).collect::<Vec<u8>>(), b"the best of times"[..length]);
/// assert_eq!(Lexicon::from_bytes(lexicon.bytes().to_vec())?.id(), lexicon.id());
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Lexicon(Arc<Cell>);

impl Lexicon {
    /// Reads a `.lex` file.
    ///
    /// # Errors
    /// The file cannot be read or holds something else.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        LoadError::in_file(path.as_ref(), EXPECTED, Self::from_bytes)
    }

    /// Validates the bytes of a `.lex` image and keeps them.
    ///
    /// # Errors
    /// They are no such image.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, LoadError> {
        Ok(Self::from_image(bytes)?)
    }

    pub(crate) fn from_image(bytes: Vec<u8>) -> Result<Self, LexiconError> {
        let lexicon = Self(Arc::new(Cell::try_new(bytes, |bytes| LexiconView::load(bytes))?));
        lexicon.check_lengths()?;
        Ok(lexicon)
    }

    /// Checks that no text is longer than the context says, which takes more memory than devices have.
    fn check_lengths(&self) -> Result<(), LexiconError> {
        let view = self.view();
        // The last codes below the nodes on the way to this one.
        let mut ends: Vec<u16> = Vec::new();
        for code in 0..=u16::MAX {
            while ends.last().is_some_and(|&end| end < code) {
                ends.pop();
            }
            let Some(end) = view.last_below(code) else { continue };
            if ends.len() > usize::from(view.context()) {
                return Err(LexiconError::Tree { code });
            }
            ends.push(end);
        }
        Ok(())
    }

    /// The codec's lexicon over these bytes, which codes texts and blocks.
    pub fn view(&self) -> &LexiconView<'_> {
        self.0.borrow_dependent()
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.0.borrow_owner()
    }

    /// What its texts were chosen by.
    pub fn kind(&self) -> LexiconKind {
        self.view().kind()
    }

    /// The name of its kind: `window-code` or `optimal`.
    pub fn name(&self) -> &'static str {
        kind_name(self.kind())
    }

    /// The id that its streams carry: that of its model for the window code, otherwise its own.
    pub fn stream_id(&self) -> u64 {
        self.view().stream_id()
    }

    /// Its own id: a digest of its content.
    pub fn id(&self) -> u64 {
        self.view().id()
    }

    /// The id of the model that it was compiled from.
    pub fn model_id(&self) -> u64 {
        self.view().model_id()
    }

    /// The most bytes in a text.
    pub fn context(&self) -> usize {
        usize::from(self.view().context())
    }
}

impl std::fmt::Debug for Lexicon {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.view().fmt(f)
    }
}

/// A kind's name in manifests and reports.
pub fn kind_name(kind: LexiconKind) -> &'static str {
    match kind {
        LexiconKind::WindowCode => "window-code",
        LexiconKind::Optimal => "optimal",
    }
}

/// A code that encoders write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Code {
    /// The last byte of its text; 0 for the empty text.
    pub byte: u8,
    /// The number of codes below it.
    pub below: u16,
}

/// The codes of [`CODES`] texts, which must include the empty text and all prefixes of every text. Sorted texts are in
/// pre-order, so a text's code is its rank.
pub fn codes_of(mut texts: Vec<Vec<u8>>) -> Vec<Option<Code>> {
    texts.sort_unstable();
    let mut codes: Vec<Code> =
        texts.iter().map(|text| Code { byte: text.last().copied().unwrap_or(0), below: 0 }).collect();
    // The codes of the present text's prefixes: a path from the root.
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

/// Writes the image of these codes; `None` means left over.
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
    head[8..].copy_from_slice(&image_id(&content).to_le_bytes());
    [&head[..], &image_checksum(&head, &content).to_le_bytes(), &content].concat()
}

/// The codes of the one-byte texts, by byte.
fn starts(codes: &[Option<Code>]) -> [u16; 256] {
    let mut starts = [0; 256];
    let mut number = 1;
    while let Some(&Some(code)) = codes.get(number) {
        starts[usize::from(code.byte)] = number as u16;
        number += 1 + usize::from(code.below);
    }
    starts
}
