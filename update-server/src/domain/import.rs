//! Devices from a CSV file, as a factory or a registry writes them: named beforehand, and approved when they enrol.
//!
//! The first line names the columns: `id` (32 hex digits), `public_key` (64 hex digits), `class` (a hardware class's
//! name). One of the first two is needed, and where both are given they must agree, since a device's name is a hash of
//! its key. All rows are taken or none; every mistake is told with its line.

use std::collections::HashMap;

use csv::{ReaderBuilder, StringRecord, Trim};
use latchkey_directive::DeviceId;
use latchkey_image::{Hardware, Uuid};
use sha2::{Digest as _, Sha256};

use super::access::Caller;
use super::audit::Entry;
use super::device::{Device, State};
use super::policy::hardware;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};
use crate::ids;
use crate::limits::LISTED_DEVICES_MAX;

/// So many mistakes are told; a file of another kind has one on each line.
const MISTAKES_MAX: usize = 50;

const COLUMNS: [&str; 3] = ["id", "public_key", "class"];

/// What an import did, or would do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Devices that nobody knew: expected from now on.
    pub expected: u64,
    /// Devices that waited: approved.
    pub approved: u64,
    /// Devices that were expected or approved before.
    pub unchanged: u64,
    /// What is wrong with the file.
    pub mistakes: Vec<Mistake>,
}

/// What is wrong with a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// Counts from 1, the line with the columns' names.
    pub line: u64,
    /// What is wrong.
    pub what: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Row {
    line: u64,
    id: DeviceId,
    hardware: Option<(Uuid, Uuid)>,
}

/// What a row makes of a device.
enum Verdict {
    Expect,
    Approve,
    Leave,
}

/// What a file makes of the fleet.
#[derive(Default)]
struct Judged {
    imported: Imported,
    expect: Vec<(DeviceId, Option<(Uuid, Uuid)>)>,
    approve: Vec<(DeviceId, State)>,
}

impl Service {
    /// Names devices from a CSV file; with `dry_run` only says what would come of it.
    ///
    /// # Errors
    /// [`Kind::Invalid`] with the lines that are wrong, unless it is a dry run; storage.
    pub async fn import_devices(&self, by: &Caller, file: &[u8], dry_run: bool) -> Outcome<Imported> {
        let (rows, mistakes) = read(file);
        if !mistakes.is_empty() && !dry_run {
            return Err(refused(&mistakes));
        }
        let ids: Vec<DeviceId> = rows.iter().map(|row| row.id).collect();
        if dry_run {
            // Whoever changes something does not wait for this.
            let known = self.store.known(&ids).await?;
            return Ok(Judged::of(&rows, &known, mistakes).imported);
        }
        let now = self.clock.now_ms();
        let names: Vec<String> = ids.iter().map(ToString::to_string).collect();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "device.import",
                subject: format!("{} device(s)", rows.len()),
                detail: serde_json::json!({
                    "file_sha256": hex::encode(Sha256::digest(file)),
                    "devices": names,
                }),
            })
            .await?;
        let judged = Judged::of(&rows, &change.known(&ids).await?, mistakes);
        if !judged.imported.mistakes.is_empty() {
            return Err(refused(&judged.imported.mistakes));
        }
        change.put_expected(&judged.expect, now).await?;
        change.put_device_states(&judged.approve, now).await?;
        change.commit().await?;
        Ok(judged.imported)
    }
}

impl Judged {
    /// All rows, each by what is known of its device; none names the device of another.
    fn of(rows: &[Row], known: &HashMap<DeviceId, Device>, mistakes: Vec<Mistake>) -> Self {
        let mut judged = Self {
            imported: Imported {
                mistakes,
                ..Imported::default()
            },
            ..Self::default()
        };
        let imported = &mut judged.imported;
        for row in rows {
            let counted = match judge(known.get(&row.id), row) {
                Ok(Verdict::Expect) => {
                    judged.expect.push((row.id, row.hardware));
                    &mut imported.expected
                }
                Ok(Verdict::Approve) => {
                    judged.approve.push((row.id, State::Approved));
                    &mut imported.approved
                }
                Ok(Verdict::Leave) => &mut imported.unchanged,
                Err(what) => {
                    note(&mut imported.mistakes, row.line, what);
                    continue;
                }
            };
            *counted = counted.saturating_add(1);
        }
        judged
    }
}

fn judge(known: Option<&Device>, row: &Row) -> Result<Verdict, String> {
    let Some(device) = known else {
        return Ok(Verdict::Expect);
    };
    if let (Some(named), Some(known)) = (row.hardware, device.hardware)
        && named != known
    {
        return Err("is known as other hardware than this line says".to_owned());
    }
    match device.state {
        State::Revoked => {
            Err("is revoked for good; after a factory reset the lock has a new key and name".to_owned())
        }
        State::Awaiting => Ok(Verdict::Approve),
        State::Expected if device.hardware.is_none() && row.hardware.is_some() => Ok(Verdict::Expect),
        State::Approved | State::Expected => Ok(Verdict::Leave),
    }
}

