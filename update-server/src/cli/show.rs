//! What people see: tables and lines on standard output, messages on standard error.

use std::io::Write as _;

use serde_json::Value;

/// A message for people, on standard error.
pub(super) fn error(message: &str) {
    // Nothing is left to tell anybody when standard error is gone.
    let _ = writeln!(std::io::stderr(), "latchkey-server: {message}");
}

/// A line on standard output.
pub(super) fn text(line: &str) {
    // A reader that went away (a closed pipe) has what it wanted.
    let _ = writeln!(std::io::stdout(), "{line}");
}

/// A JSON value on standard output.
pub(super) fn json(value: &Value) {
    text(&value.to_string());
}

/// Rows under a head, in columns as wide as they need to be.
pub(super) fn table(head: &[&str], rows: &[Vec<String>]) {
    let mut widths: Vec<usize> = head.iter().map(|title| title.len()).collect();
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        text(padded.join("  ").trim_end());
    };
    line(&mut head.iter().copied());
    for row in rows {
        line(&mut row.iter().map(String::as_str));
    }
}

/// A field of an answer, as people read it.
pub(super) fn field(value: &Value, path: &str) -> String {
    match value.pointer(path) {
        None | Some(Value::Null) => "-".to_owned(),
        // Names come from people and from locks: nothing in them may move the cursor.
        Some(Value::String(text)) => text
            .chars()
            .map(|c| if c.is_control() { '?' } else { c })
            .collect(),
        Some(other) => other.to_string(),
    }
}

/// An array of answers as a table: title and path of each column.
pub(super) fn listing(answers: &Value, columns: &[(&str, &str)]) {
    let head: Vec<&str> = columns.iter().map(|(title, _)| *title).collect();
    let rows: Vec<Vec<String>> = answers
        .as_array()
        .into_iter()
        .flatten()
        .map(|answer| columns.iter().map(|(_, path)| field(answer, path)).collect())
        .collect();
    table(&head, &rows);
}

/// One answer as lines of title and value.
pub(super) fn card(answer: &Value, lines: &[(&str, &str)]) {
    let width = lines.iter().map(|(title, _)| title.len()).max().unwrap_or(0);
    for (title, path) in lines {
        text(&format!("{title:width$}  {}", field(answer, path)));
    }
}
