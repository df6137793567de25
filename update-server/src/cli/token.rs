//! `token`: who may speak to the server. A secret is shown once, and only here.

use clap::Subcommand;
use serde_json::json;

use super::ask::{Done, answer, segment};
use super::client::Server;
use super::serve::{DataPlace, create_token_offline};
use super::show;
use crate::domain::access::{NewToken, Role};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a token. It is shown once.
    Create {
        /// What to call it: what it is for.
        #[arg(long)]
        name: String,
        /// Whose it is. Where two persons are needed, all tokens of one count as one. Without it: the name.
        #[arg(long)]
        person: Option<String>,
        /// administrator, operator, release-engineer or viewer.
        #[arg(long)]
        role: Role,
        /// Without a server: write to the database of --data or --database directly. The way back in when
        /// every administrator's token is lost.
        #[arg(long)]
        offline: bool,
        #[command(flatten)]
        place: DataPlace,
        #[command(flatten)]
        server: Server,
    },
    /// List tokens, without their secrets.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Make a token worthless, at once and for good.
    Revoke {
        /// The token's public half: the 16 hex digits behind `lks_`.
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

const TOKEN: &[(&str, &str)] = &[
    ("ID", "/id"),
    ("ROLE", "/role"),
    ("PERSON", "/person"),
    ("NAME", "/name"),
    ("REVOKED", "/revoked_at_ms"),
];

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Create {
            name,
            person,
            role,
            offline,
            place,
            server,
        } => {
            let wanted = NewToken {
                name: &name,
                person: person.as_deref(),
                role,
            };
            let made = if offline {
                let (token, secret) = create_token_offline(&place, &wanted).await?;
                secret.expose(
                    |secret| json!({ "id": token.id, "name": token.name, "person": token.person, "role": role, "secret": secret }),
                )
            } else {
                server
                    .post(
                        "/api/v1/tokens",
                        Some(&json!({ "name": name, "person": person, "role": role })),
                    )
                    .await?
            };
            answer(&made, as_json, |made| {
                show::text(&format!(
                    "token, shown this once: {}",
                    show::field(made, "/secret")
                ));
            })
        }
        Command::List { server } => {
            let tokens = server.get("/api/v1/tokens").await?;
            answer(&tokens, as_json, |tokens| show::listing(tokens, TOKEN))
        }
        Command::Revoke { id, server } => {
            let token = server
                .delete(&format!("/api/v1/tokens/{}", segment(&id)?))
                .await?;
            answer(&token, as_json, |_| show::text(&format!("token {id} is revoked")))
        }
    }
}