/// The devices that a file names.
///
/// # Errors
/// [`Kind::Invalid`] with the lines that are wrong.
pub(super) fn names(file: &[u8]) -> Outcome<Vec<DeviceId>> {
    let (rows, mistakes) = read(file);
    if mistakes.is_empty() {
        return Ok(rows.iter().map(|row| row.id).collect());
    }
    let detail = format!("{}. Nothing of the file was taken", told(&mistakes));
    Err(Failure::new(Kind::Invalid, detail))
}

fn refused(mistakes: &[Mistake]) -> Failure {
    let lines = told(mistakes);
    let detail = format!("{lines}. Nothing was imported; a dry run shows the same");
    Failure::new(Kind::Invalid, detail)
}

fn told(mistakes: &[Mistake]) -> String {
    let lines = mistakes.iter();
    let lines = lines.map(|mistake| format!("line {}: {}", mistake.line, mistake.what));
    lines.collect::<Vec<_>>().join("; ")
}

fn note(mistakes: &mut Vec<Mistake>, line: u64, what: impl Into<String>) {
    if mistakes.len() < MISTAKES_MAX {
        mistakes.push(Mistake {
            line,
            what: what.into(),
        });
    }
}

/// Reads the whole file; what is wrong beside what is right.
fn read(file: &[u8]) -> (Vec<Row>, Vec<Mistake>) {
    let mut mistakes = Vec::new();
    // Spreadsheets begin with a byte order mark.
    let file = file.strip_prefix(b"\xef\xbb\xbf").unwrap_or(file);
    let mut reader = ReaderBuilder::new()
        .flexible(true)
        .trim(Trim::All)
        .from_reader(file);
    let columns = match reader
        .headers()
        .map_err(|error| error.to_string())
        .and_then(columns)
    {
        Ok(columns) => columns,
        Err(what) => {
            note(&mut mistakes, 1, what);
            return (Vec::new(), mistakes);
        }
    };
    let mut rows: Vec<Row> = Vec::new();
    let mut lines: HashMap<DeviceId, u64> = HashMap::new();
    let mut counted = Lines { file, at: 0, line: 1 };
    for record in reader.records() {
        let position = match &record {
            Ok(record) => record.position(),
            Err(error) => error.position(),
        };
        let line = counted.line_at(position.map_or(0, csv::Position::byte));
        if rows.len() >= LISTED_DEVICES_MAX {
            note(
                &mut mistakes,
                line,
                format!("a file names {LISTED_DEVICES_MAX} devices at most; make several of it"),
            );
            break;
        }
        let Ok(record) = record else {
            note(&mut mistakes, line, "is no CSV in UTF-8");
            continue;
        };
        match row(&record, &columns, line) {
            Ok(row) => match lines.insert(row.id, line) {
                None => rows.push(row),
                Some(first) => note(
                    &mut mistakes,
                    line,
                    format!("names the device of line {first} again"),
                ),
            },
            Err(what) => note(&mut mistakes, line, what),
        }
    }
    if rows.is_empty() && mistakes.is_empty() {
        note(&mut mistakes, 1, "the file names no device");
    }
    (rows, mistakes)
}

/// Counts lines as an editor does. The reader's own count stops before empty lines that it skips.
struct Lines<'f> {
    file: &'f [u8],
    at: usize,
    line: u64,
}

impl Lines<'_> {
    /// The line of the first record at this byte or behind it. Asked for in the order of the file.
    fn line_at(&mut self, byte: u64) -> u64 {
        let byte = usize::try_from(byte).unwrap_or(usize::MAX);
        while let Some(&letter) = self.file.get(self.at) {
            let ends = matches!(letter, b'\n' | b'\r');
            if self.at >= byte && !ends {
                break;
            }
            self.at = self.at.saturating_add(1);
            let pair = letter == b'\r' && self.file.get(self.at) == Some(&b'\n');
            if ends && !pair {
                self.line = self.line.saturating_add(1);
            }
        }
        self.line
    }
}

/// Which column is where.
fn columns(head: &StringRecord) -> Result<Vec<&'static str>, String> {
    let mut columns = Vec::new();
    for name in head {
        let known = COLUMNS.into_iter().find(|known| *known == name);
        let known = known.ok_or_else(|| {
            format!(
                "the column {:?} is none of {}",
                shortened(name),
                COLUMNS.join(", ")
            )
        })?;
        if columns.contains(&known) {
            return Err(format!("the column {known} is there twice"));
        }
        columns.push(known);
    }
    if !columns.contains(&"id") && !columns.contains(&"public_key") {
        return Err("a column id or public_key is needed".to_owned());
    }
    Ok(columns)
}

