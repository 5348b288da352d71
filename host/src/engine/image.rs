//! [`Image`]: a `.m1q` image in memory, validated once.

use std::borrow::Cow;

use equalinfo_codec::m1::{Aligned, Model, ModelError};
use self_cell::self_cell;

/// The built-in images, by preset name.
const EMBEDDED: &[(&str, &[u8])] = &[
    ("pico", &Aligned(*include_bytes!("../../models/pico.m1q")).0),
    ("nano", &Aligned(*include_bytes!("../../models/nano.m1q")).0),
    ("micro", &Aligned(*include_bytes!("../../models/micro.m1q")).0),
    ("3m", &Aligned(*include_bytes!("../../models/3m.m1q")).0),
];

self_cell!(
    struct Cell {
        owner: Cow<'static, [u8]>,
        #[covariant]
        dependent: Model,
    }
);

/// The bytes of an image, and the view of its model.
pub struct Image(Cell);

impl Image {
    /// Validates `bytes` and keeps them.
    ///
    /// # Errors
    /// They are not a valid image.
    pub fn from_bytes(bytes: Vec<u8>) -> Result<Self, ModelError> {
        Cell::try_new(bytes.into(), |bytes| Model::load(bytes)).map(Self)
    }

    /// A built-in image; `None` for any other name. Tests have looked through it, so a program need not at each start.
    pub fn embedded(name: &str) -> Option<Self> {
        let (_, bytes) = EMBEDDED.iter().find(|(known, _)| *known == name)?;
        Cell::try_new(Cow::Borrowed(*bytes), |bytes| Model::load_trusting(bytes)).map(Self).ok()
    }

    /// The names that [`Self::embedded`] accepts.
    pub fn embedded_names() -> impl Iterator<Item = &'static str> {
        EMBEDDED.iter().map(|(name, _)| *name)
    }

    /// The image's model.
    pub fn model(&self) -> &Model<'_> {
        self.0.borrow_dependent()
    }

    /// The bytes of the file.
    pub fn bytes(&self) -> &[u8] {
        self.0.borrow_owner()
    }
}

impl std::fmt::Debug for Image {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Image({}, {:016x})", self.model().name(), self.model().id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn built_in_images_are_valid() {
        for name in Image::embedded_names() {
            let image = Image::embedded(name).expect(name);
            let checked = Image::from_bytes(image.bytes().to_vec()).expect(name);
            assert_eq!((image.model().id(), image.model().name()), (checked.model().id(), name));
        }
    }
}
