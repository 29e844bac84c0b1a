//! Runs code of other crates that may panic on input that is made to: a panic becomes an error, and nothing is printed.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};
use std::sync::Once;

thread_local! {
    static IS_CAUGHT: Cell<bool> = const { Cell::new(false) };
}

/// A panic in code that was called.
pub(super) struct Panicked;

/// What was used by a call that panicked must not be used again.
pub(super) fn call<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    static QUIET: Once = Once::new();
    QUIET.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if !IS_CAUGHT.get() {
                usual(panic);
            }
        }));
    });
    let before = IS_CAUGHT.replace(true);
    let result = catch_unwind(AssertUnwindSafe(code));
    IS_CAUGHT.set(before);
    result.map_err(|_| Panicked)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error() {
        assert!(call(|| 1).is_ok_and(|one| one == 1));
        assert!(call(|| [1][std::hint::black_box(1)]).is_err());
        assert!(!IS_CAUGHT.get());
    }
}
