//! Reads and writes weights in safetensors files, in f16 or int8, and finds missing, misshapen and broken tensors.
//!
//! An int8 matrix `X` has a scale for each row in `X_scale`, and a scale for each column in `X_column_scale` if its inputs
//! come from a layer norm: a weight is its int8 value times both. A large model is cut into shards as Hugging Face does, with
//! an index that says which tensor is in which file.

use crate::error::ModelProblem;
use crate::model::architecture::Architecture;
use crate::model::config::BertConfig;
use crate::model::int8::{self, Matrix, QuantizedMatrix};
use crate::model::tensors::Parameter;
use crate::model::weights::{Tensor, Weights, all_finite, misshapen};
use half::slice::{HalfBitsSliceExt, HalfFloatSliceExt};
use half::{bf16, f16};
use rayon::prelude::*;
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensors};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The file of a model that is in one file.
pub(super) const WHOLE: &str = "model.safetensors";

/// Says which shard holds which tensor.
pub(super) const INDEX: &str = "model.safetensors.index.json";

/// The most bytes of numbers in a shard. A larger matrix is a shard alone.
const LARGEST_SHARD: usize = 48_000_000;

/// How a model's weights are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum WeightFormat {
    /// Everything in f16, in one file.
    #[default]
    F16,
    /// Matrices in int8, in shards of at most 48 MB; the rest in f16.
    Int8,
}

#[derive(Serialize)]
struct Index<'a> {
    metadata: BTreeMap<&'a str, usize>,
    weight_map: BTreeMap<&'a str, &'a str>,
}

/// The names of the shards in an index, each once, in alphabetical order.
///
/// # Errors
/// If `json` is no index, or a name is not that of a safetensors file in the same folder.
pub(super) fn shards(json: &[u8]) -> Result<Vec<String>, ModelProblem> {
    #[derive(Deserialize)]
    struct Map {
        weight_map: BTreeMap<String, String>,
    }
    let invalid = |source| ModelProblem::Parse { file: INDEX, source };
    let map: Map = serde_json::from_slice(json).map_err(|error| invalid(error.into()))?;
    let mut shards: Vec<String> = map.weight_map.into_values().collect();
    shards.sort_unstable();
    shards.dedup();
    let is_beside = |name: &String| {
        name.ends_with(".safetensors") && !name.starts_with('.') && !name.contains(['/', '\\', ':'])
    };
    match shards.iter().find(|name| !is_beside(name)) {
        Some(name) => Err(invalid(format!("{name:?} is not a safetensors file of the same folder").into())),
        None => Ok(shards),
    }
}

/// A file's name and its contents.
pub(super) type NamedFile<B> = (String, B);

/// A tensor as a file holds it.
struct StoredTensor {
    name: String,
    dtype: Dtype,
    shape: Vec<usize>,
    bytes: Vec<u8>,
}

impl StoredTensor {
    fn f16(name: &str, tensor: &Tensor) -> Result<Self, ModelProblem> {
        let mut rounded = vec![f16::ZERO; tensor.values.len()];
        rounded.convert_from_f32_slice(&tensor.values);
        if !rounded.iter().all(|value| value.is_finite()) {
            return Err(ModelProblem::NotFinite { name: name.to_owned() });
        }
        let bits: &[u16] = rounded.reinterpret_cast();
        let bytes = bytemuck::cast_slice(bits).to_vec();
        Ok(Self { name: name.to_owned(), dtype: Dtype::F16, shape: tensor.shape.clone(), bytes })
    }

    fn f32(name: String, values: &[f32]) -> Self {
        let bytes = bytemuck::cast_slice(values).to_vec();
        Self { name, dtype: Dtype::F32, shape: vec![values.len()], bytes }
    }

    /// A matrix in int8, and its scales.
    fn int8(matrix: &Matrix, weights: &Weights) -> Result<Vec<Self>, ModelProblem> {
        let name = matrix.name();
        if !all_finite(weights.values(name)) {
            return Err(ModelProblem::NotFinite { name: name.to_owned() });
        }
        let QuantizedMatrix { values, row_scales, column_scales } = matrix.quantized(weights);
        let shape = vec![row_scales.len(), values.len() / row_scales.len().max(1)];
        let bytes = bytemuck::cast_slice(&values).to_vec();
        let mut stored = vec![
            Self { name: name.to_owned(), dtype: Dtype::I8, shape, bytes },
            Self::f32(format!("{name}{ROW_SCALE}"), &row_scales),
        ];
        stored.extend(column_scales.map(|scales| Self::f32(format!("{name}{COLUMN_SCALE}"), &scales)));
        Ok(stored)
    }
}

