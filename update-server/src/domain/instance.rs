//! What every instance of this server must have in common to serve one fleet: the director key.
//!
//! Locks take directives of one key. An instance with another one would be refused by each lock that happens to reach
//! it, so the database names the key, and no instance starts with another.

use latchkey_directive::PublicKey;

use super::access::Caller;
use super::audit::Entry;
use crate::Service;
use crate::failure::{Failure, Kind, Outcome};

impl Service {
    /// Goes on only if this instance directs locks with the key that the database names. The first instance names its
    /// own; with `replace` any does.
    ///
    /// # Errors
    /// [`Kind::Conflict`] for another key; storage.
    pub async fn agree_on_director(&self, replace: bool) -> Outcome<()> {
        let ours = PublicKey::from_bytes(&self.director.public())
            .ok_or_else(|| Failure::storage("the director key has no public half"))?;
        if self.store.director().await? == Some(ours) {
            return self.store.settled().await;
        }
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: Caller::console().actor(),
                at: now,
                action: "director.set",
                subject: shown(&ours),
                detail: serde_json::Value::Null,
            })
            .await?;
        // Another instance may have been quicker.
        match change.director().await? {
            Some(named) if named == ours => return change.unchanged().await,
            Some(named) if !replace => return Err(other_key(&named, &ours)),
            Some(_) | None => {}
        }
        change.put_director(&ours, now).await?;
        change.commit().await
    }
}

fn shown(key: &PublicKey) -> String {
    hex::encode(key.as_bytes())
}

fn other_key(named: &PublicKey, ours: &PublicKey) -> Failure {
    Failure::new(
        Kind::Conflict,
        format!(
            "the locks of this database take directives of the key {}, and this instance has {}. Give every instance \
             the same file with --director-key; after a change of keys, once locks trust the new one, start one with \
             --replace-director-key",
            shown(named),
            shown(ours)
        ),
    )
}
