//! Rows of the audit log. They are only ever added.

use sqlx::AnyConnection;

use super::{Store, column};
use crate::domain::audit::{Entry, Recorded};
use crate::failure::{Failure, Outcome};

pub(super) async fn append(connection: &mut AnyConnection, entry: &Entry<'_>) -> Outcome<()> {
    sqlx::query(
        "INSERT INTO audit (number, at, actor, action, subject, detail) \
         SELECT COALESCE(MAX(number), 0) + 1, $1, $2, $3, $4, $5 FROM audit",
    )
    .bind(entry.at)
    .bind(entry.actor.to_string())
    .bind(entry.action)
    .bind(&entry.subject)
    .bind(entry.detail.to_string())
    .execute(connection)
    .await?;
    Ok(())
}

impl Store {
    /// Lines of the audit log behind line `after`, oldest first.
    ///
    /// # Errors
    /// Storage.
    pub async fn audit(&self, after: i64, limit: u32) -> Outcome<Vec<Recorded>> {
        let rows = sqlx::query(
            "SELECT number, at, actor, action, subject, detail FROM audit \
             WHERE number > $1 ORDER BY number LIMIT $2",
        )
        .bind(after)
        .bind(i64::from(limit))
        .fetch_all(&mut *self.reader().await?)
        .await?;
        let recorded = rows.iter().map(|row| {
            let detail: String = column(row, "detail")?;
            Ok(Recorded {
                number: column(row, "number")?,
                at: column(row, "at")?,
                actor: column(row, "actor")?,
                action: column(row, "action")?,
                subject: column(row, "subject")?,
                detail: serde_json::from_str(&detail).map_err(Failure::storage)?,
            })
        });
        recorded.collect()
    }
}
