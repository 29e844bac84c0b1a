//! Weights as they are stored: the bytes of safetensors files, in numbers of 16 bits or in bytes. A missing, misshapen or
//! broken tensor is found here.
//!
//! In bytes, a matrix `X` of type I8 has a scale for each row in `X_scale`, and if its inputs come from a layer norm, one for
//! each column in `X_column_scale`: a weight is its byte times both. Large models are cut into pieces as Hugging Face does,
//! with an index of which tensor stands where.

use crate::error::ModelProblem;
use crate::model::config::BertConfig;
use crate::model::grid::{self, Matrix};
use crate::model::weights::{Parameter, Tensor, Weights, all_finite, misshapen};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// All weights in one file.
pub(super) const WHOLE: &str = "model.safetensors";

/// Which of several files holds which tensor.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// A piece of a model in bytes has at most as many of them, but for a matrix that alone has more.
const LARGEST_PIECE: usize = 48_000_000;

/// How a model's weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// All of them in f16, in one file.
    #[default]
    F16,
    /// Matrices in bytes, in files of at most 48 MB: for models that are large.
    Int8,
}

#[derive(Serialize, Deserialize)]
pub(super) struct Index {
    metadata: BTreeMap<String, usize>,
    weight_map: BTreeMap<String, String>,
}

impl Index {
    /// The names of the pieces, each once, in order.
    ///
    /// # Errors
    /// If it is no index, or a name is not that of a file beside it.
    pub(super) fn pieces(json: &[u8]) -> Result<Vec<String>, ModelProblem> {
        let invalid = |source| ModelProblem::Parse { file: INDEX, source };
        let index: Self = serde_json::from_slice(json).map_err(|error| invalid(error.into()))?;
        let mut pieces: Vec<String> = index.weight_map.into_values().collect();
        pieces.sort_unstable();
        pieces.dedup();
        let is_beside = |name: &String| !name.starts_with('.') && !name.contains(['/', '\\', ':']);
        match pieces.iter().find(|name| !is_beside(name)) {
            Some(name) => Err(invalid(format!("{name:?} is not a file of the same folder").into())),
            None => Ok(pieces),
        }
    }
}

/// A tensor's bytes.
struct Stored {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl Stored {
    fn halves(name: &str, tensor: &Tensor) -> Result<Self, ModelProblem> {
        let mut halves = vec![f16::ZERO; tensor.values.len()];
        halves.convert_from_f32_slice(&tensor.values);
        if !halves.iter().all(|value| value.is_finite()) {
            return Err(ModelProblem::NotFinite { name: name.to_owned() });
        }
        let bits: &[u16] = halves.reinterpret_cast();
        let bytes = bytemuck::cast_slice(bits).to_vec();
        Ok(Self { name: name.to_owned(), dtype: Dtype::F16, shape: tensor.shape.clone(), bytes })
    }

