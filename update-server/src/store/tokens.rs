//! Rows of tokens.

use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use super::{Change, Store, column, spelled};
use crate::domain::access::{Hash, Role, Token};
use crate::failure::Outcome;

pub(super) fn token(row: &AnyRow) -> Outcome<Token> {
    let hash = |text: &str| {
        let mut hash = [0; 32];
        hex::decode_to_slice(text, &mut hash).ok().map(|()| Hash(hash))
    };
    Ok(Token {
        id: column(row, "id")?,
        name: column(row, "name")?,
        person: column(row, "person")?,
        role: spelled(row, "role", Role::parse)?,
        created_at: column(row, "created_at")?,
        revoked_at: column(row, "revoked_at")?,
        hash: spelled(row, "hash", hash)?,
    })
}

async fn tokens(connection: &mut AnyConnection) -> Outcome<Vec<Token>> {
    let rows = sqlx::query("SELECT * FROM tokens ORDER BY created_at, id")
        .fetch_all(connection)
        .await?;
    rows.iter().map(token).collect()
}

impl Store {
    pub(crate) async fn token(&self, id: &str) -> Outcome<Option<Token>> {
        let row = sqlx::query("SELECT * FROM tokens WHERE id = $1")
            .bind(id)
            .fetch_optional(&mut *self.reader().await?)
            .await?;
        row.as_ref().map(token).transpose()
    }

    pub(crate) async fn tokens(&self) -> Outcome<Vec<Token>> {
        tokens(&mut *self.reader().await?).await
    }
}

impl Change {
    pub(crate) async fn tokens(&mut self) -> Outcome<Vec<Token>> {
        tokens(&mut self.0).await
    }

    pub(crate) async fn insert_token(&mut self, token: &Token) -> Outcome<()> {
        sqlx::query(
            "INSERT INTO tokens (id, name, person, role, hash, created_at) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&token.id)
        .bind(&token.name)
        .bind(&token.person)
        .bind(token.role.as_str())
        .bind(hex::encode(token.hash.0))
        .bind(token.created_at)
        .execute(&mut *self.0)
        .await?;
        Ok(())
    }

    pub(crate) async fn revoke_token(&mut self, id: &str, at: i64) -> Outcome<()> {
        sqlx::query("UPDATE tokens SET revoked_at = $1 WHERE id = $2 AND revoked_at IS NULL")
            .bind(at)
            .bind(id)
            .execute(&mut *self.0)
            .await?;
        Ok(())
    }
}
