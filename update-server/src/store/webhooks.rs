//! Rows of webhooks.

use sqlx::any::AnyRow;

use super::{Change, Store, column, number};
use crate::domain::webhook::Webhook;
use crate::failure::Outcome;

fn webhook(row: &AnyRow) -> Outcome<Webhook> {
    let events: String = column(row, "events")?;
    Ok(Webhook {
        id: column(row, "id")?,
        url: column(row, "url")?,
        events: events.split(' ').map(str::to_owned).collect(),
        created_at: column(row, "created_at")?,
        created_by: column(row, "created_by")?,
        told: column(row, "told")?,
        failures: number(row, "failures")?,
        next_at: column(row, "next_at")?,
        trouble: column(row, "trouble")?,
    })
}

impl Store {
    pub(crate) async fn webhooks(&self) -> Outcome<Vec<Webhook>> {
        let rows = sqlx::query("SELECT * FROM webhooks ORDER BY created_at, id")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(webhook).collect()
    }

    /// Takes a webhook until a time; `false` when another instance was quicker.
    pub(crate) async fn lease_webhook(&self, webhook: &Webhook, until: i64) -> Outcome<bool> {
        let mut record = self.record().await?;
        let done = sqlx::query("UPDATE webhooks SET next_at = $1 WHERE id = $2 AND next_at = $3")
            .bind(until)
            .bind(&webhook.id)
            .bind(webhook.next_at)
            .execute(&mut *record.0)
            .await?;
        record.commit().await?;
        Ok(done.rows_affected() == 1)
    }

    /// Notes how far a webhook has been told; `false` when it was not taken until then any more.
    pub(crate) async fn settle_webhook(&self, webhook: &Webhook, taken_until: i64) -> Outcome<bool> {
        let mut record = self.record().await?;
        let done = sqlx::query(
            "UPDATE webhooks SET told = $1, failures = $2, next_at = $3, trouble = $4 \
             WHERE id = $5 AND next_at = $6",
        )
        .bind(webhook.told)
        .bind(i64::from(webhook.failures))
        .bind(webhook.next_at)
        .bind(&webhook.trouble)
        .bind(&webhook.id)
        .bind(taken_until)
        .execute(&mut *record.0)
        .await?;
        record.commit().await?;
        Ok(done.rows_affected() == 1)
    }
}

impl Change {
    /// How many webhooks there are, and the last line of the audit log.
    pub(crate) async fn webhooks_and_line(&mut self) -> Outcome<(i64, i64)> {
        let row = sqlx::query(
            "SELECT (SELECT COUNT(*) FROM webhooks) AS total, (SELECT MAX(number) FROM audit) AS last",
        )
        .fetch_one(&mut *self.0)
        .await?;
        Ok((column(&row, "total")?, column(&row, "last")?))
    }

    pub(crate) async fn insert_webhook(&mut self, webhook: &Webhook) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO webhooks (id, url, events, created_at, created_by, told, failures, next_at) \
             VALUES ($1, $2, $3, $4, $5, $6, 0, $7)",
        )
        .bind(&webhook.id)
        .bind(&webhook.url)
        .bind(webhook.events.join(" "))
        .bind(webhook.created_at)
        .bind(&webhook.created_by)
        .bind(webhook.told)
        .bind(webhook.next_at)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    pub(crate) async fn remove_webhook(&mut self, id: &str) -> Outcome<bool> {
        let done = sqlx::query("DELETE FROM webhooks WHERE id = $1")
            .bind(id)
            .execute(&mut *self.0)
            .await?;
        Ok(done.rows_affected() == 1)
    }
}