    fn floats(name: String, values: &[f32]) -> Self {
        let bytes = bytemuck::cast_slice(values).to_vec();
        Self { name, dtype: Dtype::F32, shape: vec![values.len()], bytes }
    }
}

impl Weights {
    /// Reads `parameters` from the bytes of safetensors files, each under its name or behind `bert.` or `mpnet.`;
    /// whatever else the files hold is left out.
    ///
    /// # Errors
    /// If the bytes are no safetensors file, or a parameter is missing, has another shape, is of a type
    /// that is not f32, f16, bf16, or int8 with its scales, or holds a value that is not finite.
    pub fn from_safetensors(
        files: &[impl AsRef<[u8]>],
        parameters: &[Parameter],
    ) -> Result<Self, ModelProblem> {
        let parse = |file| SafeTensors::deserialize(file).map_err(unusable);
        let files: Vec<SafeTensors<'_>> =
            files.iter().map(|file| parse(file.as_ref())).collect::<Result<_, _>>()?;
        let views: BTreeMap<&str, TensorView<'_>> = files.iter().flat_map(SafeTensors::iter).collect();
        let found = parameters.iter().map(|parameter| Found::of(parameter, &views));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        // All at once, before large blocks are freed elsewhere: from then on, glibc keeps what tensors give back.
        let room: Vec<Vec<f32>> = parameters.iter().map(|parameter| vec![0.0; parameter.len()]).collect();
        parameters
            .par_iter()
            .zip(found)
            .zip(room)
            .map(|((parameter, found), values)| Ok((parameter.name.clone(), found.read(parameter, values)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The names and bytes of the files that hold all tensors; the index of pieces comes last. The same weights give the
    /// same bytes.
    ///
    /// # Errors
    /// If a value is beyond f16's range, of ±65504.
    pub fn to_safetensors(
        &self,
        config: &BertConfig,
        format: WeightFormat,
    ) -> Result<Vec<(String, Vec<u8>)>, ModelProblem> {
        let matrices: BTreeMap<String, Matrix> = match format {
            WeightFormat::F16 => BTreeMap::new(),
            WeightFormat::Int8 => {
                grid::matrices(config).map(|matrix| (matrix.name.clone(), matrix)).collect()
            }
        };
        let stored: Vec<Vec<Stored>> = self
            .0
            .iter()
            .map(|(name, tensor)| match matrices.get(name) {
                Some(matrix) => Ok(bytes(name, tensor, matrix.factors(self))),
                None => Stored::halves(name, tensor).map(|stored| vec![stored]),
            })
            .collect::<Result<_, _>>()?;
        if format == WeightFormat::F16 {
            let all: Vec<Stored> = stored.into_iter().flatten().collect();
            return Ok(vec![(WHOLE.to_owned(), serialize(&all)?)]);
        }
        let mut pieces: Vec<Vec<Stored>> = Vec::new();
        let mut room = 0;
        for tensor in stored {
            let size: usize = tensor.iter().map(|stored| stored.bytes.len()).sum();
            if pieces.is_empty() || size > room {
                pieces.push(Vec::new());
                room = LARGEST_PIECE;
            }
            room = room.saturating_sub(size);
            pieces.last_mut().expect("there is a piece").extend(tensor);
        }
        let (mut files, mut weight_map, mut total) = (Vec::new(), BTreeMap::new(), 0);
        for (index, piece) in pieces.iter().enumerate() {
            let file = format!("model-{:05}-of-{:05}.safetensors", index + 1, pieces.len());
            total += piece.iter().map(|stored| stored.bytes.len()).sum::<usize>();
            weight_map.extend(piece.iter().map(|stored| (stored.name.clone(), file.clone())));
            files.push((file, serialize(piece)?));
        }
        let index = Index { metadata: [("total_size".to_owned(), total)].into(), weight_map };
        let json = serde_json::to_string_pretty(&index).expect("names are JSON");
        files.push((INDEX.to_owned(), format!("{json}\n").into_bytes()));
        Ok(files)
    }

    /// These weights as they are when they have been written and read again.
    ///
    /// # Errors
    /// As [`Weights::to_safetensors`].
    pub fn rounded(&self, config: &BertConfig, format: WeightFormat) -> Result<Self, ModelProblem> {
        let parameters: Vec<Parameter> = self
            .0
            .iter()
            .map(|(name, tensor)| Parameter { name: name.clone(), shape: tensor.shape.clone() })
            .collect();
        let mut files = self.to_safetensors(config, format)?;
        files.retain(|(name, _)| name != INDEX);
        let bytes: Vec<Vec<u8>> = files.into_iter().map(|(_, bytes)| bytes).collect();
        Self::from_safetensors(&bytes, &parameters)
    }
}

fn unusable(source: safetensors::SafeTensorError) -> ModelProblem {
    ModelProblem::Parse { file: WHOLE, source: Box::new(source) }
}

fn serialize(tensors: &[Stored]) -> Result<Vec<u8>, ModelProblem> {
    let mut views = Vec::with_capacity(tensors.len());
    for Stored { name, dtype, shape, bytes } in tensors {
        views.push((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(unusable)?));
    }
    // Written by transformers too: it is how other tools know the layout for PyTorch's.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata)).map_err(unusable)
}

/// A matrix in bytes, and its scales.
fn bytes(name: &str, tensor: &Tensor, factors: Option<Vec<f32>>) -> Vec<Stored> {
    let width = tensor.shape[1];
    let factors_or_ones = factors.clone().unwrap_or_else(|| vec![1.0; width]);
    let (mut bytes, mut scales) = (Vec::with_capacity(tensor.values.len()), Vec::new());
    for row in tensor.values.chunks_exact(width) {
        let folded: Vec<f32> =
            row.iter().zip(&factors_or_ones).map(|(value, factor)| value * factor).collect();
        let scale = grid::scale(&folded);
        let byte = |value: &f32| if scale > 0.0 { (value / scale).round_ties_even() as i8 } else { 0 };
        bytes.extend(folded.iter().map(|value| byte(value) as u8));
        scales.push(scale);
    }
    let mut stored =
        vec![Stored { name: name.to_owned(), dtype: Dtype::I8, shape: tensor.shape.clone(), bytes }];
    stored.push(Stored::floats(format!("{name}{ROW_SCALE}"), &scales));
    if let Some(factors) = factors {
        let columns: Vec<f32> = factors.iter().map(|factor| factor.recip()).collect();
        stored.push(Stored::floats(format!("{name}{COLUMN_SCALE}"), &columns));
    }
    stored
}

const ROW_SCALE: &str = "_scale";
const COLUMN_SCALE: &str = "_column_scale";

/// A tensor of a file, and of one in bytes its scales.
struct Found<'a> {
    view: &'a TensorView<'a>,
    rows: Option<&'a TensorView<'a>>,
    columns: Option<&'a TensorView<'a>>,
}

impl<'a> Found<'a> {
    fn of(parameter: &Parameter, views: &'a BTreeMap<&str, TensorView<'a>>) -> Result<Self, ModelProblem> {
        let missing = |name: &str| ModelProblem::MissingTensor { name: name.to_owned() };
        let names = ["", "bert.", "mpnet."].map(|prefix| format!("{prefix}{}", parameter.name));
        let (name, view) = names
            .iter()
            .find_map(|name| Some((name, views.get(name.as_str())?)))
            .ok_or_else(|| missing(&parameter.name))?;
        if view.shape() != parameter.shape {
            return Err(misshapen(parameter, view.shape()));
        }
        let (mut rows, mut columns) = (None, None);
        if let (Dtype::I8, &[height, width]) = (view.dtype(), view.shape()) {
            let scale = |suffix: &str, length: usize| {
                let name = format!("{name}{suffix}");
                let Some(view) = views.get(name.as_str()) else { return Ok(None) };
                let expected = Parameter { name: name.clone(), shape: vec![length] };
                match (view.dtype(), view.shape() == expected.shape) {
                    (Dtype::F32, true) => Ok(Some(view)),
                    (Dtype::F32, false) => Err(misshapen(&expected, view.shape())),
                    (other, _) => Err(ModelProblem::Dtype { name, found: other.to_string() }),
                }
            };
            rows = Some(scale(ROW_SCALE, height)?.ok_or_else(|| missing(&format!("{name}{ROW_SCALE}")))?);
            columns = scale(COLUMN_SCALE, width)?;
        }
        Ok(Self { view, rows, columns })
    }

    /// Reads it into `values`, which are as many as it has.
    fn read(&self, parameter: &Parameter, mut values: Vec<f32>) -> Result<Tensor, ModelProblem> {
        let finite = match (self.view.dtype(), self.rows) {
            (Dtype::F32, _) => self.convert(&mut values, |bytes, values| {
                bytemuck::cast_slice_mut(values).copy_from_slice(bytes);
            }),
            (Dtype::F16, _) => self.convert(&mut values, |bytes, values| {
                aligned::<u16>(bytes).reinterpret_cast::<f16>().convert_to_f32_slice(values);
            }),
            (Dtype::BF16, _) => self.convert(&mut values, |bytes, values| {
                aligned::<u16>(bytes).reinterpret_cast::<bf16>().convert_to_f32_slice(values);
            }),
            (Dtype::I8, Some(rows)) => self.scaled(&mut values, rows),
            (other, _) => {
                let found = other.to_string();
                return Err(ModelProblem::Dtype { name: parameter.name.clone(), found });
            }
        };
        match finite {
            true => Ok(Tensor { shape: parameter.shape.clone(), values }),
            false => Err(ModelProblem::NotFinite { name: parameter.name.clone() }),
        }
    }

    /// Whether all values are finite.
    fn convert(&self, values: &mut [f32], convert: fn(&[u8], &mut [f32])) -> bool {
        // Small enough to stay in cache between the steps.
        const PIECE: usize = 1 << 16;
        let size = self.view.dtype().bitsize() / 8;
        values
            .par_chunks_mut(PIECE)
            .zip(self.view.data().par_chunks(PIECE * size))
            .map(|(values, bytes)| {
                convert(bytes, values);
                all_finite(values)
            })
            .reduce(|| true, |left, right| left & right)
    }

    /// The same of bytes with scales.
    fn scaled(&self, values: &mut [f32], rows: &TensorView<'_>) -> bool {
        let width = self.view.shape()[1].max(1);
        let rows = aligned::<f32>(rows.data());
        let columns = match self.columns {
            Some(columns) => aligned(columns.data()),
            None => vec![1.0; width],
        };
        values
            .par_chunks_mut(width)
            .zip(self.view.data().par_chunks(width))
            .zip(rows)
            .map(|((values, bytes), row)| {
                for (value, (byte, column)) in values.iter_mut().zip(bytes.iter().zip(&columns)) {
                    *value = f32::from(*byte as i8) * row * column;
                }
                all_finite(values)
            })
            .reduce(|| true, |left, right| left & right)
    }
}

/// The file's bytes may stand at any address; larger numbers may not.
fn aligned<N: bytemuck::AnyBitPattern + bytemuck::NoUninit>(bytes: &[u8]) -> Vec<N> {
    let mut numbers = vec![N::zeroed(); bytes.len() / size_of::<N>()];
    bytemuck::cast_slice_mut(&mut numbers).copy_from_slice(bytes);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::encoder_parameters;
    use crate::model::grid::tests::small;

    #[test]
    fn what_was_written_in_bytes_is_read_and_written_again_as_it_was() {
        let (config, mut weights) = small();
        grid::round_to_bytes(&config, &mut weights);
        let read = weights.rounded(&config, WeightFormat::Int8).unwrap();
        for matrix in grid::matrices(&config).filter(|matrix| matrix.name.starts_with("encoder.")) {
            for (value, read) in weights.values(&matrix.name).iter().zip(read.values(&matrix.name)) {
                assert!((value - read).abs() <= 1e-3 * value.abs(), "{}: {value} became {read}", matrix.name);
            }
        }
        let word = "embeddings.word_embeddings.weight";
        let error = |(value, read): (&f32, &f32)| (value - read).abs();
        let largest = weights.values(word).iter().zip(read.values(word)).map(error).fold(0.0, f32::max);
        assert!(largest > 0.0 && largest < 0.5 / 127.0, "{largest}");
        let again = read.rounded(&config, WeightFormat::Int8).unwrap();
        for (read, again) in read.values(word).iter().zip(again.values(word)) {
            assert!((read - again).abs() <= 1e-5 * read.abs(), "{read} became {again}");
        }
    }

    #[test]
    fn pieces_are_found_by_their_index_and_a_scale_that_is_missing_is_named() {
        let (config, weights) = small();
        let files = weights.to_safetensors(&config, WeightFormat::Int8).unwrap();
        let [(piece, bytes), (index, json)] = &files[..] else { panic!("one piece and an index") };
        assert_eq!((piece.as_str(), index.as_str()), ("model-00001-of-00001.safetensors", INDEX));
        assert_eq!(Index::pieces(json).unwrap(), [piece.as_str()]);
        let parameters = encoder_parameters(&config);
        let name = b"encoder.layer.0.output.dense.weight_scale";
        let at = bytes.windows(name.len()).position(|bytes| bytes == name).unwrap();
        let mut broken = bytes.clone();
        broken[at..at + 2].copy_from_slice(b"XX");
        let error = Weights::from_safetensors(&[&broken], &parameters).unwrap_err().to_string();
        assert!(error.contains("no tensor \"encoder.layer.0.output.dense.weight_scale\""), "{error}");
    }

    #[test]
    fn an_index_leads_to_no_other_folder() {
        let index = |file: &str| format!(r#"{{"metadata": {{}}, "weight_map": {{"a": "{file}"}}}}"#);
        for file in ["../x.safetensors", "/etc/x", "a/b", ".hidden", "C:x"] {
            assert!(Index::pieces(index(file).as_bytes()).is_err(), "{file}");
        }
        assert_eq!(Index::pieces(index("a.safetensors").as_bytes()).unwrap(), ["a.safetensors"]);
    }
}
