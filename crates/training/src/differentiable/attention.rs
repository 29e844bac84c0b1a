//! Self-attention over packed windows, one window and head at a time, so that the scores stay in cache.

use standpoint_kernels::Isa;
use standpoint_kernels::training::dropout::{self, Dropout};
use standpoint_kernels::training::gemm::{Matrix, MatrixMut, Write, multiply};
use standpoint_kernels::training::{elementwise, rowwise};
use std::ops::Range;

/// One attention head in one window: columns of `[tokens, hidden]` matrices in the rows of the window.
struct HeadView {
    rows: Range<usize>,
    length: usize,
    width: usize,
    hidden: usize,
    column: usize,
}

impl HeadView {
    /// A part of a `[tokens, 3 * hidden]` matrix: 0 is the query, 1 the key, 2 the value.
    fn qkv<'a>(&self, qkv: &'a [f32], part: usize) -> Matrix<'a> {
        Matrix::strided(&qkv[self.qkv_start(part)..], self.length, self.width, 3 * self.hidden)
    }

    fn qkv_mut<'a>(&self, qkv: &'a mut [f32], part: usize) -> MatrixMut<'a> {
        MatrixMut::strided(&mut qkv[self.qkv_start(part)..], self.length, self.width, 3 * self.hidden)
    }

    fn qkv_start(&self, part: usize) -> usize {
        self.rows.start * 3 * self.hidden + part * self.hidden + self.column
    }

    /// The first element in a `[tokens, hidden]` matrix.
    fn context_start(&self) -> usize {
        self.rows.start * self.hidden + self.column
    }
}

/// Every window and head, with the range of its scores in the buffer of all scores.
fn head_views(
    heads: usize,
    hidden: usize,
    windows: &[Range<usize>],
) -> impl Iterator<Item = (HeadView, Range<usize>)> + '_ {
    let width = hidden / heads;
    let mut scores_start = 0;
    windows.iter().flat_map(move |rows| (0..heads).map(move |head| (rows, head))).map(move |(rows, head)| {
        let length = rows.len();
        let scores = scores_start..scores_start + length * length;
        scores_start = scores.end;
        (HeadView { rows: rows.clone(), length, width, hidden, column: head * width }, scores)
    })
}

/// The range of a head's biases in `[heads, 2 * longest - 1]` biases by distance, and the length of the longest window.
fn distance_range(distances: usize, heads: usize, view: &HeadView) -> (Range<usize>, usize) {
    let each = distances / heads;
    let head = view.column / view.width;
    (head * each..(head + 1) * each, each.div_ceil(2))
}

/// `context = dropout(softmax(Q K^T / sqrt(width) + bias)) V`. Keeps the probabilities; those that are dropped have their sign set.
#[expect(clippy::too_many_arguments, reason = "the operands of attention")]
pub(super) fn forward(
    isa: Isa,
    heads: usize,
    hidden: usize,
    windows: &[Range<usize>],
    qkv: &[f32],
    distances: &[f32],
    dropout: Option<Dropout>,
    probabilities: &mut Vec<f32>,
    context: &mut Vec<f32>,
) {
    probabilities.resize(windows.iter().map(|rows| heads * rows.len() * rows.len()).sum(), 0.0);
    context.resize(qkv.len() / 3, 0.0);
    let mut used = Vec::new();
    for (view, scores) in head_views(heads, hidden, windows) {
        let length = view.length;
        let scale = 1.0 / (view.width as f32).sqrt();
        let site = scores.start as u64;
        let scores = &mut probabilities[scores];
        let (query, key, value) = (view.qkv(qkv, 0), view.qkv(qkv, 1), view.qkv(qkv, 2));
        multiply(MatrixMut::new(scores, length, length), Write::Replace, scale, query, key.t());
        if !distances.is_empty() {
            let (range, longest) = distance_range(distances.len(), heads, &view);
            for (row, scores) in scores.chunks_exact_mut(length).enumerate() {
                elementwise::add(isa, scores, &distances[range.clone()][longest - 1 - row..][..length]);
            }
        }
        rowwise::softmax(isa, scores, length, dropout.map(|dropout| dropout.at(site)), &mut used);
        let out = MatrixMut::strided(&mut context[view.context_start()..], length, view.width, hidden);
        multiply(out, Write::Replace, 1.0, Matrix::new(&used, length, length), value);
    }
}

/// The gradient of the `[tokens, 3 * hidden]` queries, keys and values, from that of the context. Adds the gradient of the biases by
/// distance.
#[expect(clippy::too_many_arguments, reason = "the operands of an attention's backward pass")]
pub(super) fn backward(
    isa: Isa,
    heads: usize,
    hidden: usize,
    windows: &[Range<usize>],
    qkv: &[f32],
    probabilities: &[f32],
    dropout: Option<Dropout>,
    upstream: &[f32],
    qkv_gradient: &mut Vec<f32>,
    distance_gradient: &mut [f32],
) {
    qkv_gradient.resize(qkv.len(), 0.0);
    let mut used = Vec::new();
    let mut gradient = Vec::new();
    for (view, scores) in head_views(heads, hidden, windows) {
        let length = view.length;
        let scale = 1.0 / (view.width as f32).sqrt();
        let probabilities = &probabilities[scores];
        let (query, key, value) = (view.qkv(qkv, 0), view.qkv(qkv, 1), view.qkv(qkv, 2));
        let upstream = Matrix::strided(&upstream[view.context_start()..], length, view.width, hidden);

        dropout::apply_again(isa, probabilities, dropout, &mut used);
        let dropped = Matrix::new(&used, length, length);
        multiply(view.qkv_mut(qkv_gradient, 2), Write::Replace, 1.0, dropped.t(), upstream);

        gradient.resize(length * length, 0.0);
        multiply(MatrixMut::new(&mut gradient, length, length), Write::Replace, 1.0, upstream, value.t());
        rowwise::softmax_backward(isa, probabilities, &used, &mut gradient, length);
        if !distance_gradient.is_empty() {
            let (range, longest) = distance_range(distance_gradient.len(), heads, &view);
            for (row, gradient) in gradient.chunks_exact(length).enumerate() {
                elementwise::add(
                    isa,
                    &mut distance_gradient[range.clone()][longest - 1 - row..][..length],
                    gradient,
                );
            }
        }
        let gradient = Matrix::new(&gradient, length, length);
        multiply(view.qkv_mut(qkv_gradient, 0), Write::Replace, scale, gradient, key);
        multiply(view.qkv_mut(qkv_gradient, 1), Write::Replace, scale, gradient.t(), query);
    }
}
