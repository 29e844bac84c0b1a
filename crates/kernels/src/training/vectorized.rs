//! Plain loops, compiled for each instruction set and picked at run time.

use pulp::{Arch, NullaryFnOnce};

/// `vectorized!(|| ...)` runs a closure, compiled for the processor at hand. What it calls must be `#[inline(always)]`.
///
/// `Arch::dispatch` alone does not do that for a large closure: it is called by value, through a shim that the compiler
/// may leave a function of its own, and such a function is compiled for the oldest of all processors.
#[macro_export]
macro_rules! vectorized {
    (|| $work:expr) => {
        $crate::training::vectorized::run(
            #[inline(always)]
            || $work,
        )
    };
}

pub use vectorized;

/// Only for [`vectorized!`], which does not forget the closure's attribute.
#[inline(always)]
pub fn run(work: impl FnMut()) {
    Arch::new().dispatch(Inlined(work));
}

struct Inlined<F>(F);

impl<F: FnMut()> NullaryFnOnce for Inlined<F> {
    type Output = ();

    #[inline(always)]
    fn call(mut self) {
        (self.0)();
    }
}
