//! Selects the instruction set at run time.

use std::sync::Arc;

use super::error::EngineError;
use super::image::Image;
#[cfg(target_arch = "aarch64")]
use super::neon::Neon;
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
use super::streams::Packed;
use super::streams::Prepared;
#[cfg(target_arch = "x86_64")]
use super::{avx2::Avx2, avx512::Avx512};

/// The environment variable that overrides the selection.
pub const SIMD_VARIABLE: &str = "EQUALINFO_SIMD";

/// The instruction set of the inner loops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Simd {
    /// The codec's own code.
    Portable,
    /// AVX2.
    Avx2,
    /// AVX2 with AVX-VNNI.
    AvxVnni,
    /// AVX-512 with VNNI.
    Avx512,
    /// AVX-512 with VNNI, and AMX for batches and traces.
    Amx,
    /// NEON.
    Neon,
    /// NEON with the dot products of Armv8.2.
    NeonDot,
}

impl Simd {
    /// Every path, slowest first.
    pub const ALL: [Self; 7] =
        [Self::Portable, Self::Avx2, Self::AvxVnni, Self::Avx512, Self::Amx, Self::Neon, Self::NeonDot];

    /// The name that `EQUALINFO_SIMD` accepts.
    pub fn name(self) -> &'static str {
        match self {
            Self::Portable => "portable",
            Self::Avx2 => "avx2",
            Self::AvxVnni => "avx-vnni",
            Self::Avx512 => "avx512",
            Self::Amx => "amx",
            Self::Neon => "neon",
            Self::NeonDot => "neon-dot",
        }
    }

    /// Whether this processor has the instructions.
    pub fn is_available(self) -> bool {
        match self {
            Self::Portable => true,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Avx2::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Avx2::detect_with_vnni().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Avx512::detect().is_some(),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Avx512::detect_with_tiles().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Neon::detect().is_some(),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => Neon::detect_with_dot().is_some(),
            _ => false,
        }
    }

    /// The paths of this processor, slowest first.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        Self::ALL.into_iter().filter(|simd| simd.is_available())
    }

    /// The fastest path of this processor, or the one that `EQUALINFO_SIMD` names.
    ///
    /// # Errors
    /// `EQUALINFO_SIMD` names no path that this processor has.
    pub fn detect() -> Result<Self, EngineError> {
        match std::env::var(SIMD_VARIABLE) {
            Ok(found) => Self::available().find(|simd| simd.name() == found).ok_or_else(|| unavailable(&found)),
            Err(_) => Ok(Self::available().next_back().unwrap_or(Self::Portable)),
        }
    }

    /// Packs a model; `None` for the portable path, and if the instructions are missing.
    pub(super) fn prepare(self, image: &Image) -> Option<Arc<dyn Prepared>> {
        match self {
            Self::Portable => None,
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => Some(Arc::new(Packed::new(Avx2::detect()?, image))),
            #[cfg(target_arch = "x86_64")]
            Self::AvxVnni => Some(Arc::new(Packed::new(Avx2::detect_with_vnni()?, image))),
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => Some(Arc::new(Packed::new(Avx512::detect()?, image))),
            #[cfg(target_arch = "x86_64")]
            Self::Amx => Some(Arc::new(Packed::new(Avx512::detect_with_tiles()?, image))),
            #[cfg(target_arch = "aarch64")]
            Self::Neon => Some(Arc::new(Packed::new(Neon::detect()?, image))),
            #[cfg(target_arch = "aarch64")]
            Self::NeonDot => Some(Arc::new(Packed::new(Neon::detect_with_dot()?, image))),
            _ => {
                let _ = image;
                None
            }
        }
    }
}

/// The error that this processor lacks the path of a name.
pub(super) fn unavailable(found: &str) -> EngineError {
    let expected = Simd::available().map(Simd::name).collect();
    EngineError::Simd { variable: SIMD_VARIABLE, expected, found: found.to_owned() }
}
