//! [`Accelerator`]: what codes thousands of texts at once, such as a GPU.

use equalinfo_codec::WindowBits;

use crate::windows::Segments;

/// Why an accelerator failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum AcceleratorError {
    /// The device or its driver failed.
    #[error("the GPU failed")]
    Device(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The model has a shorter context.
    #[error("a context of {found} bytes: expected 1 to {expected}, as the model has")]
    Context {
        /// The model's.
        expected: usize,
        /// What was asked for.
        found: usize,
    },
    /// The device gave results that are none.
    #[error("the GPU's {what} are not where they belong")]
    Results {
        /// Which ones.
        what: &'static str,
    },
}

/// Codes many texts at once with one M1, bit for bit as the codec does.
pub trait Accelerator {
    /// How many texts keep the device busy.
    fn texts(&self) -> usize;

    /// Bytes of context that the model sees.
    fn context(&self) -> usize;

    /// The range coder's code of each text, each from an empty context that slides.
    ///
    /// # Errors
    /// Those of the device.
    fn range_encode(&self, texts: &[&[u8]]) -> Result<Vec<Vec<u8>>, AcceleratorError>;

    /// The text of each code, of known length; `None` where there is none.
    ///
    /// # Errors
    /// Those of the device.
    fn range_decode(&self, codes: &[&[u8]], lengths: &[usize]) -> Result<Vec<Option<Vec<u8>>>, AcceleratorError>;

    /// The windows of each text in the default code.
    ///
    /// # Errors
    /// Those of the device.
    fn encode_windows(&self, bits: WindowBits, texts: &[&[u8]]) -> Result<Vec<Segments>, AcceleratorError>;

    /// The text of each window, their values one after the other.
    ///
    /// # Errors
    /// Those of the device.
    fn decode_windows(&self, bits: WindowBits, values: &[u8]) -> Result<Vec<WindowText>, AcceleratorError>;
}

/// What a window decodes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WindowText {
    /// Its bytes.
    pub text: Vec<u8>,
    /// Whether an encoder writes this window for a text that goes on behind it.
    pub is_canonical: bool,
}
