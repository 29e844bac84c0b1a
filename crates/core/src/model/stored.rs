//! Weights as they are stored: the bytes of safetensors files, in numbers of 16 bits or in bytes. A missing, misshapen or
//! broken tensor is found here.
//!
//! In bytes, a matrix `X` of type I8 has a scale for each row in `X_scale`, and if its inputs come from a layer norm, one for
//! each column in `X_column_scale`: a weight is its byte times both. Large models are cut into pieces as Hugging Face does,
//! with an index of which tensor stands where.

use crate::error::ModelProblem;
use crate::model::config::BertConfig;
use crate::model::grid::{self, Matrix, Quantized};
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

/// A piece of a model in bytes has at most as many bytes of numbers, but for a matrix that alone has more.
const LARGEST_PIECE: usize = 48_000_000;

/// How a model's weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// All of them in f16, in one file.
    #[default]
    F16,
    /// Matrices in bytes, in files of at most 48 MB.
    Int8,
}

#[derive(Serialize)]
struct Index<'a> {
    metadata: BTreeMap<&'a str, usize>,
    weight_map: BTreeMap<&'a str, &'a str>,
}

/// The names of the pieces that an index tells of, each once, in order.
///
/// # Errors
/// If it is no index, or a name is not that of a safetensors file beside it.
pub(super) fn pieces(json: &[u8]) -> Result<Vec<String>, ModelProblem> {
    #[derive(Deserialize)]
    struct Map {
        weight_map: BTreeMap<String, String>,
    }
    let invalid = |source| ModelProblem::Parse { file: INDEX, source };
    let map: Map = serde_json::from_slice(json).map_err(|error| invalid(error.into()))?;
    let mut pieces: Vec<String> = map.weight_map.into_values().collect();
    pieces.sort_unstable();
    pieces.dedup();
    let is_beside = |name: &String| {
        name.ends_with(".safetensors") && !name.starts_with('.') && !name.contains(['/', '\\', ':'])
    };
    match pieces.iter().find(|name| !is_beside(name)) {
        Some(name) => Err(invalid(format!("{name:?} is not a safetensors file of the same folder").into())),
        None => Ok(pieces),
    }
}

/// A file's name and what is in it.
pub(super) type Named<B> = (String, B);

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

    /// A matrix in bytes, and its scales.
    fn bytes(matrix: &Matrix, weights: &Weights) -> Result<Vec<Self>, ModelProblem> {
        let name = &matrix.name;
        if !all_finite(weights.values(name)) {
            return Err(ModelProblem::NotFinite { name: name.clone() });
        }
        let Quantized { bytes, rows, columns } = matrix.quantized(weights);
        let shape = vec![rows.len(), bytes.len() / rows.len().max(1)];
        let bytes = bytemuck::cast_slice(&bytes).to_vec();
        let mut stored = vec![
            Self { name: name.clone(), dtype: Dtype::I8, shape, bytes },
            Self::floats(format!("{name}{ROW_SCALE}"), &rows),
        ];
        stored.extend(columns.map(|columns| Self::floats(format!("{name}{COLUMN_SCALE}"), &columns)));
        Ok(stored)
    }
}

