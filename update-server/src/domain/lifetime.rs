//! Until when a model gets security updates: a promise to owners, published for anybody to read.
//!
//! Rules ask for it (EN 303 645 provision 5.3-13, Regulation (EU) 2024/2847 article 13 and annex II). It is set by an
//! administrator, audited, and ends nothing by itself: what is rolled out is still decided by operators.

use jiff::civil::Date;
use latchkey_image::Hardware;

use super::access::Caller;
use super::audit::Entry;
use super::policy::hardware;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// Years that such a promise may end in. Others are slips of the pen.
const YEARS: std::ops::RangeInclusive<i16> = 2020..=2100;

/// A model, and until when it is supported.
#[derive(Clone, Debug)]
pub struct Lifetime {
    /// Which model.
    pub hardware: Hardware,
    /// The last day; `None`: nobody has said yet.
    pub ends_on: Option<Date>,
}

/// Reads a day.
///
/// # Errors
/// It is none, or in a year that cannot be meant; in words.
pub fn day(text: &str) -> Result<Date, String> {
    let day = text
        .parse::<Date>()
        .ok()
        .filter(|day| YEARS.contains(&day.year()));
    day.filter(|day| day.to_string() == text)
        .ok_or_else(|| format!("{text:?} is no day between 2020 and 2100, such as 2032-12-31"))
}

impl Service {
    /// Says until when a model is supported, in place of what was said before.
    ///
    /// # Errors
    /// [`Kind::NotFound`] for a class this project does not know; [`Kind::Invalid`] for what is no day; storage.
    pub async fn set_lifetime(&self, by: &Caller, class_name: &str, ends_on: &str) -> Outcome<Lifetime> {
        let hardware = hardware(class_name)?;
        let ends_on =
            day(ends_on).map_err(|error| Failure::new(Kind::Invalid, format!("`ends_on`: {error}")))?;
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "support.set",
                subject: hardware.class_name.to_owned(),
                detail: serde_json::json!({ "ends_on": ends_on.to_string() }),
            })
            .await?;
        change
            .put_lifetime(hardware.vendor, hardware.class, ends_on, now)
            .await?;
        change.commit().await?;
        Ok(Lifetime {
            hardware,
            ends_on: Some(ends_on),
        })
    }

    /// Every model, and until when it is supported.
    ///
    /// # Errors
    /// Storage.
    pub async fn lifetimes(&self) -> Outcome<Vec<Lifetime>> {
        let known = self.store.lifetimes().await?;
        let of = |hardware: Hardware| {
            let found = known
                .iter()
                .find(|(vendor, class, _)| (*vendor, *class) == (hardware.vendor, hardware.class));
            Lifetime {
                hardware,
                ends_on: found.map(|(_, _, ends_on)| *ends_on),
            }
        };
        Ok(Hardware::ALL.into_iter().map(of).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_are_written_one_way() {
        assert_eq!(day("2032-12-31").unwrap().to_string(), "2032-12-31");
        for wrong in [
            "",
            "2032-02-30",
            "2032-1-1",
            "31.12.2032",
            "1999-01-01",
            "9999-12-31",
            "20321231",
            "2032-12-31T00:00",
        ] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }
}