impl Weights {
    /// Reads `parameters` from the bytes of safetensors files, given by name. A tensor's name may begin with `bert.` or
    /// `mpnet.`. Ignores all other tensors.
    ///
    /// # Errors
    /// If the bytes are no safetensors file, two files hold the same tensor, or a parameter is missing, has another shape,
    /// has another type than f32, f16, bf16, or int8 with its scales, or holds a value that is not finite.
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
        let found = parameters.iter().map(|parameter| FoundTensor::find(parameter, &views));
        let found = found.collect::<Result<Vec<_>, _>>()?;
        // Reserves all memory before large blocks are freed elsewhere: after that, glibc keeps what tensors give back.
        let room: Vec<Vec<f32>> = parameters.iter().map(|parameter| vec![0.0; parameter.len()]).collect();
        parameters
            .par_iter()
            .zip(found)
            .zip(room)
            .map(|((parameter, found), values)| Ok((parameter.name.clone(), found.read(parameter, values)?)))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The names and bytes of the files that hold all tensors. If there are shards, their index comes last. The same
    /// weights give the same bytes.
    ///
    /// # Errors
    /// If a value is not finite, or is to be stored in f16 and exceeds ±65504.
    pub fn to_safetensors(
        &self,
        config: &BertConfig,
        format: WeightFormat,
    ) -> Result<Vec<NamedFile<Vec<u8>>>, ModelProblem> {
        let matrices: BTreeMap<String, Matrix> = match format {
            WeightFormat::F16 => BTreeMap::new(),
            WeightFormat::Int8 => {
                int8::matrices(config).into_iter().map(|matrix| (matrix.name().to_owned(), matrix)).collect()
            }
        };
        let store = |(name, tensor): (&String, &Tensor)| match matrices.get(name) {
            Some(matrix) => StoredTensor::int8(matrix, self),
            None => StoredTensor::f16(name, tensor).map(|stored| vec![stored]),
        };
        let stored: Vec<Vec<StoredTensor>> = self.0.iter().map(store).collect::<Result<_, _>>()?;
        match format {
            WeightFormat::F16 => {
                let all: Vec<StoredTensor> = stored.into_iter().flatten().collect();
                Ok(vec![(WHOLE.to_owned(), serialize(WHOLE, &all)?)])
            }
            WeightFormat::Int8 => in_shards(stored, LARGEST_SHARD),
        }
    }

