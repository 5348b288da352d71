//! The codec's own model over memory that it owns: the reference, and the fallback for processors without a faster
//! path.

use std::sync::Arc;

use equalinfo_codec::m1::{M1, ModelError};
use equalinfo_codec::{ByteModel, Frequencies};
use self_cell::{MutBorrow, self_cell};

use super::image::Image;

struct Owner {
    image: Arc<Image>,
    bytes: MutBorrow<Vec<i8>>,
    words: MutBorrow<Vec<i32>>,
}

type Borrowed<'a> = M1<'a, 'a>;

self_cell!(
    struct Cell {
        owner: Owner,
        #[not_covariant]
        dependent: Borrowed,
    }
);

/// A stream of [`M1`].
pub struct Portable(Cell);

impl Portable {
    pub fn new(image: Arc<Image>, context: usize) -> Result<Self, ModelError> {
        let config = image.model().config();
        let bytes = MutBorrow::new(vec![0; config.byte_buffer(context)]);
        let words = MutBorrow::new(vec![0; config.word_buffer(context)]);
        let owner = Owner { image, bytes, words };
        Cell::try_new(owner, |owner| {
            M1::new(owner.image.model(), context, owner.bytes.borrow_mut(), owner.words.borrow_mut())
        })
        .map(Self)
    }
}

impl ByteModel for Portable {
    fn reset(&mut self) {
        self.0.with_dependent_mut(|_, m1| m1.reset());
    }

    fn frequencies(&mut self) -> &Frequencies {
        self.0.with_dependent_mut(|_, m1| m1.frequencies())
    }

    fn push(&mut self, byte: u8) {
        self.0.with_dependent_mut(|_, m1| m1.push(byte));
    }
}
