//! Fields that travel with a document from input to output, each as the JSON that it came as: no digit of a number is lost,
//! and a list of numbers takes no more memory than its text.

use indexmap::IndexMap;
use serde_json::value::RawValue;
use serde_json::{Map, Value};

/// Named values, in the order in which they came.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Fields(IndexMap<String, Box<str>>);

impl Fields {
    /// Takes a value as it is written. Of two by one name the last one stays.
    pub fn insert(&mut self, name: String, json: Box<RawValue>) {
        let json: Box<str> = json.into();
        // Between values a line break is white space; within them there is none.
        let json = if json.contains(['\n', '\r']) { json.replace(['\n', '\r'], " ").into() } else { json };
        self.0.insert(name, json);
    }

    /// Takes a value. Of two by one name the last one stays.
    pub fn set(&mut self, name: String, value: &Value) {
        self.0.insert(name, value.to_string().into());
    }

    /// The value by that name. A number that no 64 bits hold is the nearest that they do.
    pub fn get(&self, name: &str) -> Option<Value> {
        serde_json::from_str(self.0.get(name)?).ok()
    }

    /// The text of the value by that name, if it is a string.
    pub fn text(&self, name: &str) -> Option<String> {
        serde_json::from_str(self.0.get(name)?).ok()
    }

    /// Takes the value by that name out.
    pub fn remove(&mut self, name: &str) {
        self.0.shift_remove(name);
    }

    pub fn contains(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Names and values as JSON. No value has a line break in it.
    pub fn json(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, json)| (name.as_str(), &**json))
    }

    /// All values, as [`Fields::get`] gives them.
    pub fn values(&self) -> Map<String, Value> {
        self.0.keys().filter_map(|name| Some((name.clone(), self.get(name)?))).collect()
    }

    /// What they take, in bytes.
    pub fn bytes(&self) -> usize {
        self.json().map(|(name, json)| name.len() + json.len()).sum()
    }
}

impl From<Map<String, Value>> for Fields {
    fn from(values: Map<String, Value>) -> Self {
        Self(values.into_iter().map(|(name, value)| (name, value.to_string().into())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_stay_as_they_are_written() {
        let mut fields = Fields::default();
        let raw = |json: &str| serde_json::from_str::<Box<RawValue>>(json).unwrap();
        for (name, json) in [("n", "12345678901234567890123"), ("a", "[1.10,\r\n 1e400]"), ("n", "-0.0")] {
            fields.insert(name.to_owned(), raw(json));
        }
        assert_eq!(fields.json().collect::<Vec<_>>(), [("n", "-0.0"), ("a", "[1.10,   1e400]")]);
        assert_eq!(fields.get("a"), None, "there is no such number to compute with");
        fields.set("t".to_owned(), &Value::from("“Go”"));
        assert_eq!(fields.text("t").as_deref(), Some("“Go”"));
        assert_eq!(fields.text("n"), None);
        assert_eq!(fields.bytes(), 5 + 16 + 1 + "\"“Go”\"".len());
    }
}
