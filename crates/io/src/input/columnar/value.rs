//! A cell of an Arrow column as a JSON value: what a field of a record is.
//!
//! Times are written as in ISO 8601, decimals as strings, so that no digit is lost. What JSON cannot hold is null: bytes that
//! are no text, numbers that are none, intervals, unions.

use arrow_array::cast::AsArray;
use arrow_array::types::{
    ArrowPrimitiveType, ArrowTemporalType, Date32Type, Date64Type, Decimal32Type, Decimal64Type,
    Decimal128Type, Decimal256Type, DecimalType, Float16Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, Time32MillisecondType, Time32SecondType, Time64MicrosecondType,
    Time64NanosecondType, TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType, UInt8Type, UInt16Type, UInt32Type, UInt64Type,
};
use arrow_array::{Array, ArrayRef, StructArray};
use arrow_schema::{DataType, TimeUnit};
use serde_json::{Map, Number, Value};

/// How deep values may stand in one another.
const DEPTH: usize = 64;

/// What a value takes beside its text, in bytes.
const VALUE: u64 = 32;

/// What the values of a row may take, in bytes. A file may say of each of them that it is all of the file.
pub(super) struct Budget {
    all: u64,
    spent: u64,
}

impl Budget {
    pub fn new(all: u64) -> Self {
        Self { all, spent: 0 }
    }

    /// Whether it is used up. Values that came behind are missing then.
    pub fn is_spent(&self) -> bool {
        self.spent > self.all
    }

    pub fn spent(&self) -> u64 {
        self.spent
    }

    /// The same text as a value, if it may still be taken.
    fn text(&mut self, text: &str) -> Value {
        self.spent += text.len() as u64;
        if self.is_spent() { Value::Null } else { text.into() }
    }
}

/// The value in a row of a column.
pub(super) fn of(column: &dyn Array, row: usize, budget: &mut Budget) -> Value {
    nested(column, row, 0, budget)
}

fn nested(column: &dyn Array, row: usize, depth: usize, budget: &mut Budget) -> Value {
    budget.spent += VALUE;
    if column.is_null(row) || depth > DEPTH || budget.is_spent() {
        return Value::Null;
    }
    let mut elements = |array: ArrayRef| {
        let mut list = Vec::new();
        for index in 0..array.len() {
            if budget.is_spent() {
                break;
            }
            list.push(nested(&array, index, depth + 1, budget));
        }
        Value::Array(list)
    };
    match column.data_type() {
        DataType::Boolean => column.as_boolean().value(row).into(),
        DataType::Int8 => number::<Int8Type>(column, row),
        DataType::Int16 => number::<Int16Type>(column, row),
        DataType::Int32 => number::<Int32Type>(column, row),
        DataType::Int64 => number::<Int64Type>(column, row),
        DataType::UInt8 => number::<UInt8Type>(column, row),
        DataType::UInt16 => number::<UInt16Type>(column, row),
        DataType::UInt32 => number::<UInt32Type>(column, row),
        DataType::UInt64 => number::<UInt64Type>(column, row),
        DataType::Float16 => float(column.as_primitive::<Float16Type>().value(row)),
        DataType::Float32 => float(column.as_primitive::<Float32Type>().value(row)),
        DataType::Float64 => float(column.as_primitive::<Float64Type>().value(row)),
        DataType::Decimal32(..) => decimal::<Decimal32Type>(column, row),
        DataType::Decimal64(..) => decimal::<Decimal64Type>(column, row),
        DataType::Decimal128(..) => decimal::<Decimal128Type>(column, row),
        DataType::Decimal256(..) => decimal::<Decimal256Type>(column, row),
        DataType::Utf8 => budget.text(column.as_string::<i32>().value(row)),
        DataType::LargeUtf8 => budget.text(column.as_string::<i64>().value(row)),
        DataType::Utf8View => budget.text(column.as_string_view().value(row)),
        // Some writers of Parquet do not say that a column holds text.
        DataType::Binary => text(column.as_binary::<i32>().value(row), budget),
        DataType::LargeBinary => text(column.as_binary::<i64>().value(row), budget),
        DataType::BinaryView => text(column.as_binary_view().value(row), budget),
        DataType::Date32 => date::<Date32Type>(column, row),
        DataType::Date64 => date::<Date64Type>(column, row),
        DataType::Time32(TimeUnit::Second) => time::<Time32SecondType>(column, row),
        DataType::Time32(_) => time::<Time32MillisecondType>(column, row),
        DataType::Time64(TimeUnit::Microsecond) => time::<Time64MicrosecondType>(column, row),
        DataType::Time64(_) => time::<Time64NanosecondType>(column, row),
        DataType::Timestamp(unit, zone) => {
            let is_utc = zone.is_some();
            match unit {
                TimeUnit::Second => timestamp::<TimestampSecondType>(column, row, is_utc),
                TimeUnit::Millisecond => timestamp::<TimestampMillisecondType>(column, row, is_utc),
                TimeUnit::Microsecond => timestamp::<TimestampMicrosecondType>(column, row, is_utc),
                TimeUnit::Nanosecond => timestamp::<TimestampNanosecondType>(column, row, is_utc),
            }
        }
        DataType::List(_) => elements(column.as_list::<i32>().value(row)),
        DataType::LargeList(_) => elements(column.as_list::<i64>().value(row)),
        DataType::ListView(_) => elements(column.as_list_view::<i32>().value(row)),
        DataType::LargeListView(_) => elements(column.as_list_view::<i64>().value(row)),
        DataType::FixedSizeList(..) => elements(column.as_fixed_size_list().value(row)),
        DataType::Struct(_) => Value::Object(object(column.as_struct(), row, depth, budget)),
        DataType::Map(..) => entries(&column.as_map().value(row), depth, budget),
        DataType::Dictionary(..) => {
            let dictionary = column.as_any_dictionary();
            match nested(dictionary.keys(), row, depth, budget)
                .as_u64()
                .and_then(|key| usize::try_from(key).ok())
            {
                Some(key) if key < dictionary.values().len() => {
                    nested(dictionary.values(), key, depth + 1, budget)
                }
                _ => Value::Null,
            }
        }
        _ => Value::Null,
    }
}

