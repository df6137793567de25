//! What a lock reports, in words that stay the same: for tables, for JSON, and for what `config set` takes.

use std::fmt::Debug;

use latchkey_protocol::value::{
    AuthorizationType, DateTime, Number, Reported, TimeLimits, TimeOfDay, Weekday,
};
use serde_json::{Value, json};

/// The name of a variant, as `unlocked-lock-n-go` is of `UnlockedLockNGo`.
pub(crate) fn word(variant: &impl Debug) -> String {
    let name = format!("{variant:?}");
    let mut word = String::with_capacity(name.len().saturating_add(4));
    for (at, letter) in name.chars().enumerate() {
        if letter.is_ascii_uppercase() && at > 0 {
            word.push('-');
        }
        word.push(letter.to_ascii_lowercase());
    }
    word
}

/// What a lock reported; a number that this version does not know stays one.
pub(crate) fn reported<T: Number + Debug>(value: Reported<T>) -> String
where
    T::Raw: Debug,
{
    match value {
        Reported::Known(known) => word(&known),
        Reported::Unknown(raw) => format!("unknown-{raw:?}"),
    }
}

/// The variant that has this name.
pub(crate) fn parse<T: Number + Debug + Copy + 'static>(text: &str) -> Result<T, String> {
    let found = T::ALL.iter().find(|variant| word(*variant) == text);
    found.copied().ok_or_else(|| {
        let all: Vec<String> = T::ALL.iter().map(word).collect();
        format!("{text:?} is none of {}", all.join(", "))
    })
}

/// A date and a time, or nothing where none is set.
pub(crate) fn date(date: DateTime) -> Value {
    // A lock that was never told the time counts from the year 2000.
    if date == DateTime::UNSET || date.year == 2000 {
        return Value::Null;
    }
    let DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    } = date;
    json!(format!(
        "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}"
    ))
}

pub(crate) fn time_of_day(time: TimeOfDay) -> String {
    format!("{:02}:{:02}", time.hour, time.minute)
}

/// When something may be used; nothing when always.
pub(crate) fn limits(limits: Option<TimeLimits>) -> Value {
    let Some(limits) = limits else { return Value::Null };
    let days: Vec<&str> = Weekday::ALL
        .iter()
        .filter(|day| limits.weekdays.contains(**day))
        .map(|day| crate::limits::day_name(*day))
        .collect();
    let daily = (limits.daily_from != TimeOfDay::default() || limits.daily_until != TimeOfDay::default())
        .then(|| {
            format!(
                "{}-{}",
                time_of_day(limits.daily_from),
                time_of_day(limits.daily_until)
            )
        });
    json!({
        "from": date(limits.from),
        "until": date(limits.until),
        "days": days.join(","),
        "between": daily,
    })
}

/// What kind of client holds an authorization.
pub(crate) fn kind(kind: AuthorizationType) -> &'static str {
    match kind {
        AuthorizationType::App => "app",
        AuthorizationType::Bridge => "bridge",
        AuthorizationType::Fob => "fob",
        AuthorizationType::Keypad => "keypad",
    }
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::value::{LockAction, LockState, TimeZoneId};

    use super::*;

    #[test]
    fn names_are_words_with_hyphens() {
        assert_eq!(word(&LockState::UnlockedLockNGo), "unlocked-lock-n-go");
        assert_eq!(word(&LockAction::FobAction1), "fob-action1");
        assert_eq!(reported::<LockState>(Reported::Unknown(0x42)), "unknown-66");
    }

    #[test]
    fn every_name_is_read_back_and_no_other() {
        for zone in TimeZoneId::ALL {
            assert_eq!(parse::<TimeZoneId>(&word(zone)), Ok(*zone));
        }
        let refused = parse::<LockState>("open").unwrap_err();
        assert!(refused.contains("unlocked"), "{refused}");
    }
}