    /// These weights as a file of that format holds them.
    ///
    /// # Errors
    /// As for [`Weights::to_safetensors`].
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

/// Distributes tensors, each with its scales, over files of up to `largest` bytes of numbers, and adds the index, unless
/// one file holds all.
fn in_shards(
    stored: Vec<Vec<StoredTensor>>,
    largest: usize,
) -> Result<Vec<NamedFile<Vec<u8>>>, ModelProblem> {
    let mut shards: Vec<Vec<StoredTensor>> = Vec::new();
    let (mut room, mut total) = (0, 0);
    for tensor in stored {
        let size: usize = tensor.iter().map(|stored| stored.bytes.len()).sum();
        if shards.is_empty() || size > room {
            shards.push(Vec::new());
            room = largest;
        }
        room = room.saturating_sub(size);
        total += size;
        shards.last_mut().expect("there is a shard").extend(tensor);
    }
    if let [whole] = &shards[..] {
        return Ok(vec![(WHOLE.to_owned(), serialize(WHOLE, whole)?)]);
    }
    let names: Vec<String> = (1..=shards.len())
        .map(|number| format!("model-{number:05}-of-{:05}.safetensors", shards.len()))
        .collect();
    let (mut files, mut weight_map) = (Vec::new(), BTreeMap::new());
    for (shard, file) in shards.iter().zip(&names) {
        weight_map.extend(shard.iter().map(|stored| (stored.name.as_str(), file.as_str())));
        files.push((file.clone(), serialize(file, shard)?));
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

fn serialize(file: &str, tensors: &[StoredTensor]) -> Result<Vec<u8>, ModelProblem> {
    let unusable = |error: safetensors::SafeTensorError| unusable(file, error.into());
    let mut views = Vec::with_capacity(tensors.len());
    for StoredTensor { name, dtype, shape, bytes } in tensors {
        views.push((name, TensorView::new(*dtype, shape.clone(), bytes).map_err(unusable)?));
    }
    // Written by transformers too: it is how other tools know the layout for PyTorch's.
    let metadata = [("format".to_owned(), "pt".to_owned())].into();
    safetensors::serialize(views, Some(metadata)).map_err(unusable)
}

const ROW_SCALE: &str = "_scale";
const COLUMN_SCALE: &str = "_column_scale";

/// A tensor in a file, with its scales if it is int8.
struct FoundTensor<'a> {
    view: &'a TensorView<'a>,
    row_scales: Option<&'a TensorView<'a>>,
    column_scales: Option<&'a TensorView<'a>>,
}

impl<'a> FoundTensor<'a> {
    fn find(
        parameter: &Parameter,
        views: &'a BTreeMap<String, TensorView<'a>>,
    ) -> Result<Self, ModelProblem> {
        let missing = |name: &str| ModelProblem::MissingTensor { name: name.to_owned() };
        let names = Architecture::PREFIXES.map(|prefix| format!("{prefix}{}", parameter.name));
        let (name, view) = names
            .iter()
            .find_map(|name| Some((name, views.get(name.as_str())?)))
            .ok_or_else(|| missing(&parameter.name))?;
        if view.shape() != parameter.shape {
            return Err(misshapen(parameter, view.shape()));
        }
        let (mut row_scales, mut column_scales) = (None, None);
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
            row_scales =
                Some(scale(ROW_SCALE, height)?.ok_or_else(|| missing(&format!("{name}{ROW_SCALE}")))?);
            column_scales = scale(COLUMN_SCALE, width)?;
        }
        Ok(Self { view, row_scales, column_scales })
    }

    /// Reads the tensor into `values`, which has as many places.
    fn read(&self, parameter: &Parameter, mut values: Vec<f32>) -> Result<Tensor, ModelProblem> {
        let finite = match (self.view.dtype(), self.row_scales) {
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

    /// Converts the file's numbers and says whether all of them are finite.
    fn convert(&self, values: &mut [f32], convert: fn(&[u8], &mut [f32])) -> bool {
        // Small enough to stay in cache between the steps.
        const CHUNK: usize = 1 << 16;
        let size = self.view.dtype().bitsize() / 8;
        values
            .par_chunks_mut(CHUNK)
            .zip(self.view.data().par_chunks(CHUNK * size))
            .map(|(values, bytes)| {
                convert(bytes, values);
                all_finite(values)
            })
            .reduce(|| true, |left, right| left & right)
    }

    /// Multiplies int8 values with their scales and says whether all results are finite.
    fn scaled(&self, values: &mut [f32], rows: &TensorView<'_>) -> bool {
        let width = self.view.shape()[1].max(1);
        let rows = aligned::<f32>(rows.data());
        let columns = match self.column_scales {
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

/// Copies numbers out of a file, whose bytes may be at any address, to where such numbers may be.
fn aligned<N: bytemuck::AnyBitPattern + bytemuck::NoUninit>(bytes: &[u8]) -> Vec<N> {
    let mut numbers = vec![N::zeroed(); bytes.len() / size_of::<N>()];
    bytemuck::cast_slice_mut(&mut numbers).copy_from_slice(bytes);
    numbers
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::int8::tests::small;

    #[test]
    fn int8_is_read_and_written_again_as_it_was() {
        let (config, mut weights) = small();
        int8::round_to_int8(&config, &mut weights);
        let read = weights.rounded(&config, WeightFormat::Int8).unwrap();
        let matrices = int8::matrices(&config);
        for name in matrices.iter().map(Matrix::name).filter(|name| name.starts_with("encoder.")) {
            for (value, read) in weights.values(name).iter().zip(read.values(name)) {
                assert!((value - read).abs() <= 1e-3 * value.abs(), "{name}: {value} became {read}");
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
    fn shards_are_found_by_their_index_and_a_missing_scale_is_named() {
        let (config, weights) = small();
        let stored = |matrix: Matrix| StoredTensor::int8(&matrix, &weights).unwrap();
        let files = in_shards(int8::matrices(&config).into_iter().map(stored).collect(), 4_000).unwrap();
        let (index, shards) = files.split_last().unwrap();
        assert!(shards.len() > 2 && index.0 == INDEX, "{} shards", shards.len());
        let names: Vec<&str> = shards.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(super::shards(&index.1).unwrap(), names);
        let parameters: Vec<Parameter> =
            int8::matrices(&config).into_iter().map(|matrix| matrix.parameter).collect();
        Weights::from_safetensors(shards, &parameters).unwrap();

        let mut broken = shards.to_vec();
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
        let twice: Vec<_> = shards.iter().chain(&shards[..1]).cloned().collect();
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
            assert!(shards(index(file).as_bytes()).is_err(), "{file}");
        }
        assert_eq!(shards(index("a.safetensors").as_bytes()).unwrap(), ["a.safetensors"]);
    }
}
