//! The audit log as a chain: each line carries a hash over itself and the line before, so a line that was changed,
//! taken out or put in shows, and so does everything behind it.
//!
//! A chain that is cut off its end is whole in itself. So where the log ends is kept beside it ([`Anchor`]), and whoever
//! can write the database, and so compute all of that anew, cannot change a [`Head`] that was noted elsewhere:
//! [`Inspection`] holds the log against both. Knows no database and no HTTP, so that an auditor's program checks what a
//! server says by the same rule.
//!
//! Lines of a version that did not chain yet have no link of their own. The first line behind them covers them all.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::Recorded;
use crate::ids;

/// What is hashed is for this purpose, and in this form.
const DOMAIN: &[u8] = b"latchkey audit line 1";

/// SHA-256 over one line and the link of the line before: 64 hex digits as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Link([u8; 32]);

impl Link {
    /// What comes before the first line.
    const NONE: Self = Self([0; 32]);

    /// Reads one: 64 lower-case hex digits.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        ids::hash(text).map(Self)
    }

    /// The link of the line that follows. Numbers are eight bytes, big endian; texts come behind their length.
    fn followed_by(self, line: &Recorded) -> Self {
        let mut hash = Sha256::new();
        hash.update(DOMAIN);
        hash.update(self.0);
        hash.update(line.number.to_be_bytes());
        hash.update(line.at.to_be_bytes());
        for text in [&line.actor, &line.action, &line.subject, &line.detail.to_string()] {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text);
        }
        Self(hash.finalize().into())
    }
}

impl fmt::Display for Link {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl From<Link> for String {
    fn from(link: Link) -> Self {
        link.to_string()
    }
}

impl TryFrom<String> for Link {
    type Error = String;
    fn try_from(text: String) -> Result<Self, String> {
        Self::parse(&text).ok_or_else(|| format!("{text:?} is no link: it has 64 hex digits"))
    }
}

/// The end of a log: how many lines it has, and the last one's link. As text `NUMBER:LINK`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of the last line; 0 for an empty log.
    pub number: i64,
    /// Over all lines up to it.
    pub link: Link,
}

impl Head {
    /// Of a log without a line.
    pub const EMPTY: Self = Self {
        number: 0,
        link: Link::NONE,
    };

    /// The number of the line to come.
    #[must_use]
    pub const fn next_number(&self) -> i64 {
        self.number.saturating_add(1)
    }

    /// The head with this line behind it.
    #[must_use]
    pub fn followed_by(&self, line: &Recorded) -> Self {
        Self {
            number: line.number,
            link: self.link.followed_by(line),
        }
    }
}

impl fmt::Display for Head {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.number, self.link)
    }
}

impl FromStr for Head {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = text.split_once(':').and_then(|(number, link)| {
            let number = number.parse().ok().filter(|number| *number > 0)?;
            let link = Link::parse(link)?;
            Some(Self { number, link })
        });
        parsed.ok_or_else(|| format!("{text:?} is not what `audit verify` printed: NUMBER:LINK"))
    }
}

/// A place that a log must have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = AuditHead)]
pub struct Anchor {
    /// Of a line; 0 for an empty log.
    pub number: i64,
    /// That line's; absent in lines of versions that had none.
    #[schema(value_type = Option<String>)]
    pub link: Option<Link>,
}

impl From<Head> for Anchor {
    fn from(Head { number, link }: Head) -> Self {
        let link = Some(link);
        Self { number, link }
    }
}

/// The first place where a log is not what was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    /// A line is not there, or there twice.
    #[error("line {expected} is missing: line {found} stands in its place")]
    Gap {
        /// The number that is due.
        expected: i64,
        /// The number that is there.
        found: i64,
    },
    /// The line, or one before it that has no link of its own, is not what was written.
    #[error("line {number} does not follow from the lines before it: it or one of them was changed")]
    Changed {
        /// Its number.
        number: i64,
    },
    /// The line came in without a link, behind lines that have one.
    #[error("line {number} has no link, though lines before it have one: another program wrote it")]
    Unlinked {
        /// Its number.
        number: i64,
    },
    /// The chain holds, but it is not the one that was noted.
    #[error("line {number} is not the one that was noted: the log was written anew up to there")]
    Rewritten {
        /// Of the noted head.
        number: i64,
    },
    /// The log ends before the line that was noted.
    #[error("the log ends with line {last}, but line {noted} was written: lines were cut off its end")]
    CutOff {
        /// The last line there is.
        last: i64,
        /// Of the noted head.
        noted: i64,
    },
}