fn number<T: ArrowPrimitiveType>(column: &dyn Array, row: usize) -> Value
where
    T::Native: Into<Number>,
{
    Value::Number(column.as_primitive::<T>().value(row).into())
}

/// A number as it is written, which for a short float is shorter than the same number as a long one.
fn float(number: impl ToString) -> Value {
    let number = number.to_string().parse().ok().and_then(Number::from_f64);
    number.map_or(Value::Null, Value::Number)
}

fn decimal<T: DecimalType>(column: &dyn Array, row: usize) -> Value {
    column.as_primitive::<T>().value_as_string(row).into()
}

fn text(bytes: &[u8], budget: &mut Budget) -> Value {
    str::from_utf8(bytes).map_or(Value::Null, |text| budget.text(text))
}

fn date<T: ArrowTemporalType>(column: &dyn Array, row: usize) -> Value
where
    i64: From<T::Native>,
{
    column.as_primitive::<T>().value_as_date(row).map_or(Value::Null, |date| date.to_string().into())
}

fn time<T: ArrowTemporalType>(column: &dyn Array, row: usize) -> Value
where
    i64: From<T::Native>,
{
    column.as_primitive::<T>().value_as_time(row).map_or(Value::Null, |time| time.to_string().into())
}

/// Where a zone is named, the column holds times of UTC.
fn timestamp<T: ArrowTemporalType>(column: &dyn Array, row: usize, is_utc: bool) -> Value
where
    i64: From<T::Native>,
{
    let zone = if is_utc { "Z" } else { "" };
    let written = column.as_primitive::<T>().value_as_datetime(row).map(|time| format!("{time:?}{zone}"));
    written.map_or(Value::Null, Value::String)
}

fn object(columns: &StructArray, row: usize, depth: usize, budget: &mut Budget) -> Map<String, Value> {
    let mut object = Map::new();
    for (field, column) in columns.fields().iter().zip(columns.columns()) {
        object.insert(field.name().clone(), nested(column, row, depth + 1, budget));
    }
    object
}

/// A map is an object if its keys are strings, and a list of pairs otherwise.
fn entries(pairs: &StructArray, depth: usize, budget: &mut Budget) -> Value {
    let (mut object, mut list, mut is_named) = (Map::new(), Vec::new(), true);
    for row in 0..pairs.len() {
        let key = nested(pairs.column(0), row, depth + 1, budget);
        let value = nested(pairs.column(1), row, depth + 1, budget);
        if budget.is_spent() {
            break;
        }
        match key {
            Value::String(name) if is_named => drop(object.insert(name, value)),
            key => {
                let named = std::mem::take(&mut object).into_iter();
                list.extend(named.map(|(name, value)| Value::Array(vec![name.into(), value])));
                list.push(Value::Array(vec![key, value]));
                is_named = false;
            }
        }
    }
    if is_named { Value::Object(object) } else { Value::Array(list) }
}
