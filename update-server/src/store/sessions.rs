//! Rows of sessions, and of the sign-ins that were finished.

use sqlx::any::AnyRow;

use super::tokens::token;
use super::{Change, Look, Store, column};
use crate::domain::access::Token;
use crate::domain::admission::Person;
use crate::domain::session::{Kept, Login};
use crate::domain::signed_in::Lasting;
use crate::failure::Outcome;

/// What a session rests on, as it is kept.
fn login(row: &AnyRow, issuer: Option<String>) -> Outcome<Login> {
    match issuer {
        None => Ok(Login::Token(token(row)?)),
        Some(issuer) => Ok(Login::Person(Person {
            issuer,
            subject: column(row, "subject")?,
            name: column(row, "session_person")?,
            group: column(row, "admitted")?,
        })),
    }
}

/// What sessions rest on, with when they began and end.
macro_rules! rests_on {
    () => {
        "SELECT t.*, s.issuer AS issuer, s.subject AS subject, s.person AS session_person, s.admitted AS admitted, \
         s.created_at AS begun_at, s.expires_at AS expires_at \
         FROM sessions s LEFT JOIN tokens t ON t.id = s.token "
    };
}

impl Store {
    /// Sessions that are not over at this time, of at most so many logins behind one: by login, oldest first.
    pub(crate) async fn sessions(
        &self,
        after: &str,
        logins: u32,
        now: i64,
    ) -> Outcome<Vec<(Login, Lasting)>> {
        let rows = sqlx::query(concat!(
            rests_on!(),
            "WHERE s.expires_at > $1 AND s.login IN (SELECT DISTINCT login FROM sessions \
             WHERE expires_at > $1 AND login > $2 ORDER BY login LIMIT $3) ORDER BY s.login, s.created_at, s.hash"
        ))
        .bind(now)
        .bind(after)
        .bind(i64::from(logins))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let lasting = |row: &AnyRow| -> Outcome<Lasting> {
            Ok(Lasting {
                since: column(row, "begun_at")?,
                until: column(row, "expires_at")?,
            })
        };
        rows.iter()
            .map(|row| Ok((login(row, column(row, "issuer")?)?, lasting(row)?)))
            .collect()
    }

    /// What a session rests on, and when it ends.
    pub(crate) async fn session(&self, kept: &Kept) -> Outcome<Option<(Login, i64)>> {
        let row = sqlx::query(concat!(rests_on!(), "WHERE s.hash = $1"))
            .bind(kept.as_str())
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        row.map(|row| Ok((login(&row, column(&row, "issuer")?)?, column(&row, "expires_at")?)))
            .transpose()
    }
}

impl Look {
    /// What the sessions of a login rest on that are not over at this time, oldest first.
    pub(crate) async fn sessions_of(&mut self, of: &str, now: i64) -> Outcome<Vec<Login>> {
        let rows = sqlx::query(concat!(
            rests_on!(),
            "WHERE s.login = $1 AND s.expires_at > $2 ORDER BY s.created_at, s.hash"
        ))
        .bind(of)
        .bind(now)
        .fetch_all(&mut *self.0)
        .await?;
        rows.iter()
            .map(|row| login(row, column(row, "issuer")?))
            .collect()
    }
}

impl Change {
    /// Ends every session of a login.
    pub(crate) async fn delete_sessions_of(&mut self, login: &str) -> Outcome<()> {
        sqlx::query("DELETE FROM sessions WHERE login = $1")
            .bind(login)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }

    /// Removes sessions that are over, and the oldest of this login until one more has room.
    pub(crate) async fn make_room_for_session(&mut self, login: &Login, most: i64, now: i64) -> Outcome<()> {
        for table in [
            "DELETE FROM sessions WHERE expires_at <= $1",
            "DELETE FROM used_attempts WHERE expires_at <= $1",
        ] {
            sqlx::query(table).bind(now).execute(&mut *self.0).await?;
        }
        sqlx::query(
            "DELETE FROM sessions WHERE login = $1 AND hash NOT IN \
             (SELECT hash FROM sessions WHERE login = $1 ORDER BY created_at DESC, hash LIMIT $2)",
        )
        .bind(login.key())
        .bind(most.saturating_sub(1))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    /// Notes that a sign-in was finished; false where it was before.
    pub(crate) async fn use_attempt(&mut self, attempt: &str, expires_at: i64) -> Outcome<bool> {
        let noted = sqlx::query(
            "INSERT INTO used_attempts (attempt, expires_at) VALUES ($1, $2) ON CONFLICT DO NOTHING",
        )
        .bind(attempt)
        .bind(expires_at)
        .execute(&mut *self.0)
        .await?;
        Ok(noted.rows_affected() == 1)
    }

    pub(crate) async fn insert_session(
        &mut self,
        kept: &Kept,
        login: &Login,
        created_at: i64,
        expires_at: i64,
    ) -> Outcome<()> {
        let token: Option<&Token> = login.token();
        let person: Option<&Person> = login.person();
        sqlx::query(
            "INSERT INTO sessions (hash, login, token, issuer, subject, person, admitted, created_at, expires_at) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
        )
        .bind(kept.as_str())
        .bind(login.key())
        .bind(token.map(|token| token.id.as_str()))
        .bind(person.map(|person| person.issuer.as_str()))
        .bind(person.map(|person| person.subject.as_str()))
        .bind(person.map(|person| person.name.as_str()))
        .bind(person.map(|person| person.group.as_str()))
        .bind(created_at)
        .bind(expires_at)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    pub(crate) async fn delete_session(&mut self, kept: &Kept) -> Outcome<()> {
        sqlx::query("DELETE FROM sessions WHERE hash = $1")
            .bind(kept.as_str())
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