/// A log looked at, line by line from the first.
#[derive(Debug)]
pub struct Inspection {
    head: Head,
    linked: bool,
    anchors: Vec<Anchor>,
}

impl Default for Inspection {
    fn default() -> Self {
        Self {
            head: Head::EMPTY,
            linked: false,
            anchors: Vec::new(),
        }
    }
}

impl Inspection {
    /// The log must have this place; it is looked for from here on.
    ///
    /// # Errors
    /// [`Broken`], where the log was followed so far that it shows already.
    pub fn expect(&mut self, anchor: Anchor) -> Result<(), Broken> {
        let last = self.head.number;
        if anchor.number < last {
            // Once it went further.
            return Err(Broken::CutOff {
                last: anchor.number,
                noted: last,
            });
        }
        self.anchors.retain(|old| old.number > last);
        self.anchors.push(anchor);
        self.hold(&self.head)
    }

    /// Holds a head against every place that the log must have.
    fn hold(&self, head: &Head) -> Result<(), Broken> {
        let number = head.number;
        let differs = |anchor: &Anchor| {
            anchor.number == number && anchor.link.is_some_and(|link| number > 0 && link != head.link)
        };
        if self.anchors.iter().any(differs) {
            return Err(Broken::Rewritten { number });
        }
        Ok(())
    }

    /// The number of the last line that was looked at.
    #[must_use]
    pub const fn reached(&self) -> i64 {
        self.head.number
    }

    /// Up to where it holds.
    #[must_use]
    pub const fn head(&self) -> Head {
        self.head
    }

    /// Looks at the next line.
    ///
    /// # Errors
    /// [`Broken`]; whatever comes behind it proves nothing.
    pub fn follow(&mut self, line: &Recorded) -> Result<(), Broken> {
        let number = line.number;
        let expected = self.head.next_number();
        if number != expected {
            return Err(Broken::Gap {
                expected,
                found: number,
            });
        }
        let head = self.head.followed_by(line);
        match line.link {
            Some(link) if link != head.link => return Err(Broken::Changed { number }),
            None if self.linked => return Err(Broken::Unlinked { number }),
            Some(_) => self.linked = true,
            None => {}
        }
        self.hold(&head)?;
        self.head = head;
        Ok(())
    }

