//! Rows of policies.

use latchkey_image::Uuid;
use sqlx::any::AnyRow;

use super::{Change, Store, column, spelled};
use crate::domain::policy::{Policy, Registered};
use crate::failure::Outcome;
use crate::ids;

fn registered(row: &AnyRow) -> Outcome<Registered> {
    let document: String = column(row, "document")?;
    Ok(Registered {
        vendor: spelled(row, "vendor", ids::uuid)?,
        class: spelled(row, "class", ids::uuid)?,
        policy: Policy::parse(&document)?,
        set_at: column(row, "set_at")?,
    })
}

impl Store {
    pub(crate) async fn policy(&self, vendor: Uuid, class: Uuid) -> Outcome<Option<Policy>> {
        let row = sqlx::query("SELECT * FROM policies WHERE vendor = $1 AND class = $2")
            .bind(vendor.to_string())
            .bind(class.to_string())
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        Ok(row
            .as_ref()
            .map(registered)
            .transpose()?
            .map(|registered| registered.policy))
    }

    pub(crate) async fn policies(&self) -> Outcome<Vec<Registered>> {
        let rows = sqlx::query("SELECT * FROM policies ORDER BY vendor, class")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter().map(registered).collect()
    }
}

impl Change {
    pub(crate) async fn put_policy(&mut self, registered: &Registered) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO policies (vendor, class, document, set_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (vendor, class) DO UPDATE SET document = excluded.document, set_at = excluded.set_at",
        )
        .bind(registered.vendor.to_string())
        .bind(registered.class.to_string())
        .bind(registered.policy.document())
        .bind(registered.set_at)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
