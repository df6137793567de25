//! Who may do what: tokens, roles, permissions.
//!
//! A token is shown once, when it is made; the server keeps its SHA-256. The token itself is 32 random bytes,
//! so there is nothing to guess and no need for a slow hash.

use std::fmt;

use serde::Serialize;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use zeroize::{Zeroize, ZeroizeOnDrop};

use super::admission::Person;
use super::audit::{Actor, Entry};
use super::spelled;
use crate::clock::Clock;
use crate::failure::{Failure, Kind, Outcome};
use crate::limits::NAME_BYTES_MAX;
use crate::store::{Change, Store};
use crate::{Service, ids};

spelled! {
    /// What somebody is here for. Roles do not include each other, except that all may read and
    /// [`Role::Administrator`] may do everything.
    Role {
        /// Everything, tokens and policies included.
        Administrator = "administrator",
        /// Devices and rollouts.
        Operator = "operator",
        /// Uploads of releases: what a build machine needs, and no more.
        ReleaseEngineer = "release-engineer",
        /// Looking on.
        Viewer = "viewer",
    }
}

/// What a route asks of whoever comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Permission {
    /// Tokens and policies.
    Administer,
    /// Devices and rollouts.
    Operate,
    /// Uploads of releases.
    Publish,
    /// Looking on.
    Read,
}

impl Role {
    /// Whether this role may do that.
    #[must_use]
    pub const fn may(self, permission: Permission) -> bool {
        match (self, permission) {
            (Self::Administrator, _)
            | (_, Permission::Read)
            | (Self::Operator, Permission::Operate)
            | (Self::ReleaseEngineer, Permission::Publish) => true,
            (Self::Operator | Self::ReleaseEngineer | Self::Viewer, Permission::Administer)
            | (Self::ReleaseEngineer | Self::Viewer, Permission::Operate)
            | (Self::Operator | Self::Viewer, Permission::Publish) => false,
        }
    }
}

/// A token as its holder has it: `lks_<16 hex: its id>_<64 hex: the secret>`. Wiped on drop; not printable by
/// accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct TokenSecret(String);

impl TokenSecret {
    /// What came in with a request. Anything; [`Service::authenticate`] says what it is worth.
    #[must_use]
    pub fn presented(text: &str) -> Self {
        Self(text.to_owned())
    }

    /// Hands the token to whoever it was made for.
    pub fn expose<R>(&self, with: impl FnOnce(&str) -> R) -> R {
        with(&self.0)
    }

    fn fresh(id: &str) -> Outcome<Self> {
        let mut secret = ids::random::<32>()?;
        let mut digits = hex::encode(secret);
        let token = Self(format!("lks_{id}_{digits}"));
        secret.zeroize();
        digits.zeroize();
        Ok(token)
    }

    fn hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.as_bytes()).into()
    }

    /// The public half of a token that is at least of the right form.
    fn id(&self) -> Option<&str> {
        let (id, secret) = self.0.strip_prefix("lks_")?.split_once('_')?;
        (id.len() == 16 && secret.len() == 64).then_some(id)
    }
}

/// A token on its way to whoever it was made for, as JSON.
pub(crate) struct ShownOnce<'t>(pub(crate) &'t TokenSecret);

impl Serialize for ShownOnce<'_> {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.expose(|token| to.serialize_str(token))
    }
}

/// Another secret on its way to whoever it was made for. Wiped on drop; not printable by accident.
#[derive(Zeroize, ZeroizeOnDrop)]
pub struct ShownSecret(String);

impl ShownSecret {
    pub(crate) const fn new(secret: String) -> Self {
        Self(secret)
    }
}

impl Serialize for ShownSecret {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_str(&self.0)
    }
}

/// A token as the server keeps it.
#[derive(Clone, Debug, Serialize, utoipa::ToSchema)]
pub struct Token {
    /// The public half: 16 hex digits.
    pub id: String,
    /// What its maker called it.
    pub name: String,
    /// Whose it is. Tokens of one person are one person's, however many they are; case does not count.
    pub person: String,
    /// What it is for.
    pub role: Role,
    /// Milliseconds since 1970.
    #[serde(rename = "created_at_ms")]
    pub created_at: i64,
    /// Milliseconds since 1970; absent while it is good.
    #[serde(rename = "revoked_at_ms")]
    pub revoked_at: Option<i64>,
    /// SHA-256 of the whole token.
    #[serde(skip)]
    pub(crate) hash: Hash,
}

