//! `support`: until when each model gets security updates.

use clap::Subcommand;
use serde_json::json;

use super::ask::{Done, answer, segment};
use super::client::Server;
use super::show;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Say until when a model gets security updates. Anybody can read it.
    Set {
        /// The hardware class's name, such as lock-emulator-1.
        #[arg(long)]
        class: String,
        /// The last day: 2032-12-31.
        #[arg(long, value_name = "DAY")]
        ends_on: String,
        #[command(flatten)]
        server: Server,
    },
    /// List models, and until when each is supported.
    List {
        #[command(flatten)]
        server: Server,
    },
}

pub(super) async fn run(command: Command, as_json: bool) -> Done {
    match command {
        Command::Set {
            class,
            ends_on,
            server,
        } => {
            let path = format!("/api/v1/support/{}", segment(&class)?);
            let support = server.put(&path, &json!({ "ends_on": ends_on })).await?;
            answer(&support, as_json, |support| {
                let day = show::field(support, "/ends_on");
                show::text(&format!("{class} gets security updates until {day}"));
            })
        }
        Command::List { server } => {
            let support = server.get("/owner/v1/support").await?;
            answer(&support, as_json, |support| {
                show::listing(
                    support,
                    &[
                        ("MODEL", "/class_name"),
                        ("UNTIL", "/ends_on"),
                        ("UUID", "/class"),
                    ],
                );
            })
        }
    }
}
