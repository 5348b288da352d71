//! The AMX tile unit: whether it exists, and its state on a thread.
//!
//! Stable Rust has no intrinsics for tiles, so their instructions are inline assembly.

use std::arch::asm;
use std::arch::x86_64::__cpuid_count;
use std::sync::OnceLock;

/// Rows per tile.
const TILE: usize = 16;

#[repr(C, align(64))]
struct TileConfig([u8; 64]);

/// The features in EDX of leaf 7: bit 22 is AMX-BF16, 24 AMX-TILE, 25 AMX-INT8.
#[allow(unused_unsafe)] // The intrinsic is unsafe in the oldest supported Rust, not in the newest.
pub fn features() -> u32 {
    // SAFETY: every x86-64 processor has the instruction; for a leaf it does not know it gives another one's values.
    unsafe { __cpuid_count(7, 0) }.edx
}

/// Whether the tile unit exists, the operating system grants it to this process, and AVX-512 can feed it.
pub fn available() -> bool {
    static AVAILABLE: OnceLock<bool> = OnceLock::new();
    *AVAILABLE.get_or_init(|| {
        let amx = features() & (1 << 24) != 0 && features() & (1 << 22) != 0;
        let vectors = is_x86_feature_detected!("avx512f")
            && is_x86_feature_detected!("avx512bw")
            && is_x86_feature_detected!("avx512bf16");
        amx && vectors && request_permission()
    })
}

/// Linux grants the 8 KiB of tile state only to processes that ask (`ARCH_REQ_XCOMP_PERM`, feature 18).
#[cfg(target_os = "linux")]
fn request_permission() -> bool {
    let result: i64;
    // SAFETY: arch_prctl with these arguments touches no memory of this process.
    unsafe {
        asm!("syscall", inlateout("rax") 158i64 => result, in("rdi") 0x1023i64, in("rsi") 18i64,
             out("rcx") _, out("r11") _, options(nostack));
    }
    result == 0
}

#[cfg(not(target_os = "linux"))]
fn request_permission() -> bool {
    false
}

/// Gives the calling thread the tile shapes that this crate's and the trainer's products use: 16 rows of 64 bytes.
/// Dropping it releases the state, which keeps context switches cheap.
pub struct Tiles(());

impl Tiles {
    /// `None` if [`available`] is false.
    pub fn configure() -> Option<Self> {
        if !available() {
            return None;
        }
        let mut config = TileConfig([0; 64]);
        config.0[0] = 1;
        for tile in 0..8 {
            config.0[16 + 2 * tile] = 64;
            config.0[48 + tile] = TILE as u8;
        }
        // SAFETY: `available` holds, and the configuration is a valid palette 1.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &config, options(nostack, readonly)) };
        Some(Self(()))
    }
}

impl Drop for Tiles {
    fn drop(&mut self) {
        // SAFETY: a value of this type exists only if the unit does.
        unsafe { asm!("tilerelease", options(nostack, nomem)) };
    }
}
