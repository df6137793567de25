//! Rows of sessions.

use super::tokens::token;
use super::{Change, Store, column};
use crate::domain::access::Token;
use crate::domain::session::Kept;
use crate::failure::Outcome;

impl Store {
    /// The token that a session was begun with, and when the session ends.
    pub(crate) async fn session(&self, kept: &Kept) -> Outcome<Option<(Token, i64)>> {
        let row = sqlx::query(
            "SELECT t.*, s.expires_at AS expires_at FROM sessions s JOIN tokens t ON t.id = s.token \
             WHERE s.hash = $1",
        )
        .bind(kept.as_str())
        .fetch_optional(&mut *self.reader().await?)
        .await?;
        row.map(|row| Ok((token(&row)?, column(&row, "expires_at")?)))
            .transpose()
    }
}

impl Change {
    /// Removes sessions that are over, and the oldest of this token until one more has room.
    pub(crate) async fn make_room_for_session(&mut self, token: &str, most: i64, now: i64) -> Outcome<()> {
        sqlx::query("DELETE FROM sessions WHERE expires_at <= $1")
            .bind(now)
            .execute(&mut *self.0)
            .await?;
        sqlx::query(
            "DELETE FROM sessions WHERE token = $1 AND hash NOT IN \
             (SELECT hash FROM sessions WHERE token = $1 ORDER BY created_at DESC, hash LIMIT $2)",
        )
        .bind(token)
        .bind(most.saturating_sub(1))
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    pub(crate) async fn insert_session(
        &mut self,
        kept: &Kept,
        token: &str,
        created_at: i64,
        expires_at: i64,
    ) -> Outcome<()> {
        sqlx::query("INSERT INTO sessions (hash, token, created_at, expires_at) VALUES ($1, $2, $3, $4)")
            .bind(kept.as_str())
            .bind(token)
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
