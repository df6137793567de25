//! Two persons: starting and widening a rollout can take two, halting one never does.
//!
//! The second person asks for the very same thing, and so it is done: what they approve is what they say, and cannot
//! change under their hands. A person is whose token it is, however many tokens there are, and whom the OpenID provider
//! calls so; who is called otherwise since stays who they were. Pausing or aborting ends
//! what was asked for; so does time. What the stages of a rollout do by themselves was asked for when it was started.
//! Knows no database.

use super::access::Caller;
use super::stage::Reach;

/// How long what one person asked for waits for another, in milliseconds.
pub const ASKED_MS_MAX: i64 = 24 * 3_600_000;

/// What can take two persons.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    /// To start it, or start it again.
    Start,
    /// To have it reach so far.
    Widen(Reach),
}

/// What one person has asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// What.
    pub what: What,
    /// By which token or login, as in the audit log.
    pub by: String,
    /// Who.
    pub person: String,
    /// When, in milliseconds since 1970.
    pub at: i64,
}

impl Asked {
    pub(crate) fn new(what: What, by: &Caller, at: i64) -> Self {
        Self {
            what,
            by: by.actor().to_string(),
            person: by.person().to_owned(),
            at,
        }
    }

    /// When it is over.
    #[must_use]
    pub const fn expires_at(&self) -> i64 {
        self.at.saturating_add(ASKED_MS_MAX)
    }

    /// Whether whoever asks for this now is the second one.
    #[must_use]
    pub fn is_seconded(&self, what: What, by: &Caller, now: i64) -> bool {
        let another = !self.person.eq_ignore_ascii_case(by.person());
        let other_login = login(&self.by) != login(&by.actor().to_string());
        another && other_login && self.what == what && now < self.expires_at()
    }
}

/// The part of an actor's name that does not change with what people call them.
fn login(actor: &str) -> &str {
    actor.split_once(' ').map_or(actor, |(login, _)| login)
}

#[cfg(test)]
mod tests {
    use super::super::access::Role;
    use super::super::admission::Person;
    use super::*;

    fn somebody(subject: &str, name: &str) -> Caller {
        let person = Person {
            issuer: "https://id.example".into(),
            subject: subject.into(),
            name: name.into(),
            group: "lock-ops".into(),
        };
        Caller::person_of(&person, Role::Operator)
    }

    #[test]
    fn the_second_is_another_person_who_wants_the_same_in_time() {
        let share = |percent: &str| What::Widen(Reach::Share(percent.parse().unwrap()));
        let asked = Asked {
            what: share("50"),
            by: "token:1 (ana at work)".into(),
            person: "Ana".into(),
            at: 1_000,
        };
        let (ana, ben) = (somebody("1", "ana"), somebody("2", "ben"));
        assert!(asked.is_seconded(share("50"), &ben, 2_000));
        assert!(
            !asked.is_seconded(share("50"), &ana, 2_000),
            "her token and her login"
        );
        assert!(!asked.is_seconded(share("51"), &ben, 2_000));
        assert!(!asked.is_seconded(What::Start, &ben, 2_000));
        assert!(!asked.is_seconded(What::Widen(Reach::Cohorts(1)), &ben, 2_000));
        assert!(asked.is_seconded(share("50"), &ben, 999 + ASKED_MS_MAX));
        assert!(!asked.is_seconded(share("50"), &ben, 1_000 + ASKED_MS_MAX));
    }

    #[test]
    fn who_has_another_name_at_the_provider_since_is_no_second_person() {
        let asked = Asked::new(What::Start, &somebody("1", "ana"), 1_000);
        assert!(!asked.is_seconded(What::Start, &somebody("1", "ben"), 2_000));
        assert!(!asked.is_seconded(What::Start, &somebody("2", "ANA"), 2_000));
        assert!(asked.is_seconded(What::Start, &somebody("11", "ben"), 2_000));
    }
}
