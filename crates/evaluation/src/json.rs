//! JSON for files that people read and compare: a value that fits on a line takes one line.

use serde_json::Value;

/// The longest line of several values, in bytes.
const WIDTH: usize = 120;

/// Writes a value as JSON. Arrays and objects that fit into [`WIDTH`] bytes take one line; longer ones take a line for each
/// element, indented by one space. Ends with a line break.
pub fn to_lines(value: &Value) -> String {
    let mut text = String::new();
    write(&mut text, "", value, 0);
    text.push('\n');
    text
}

/// Writes a value after its key, if it has one.
fn write(text: &mut String, key: &str, value: &Value, indent: usize) {
    let line = one_line(value);
    let fits = indent + key.len() + line.len() <= WIDTH;
    text.push_str(key);
    match value {
        Value::Array(elements) if !fits && !elements.is_empty() => {
            let elements = elements.iter().map(|element| (String::new(), element));
            write_elements(text, ['[', ']'], elements, indent);
        }
        Value::Object(fields) if !fits && !fields.is_empty() => {
            let fields =
                fields.iter().map(|(name, value)| (format!("{}: ", Value::from(name.as_str())), value));
            write_elements(text, ['{', '}'], fields, indent);
        }
        _ => text.push_str(&line),
    }
}

/// Writes the elements of an array or an object, each on lines of its own.
fn write_elements<'v>(
    text: &mut String,
    [open, close]: [char; 2],
    elements: impl Iterator<Item = (String, &'v Value)>,
    indent: usize,
) {
    text.push(open);
    for (index, (key, value)) in elements.enumerate() {
        text.push_str(if index == 0 { "\n" } else { ",\n" });
        text.push_str(&" ".repeat(indent + 1));
        write(text, &key, value, indent + 1);
    }
    text.push('\n');
    text.push_str(&" ".repeat(indent));
    text.push(close);
}

fn one_line(value: &Value) -> String {
    match value {
        Value::Array(elements) => {
            format!("[{}]", elements.iter().map(one_line).collect::<Vec<_>>().join(", "))
        }
        Value::Object(fields) => {
            let field = |(name, value): (&String, &Value)| {
                format!("{}: {}", Value::from(name.as_str()), one_line(value))
            };
            format!("{{{}}}", fields.iter().map(field).collect::<Vec<_>>().join(", "))
        }
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_fits_takes_one_line() {
        let value =
            json!({ "f1": { "value": 0.5, "interval": [0.4, 0.6] }, "nothing": [], "note": "a \"b\"" });
        let expected = "{\"f1\": {\"value\": 0.5, \"interval\": [0.4, 0.6]}, \"nothing\": [], \"note\": \"a \\\"b\\\"\"}\n";
        assert_eq!(to_lines(&value), expected);
    }

    #[test]
    fn longer_values_take_a_line_for_each_element_and_stay_the_same() {
        let long = "x".repeat(100);
        let value = json!({ "names": [long, "y"], "count": 2, "inner": { "text": "z".repeat(130) } });
        let text = to_lines(&value);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 7, "{text}");
        assert!(lines[1].starts_with(" \"names\": [\"xxx") && lines[2] == " \"count\": 2,", "{text}");
        assert!(lines[4].starts_with("  \"text\""), "{text}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }
}
