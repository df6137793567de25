//! What people and scripts see. Facts go to standard output, as lines and tables or as one JSON value; all else goes to
//! standard error. Colours only on a terminal, and nothing that a lock said can move a cursor.

use std::borrow::Cow;
use std::io::{self, Write as _};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anstyle::{AnsiColor, Style};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::Value;

use crate::failure::Failure;

const HEAD: Style = Style::new().bold();
const NAME: Style = Style::new().dimmed();
const BAD: Style = AnsiColor::Red.on_default().bold();

/// Says what went wrong.
pub(crate) fn complain(failure: &Failure) {
    anstream::eprintln!("{BAD}latchkey:{BAD:#} {}", tame(&failure.to_string()));
}

/// Says something that is no fact of the answer.
pub(crate) fn note(text: &str) {
    anstream::eprintln!("{}", tame(text));
}

/// What people look for first among facts.
const FIRST: [&str; 8] = [
    "id",
    "name",
    "outcome",
    "done",
    "lock_state",
    "door",
    "version",
    "battery_percent",
];

/// Whether something could not be printed: then a script that goes by the exit code must not take it for done.
static UNTOLD: AtomicBool = AtomicBool::new(false);

/// Prints facts. Who has heard enough and closed the pipe is not told that.
pub(crate) fn tell(text: &str) {
    let mut out = anstream::stdout().lock();
    let written = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    if let Err(error) = written
        && error.kind() != io::ErrorKind::BrokenPipe
    {
        anstream::eprintln!("{BAD}latchkey:{BAD:#} cannot print: {error}");
        UNTOLD.store(true, Ordering::Relaxed);
    }
}

/// Whether all that was to be printed is.
pub(crate) fn all_told() -> bool {
    !UNTOLD.load(Ordering::Relaxed)
}

/// How facts are printed.
#[derive(Clone, Copy)]
pub(crate) struct Output {
    pub(crate) json: bool,
}

impl Output {
    /// Facts about one thing.
    pub(crate) fn facts(self, facts: &Value) {
        if self.json {
            tell(&format!("{facts:#}\n"));
        } else {
            tell(&lines(facts));
        }
    }

    /// Facts about several things of a kind; `none` says that there are none.
    pub(crate) fn rows(self, columns: &[&str], rows: &[Value], none: &str) {
        if self.json {
            tell(&format!("{:#}\n", Value::from(rows)));
        } else if rows.is_empty() {
            tell(&format!("{none}\n"));
        } else {
            tell(&table(columns, rows));
        }
    }
}

/// Control characters, as a lock may put them into a name, become visible ones.
pub(crate) fn tame(text: &str) -> Cow<'_, str> {
    if text.chars().any(|letter| letter.is_control() && letter != '\n') {
        let tame = |letter: char| match letter {
            '\n' => '\n',
            control if control.is_control() => char::REPLACEMENT_CHARACTER,
            other => other,
        };
        return Cow::Owned(text.chars().map(tame).collect());
    }
    Cow::Borrowed(text)
}

fn cell(value: Option<&Value>) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => tame(text).replace('\n', " "),
        Some(Value::Bool(true)) => "yes".to_owned(),
        Some(Value::Bool(false)) => "no".to_owned(),
        Some(Value::Object(fields)) => fields
            .iter()
            .filter(|(_, value)| !value.is_null())
            .map(|(name, value)| format!("{name} {}", cell(Some(value))))
            .collect::<Vec<_>>()
            .join(", "),
        Some(other @ (Value::Number(_) | Value::Array(_))) => other.to_string(),
    }
}

fn lines(facts: &Value) -> String {
    let Some(facts) = facts.as_object() else {
        return String::new();
    };
    let mut known: Vec<_> = facts.iter().filter(|(_, value)| !value.is_null()).collect();
    // The others stay as they are, in order of their names.
    known.sort_by_key(|(name, _)| {
        FIRST
            .iter()
            .position(|first| first == name)
            .unwrap_or(FIRST.len())
    });
    let shown: Vec<(String, String)> = known
        .iter()
        .map(|(name, value)| (name.replace('_', " "), cell(Some(value))))
        .collect();
    let width = shown.iter().map(|(name, _)| name.len()).max().unwrap_or(0);
    shown
        .iter()
        .map(|(name, value)| format!("{NAME}{name:width$}{NAME:#}  {value}\n"))
        .collect()
}

fn table(columns: &[&str], rows: &[Value]) -> String {
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| columns.iter().map(|column| cell(row.get(column))).collect())
        .collect();
    let widths: Vec<usize> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| {
            let widest = cells
                .iter()
                .filter_map(|row| row.get(at))
                .map(|cell| cell.chars().count())
                .max();
            widest.unwrap_or(0).max(column.len())
        })
        .collect();
    let line = |cells: &mut dyn Iterator<Item = &str>| {
        let padded: Vec<String> = cells
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"))
            .collect();
        padded.join("  ").trim_end().to_owned()
    };
    let heads: Vec<String> = columns.iter().map(|column| column.replace('_', " ")).collect();
    let head = line(&mut heads.iter().map(String::as_str));
    let mut text = format!("{HEAD}{head}{HEAD:#}\n");
    for row in &cells {
        text.push_str(&line(&mut row.iter().map(String::as_str)));
        text.push('\n');
    }
    text
}

/// Shows that something is going on. On standard error, and only on a terminal.
pub(crate) fn spinner(what: &str) -> ProgressBar {
    let spinner = ProgressBar::new_spinner().with_message(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(120));
    spinner
}

/// Shows how far bytes have come.
pub(crate) fn bar(bytes: u64, what: &str) -> ProgressBar {
    let template = "{msg} {wide_bar} {bytes}/{total_bytes}  {bytes_per_sec}  {eta}";
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(bytes)
        .with_style(style)
        .with_message(what.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn plain(text: &str) -> String {
        anstream::adapter::strip_str(text).to_string()
    }

    #[test]
    fn nothing_that_a_lock_says_moves_the_cursor() {
        let rows = [json!({ "name": "Eve\u{1b}[2J\u{9b}1A\rAnn\nBob" })];
        let shown = plain(&table(&["name"], &rows));
        assert_eq!(shown.lines().count(), 2, "{shown:?}");
        assert!(!table(&["name"], &rows).contains("\u{1b}[2J"), "{shown:?}");
        assert!(!shown.contains(['\u{9b}', '\r']), "{shown:?}");
    }

    #[test]
    fn columns_line_up_and_what_is_missing_shows() {
        let rows = [
            json!({ "id": 7, "name": "Ann", "enabled": true }),
            json!({ "id": 1000 }),
        ];
        let shown = plain(&table(&["id", "name", "enabled"], &rows));
        assert_eq!(shown, "id    name  enabled\n7     Ann   yes\n1000  -     -\n");
    }

    #[test]
    fn facts_are_lines_with_what_counts_first_and_without_what_is_not_known() {
        let facts = json!({ "lock_state": "locked", "door": null, "id": 3, "a": 1, "z": 2 });
        let shown = plain(&lines(&facts));
        assert_eq!(
            shown,
            "id          3\nlock state  locked\na           1\nz           2\n"
        );
    }
}
