//! JSON in the one form of RFC 8785, so that its digest is the same wherever it comes from: keys in the order of their UTF-16
//! units, no blanks, numbers as JavaScript writes them.

use serde_json::Value;

/// Writes a value in its canonical form.
#[must_use]
pub fn canonical(value: &Value) -> String {
    let mut text = String::with_capacity(128);
    write(&mut text, value);
    text
}

fn write(text: &mut String, value: &Value) {
    match value {
        // Both escape just what the form says, in the way it says.
        Value::Null | Value::Bool(_) | Value::String(_) => text.push_str(&value.to_string()),
        Value::Number(number) => text.push_str(ryu_js::Buffer::new().format(number.as_f64().unwrap_or_default())),
        Value::Array(list) => {
            text.push('[');
            for (n, one) in list.iter().enumerate() {
                separate(text, n);
                write(text, one);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut fields: Vec<_> = map.iter().collect();
            fields.sort_unstable_by(|(one, _), (other, _)| one.encode_utf16().cmp(other.encode_utf16()));
            text.push('{');
            for (n, (name, one)) in fields.into_iter().enumerate() {
                separate(text, n);
                text.push_str(&Value::from(name.as_str()).to_string());
                text.push(':');
                write(text, one);
            }
            text.push('}');
        }
    }
}

fn separate(text: &mut String, nth: usize) {
    if nth > 0 {
        text.push(',');
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_examples_of_the_rfc_come_out_as_it_says() {
        // As values: how numbers are read from text is not what is tried here.
        let sample = json!({
            "numbers": [333_333_333.333_333_3, 1e30, 4.50, 2e-3, 0.000_000_000_000_000_000_000_000_001],
            "string": "\u{20ac}$\u{f}\nA'B\"\\\\\"/", "literals": [null, true, false],
        });
        let expected = concat!(
            r#"{"literals":[null,true,false],"numbers":[333333333.3333333,1e+30,4.5,0.002,1e-27],"#,
            r#""string":"€$\u000f\nA'B\"\\\\\"/"}"#
        );
        assert_eq!(canonical(&sample), expected);
        let keys = json!({ "\u{20ac}": 1, "\r": 2, "\u{fb33}": 3, "1": 4, "\u{1f600}": 5, "\u{80}": 6, "\u{f6}": 7 });
        let order: Vec<u64> = {
            let text = canonical(&keys);
            text.split(':').skip(1).map(|rest| rest[..1].parse().unwrap()).collect()
        };
        assert_eq!(order, [2, 4, 6, 7, 1, 5, 3]);
    }

    #[test]
    fn numbers_are_written_as_javascript_does() {
        for (value, expected) in [
            (json!(0), "0"),
            (json!(-0.0), "0"),
            (json!(1.0), "1"),
            (json!(-7), "-7"),
            (json!(9_007_199_254_740_991_i64), "9007199254740991"),
            (json!(1e21), "1e+21"),
            (json!(1.234_567_890_123_456_8e20), "123456789012345680000"),
            (json!(1e-7), "1e-7"),
            (json!(0.000_001), "0.000001"),
        ] {
            assert_eq!(canonical(&value), expected);
        }
    }
}