    /// There are no more lines; gives the head, to be noted.
    ///
    /// # Errors
    /// [`Broken::CutOff`].
    pub fn end(&self) -> Result<Head, Broken> {
        let last = self.head.number;
        let furthest = self.anchors.iter().map(|anchor| anchor.number).max();
        match furthest.filter(|noted| *noted > last) {
            Some(noted) => Err(Broken::CutOff { last, noted }),
            None => Ok(self.head),
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(
        clippy::arithmetic_side_effects,
        clippy::indexing_slicing,
        reason = "small numbers that the test itself chose"
    )]

    use proptest::prelude::*;

    use super::*;

    fn line(number: i64) -> Recorded {
        Recorded {
            number,
            at: 1_000 + number,
            actor: "console".into(),
            action: "rollout.pause".into(),
            subject: format!("{number:016}"),
            detail: serde_json::json!({ "b": number, "a": ["x", null] }),
            link: None,
        }
    }

    /// A log of `lines` lines, of which the first `unlinked` are of an earlier version.
    fn log(lines: i64, unlinked: i64) -> Vec<Recorded> {
        let mut head = Head::EMPTY;
        let chained = (1..=lines).map(|number| {
            let mut line = line(number);
            head = head.followed_by(&line);
            line.link = (number > unlinked).then_some(head.link);
            line
        });
        chained.collect()
    }

    fn inspect(log: &[Recorded], noted: Option<Head>) -> Result<Head, Broken> {
        let mut inspection = Inspection::default();
        noted.map_or(Ok(()), |noted| inspection.expect(noted.into()))?;
        log.iter().try_for_each(|line| inspection.follow(line))?;
        inspection.end()
    }

    /// Computed with Python's hashlib, from the description alone.
    #[test]
    fn the_link_of_a_known_line() {
        let known = "56246f3c3e69a81f8d1f76f217bb372f1acf890d183f804b8632e46c9b38d7f4";
        assert_eq!(
            Head::EMPTY.followed_by(&line(1)).to_string(),
            format!("1:{known}")
        );
    }

    #[test]
    fn a_log_taken_up_from_an_earlier_version_is_covered_from_its_first_line() {
        let mut log = log(6, 3);
        assert!(inspect(&log, None).is_ok());
        log[1].subject.push('x');
        assert_eq!(inspect(&log, None), Err(Broken::Changed { number: 4 }));
    }

    #[test]
    fn a_link_taken_away_shows() {
        let mut log = log(4, 0);
        log[2].link = None;
        assert_eq!(inspect(&log, None), Err(Broken::Unlinked { number: 3 }));
    }

    #[test]
    fn a_log_written_anew_or_cut_off_shows_against_what_was_noted() {
        let noted = inspect(&log(4, 0), None).unwrap();
        assert_eq!(noted.to_string().parse(), Ok(noted));
        assert!(inspect(&log(9, 0), Some(noted)).is_ok());
        assert_eq!(
            inspect(&log(3, 0), Some(noted)),
            Err(Broken::CutOff { last: 3, noted: 4 })
        );
        let mut head = Head::EMPTY;
        let mut other = log(9, 0);
        other[0].actor = "somebody else".into();
        for line in &mut other {
            head = head.followed_by(line);
            line.link = Some(head.link);
        }
        assert!(inspect(&other, None).is_ok(), "only what was noted tells");
        assert_eq!(inspect(&other, Some(noted)), Err(Broken::Rewritten { number: 4 }));
    }

    #[test]
    fn a_log_that_is_followed_further_each_time_is_held_against_its_end_each_time() {
        let log = log(6, 0);
        let at = |lines: usize| Anchor::from(inspect(&log[..lines], None).unwrap());
        let mut inspection = Inspection::default();
        inspection.expect(at(3)).unwrap();
        log[..3]
            .iter()
            .try_for_each(|line| inspection.follow(line))
            .unwrap();
        inspection.end().unwrap();
        inspection.expect(at(3)).unwrap();
        inspection.expect(at(5)).unwrap();
        assert_eq!(inspection.end(), Err(Broken::CutOff { last: 3, noted: 5 }));
        log[3..]
            .iter()
            .try_for_each(|line| inspection.follow(line))
            .unwrap();
        inspection.end().unwrap();
        assert_eq!(
            inspection.expect(at(4)),
            Err(Broken::CutOff { last: 4, noted: 6 })
        );
        let other = Anchor { number: 6, ..at(5) };
        assert_eq!(inspection.expect(other), Err(Broken::Rewritten { number: 6 }));
    }

    #[test]
    fn what_is_no_head_is_refused() {
        let link = "0".repeat(64);
        for text in [
            "",
            "7",
            &link,
            &format!("0:{link}"),
            &format!("7:{link}0"),
            &format!("-1:{link}"),
        ] {
            assert!(text.parse::<Head>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn whatever_is_done_to_a_line_shows_at_that_line_or_the_next(
            lines in 2..8_i64,
            which in any::<prop::sample::Index>(),
            what in 0..8,
        ) {
            let mut log = log(lines, 0);
            let at = which.index(log.len() - 1);
            match what {
                0 => log[at].at += 1,
                1 => log[at].actor.push(' '),
                2 => log[at].action = log[at].action.replace("pause", "abort"),
                3 => log[at].subject.clear(),
                4 => log[at].detail = serde_json::json!({ "a": ["x", null] }),
                5 => { log.remove(at); }
                6 => { let again = log[at].clone(); log.insert(at, again); }
                _ => log.swap(at, at + 1),
            }
            let broken = inspect(&log, None).unwrap_err();
            let place = i64::try_from(at).unwrap() + 1;
            let named = match broken {
                Broken::Gap { expected, .. } => expected,
                Broken::Changed { number } => number,
                other @ (Broken::Unlinked { .. } | Broken::Rewritten { .. } | Broken::CutOff { .. }) => {
                    panic!("{other}")
                }
            };
            prop_assert!(named == place || named == place + 1, "{broken} for line {place}");
        }

        /// Text that moves from one field to the next is another line.
        #[test]
        fn fields_do_not_run_into_each_other(actor in "[a-c]{0,4}", action in "[a-c]{0,4}") {
            let mut one = line(1);
            let mut other = line(1);
            one.actor = format!("{actor}{action}");
            one.action = String::new();
            other.actor = actor;
            other.action = action;
            let same = one == other;
            prop_assert_eq!(Head::EMPTY.followed_by(&one) == Head::EMPTY.followed_by(&other), same);
        }
    }
}
