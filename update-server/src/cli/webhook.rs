//! `webhook`: who is told of what happens.

use clap::Subcommand;
use serde_json::json;

use super::ask::{Done, answer, segment};
use super::client::Server;
use super::show;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Make a webhook. Its secret is shown once.
    Create {
        /// Where to: https://…
        #[arg(long)]
        url: String,
        /// Actions of the audit log it is told of, or their beginnings: `rollout.`, `device.alarm`. May be said again.
        #[arg(long = "event", value_name = "ACTION")]
        events: Vec<String>,
        #[command(flatten)]
        server: Server,
    },
    /// List webhooks, and how far each has been told.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// Remove a webhook.
    Remove {
        /// Its name, 16 hex digits.
        id: String,
        #[command(flatten)]
        server: Server,
    },
}

const WEBHOOK: &[(&str, &str)] = &[
    ("WEBHOOK", "/id"),
    ("TOLD UP TO LINE", "/told"),
    ("FAILURES", "/failures"),
    ("TROUBLE", "/trouble"),
    ("URL", "/url"),
];

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Create { url, events, server } => {
            let body = if events.is_empty() {
                json!({ "url": url })
            } else {
                json!({ "url": url, "events": events })
            };
            let made = server.post("/api/v1/webhooks", Some(&body)).await?;
            answer(&made, as_json, |made| {
                let (id, secret) = (show::field(made, "/id"), show::field(made, "/secret"));
                show::text(&format!("webhook {id}; its secret, shown this once: {secret}"));
            })
        }
        Command::List { server } => {
            let webhooks = server.get("/api/v1/webhooks").await?;
            answer(&webhooks, as_json, |webhooks| show::listing(webhooks, WEBHOOK))
        }
        Command::Remove { id, server } => {
            let removed = server
                .delete(&format!("/api/v1/webhooks/{}", segment(&id)?))
                .await?;
            answer(&removed, as_json, |_| {
                show::text(&format!("webhook {id} is removed"));
            })
        }
    }
}
