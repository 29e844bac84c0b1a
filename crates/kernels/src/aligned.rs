//! Memory that starts at a cache line: loading a vector of a whole line that lies across two takes two loads.

use std::ops::{Deref, DerefMut};

/// The bytes of a cache line.
const LINE: usize = 64;

/// A slice that starts at a cache line.
#[derive(Default)]
pub struct Aligned<T> {
    values: Vec<T>,
    /// Where the slice starts in `values`.
    first: usize,
    length: usize,
}

impl<T: Copy + Default> Aligned<T> {
    /// Makes the slice `length` long. Its contents are then unspecified.
    pub fn resize(&mut self, length: usize) {
        let spare = LINE / size_of::<T>();
        if self.values.len() < length + spare {
            self.values = vec![T::default(); length + spare];
            // Where the offset is not known, nothing is lost but time.
            self.first = self.values.as_ptr().align_offset(LINE).min(spare);
        }
        self.length = length;
    }
}

impl<T: Copy + Default> FromIterator<T> for Aligned<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Vec<T> = values.into_iter().collect();
        let mut aligned = Self::default();
        aligned.resize(values.len());
        aligned.copy_from_slice(&values);
        aligned
    }
}

impl<T> Deref for Aligned<T> {
    type Target = [T];

    #[inline(always)]
    fn deref(&self) -> &[T] {
        &self.values[self.first..][..self.length]
    }
}

impl<T> DerefMut for Aligned<T> {
    #[inline(always)]
    fn deref_mut(&mut self) -> &mut [T] {
        &mut self.values[self.first..][..self.length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn slices_start_at_lines() {
        for length in [0, 1, 15, 16, 1000] {
            let mut aligned: Aligned<i32> = (0..length).collect();
            assert!(aligned.iter().copied().eq(0..length));
            assert_eq!(aligned.as_ptr().addr() % LINE, 0);
            aligned.resize(2000);
            assert_eq!((aligned.len(), aligned.as_ptr().addr() % LINE), (2000, 0));
        }
    }
}
