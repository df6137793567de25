//! The one row that says when devices could last be heard.

use super::{Store, column};
use crate::domain::hearing::Noted;
use crate::failure::Outcome;

impl Store {
    pub(crate) async fn hearing(&self) -> Outcome<Noted> {
        let row = sqlx::query("SELECT heard_at, sure_from FROM hearing WHERE one = 1")
            .fetch_one(&mut *self.reader().await?)
            .await?;
        Ok(Noted {
            at: column(&row, "heard_at")?,
            sure_from: column(&row, "sure_from")?,
        })
    }

    /// Keeps what has become of it. `false`: another instance was quicker.
    pub(crate) async fn put_hearing(&self, before: Noted, after: Noted) -> Outcome<bool> {
        let mut record = self.record().await?;
        let kept = sqlx::query(
            "UPDATE hearing SET heard_at = $1, sure_from = $2 \
             WHERE one = 1 AND sure_from = $3 AND COALESCE(heard_at, 0) = $4",
        )
        .bind(after.at)
        .bind(after.sure_from)
        .bind(before.sure_from)
        .bind(before.at.unwrap_or(0))
        .execute(&mut *record.0)
        .await?;
        record.commit().await?;
        Ok(kept.rows_affected() == 1)
    }
}