impl Token {
    /// Who holds it and what they may do, while it is good.
    pub(crate) fn holder(&self) -> Option<Caller> {
        self.revoked_at.is_none().then(|| Caller {
            actor: Actor::Token {
                id: self.id.clone(),
                name: self.name.clone(),
            },
            person: self.person.clone(),
            role: self.role,
        })
    }
}

fn unknown() -> Failure {
    Failure::new(
        Kind::Unauthenticated,
        "the token is not known here or was revoked; an administrator can make one with \
         `latchkey-server token create`",
    )
}

/// SHA-256 of a token: not printed, compared in constant time.
#[derive(Clone)]
pub(crate) struct Hash(pub(crate) [u8; 32]);

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("…")
    }
}

/// A token to be made.
#[derive(Clone, Copy, Debug)]
pub struct NewToken<'n> {
    /// What to call it.
    pub name: &'n str,
    /// Whose it is; without one, the token is a person of its own, called as the token is.
    pub person: Option<&'n str>,
    /// What it is for.
    pub role: Role,
}

/// Proof that somebody is known here, by a good token or by an OpenID provider's word.
#[derive(Clone, Debug)]
pub struct Caller {
    actor: Actor,
    person: String,
    role: Role,
}

impl Caller {
    /// Whoever can start this program on the server's data needs no token: the file permissions are the rule.
    pub(crate) fn console() -> Self {
        Self {
            actor: Actor::Console,
            person: "console".to_owned(),
            role: Role::Administrator,
        }
    }

    /// For the audit log.
    #[must_use]
    pub const fn actor(&self) -> &Actor {
        &self.actor
    }

    /// Somebody whom a provider knows, with the role that they have now.
    pub(crate) fn person_of(person: &Person, role: Role) -> Self {
        Self {
            actor: Actor::Person {
                subject: person.subject.clone(),
                name: person.name.clone(),
            },
            person: person.name.clone(),
            role,
        }
    }

    /// Who it is, where something needs two persons.
    #[must_use]
    pub fn person(&self) -> &str {
        &self.person
    }

    /// What they are here for.
    #[must_use]
    pub const fn role(&self) -> Role {
        self.role
    }

    /// Whether their role allows it.
    #[must_use]
    pub const fn may(&self, permission: Permission) -> bool {
        self.role.may(permission)
    }

    /// Goes on only when the role allows it.
    ///
    /// # Errors
    /// [`Kind::Forbidden`].
    pub fn must(&self, permission: Permission) -> Outcome<()> {
        if self.role.may(permission) {
            return Ok(());
        }
        Err(Failure::new(
            Kind::Forbidden,
            format!(
                "the role {} may not do this; ask an administrator for another",
                self.role
            ),
        ))
    }
}

impl Service {
    /// Finds out whose token this is.
    ///
    /// # Errors
    /// [`Kind::Unauthenticated`], the same for an unknown, a wrong and a revoked one.
    pub async fn authenticate(&self, presented: &TokenSecret) -> Outcome<Caller> {
        self.good_token(presented).await?.holder().ok_or_else(unknown)
    }

    /// The token that was presented.
    ///
    /// # Errors
    /// As [`Service::authenticate`].
    pub(crate) async fn good_token(&self, presented: &TokenSecret) -> Outcome<Token> {
        let id = presented.id().ok_or_else(unknown)?;
        let token = self.store.token(id).await?.ok_or_else(unknown)?;
        let same: bool = token.hash.0.ct_eq(&presented.hash()).into();
        if !same || token.revoked_at.is_some() {
            return Err(unknown());
        }
        Ok(token)
    }

    /// Makes a token. The secret is given here and nowhere else.
    ///
    /// # Errors
    /// [`Kind::Invalid`] for a name that is empty or too long; storage.
    pub async fn create_token(&self, by: &Caller, wanted: &NewToken<'_>) -> Outcome<(Token, TokenSecret)> {
        create(&self.store, &*self.clock, by, wanted).await
    }

    /// Makes the first administrator's token, on a server that has no token yet.
    ///
    /// # Errors
    /// Storage.
    pub async fn first_admin(&self) -> Outcome<Option<TokenSecret>> {
        if !self.store.tokens().await?.is_empty() {
            return Ok(None);
        }
        let first = NewToken {
            name: "first administrator",
            person: None,
            role: Role::Administrator,
        };
        let making = Making::new(&*self.clock, &first)?;
        let mut change = making.begin(&self.store, &Caller::console()).await?;
        // Another instance that starts now may have been quicker: there is one first administrator.
        if !change.tokens().await?.is_empty() {
            return Ok(None);
        }
        change.insert_token(&making.token).await?;
        change.commit().await?;
        Ok(Some(making.secret))
    }

