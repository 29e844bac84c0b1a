//! For targets without AMX: only [`is_available`] is ever called.

use super::{Accumulators, Bf16Split};

pub fn is_available() -> bool {
    false
}

pub unsafe fn configure() {}

pub unsafe fn release() {}

pub unsafe fn clear() {}

pub unsafe fn store(_: &mut Accumulators) {}

pub unsafe fn multiply_add_int8(_: *const i32, _: *const i32) {}

pub unsafe fn multiply_add_bf16(_: Bf16Split, _: *const i32, _: *const i32) {}
