//! Panics of other crates as errors.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;

thread_local! {
    /// Whether a panic of this thread will be an error.
    static GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// What `read` returns; `None` if it panics, as crates do on some damaged files, which is no less an error: nothing is
/// printed then. What it was reading must not be used again.
pub fn guarded<T>(read: impl FnOnce() -> T) -> Option<T> {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| {
        let others = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !GUARDED.get() {
                others(panic);
            }
        }));
    });
    let before = GUARDED.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(read));
    GUARDED.set(before);
    result.ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_none() {
        assert_eq!(guarded(|| 5), Some(5));
        let nested = guarded(|| guarded(|| panic!("inside")).is_none_or(|()| panic!("outside")));
        assert_eq!((nested, GUARDED.get()), (Some(true), false));
        assert_eq!(guarded(|| -> u8 { panic!("this must not be printed") }), None);
        assert!(!GUARDED.get());
    }
}
