//! What all pages have: the frame, who looks, and how times and names are written.

use std::fmt;

use askama::Template;
use axum::response::{Html, IntoResponse, Response};
use latchkey_image::{Hardware, Uuid};
use time::OffsetDateTime;

use crate::domain::session::Session;
use crate::failure::Failure;

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
}

impl Page {
    pub(super) fn new(title: impl Into<String>, part: &'static str, session: Option<&Session>) -> Self {
        Self {
            title: title.into(),
            part,
            viewer: session.map(Viewer::of),
        }
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
        assert_eq!(grouped(1_234_567), "1\u{202f}234\u{202f}567");
        assert_eq!(grouped(-999), "-999");
        assert_eq!(percent(1, 3), "33 %");
        assert_eq!(percent(1, 100_000), "< 0.1 %");
        assert_eq!(percent(999, 1000), "99.9 %");
        assert_eq!(percent(1, 0), "0 %");
    }
}
