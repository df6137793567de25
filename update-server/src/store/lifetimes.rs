//! Rows of support dates.

use jiff::civil::Date;
use latchkey_image::Uuid;

use super::{Change, Store, spelled};
use crate::domain::lifetime::day;
use crate::failure::Outcome;
use crate::ids;

impl Store {
    pub(crate) async fn lifetimes(&self) -> Outcome<Vec<(Uuid, Uuid, Date)>> {
        let rows = sqlx::query("SELECT vendor, class, ends_on FROM support")
            .fetch_all(&mut *self.reader().await?)
            .await?;
        rows.iter()
            .map(|row| {
                Ok((
                    spelled(row, "vendor", ids::uuid)?,
                    spelled(row, "class", ids::uuid)?,
                    spelled(row, "ends_on", |text| day(text).ok())?,
                ))
            })
            .collect()
    }
}

impl Change {
    pub(crate) async fn put_lifetime(
        &mut self,
        vendor: Uuid,
        class: Uuid,
        ends_on: Date,
        now: i64,
    ) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO support (vendor, class, ends_on, set_at) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (vendor, class) DO UPDATE SET ends_on = excluded.ends_on, set_at = excluded.set_at",
        )
        .bind(vendor.to_string())
        .bind(class.to_string())
        .bind(ends_on.to_string())
        .bind(now)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
