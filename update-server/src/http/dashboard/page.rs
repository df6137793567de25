//! What all pages have: the frame, who looks, and how times and names are written.

use std::fmt;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use latchkey_image::{Hardware, Uuid};
use serde_json::Value;
use time::OffsetDateTime;

use crate::domain::access::Permission;
use crate::domain::audit::Recorded;
use crate::domain::session::Session;
use crate::failure::Failure;
use crate::ids;

/// The frame of a page.
pub(super) struct Page {
    pub(super) title: String,
    /// Which part of the dashboard it belongs to: the last part of its address.
    pub(super) part: &'static str,
    pub(super) viewer: Option<Viewer>,
}

/// Who looks at a page.
pub(super) struct Viewer {
    pub(super) name: String,
    pub(super) role: &'static str,
    /// What each form carries.
    pub(super) mark: String,
    /// Whether to show what only operators may do.
    pub(super) operates: bool,
    /// Whether to show what only administrators may see.
    pub(super) administers: bool,
}

impl Page {
    pub(super) fn new(title: impl Into<String>, part: &'static str, session: Option<&Session>) -> Self {
        Self {
            title: title.into(),
            part,
            viewer: session.map(Viewer::of),
        }
    }

    /// For the forms of a page; pages without anybody have none.
    pub(super) fn mark(&self) -> &str {
        self.viewer.as_ref().map_or("", |viewer| &viewer.mark)
    }

    pub(super) fn operates(&self) -> bool {
        self.viewer.as_ref().is_some_and(|viewer| viewer.operates)
    }

    /// For the frame's navigation.
    pub(super) fn current(&self, part: &str) -> &'static str {
        if self.part == part { "page" } else { "false" }
    }
}

impl Viewer {
    fn of(session: &Session) -> Self {
        let caller = session.caller();
        Self {
            name: caller.actor().name(),
            role: caller.role().as_str(),
            mark: session.mark().expose(str::to_owned),
            operates: caller.may(Permission::Operate),
            administers: caller.may(Permission::Administer),
        }
    }
}

/// A page as an answer. A template that fails to render is a fault of this program, told as such.
pub(super) fn html(template: &impl Template) -> Response {
    match template.render() {
        Ok(text) => Html(text).into_response(),
        Err(error) => Failure::storage(error).into_response(),
    }
}

/// A time as pages have it: UTC; scripts can show it as local.
#[derive(Clone, Copy)]
pub(super) struct Moment(pub(super) i64);

impl Moment {
    fn utc(self) -> Option<OffsetDateTime> {
        OffsetDateTime::from_unix_timestamp(self.0.div_euclid(1000)).ok()
    }

    /// For machines: RFC 3339.
    pub(super) fn exact(self) -> String {
        self.utc().map_or_else(String::new, |at| {
            let (date, (hour, minute, second)) = (at.date(), at.to_hms());
            format!("{date}T{hour:02}:{minute:02}:{second:02}Z")
        })
    }

    /// How long ago it was, in words; a time to come is now.
    pub(super) fn ago(self, now: i64) -> String {
        let seconds = now.saturating_sub(self.0).max(0) / 1000;
        match seconds {
            0..60 => "just now".to_owned(),
            60..3_600 => format!("{} min ago", seconds / 60),
            3_600..172_800 => format!("{} h ago", seconds / 3_600),
            _ => format!("{} days ago", seconds / 86_400),
        }
    }
}

impl fmt::Display for Moment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some(at) = self.utc() else {
            return f.write_str("?");
        };
        let (hour, minute, _) = at.to_hms();
        write!(f, "{} {hour:02}:{minute:02}", at.date())
    }
}

/// A line of the audit log, as people read it.
pub(super) struct Event {
    pub(super) number: i64,
    pub(super) at: Moment,
    pub(super) actor: String,
    pub(super) action: String,
    pub(super) subject: String,
    /// Where the subject has a page.
    pub(super) href: Option<String>,
    pub(super) detail: String,
}

impl Event {
    pub(super) fn new(line: &Recorded) -> Self {
        let page = |part: &str| format!("/dashboard/{part}/{}", line.subject);
        let (kind, _) = line.action.split_once('.').unwrap_or_default();
        Self {
            number: line.number,
            at: Moment(line.at),
            actor: line.actor.clone(),
            action: line.action.clone(),
            subject: line.subject.clone(),
            href: match kind {
                "rollout" => Some(page("rollouts")),
                "release" => Some(page("releases")),
                "device" if ids::device(&line.subject).is_some() => Some(page("devices")),
                _ => None,
            },
            detail: detail(&line.detail),
        }
    }
}

/// The particulars in one line: names and values, long lists by their length.
fn detail(value: &Value) -> String {
    const LETTERS_MAX: usize = 200;
    let text = match value {
        Value::Null => String::new(),
        Value::Object(fields) => {
            let fields = fields.iter().filter(|(_, value)| !value.is_null());
            let pairs: Vec<String> = fields
                .map(|(name, value)| format!("{name} {}", detail(value)))
                .collect();
            pairs.join(", ")
        }
        Value::Array(list) if list.len() > 3 => format!("{} of them", list.len()),
        Value::Array(list) => list.iter().map(detail).collect::<Vec<_>>().join(" "),
        // Enough to tell one from another; the whole is in the log itself.
        Value::String(text) if is_long_hex(text) => {
            format!("{}…", text.get(..12).unwrap_or_default())
        }
        Value::String(text) => text.clone(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    };
    match text.char_indices().nth(LETTERS_MAX) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text,
    }
}

fn is_long_hex(text: &str) -> bool {
    text.len() >= 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A number with its thousands set apart.
pub(super) fn grouped(number: i64) -> String {
    let digits = number.unsigned_abs().to_string();
    let mut out = String::with_capacity(digits.len().saturating_add(6));
    if number < 0 {
        out.push('-');
    }
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && digits.len().saturating_sub(index) % 3 == 0 {
            out.push('\u{202f}');
        }
        out.push(digit);
    }
    out
}

/// Part of a whole, in percent; small shares are not rounded away.
pub(super) fn percent(part: i64, whole: i64) -> String {
    if whole <= 0 || part <= 0 {
        return "0 %".to_owned();
    }
    #[expect(clippy::cast_precision_loss, reason = "for the eye")]
    let share = part as f64 * 100.0 / whole as f64;
    if share < 0.1 {
        "< 0.1 %".to_owned()
    } else if share < 10.0 || (share > 99.0 && share < 100.0) {
        format!("{share:.1} %")
    } else {
        format!("{share:.0} %")
    }
}

/// The name of a hardware class, or its number where this program knows none.
pub(super) fn model(vendor: Uuid, class: Uuid) -> String {
    Hardware::find(vendor, class).map_or_else(|| class.to_string(), |hardware| hardware.class_name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_numbers_as_people_read_them() {
        assert_eq!(Moment(1_800_000_000_000).to_string(), "2027-01-15 08:00");
        assert_eq!(Moment(1_800_000_000_999).exact(), "2027-01-15T08:00:00Z");
        assert_eq!(Moment(-1).exact(), "1969-12-31T23:59:59Z");
        assert_eq!(Moment(i64::MAX).to_string(), "?");
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 min ago"),
            (3_600, "1 h ago"),
            (172_799, "47 h ago"),
            (172_800, "2 days ago"),
            (-5, "just now"),
        ] {
            assert_eq!(Moment(0).ago(seconds * 1000), text);
        }
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(-999), "-999");
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(1, 100_000), "< 0.1 %");
        assert_eq!(percent(999, 1000), "99.9 %");
        assert_eq!(percent(1, 0), "0 %");
    }
}
