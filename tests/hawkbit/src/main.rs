//! One visit of a device that the crate hawkbit makes, a client by others, as it comes from crates.io.
//!
//!     latchkey-hawkbit URL DEVICE TOKEN FOLDER VERSION COUNTER success|failure|later
//!
//! It calls once and does what it is told: tells what it runs, or downloads into FOLDER with every hash checked and says
//! how it ended (with `later`, only that it will do it), or leaves what it is to leave. Prints a line for each fact; ends with 1 and `failed ERROR` otherwise.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Result, bail};
use hawkbit::ddi::{Client, ClientAuthorization, Execution, Finished, Update};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match visit(&arguments).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("failed {error:#}");
            ExitCode::FAILURE
        }
    }
}

async fn visit(arguments: &[String]) -> Result<()> {
    let [url, device, token, folder, version, counter, outcome] = arguments else {
        bail!("usage: latchkey-hawkbit URL DEVICE TOKEN FOLDER VERSION COUNTER success|failure|later");
    };
    let finished = match outcome.as_str() {
        "success" => Some(Finished::Success),
        "failure" => Some(Finished::Failure),
        "later" => None,
        other => bail!("{other} is none of success, failure, later"),
    };
    let token = ClientAuthorization::TargetToken(token.clone());
    let client = Client::new(url, "DEFAULT", device, token, None, None, None)?;
    let reply = client.poll().await?;
    println!("sleep {}", reply.polling_sleep()?.as_secs());
    if let Some(request) = reply.config_data_request() {
        let data = BTreeMap::from([("version", version), ("counter", counter)]);
        request
            .upload(Execution::Closed, Finished::Success, None, data, vec![])
            .await?;
        println!("told {version} {counter}");
    }
    if let Some(update) = reply.update() {
        let update = update.fetch().await?;
        println!("offered {}", update.action_id());
        match finished {
            Some(finished) => install(&update, Path::new(folder), finished).await?,
            None => {
                update
                    .send_feedback(Execution::Scheduled, Finished::None, vec![])
                    .await?;
            }
        }
    }
    if let Some(action) = reply.cancel_action() {
        println!("leaves {}", action.id().await?);
        action
            .send_feedback(Execution::Closed, Finished::Success, vec![])
            .await?;
    }
    Ok(())
}

async fn install(update: &Update, folder: &Path, finished: Finished) -> Result<()> {
    update
        .send_feedback(Execution::Proceeding, Finished::None, vec!["Downloading"])
        .await?;
    for artifact in update.download(folder).await? {
        artifact.check_md5().await?;
        artifact.check_sha1().await?;
        artifact.check_sha256().await?;
        println!("file {}", artifact.file().display());
    }
    update.send_feedback(Execution::Closed, finished, vec![]).await?;
    println!("closed");
    Ok(())
}
