//! Rows of the audit log. They are only ever added, each linked to the one before.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Store, column, number, spelled_if_any};
use crate::domain::audit::chain::{Anchor, Broken, Head, Link};
use crate::domain::audit::{Entry, Recorded};
use crate::failure::{Failure, Outcome};
use crate::limits::{AUDIT_PAGE_BYTES, PAGE_ROWS_MAX};

pub(super) async fn append(connection: &mut AnyConnection, entry: &Entry<'_>) -> Outcome<()> {
    let line = Recorded::behind(&head(connection).await?, entry);
    let link = line.link.map(|link| link.to_string());
    sqlx::query(
        "INSERT INTO audit (number, at, actor, action, subject, detail, link) \
         VALUES ($1, $2, $3, $4, $5, $6, $7)",
    )
    .bind(line.number)
    .bind(line.at)
    .bind(line.actor)
    .bind(line.action)
    .bind(line.subject)
    .bind(line.detail.to_string())
    .bind(&link)
    .execute(&mut *connection)
    .await?;
    sqlx::query("UPDATE audit_head SET number = $1, link = $2")
        .bind(line.number)
        .bind(&link)
        .execute(connection)
        .await?;
    Ok(())
}

/// Where the log ends by what is kept beside it: what comes next follows from there, whatever became of the lines.
async fn anchor(connection: &mut AnyConnection) -> Outcome<Anchor> {
    let row = sqlx::query("SELECT number, link FROM audit_head")
        .fetch_optional(connection)
        .await?;
    let row = row.ok_or_else(|| {
        Failure::storage("where the audit log ends is not in the database any more: somebody took it out")
    })?;
    Ok(Anchor {
        number: column(&row, "number")?,
        link: spelled_if_any(&row, "link", Link::parse)?,
    })
}

/// The end of the log. Lines of a version that did not link them are read once, from the first.
async fn head(connection: &mut AnyConnection) -> Outcome<Head> {
    let Anchor { number, link } = anchor(connection).await?;
    if let Some(link) = link {
        return Ok(Head { number, link });
    }
    let mut head = Head::EMPTY;
    loop {
        let lines = page(connection, head.number, PAGE_ROWS_MAX).await?;
        if lines.is_empty() {
            break;
        }
        head = lines.iter().fold(head, |head, line| head.followed_by(line));
    }
    if head.number == number {
        return Ok(head);
    }
    Err(Failure::storage(Broken::CutOff {
        last: head.number,
        noted: number,
    }))
}

/// How many of the next lines make a page: as many as are asked for, or the first that come to [`AUDIT_PAGE_BYTES`], since
/// one line names up to ten thousand devices.
async fn fitting(connection: &mut AnyConnection, after: i64, limit: u32) -> Outcome<i64> {
    let rows = sqlx::query(
        "SELECT CAST(OCTET_LENGTH(detail) AS BIGINT) AS bytes FROM audit WHERE number > $1 ORDER BY number LIMIT $2",
    )
    .bind(after)
    .bind(i64::from(limit))
    .fetch_all(connection)
    .await?;
    let (mut lines, mut total) = (0_i64, 0_i64);
    for row in &rows {
        if total >= AUDIT_PAGE_BYTES {
            break;
        }
        let bytes: i64 = number(row, "bytes")?;
        total = total.saturating_add(bytes);
        lines = lines.saturating_add(1);
    }
    Ok(lines)
}

async fn page(connection: &mut AnyConnection, after: i64, limit: u32) -> Outcome<Vec<Recorded>> {
    let limit = fitting(connection, after, limit).await?;
    let rows = sqlx::query(
        "SELECT number, at, actor, action, subject, detail, link FROM audit \
         WHERE number > $1 ORDER BY number LIMIT $2",
    )
    .bind(after)
    .bind(limit)
    .fetch_all(connection)
    .await?;
    rows.iter().map(recorded).collect()
}

pub(super) fn recorded(row: &AnyRow) -> Outcome<Recorded> {
    let number: i64 = column(row, "number")?;
    let detail: String = column(row, "detail")?;
    Ok(Recorded {
        number,
        at: column(row, "at")?,
        actor: column(row, "actor")?,
        action: column(row, "action")?,
        subject: column(row, "subject")?,
        detail: serde_json::from_str(&detail).map_err(|error| {
            Failure::storage(format!("line {number} of the audit log is damaged: {error}"))
        })?,
        link: spelled_if_any(row, "link", Link::parse)?,
    })
}

impl Store {
    /// Lines of the audit log behind line `after`, oldest first: at least one, where there is any, and fewer than `limit`
    /// where they are long. They are on disk: whoever notes the last one holds the log to it.
    ///
    /// # Errors
    /// Storage.
    pub async fn audit(&self, after: i64, limit: u32) -> Outcome<Vec<Recorded>> {
        let lines = page(&mut *self.reader().await?, after, limit).await?;
        self.settled().await?;
        Ok(lines)
    }

    /// Where the audit log ends by what is kept beside it; as its lines, on disk.
    ///
    /// # Errors
    /// Storage.
    pub async fn audit_anchor(&self) -> Outcome<Anchor> {
        let anchor = anchor(&mut *self.reader().await?).await?;
        self.settled().await?;
        Ok(anchor)
    }

    /// The number of the last line there is; 0 for none.
    pub(crate) async fn last_audit_line(&self) -> Outcome<i64> {
        let row = sqlx::query("SELECT COALESCE(MAX(number), 0) AS last FROM audit")
            .fetch_one(&mut *self.reader().await?)
            .await?;
        column(&row, "last")
    }
}