fn row(record: &StringRecord, columns: &[&str], line: u64) -> Result<Row, String> {
    if record.len() != columns.len() {
        return Err(format!(
            "has {} fields, and there are {} columns",
            record.len(),
            columns.len()
        ));
    }
    let field = |name| {
        let at = columns.iter().position(|column| *column == name)?;
        record.get(at).filter(|field| !field.is_empty())
    };
    let id = field("id")
        .map(|text| {
            ids::device(text)
                .ok_or_else(|| format!("{:?} is no id: 32 lower-case hex digits", shortened(text)))
        })
        .transpose()?;
    let key = field("public_key")
        .map(|text| {
            let key = ids::public_key(text).map(|key| key.device_id());
            key.ok_or_else(|| format!("{:?} is no public_key: 64 lower-case hex digits", shortened(text)))
        })
        .transpose()?;
    let class = field("class")
        .map(|name| {
            hardware(name).map_err(|_| {
                let known: Vec<_> = Hardware::ALL.iter().map(|hardware| hardware.class_name).collect();
                format!(
                    "{:?} is no class: there are {}",
                    shortened(name),
                    known.join(", ")
                )
            })
        })
        .transpose()?;
    let id = match (id, key) {
        (Some(id), Some(key)) if id != key => return Err(format!("the public_key is that of device {key}")),
        (Some(id), _) | (None, Some(id)) => id,
        (None, None) => return Err("has neither id nor public_key".to_owned()),
    };
    Ok(Row {
        line,
        id,
        hardware: class.map(|hardware| (hardware.vendor, hardware.class)),
    })
}

/// No more of what came than a message needs.
fn shortened(text: &str) -> String {
    text.chars().take(80).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: &str = "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a";

    fn id() -> String {
        ids::public_key(KEY).unwrap().device_id().to_string()
    }

    fn mistakes(file: &str) -> Vec<(u64, String)> {
        let (_, mistakes) = read(file.as_bytes());
        mistakes
            .into_iter()
            .map(|mistake| (mistake.line, mistake.what))
            .collect()
    }

    #[test]
    fn rows_are_read_by_their_columns_in_any_order() {
        let emulator = (Hardware::EMULATOR.vendor, Hardware::EMULATOR.class);
        for file in [
            format!("id\n{}\n", id()),
            format!("public_key\r\n{KEY}\r\n"),
            format!("\u{feff}class, id ,public_key\n,\"{}\",{KEY}", id()),
        ] {
            let (rows, mistakes) = read(file.as_bytes());
            assert_eq!((rows.len(), mistakes.len()), (1, 0), "{file}: {mistakes:?}");
            assert_eq!(rows[0].id.to_string(), id());
        }
        let file = format!("id,class\n\n{},lock-emulator-1\n", id());
        let (rows, _) = read(file.as_bytes());
        assert_eq!((rows[0].line, rows[0].hardware), (3, Some(emulator)));
    }

    #[test]
    fn every_mistake_is_told_with_its_line() {
        let good = id();
        let other = "00".repeat(16);
        for (file, line, what) in [
            (String::new(), 1, "a column id or public_key"),
            ("id\n".to_owned(), 1, "names no device"),
            (format!("name\n{good}"), 1, "none of id, public_key, class"),
            (format!("class\n{good}"), 1, "a column id or public_key"),
            (format!("id,id\n{good},{good}"), 1, "there twice"),
            (format!("id\n{good}\nxyz"), 3, "no id"),
            (format!("id\n{}", good.to_uppercase()), 2, "no id"),
            (format!("public_key\n{good}"), 2, "no public_key"),
            (
                format!("id,public_key\n{other},{KEY}"),
                2,
                "the public_key is that of device",
            ),
            (format!("id,class\n{good},lock-9"), 2, "no class"),
            (format!("id,class\n{good}"), 2, "has 1 fields"),
            (
                "id,class\n,lock-emulator-1".to_owned(),
                2,
                "neither id nor public_key",
            ),
            (format!("id\n{good}\n\n{good}\n"), 4, "the device of line 2 again"),
        ] {
            let told = mistakes(&file);
            assert!(
                told.len() == 1 && told[0].0 == line && told[0].1.contains(what),
                "{file:?}: {told:?}"
            );
        }
        let (_, told) = read(b"id\n\xff\xfe\n");
        assert_eq!((told[0].line, told[0].what.as_str()), (2, "is no CSV in UTF-8"));
        assert_eq!(
            mistakes(&format!("id\n{}", "x\n".repeat(500))).len(),
            MISTAKES_MAX
        );
        let many: String = (0..=LISTED_DEVICES_MAX)
            .map(|number| format!("{number:032x}\n"))
            .collect();
        let told = mistakes(&format!("id\n{many}"));
        assert!(told[0].1.contains("10000 devices at most"), "{told:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_end_in_rows_or_mistakes(bytes in proptest::collection::vec(proptest::num::u8::ANY, 0..300)) {
            let (rows, mistakes) = read(&bytes);
            proptest::prop_assert!(!rows.is_empty() || !mistakes.is_empty());
        }
    }
}
