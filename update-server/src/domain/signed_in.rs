//! Who is signed in at the dashboard, and ending that early: an administrator's, for whoever must be out at once.
//!
//! What is ended is everything that was begun with one [login](super::session::Login): a person's at the provider, or
//! a token's. Whoever still has a good token, or a group that has a role, can sign in anew; that is taken away at its own
//! place. Shows no secret and nothing made from one.

use super::access::{Caller, Role};
use super::audit::Entry;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

/// Somebody who is signed in.
#[derive(Clone, Debug)]
pub struct SignedIn {
    /// With what: a name that no other login has.
    pub login: String,
    /// Who it is, by the newest session.
    pub person: String,
    /// What they may do now; `None` when their sessions rest on nothing any more.
    pub role: Option<Role>,
    /// Their sessions, oldest first.
    pub sessions: Vec<Lasting>,
}

/// One session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Lasting {
    /// When it was begun, in milliseconds since 1970.
    pub since: i64,
    /// When it ends by itself.
    pub until: i64,
}

impl Service {
    /// A page of those who are signed in, in the order of their logins: at most `limit` of them, behind the login `after`.
    ///
    /// # Errors
    /// Storage.
    pub async fn signed_in(&self, after: Option<&str>, limit: u32) -> Outcome<Vec<SignedIn>> {
        let now = self.clock.now_ms();
        let rows = self.store.sessions(after.unwrap_or_default(), limit, now).await?;
        let mut all: Vec<SignedIn> = Vec::new();
        for (login, lasting) in rows {
            let key = login.key();
            let caller = login.caller(self.settings.admission.as_ref()).ok();
            let (person, role) = (login.person_name().to_owned(), caller.map(|caller| caller.role()));
            match all.last_mut().filter(|last| last.login == key) {
                Some(last) => {
                    (last.person, last.role) = (person, role);
                    last.sessions.push(lasting);
                }
                None => all.push(SignedIn {
                    login: key,
                    person,
                    role,
                    sessions: vec![lasting],
                }),
            }
        }
        Ok(all)
    }

    /// Ends every session of a login, at once; how many those were.
    ///
    /// # Errors
    /// [`Kind::NotFound`] when nobody is signed in with it; storage.
    pub async fn end_sessions(&self, by: &Caller, login: &str) -> Outcome<u64> {
        let now = self.clock.now_ms();
        let mut look = self.store.look().await?;
        let found = look.sessions_of(login, now).await?;
        let Some(of) = found.last() else {
            return Err(Failure::new(
                Kind::NotFound,
                format!(
                    "nobody is signed in with {login:?}, so nothing was ended; `latchkey-server session list` shows who is"
                ),
            ));
        };
        let count = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let mut change = look
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "session.end",
                subject: of.subject().to_owned(),
                detail: serde_json::json!({ "login": login, "person": of.person_name(), "sessions": count }),
            })
            .await?;
        change.delete_sessions_of(login).await?;
        change.commit().await?;
        Ok(count)
    }
}