impl Weights {
    /// Reads `parameters` from the bytes of safetensors files, each under its name or behind `bert.` or `mpnet.`;
    /// whatever else the files hold is left out.
    ///
    /// # Errors
    /// If the bytes are no safetensors file, or a parameter is missing, has another shape, is of a type
    /// that is not f32, f16, bf16, or int8 with its scales, or holds a value that is not finite.
    pub fn from_safetensors<B: AsRef<[u8]>>(
        files: &[(String, B)],
        parameters: &[Parameter],
    ) -> Result<Self, ModelProblem> {
        let mut views: BTreeMap<String, TensorView<'_>> = BTreeMap::new();
        for (file, bytes) in files {
            let unusable = |source| unusable(file, source);
            let tensors = SafeTensors::deserialize(bytes.as_ref()).map_err(|error| unusable(error.into()))?;
            for (name, view) in tensors.iter() {
                if views.insert(name.to_owned(), view).is_some() {
                    return Err(unusable(format!("tensor \"{name}\" stands in another file, too").into()));
                }
            }
        }
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

    /// The names and bytes of the files that hold all tensors; the index of pieces, if there are some, comes last. The same weights give the
    /// same bytes.
    ///
    /// # Errors
    /// If a value is not finite, or is to be in f16 and beyond its range, of ±65504.
    pub fn to_safetensors(
        &self,
        config: &BertConfig,
        format: WeightFormat,
    ) -> Result<Vec<Named<Vec<u8>>>, ModelProblem> {
        let matrices: BTreeMap<String, Matrix> = match format {
            WeightFormat::F16 => BTreeMap::new(),
            WeightFormat::Int8 => {
                grid::matrices(config).map(|matrix| (matrix.name.clone(), matrix)).collect()
            }
        };
        let store = |(name, tensor): (&String, &Tensor)| match matrices.get(name) {
            Some(matrix) => Stored::bytes(matrix, self),
            None => Stored::halves(name, tensor).map(|stored| vec![stored]),
        };
        let stored: Vec<Vec<Stored>> = self.0.iter().map(store).collect::<Result<_, _>>()?;
        match format {
            WeightFormat::F16 => {
                let all: Vec<Stored> = stored.into_iter().flatten().collect();
                Ok(vec![(WHOLE.to_owned(), serialize(WHOLE, &all)?)])
            }
            WeightFormat::Int8 => in_pieces(stored, LARGEST_PIECE),
        }
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
        Self::from_safetensors(&files, &parameters)
    }
}

/// Cuts tensors, each with its scales, into files of up to `largest` bytes of numbers, and adds their index, unless one
/// file holds all.
fn in_pieces(stored: Vec<Vec<Stored>>, largest: usize) -> Result<Vec<Named<Vec<u8>>>, ModelProblem> {
    let mut pieces: Vec<Vec<Stored>> = Vec::new();
    let (mut room, mut total) = (0, 0);
    for tensor in stored {
        let size: usize = tensor.iter().map(|stored| stored.bytes.len()).sum();
        if pieces.is_empty() || size > room {
            pieces.push(Vec::new());
            room = largest;
        }
        room = room.saturating_sub(size);
        total += size;
        pieces.last_mut().expect("there is a piece").extend(tensor);
    }
    if let [whole] = &pieces[..] {
        return Ok(vec![(WHOLE.to_owned(), serialize(WHOLE, whole)?)]);
    }
    let names: Vec<String> = (1..=pieces.len())
        .map(|number| format!("model-{number:05}-of-{:05}.safetensors", pieces.len()))
        .collect();
    let (mut files, mut weight_map) = (Vec::new(), BTreeMap::new());
    for (piece, file) in pieces.iter().zip(&names) {
        weight_map.extend(piece.iter().map(|stored| (stored.name.as_str(), file.as_str())));
        files.push((file.clone(), serialize(file, piece)?));
    }
    let index = Index { metadata: [("total_size", total)].into(), weight_map };
    let json = serde_json::to_string_pretty(&index).expect("names are JSON");
    files.push((INDEX.to_owned(), format!("{json}\n").into_bytes()));
    Ok(files)
}

fn unusable(file: &str, source: Box<dyn std::error::Error + Send + Sync>) -> ModelProblem {
    match file == WHOLE {
        true => ModelProblem::Parse { file: WHOLE, source },
        false => ModelProblem::Piece { name: file.to_owned(), source },
    }
}

fn serialize(file: &str, tensors: &[Stored]) -> Result<Vec<u8>, ModelProblem> {
    let unusable = |error: safetensors::SafeTensorError| unusable(file, error.into());
    let mut views = Vec::with_capacity(tensors.len());
    for Stored { name, dtype, shape, bytes } in tensors {
        views.push((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(unusable)?));
    }
    // Written by transformers too: it is how other tools know the layout for PyTorch's.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata)).map_err(unusable)
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
    fn of(parameter: &Parameter, views: &'a BTreeMap<String, TensorView<'a>>) -> Result<Self, ModelProblem> {
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
        for (name, tensor) in read.iter() {
            for (read, again) in tensor.values.iter().zip(again.values(name)) {
                assert!((read - again).abs() <= 1e-6 * read.abs(), "{name}: {read} became {again}");
            }
        }
    }

    #[test]
    fn pieces_are_found_by_their_index_and_a_scale_that_is_missing_is_named() {
        let (config, weights) = small();
        let stored = |matrix: Matrix| Stored::bytes(&matrix, &weights).unwrap();
        let files = in_pieces(grid::matrices(&config).map(stored).collect(), 4_000).unwrap();
        let (index, pieces) = files.split_last().unwrap();
        assert!(pieces.len() > 2 && index.0 == INDEX, "{} pieces", pieces.len());
        let names: Vec<&str> = pieces.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(super::pieces(&index.1).unwrap(), names);
        let parameter =
            |Matrix { name, .. }| Parameter { shape: weights.get(&name).unwrap().shape.clone(), name };
        let parameters: Vec<Parameter> = grid::matrices(&config).map(parameter).collect();
        Weights::from_safetensors(pieces, &parameters).unwrap();

        let mut broken = pieces.to_vec();
        let (name, scale) =
            ("encoder.layer.0.output.dense.weight", "encoder.layer.0.output.dense.weight_scale");
        for (_, bytes) in &mut broken {
            let found = bytes.windows(scale.len()).position(|bytes| bytes == scale.as_bytes());
            if let Some(at) = found {
                bytes[at..at + 2].copy_from_slice(b"XX");
            }
        }
        let error = Weights::from_safetensors(&broken, &parameters).unwrap_err().to_string();
        assert!(error.contains(&format!("no tensor \"{scale}\"")), "{name}: {error}");
        let twice: Vec<_> = pieces.iter().chain(&pieces[..1]).cloned().collect();
        let error = Weights::from_safetensors(&twice, &parameters).unwrap_err().to_string();
        assert!(error.contains(names[0]) && error.contains("another file"), "{error}");
    }

    #[test]
    fn an_index_leads_to_no_other_folder() {
        let index = |file: &str| format!(r#"{{"metadata": {{}}, "weight_map": {{"a": "{file}"}}}}"#);
        for file in [
            "../x.safetensors",
            "/etc/x.safetensors",
            "a/b.safetensors",
            ".safetensors",
            "C:x.safetensors",
            "x",
        ] {
            assert!(pieces(index(file).as_bytes()).is_err(), "{file}");
        }
        assert_eq!(pieces(index("a.safetensors").as_bytes()).unwrap(), ["a.safetensors"]);
    }
}
