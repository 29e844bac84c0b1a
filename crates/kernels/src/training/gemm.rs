//! Matrix products in f32 on strided views: [`multiply`] checks every bound and hands the pointers to the `gemm` crate, on
//! one thread, because the trainer's threads each have a shard of the batch. The crate chooses its own instructions for
//! the processor: an [`Isa`](crate::Isa) does not reach it.
//!
//! ```text
//! Matrix                 row r     data[r × row_stride ..][..cols]      a head's columns of a wider matrix, for example
//! Matrix::t              the same cells, read as [cols, rows]
//! ```

/// A view of a matrix in a buffer: element `(r, c)` is at `r * row_stride + c * col_stride`.
#[derive(Clone, Copy)]
pub struct Matrix<'a> {
    data: &'a [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
    col_stride: usize,
}

impl<'a> Matrix<'a> {
    /// A dense row-major matrix.
    pub fn new(data: &'a [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A row-major matrix whose rows start `row_stride` elements apart, such as the columns of one head in a
    /// matrix of all heads.
    ///
    /// # Panics
    /// If the last row ends behind the buffer.
    pub fn strided(data: &'a [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(fits(data.len(), rows, cols, row_stride), "matrix out of bounds");
        Self { data, rows, cols, row_stride, col_stride: 1 }
    }

    /// The transpose, without a copy.
    pub fn t(self) -> Self {
        Self {
            rows: self.cols,
            cols: self.rows,
            row_stride: self.col_stride,
            col_stride: self.row_stride,
            ..self
        }
    }
}

/// A view of a matrix to write to, row-major.
pub struct MatrixMut<'a> {
    data: &'a mut [f32],
    rows: usize,
    cols: usize,
    row_stride: usize,
}

impl<'a> MatrixMut<'a> {
    /// A dense row-major matrix.
    pub fn new(data: &'a mut [f32], rows: usize, cols: usize) -> Self {
        Self::strided(data, rows, cols, cols)
    }

    /// A row-major matrix whose rows start `row_stride` elements apart.
    ///
    /// # Panics
    /// If the last row ends behind the buffer, or rows overlap.
    pub fn strided(data: &'a mut [f32], rows: usize, cols: usize, row_stride: usize) -> Self {
        assert!(fits(data.len(), rows, cols, row_stride) && cols <= row_stride, "matrix out of bounds");
        Self { data, rows, cols, row_stride }
    }
}

fn fits(length: usize, rows: usize, cols: usize, row_stride: usize) -> bool {
    rows == 0 || cols == 0 || (rows - 1) * row_stride + cols <= length
}

/// Whether the product replaces what the destination holds, or is added to it.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Write {
    Replace,
    Add,
}

/// `destination = scale * left * right`, or `+=` with [`Write::Add`].
///
/// # Panics
/// If the shapes do not fit each other.
pub fn multiply(destination: MatrixMut<'_>, into: Write, scale: f32, left: Matrix<'_>, right: Matrix<'_>) {
    assert_eq!(left.cols, right.rows, "inner dimensions");
    assert_eq!((destination.rows, destination.cols), (left.rows, right.cols), "outer dimensions");
    if destination.rows == 0 || destination.cols == 0 {
        return;
    }
    // SAFETY: the constructors of `Matrix` and `MatrixMut` checked that the last element of each view lies within
    // its slice, strides are positive, so every element does; the destination is borrowed mutably, so
    // it aliases neither operand; its rows do not overlap, for `cols <= row_stride`.
    unsafe {
        gemm::gemm(
            destination.rows,
            destination.cols,
            left.cols,
            destination.data.as_mut_ptr(),
            1,
            destination.row_stride as isize,
            into == Write::Add,
            left.data.as_ptr(),
            left.col_stride as isize,
            left.row_stride as isize,
            right.data.as_ptr(),
            right.col_stride as isize,
            right.row_stride as isize,
            1.0,
            scale,
            false,
            false,
            false,
            gemm::Parallelism::None,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// The portable twin: three loops.
    fn multiply_plainly(
        destination: &mut [f32],
        row_stride: usize,
        into: Write,
        scale: f32,
        left: Matrix<'_>,
        right: Matrix<'_>,
    ) {
        for r in 0..left.rows {
            for c in 0..right.cols {
                let product: f32 = (0..left.cols)
                    .map(|k| {
                        left.data[r * left.row_stride + k * left.col_stride]
                            * right.data[k * right.row_stride + c * right.col_stride]
                    })
                    .sum();
                let cell = &mut destination[r * row_stride + c];
                *cell = if into == Write::Add { *cell } else { 0.0 } + scale * product;
            }
        }
    }

    fn numbers(length: usize, seed: usize) -> Vec<f32> {
        (0..length).map(|i| (((i * 7919 + seed * 104_729) % 2003) as f32 / 1001.5) - 1.0).collect()
    }

    proptest! {
        #![proptest_config(crate::random_tests::config())]

        #[test]
        fn agrees_with_three_loops(
            (rows, inner, cols) in (1usize..40, 1usize..70, 1usize..50),
            (pad_left, pad_right, pad_out) in (0usize..5, 0usize..5, 0usize..5),
            (transpose_left, transpose_right, add) in (any::<bool>(), any::<bool>(), any::<bool>()),
            seed in 0usize..1000,
        ) {
            let view = |data: &'static [f32], rows: usize, cols: usize, pad: usize, transpose: bool| {
                if transpose {
                    Matrix::strided(data, cols, rows, rows + pad).t()
                } else {
                    Matrix::strided(data, rows, cols, cols + pad)
                }
            };
            let left_data: &'static [f32] = numbers(80 * 80, seed).leak();
            let right_data: &'static [f32] = numbers(80 * 80, seed + 1).leak();
            let left = view(left_data, rows, inner, pad_left, transpose_left);
            let right = view(right_data, inner, cols, pad_right, transpose_right);
            let into = if add { Write::Add } else { Write::Replace };
            let stride = cols + pad_out;
            let mut fast = numbers(rows * stride, seed + 2);
            let mut plain = fast.clone();
            multiply(MatrixMut::strided(&mut fast, rows, cols, stride), into, 0.5, left, right);
            multiply_plainly(&mut plain, stride, into, 0.5, left, right);
            for (a, b) in fast.iter().zip(&plain) {
                prop_assert!((a - b).abs() < 1e-4, "{a} against {b}");
            }
        }
    }

    #[test]
    #[should_panic(expected = "matrix out of bounds")]
    fn a_view_past_its_buffer_is_refused() {
        Matrix::strided(&[0.0; 10], 3, 2, 5);
    }
}
