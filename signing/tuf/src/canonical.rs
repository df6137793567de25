//! Canonical JSON, the bytes that are signed: object keys sorted, no spaces, whole numbers, and of a string only `"`
//! and `\` escaped.
//!
//! This is the gate for ASCII as well: tough brings strings to Unicode's form NFC before it verifies, python-tuf does
//! not, so a letter outside ASCII may be signed for one of them and forged for the other. Printable ASCII is the same
//! for all.

use serde_json::Value;

use crate::Refusal;

/// The canonical bytes of a value.
///
/// # Errors
/// [`Refusal::NotAscii`] for a string with anything but printable ASCII; [`Refusal::NotWhole`] for a number with a
/// fraction.
pub fn canonical(value: &Value) -> Result<Vec<u8>, Refusal> {
    let mut out = Vec::new();
    write(value, &mut out)?;
    Ok(out)
}

fn write(value: &Value, out: &mut Vec<u8>) -> Result<(), Refusal> {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Number(number) => {
            if !number.is_i64() && !number.is_u64() {
                return Err(Refusal::NotWhole(number.to_string()));
            }
            out.extend_from_slice(number.to_string().as_bytes());
        }
        Value::String(text) => string(text, out)?,
        Value::Array(items) => {
            out.push(b'[');
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                write(item, out)?;
            }
            out.push(b']');
        }
        Value::Object(fields) => {
            // Sorted here, whatever order the map keeps.
            let mut fields: Vec<_> = fields.iter().collect();
            fields.sort_by_key(|(name, _)| *name);
            out.push(b'{');
            for (index, (name, field)) in fields.into_iter().enumerate() {
                if index > 0 {
                    out.push(b',');
                }
                string(name, out)?;
                out.push(b':');
                write(field, out)?;
            }
            out.push(b'}');
        }
    }
    Ok(())
}

fn string(text: &str, out: &mut Vec<u8>) -> Result<(), Refusal> {
    if !text.bytes().all(|byte| (b' '..=b'~').contains(&byte)) {
        return Err(Refusal::NotAscii(text.escape_default().to_string()));
    }
    out.push(b'"');
    for byte in text.bytes() {
        if matches!(byte, b'"' | b'\\') {
            out.push(b'\\');
        }
        out.push(byte);
    }
    out.push(b'"');
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn keys_are_sorted_and_nothing_is_between() {
        let value = json!({ "b": [1, "x"], "a": { "z": true, "y": null }, "A": "q\"\\" });
        let bytes = canonical(&value).unwrap();
        assert_eq!(bytes, br#"{"A":"q\"\\","a":{"y":null,"z":true},"b":[1,"x"]}"#);
    }

    #[test]
    fn letters_that_clients_may_read_in_two_ways_are_refused() {
        for text in ["u\u{308}", "\u{fc}", "\u{7f}", "line\nbreak", "\u{0}"] {
            assert!(
                matches!(canonical(&json!(text)), Err(Refusal::NotAscii(_))),
                "{text:?}"
            );
            assert!(canonical(&json!({ text: 1 })).is_err(), "{text:?} as a name");
        }
    }

    #[test]
    fn fractions_are_refused() {
        assert!(matches!(canonical(&json!([1.5])), Err(Refusal::NotWhole(_))));
    }
}
