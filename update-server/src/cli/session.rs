//! `session`: who is signed in at the dashboard, and ending that early.

use clap::Subcommand;
use serde_json::{Value, json};

use super::ask::{Done, all_pages_by, answer};
use super::client::Server;
use super::show;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List who is signed in, with since when and until when.
    List {
        #[command(flatten)]
        server: Server,
    },
    /// End all sessions of one login, at once. Who has a good token, or a group with a role, can sign in anew.
    End {
        /// The login, as `session list` has it, in quotes.
        login: String,
        #[command(flatten)]
        server: Server,
    },
}

/// A line for each session, with whose it is.
fn listing(people: &Value) {
    let mut rows = Vec::new();
    for somebody in people.as_array().into_iter().flatten() {
        let sessions = somebody.get("sessions").and_then(Value::as_array);
        for session in sessions.into_iter().flatten() {
            let whose = ["/login", "/person", "/role"].map(|path| show::field(somebody, path));
            let lasts = ["/since_ms", "/until_ms"].map(|path| show::field(session, path));
            rows.push([&whose[..], &lasts].concat());
        }
    }
    show::table(&["LOGIN", "PERSON", "ROLE", "SINCE", "UNTIL"], &rows);
}

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::List { server } => {
            let people = all_pages_by(&server, "/api/v1/sessions", "", "/login").await?;
            answer(&people, as_json, listing)
        }
        Command::End { login, server } => {
            let body = json!({ "login": login });
            let ended = server.post("/api/v1/sessions/end", Some(&body)).await?;
            answer(&ended, as_json, |ended| {
                show::text(&format!(
                    "{} session(s) of {login} ended",
                    show::field(ended, "/ended")
                ));
            })
        }
    }
}