    /// Makes a token worthless, at once and for good. Doing it twice is no error.
    ///
    /// # Errors
    /// [`Kind::NotFound`]; [`Kind::Conflict`] when it is the last administrator's; storage.
    pub async fn revoke_token(&self, by: &Caller, id: &str) -> Outcome<Token> {
        let now = self.clock.now_ms();
        let mut change = self
            .store
            .change(&Entry {
                actor: by.actor(),
                at: now,
                action: "token.revoke",
                subject: id.to_owned(),
                detail: serde_json::Value::Null,
            })
            .await?;
        let tokens = change.tokens().await?;
        let Some(mut token) = tokens.iter().find(|token| token.id == id).cloned() else {
            return Err(Failure::new(Kind::NotFound, format!("there is no token {id:?}")));
        };
        if token.revoked_at.is_some() {
            change.unchanged().await?;
            return Ok(token);
        }
        let others = tokens
            .iter()
            .any(|other| other.id != id && other.role == Role::Administrator && other.revoked_at.is_none());
        if token.role == Role::Administrator && !others {
            return Err(Failure::new(
                Kind::Conflict,
                "this is the last administrator's token; make another one first",
            ));
        }
        change.revoke_token(id, now).await?;
        change.commit().await?;
        token.revoked_at = Some(now);
        Ok(token)
    }

    /// Every token, revoked ones included, oldest first.
    ///
    /// # Errors
    /// Storage.
    pub async fn tokens(&self) -> Outcome<Vec<Token>> {
        self.store.tokens().await
    }
}

/// A token that is about to be made.
struct Making {
    token: Token,
    secret: TokenSecret,
}

impl Making {
    fn new(clock: &dyn Clock, wanted: &NewToken<'_>) -> Outcome<Self> {
        let NewToken { name, person, role } = *wanted;
        let person = person.unwrap_or(name).trim();
        check_name("a token's name", name)?;
        check_name("a person's name", person)?;
        let id = hex::encode(ids::random::<8>()?);
        let secret = TokenSecret::fresh(&id)?;
        let token = Token {
            id,
            name: name.to_owned(),
            person: person.to_owned(),
            role,
            created_at: clock.now_ms(),
            revoked_at: None,
            hash: Hash(secret.hash()),
        };
        Ok(Self { token, secret })
    }

    async fn begin(&self, store: &Store, by: &Caller) -> Outcome<Change> {
        let Token {
            id,
            name,
            person,
            role,
            ..
        } = &self.token;
        store
            .change(&Entry {
                actor: by.actor(),
                at: self.token.created_at,
                action: "token.create",
                subject: id.clone(),
                detail: serde_json::json!({ "name": name, "person": person, "role": role }),
            })
            .await
    }
}

/// Makes a token in a database, with or without a server around it.
pub(crate) async fn create(
    store: &Store,
    clock: &dyn Clock,
    by: &Caller,
    wanted: &NewToken<'_>,
) -> Outcome<(Token, TokenSecret)> {
    let making = Making::new(clock, wanted)?;
    let mut change = making.begin(store, by).await?;
    change.insert_token(&making.token).await?;
    change.commit().await?;
    Ok((making.token, making.secret))
}

/// A name that people give: not empty, printable ASCII, not endless.
pub(super) fn check_name(what: &str, name: &str) -> Outcome<()> {
    let printable = name.bytes().all(|byte| (b' '..=b'~').contains(&byte));
    if name.trim().is_empty() || name.len() > NAME_BYTES_MAX || !printable {
        return Err(Failure::new(
            Kind::Invalid,
            format!("{what} must be 1 to {NAME_BYTES_MAX} printable ASCII characters"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_presented_token_of_the_wrong_form_has_no_id() {
        for text in [
            "",
            "lks_",
            "lks_0123456789abcdef_",
            "lks__00",
            "Bearer x",
            "lks_0_1_2",
        ] {
            assert_eq!(TokenSecret::presented(text).id(), None, "{text:?}");
        }
        let fresh = TokenSecret::fresh("0123456789abcdef").unwrap();
        assert_eq!(fresh.id(), Some("0123456789abcdef"));
    }

    #[test]
    fn roles_allow_exactly_this() {
        let table = |permission| {
            let allowed = Role::ALL.iter().filter(|role| role.may(permission));
            allowed.map(|role| role.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(table(Permission::Administer), ["administrator"]);
        assert_eq!(table(Permission::Operate), ["administrator", "operator"]);
        assert_eq!(table(Permission::Publish), ["administrator", "release-engineer"]);
        assert_eq!(
            table(Permission::Read),
            ["administrator", "operator", "release-engineer", "viewer"]
        );
    }
}
