//! The row that says whose directives the fleet takes.

use latchkey_directive::PublicKey;
use sqlx::AnyConnection;

use super::{Change, Store, spelled};
use crate::failure::Outcome;
use crate::ids;

async fn find(connection: &mut AnyConnection) -> Outcome<Option<PublicKey>> {
    let row = sqlx::query("SELECT public_key FROM director WHERE id = 1")
        .fetch_optional(connection)
        .await?;
    row.as_ref()
        .map(|row| spelled(row, "public_key", ids::public_key))
        .transpose()
}

impl Store {
    /// Whose directives the fleet takes; nobody's before the first start.
    ///
    /// # Errors
    /// Storage.
    pub async fn director(&self) -> Outcome<Option<PublicKey>> {
        find(&mut *self.reader().await?).await
    }
}

impl Change {
    pub(crate) async fn director(&mut self) -> Outcome<Option<PublicKey>> {
        find(&mut self.0).await
    }

    pub(crate) async fn put_director(&mut self, key: &PublicKey, now: i64) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO director (id, public_key, since) VALUES (1, $1, $2) \
             ON CONFLICT (id) DO UPDATE SET public_key = excluded.public_key, since = excluded.since",
        )
        .bind(hex::encode(key.as_bytes()))
        .bind(now)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }
}
