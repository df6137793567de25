//! Options of `serve` for signing in at the dashboard by an OpenID provider's word.

use std::path::PathBuf;

use anyhow::Context as _;
use clap::Args;
use openidconnect::ClientSecret;
use url::Url;

use crate::domain::access::Role;
use crate::domain::admission::Admission;
use crate::http::CALLBACK;
use crate::key_file;
use crate::openid::{Provider, Registration};

/// An OpenID provider, and whom its word lets in.
#[derive(Args)]
#[group(requires_all = ["oidc_issuer", "oidc_client_id", "oidc_client_secret_file", "oidc_roles", "public_url"])]
pub(super) struct OpenId {
    /// Let people sign in at the dashboard by the word of this OpenID provider; its name as it writes it itself.
    #[arg(long, value_name = "URL", env = "LATCHKEY_OIDC_ISSUER")]
    oidc_issuer: Option<String>,
    /// This server's name at the provider.
    #[arg(long, value_name = "ID", env = "LATCHKEY_OIDC_CLIENT_ID")]
    oidc_client_id: Option<String>,
    /// The secret that goes with it, in a file that nobody else can read.
    #[arg(long, value_name = "FILE", env = "LATCHKEY_OIDC_CLIENT_SECRET_FILE")]
    oidc_client_secret_file: Option<PathBuf>,
    /// Where browsers find this server; the provider has to know https://HOST/dashboard/sign-in/callback.
    #[arg(long, value_name = "URL", env = "LATCHKEY_PUBLIC_URL")]
    public_url: Option<Url>,
    /// Give whoever is in a group a role; may be given more than once, and the first that fits counts. Who is in none
    /// is not let in.
    #[arg(long = "oidc-role", value_name = "GROUP=ROLE", value_parser = group_and_role)]
    oidc_roles: Vec<(String, Role)>,
    /// The claim of the ID token that lists groups. Without it: groups.
    #[arg(long, value_name = "NAME", requires = "oidc_issuer")]
    oidc_role_claim: Option<String>,
    /// The claim of the ID token that says who somebody is, in the audit log and where it takes two persons: one that
    /// people cannot change themselves. Without it: preferred_username.
    #[arg(long, value_name = "NAME", requires = "oidc_issuer")]
    oidc_person_claim: Option<String>,
    /// What to ask the provider for beside openid; may be given more than once. Without it: profile.
    #[arg(long = "oidc-scope", value_name = "SCOPE", requires = "oidc_issuer")]
    oidc_scopes: Vec<String>,
}

fn group_and_role(text: &str) -> Result<(String, Role), String> {
    let parts = text.rsplit_once('=').filter(|(group, _)| !group.is_empty());
    let (group, role) = parts.ok_or("write it as GROUP=ROLE")?;
    Ok((group.to_owned(), role.parse()?))
}

impl OpenId {
    /// The provider and whom it lets in, where there is one.
    ///
    /// # Errors
    /// An address or the file with the secret cannot be used; each says what to do.
    pub(super) fn into_parts(self) -> anyhow::Result<Option<(Provider, Admission)>> {
        let (Some(issuer), Some(client_id), Some(file), Some(public_url)) = (
            self.oidc_issuer,
            self.oidc_client_id,
            self.oidc_client_secret_file,
            self.public_url,
        ) else {
            return Ok(None);
        };
        let secret = key_file::read_secret(&file, "client's secret")?;
        let admission = Admission {
            issuer: issuer.clone(),
            person_claim: self
                .oidc_person_claim
                .unwrap_or_else(|| "preferred_username".to_owned()),
            role_claim: self.oidc_role_claim.unwrap_or_else(|| "groups".to_owned()),
            roles: self.oidc_roles,
        };
        let scopes = if self.oidc_scopes.is_empty() {
            vec!["profile".to_owned()]
        } else {
            self.oidc_scopes
        };
        let registration = Registration {
            issuer,
            client_id,
            client_secret: ClientSecret::new(secret.trim().to_owned()),
            public_url,
            scopes,
        };
        let provider =
            Provider::new(registration, CALLBACK).context("cannot let people sign in by OpenID")?;
        Ok(Some((provider, admission)))
    }
}
