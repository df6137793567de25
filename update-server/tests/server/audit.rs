//! The audit log's chain, from outside: what was done to the database behind the server's back shows.

use latchkey_server::domain::audit::{Actor, Entry};
use latchkey_server::store::Store;
use serde_json::Value;
use sqlx::{AnyConnection, Connection as _};

use crate::commands::{command, said};
use crate::databases;
use crate::program::Server;

/// Changes the database as somebody would who owns it.
pub(crate) async fn tamper(data: &str, statement: &'static str) {
    sqlx::any::install_default_drivers();
    let mut database = AnyConnection::connect(&databases::of(data.as_ref()).await)
        .await
        .unwrap();
    let changed = sqlx::query(statement).execute(&mut database).await.unwrap();
    assert_ne!(changed.rows_affected(), 0, "{statement}");
    database.close().await.unwrap();
}

async fn verify(data: &str, noted: Option<&str>) -> Result<Value, String> {
    let mut arguments = vec!["audit", "verify", "--json", "--offline", "--data", data];
    arguments.extend(noted.into_iter().flat_map(|noted| ["--noted", noted]));
    let output = command(&arguments, &[]).await;
    if output.status.code() == Some(0) {
        return Ok(said(&output));
    }
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    Err(String::from_utf8(output.stderr).unwrap())
}

/// One line more in the log.
async fn change(data: &str) {
    let token = ["token", "create", "--name", "x", "--role", "viewer", "--offline"];
    said(&command(&[&token[..], &["--json", "--data", data]].concat(), &[]).await);
}

/// The log is found not to hold, for this reason.
async fn finds(data: &str, noted: Option<&str>, what: &str) {
    let found = verify(data, noted).await.unwrap_err();
    assert!(found.contains(what), "{found}");
}

#[tokio::test]
async fn what_is_done_to_the_log_shows_at_its_line() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data).await;
    let data = data.to_str().unwrap();
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", &token),
    ];
    for _ in 0..3 {
        change(data).await;
    }
    let online = said(&command(&["audit", "verify", "--json"], &with).await);
    let listed = said(&command(&["audit", "list", "--json"], &with).await);
    let lines = listed.as_array().unwrap().len();
    assert_eq!(online["lines"], lines);
    server.kill().await;

    assert_eq!(
        verify(data, None).await.unwrap(),
        online,
        "the same by either way"
    );
    let noted = online["head"].as_str().unwrap().to_owned();
    change(data).await;
    assert!(verify(data, Some(&noted)).await.is_ok());

    tamper(
        data,
        "UPDATE audit SET detail = '{\"role\":\"admin\"}' WHERE number = 2",
    )
    .await;
    finds(data, None, "line 2 does not follow").await;
    tamper(data, "UPDATE audit SET detail = 'no JSON' WHERE number = 2").await;
    finds(data, None, "line 2 of the audit log is damaged").await;
    tamper(data, "DELETE FROM audit WHERE number = 2").await;
    finds(data, None, "line 2 is missing").await;
    tamper(data, "DELETE FROM audit WHERE number > 1").await;
    for noted in [None, Some(noted.as_str())] {
        finds(data, noted, "cut off").await;
    }
    // What comes next does not hide it.
    change(data).await;
    finds(data, None, "line 2 is missing").await;
    // Whoever knows of what is kept beside the log can make it fit, and the chain anew; not what was noted.
    tamper(data, "DELETE FROM audit WHERE number > 1").await;
    tamper(
        data,
        "UPDATE audit_head SET number = 1, link = (SELECT link FROM audit)",
    )
    .await;
    finds(data, Some(&noted), "cut off").await;
    for _ in 0..lines {
        change(data).await;
    }
    assert!(
        verify(data, None).await.is_ok(),
        "written anew, it holds in itself"
    );
    finds(data, Some(&noted), "written anew").await;
    tamper(data, "DELETE FROM audit_head").await;
    finds(data, None, "somebody took it out").await;
}

#[tokio::test]
async fn a_checkpoint_file_goes_along_with_the_log_and_shows_what_was_cut_off() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data).await;
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", &token),
    ];
    let data = data.to_str().unwrap();
    let file = folder.path().join("head");
    let verify = [
        "audit",
        "verify",
        "--json",
        "--checkpoint",
        file.to_str().unwrap(),
    ];
    let mut heads = Vec::new();
    for _ in 0..2 {
        let said = said(&command(&verify, &with).await);
        let kept = std::fs::read_to_string(&file).unwrap();
        assert_eq!(kept.trim(), said["head"].as_str().unwrap());
        heads.push(kept);
        change(data).await;
    }
    assert_ne!(heads[0], heads[1]);
    tamper(
        data,
        "DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)",
    )
    .await;
    tamper(
        data,
        "DELETE FROM audit WHERE number = (SELECT MAX(number) FROM audit)",
    )
    .await;
    tamper(
        data,
        "UPDATE audit_head SET number = number - 2, link = \
         (SELECT last.link FROM audit last ORDER BY last.number DESC LIMIT 1)",
    )
    .await;
    let output = command(&verify, &with).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(String::from_utf8(output.stderr).unwrap().contains("cut off"));
    assert_eq!(std::fs::read_to_string(&file).unwrap(), heads[1], "and stays");
    std::fs::write(&file, "not a head").unwrap();
    let output = command(&verify, &with).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "not a head");
}

#[tokio::test]
async fn a_log_of_an_earlier_version_is_covered_by_the_first_line_behind_it() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    Server::start(&data).await.kill().await;
    let data = data.to_str().unwrap();
    change(data).await;
    tamper(data, "UPDATE audit SET link = NULL").await;
    tamper(data, "UPDATE audit_head SET link = NULL").await;
    assert_eq!(verify(data, None).await.unwrap()["lines"], 3);
    change(data).await;
    assert_eq!(verify(data, None).await.unwrap()["lines"], 4);
    tamper(data, "UPDATE audit SET actor = 'nobody' WHERE number = 1").await;
    finds(data, None, "line 4 does not follow").await;
}

#[tokio::test]
async fn a_database_that_is_not_there_is_not_made_and_one_of_another_version_is_not_changed() {
    let folder = tempfile::tempdir().unwrap();
    let typo = folder.path().join("latchky.db");
    let nothing = Store::url_of_file(&typo).unwrap();
    let (checkpoint, token) = (
        ["audit", "verify", "--offline", "--checkpoint", "head"],
        ["token", "create", "--name", "x", "--role", "viewer"],
    );
    let asks_for_it = format!("{nothing}?mode=rwc");
    for arguments in [&checkpoint[..], &[&token[..], &["--offline"]].concat()] {
        for (url, says) in [
            (&nothing, "cannot open the database"),
            (&asks_for_it, "leave `mode` out"),
        ] {
            let output = command(&[arguments, &["--database", url]].concat(), &[]).await;
            assert_eq!(output.status.code(), Some(1), "{output:?}");
            let said = String::from_utf8(output.stderr).unwrap();
            assert!(said.contains(says), "{said}");
            assert!(!typo.exists(), "{arguments:?} {url}");
        }
    }

    let data = folder.path().to_str().unwrap();
    Store::open(&databases::of(folder.path()).await)
        .await
        .unwrap()
        .close()
        .await;
    tamper(data, "DELETE FROM _sqlx_migrations WHERE version = 21").await;
    let output = command(
        &[
            &checkpoint[..3],
            &["--database", &databases::of(folder.path()).await],
        ]
        .concat(),
        &[],
    )
    .await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert!(
        String::from_utf8(output.stderr)
            .unwrap()
            .contains("another version")
    );
}

#[tokio::test]
async fn a_log_of_long_lines_is_told_and_followed_to_its_end() {
    const LINES: usize = 40;
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let server = Server::start(&data).await;
    let store = Store::open(&databases::of(&data).await).await.unwrap();
    // More in all than a command takes as one answer.
    let detail = serde_json::json!({ "devices": "x".repeat(1024 * 1024) });
    for _ in 0..LINES {
        let entry = Entry {
            actor: &Actor::Console,
            at: 0,
            action: "device.import",
            subject: String::new(),
            detail: detail.clone(),
        };
        store.change(&entry).await.unwrap().commit().await.unwrap();
    }
    store.close().await;
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", &token),
    ];
    let verified = said(&command(&["audit", "verify", "--json"], &with).await);
    let listed = said(&command(&["audit", "list", "--json"], &with).await);
    let lines = listed.as_array().unwrap().len();
    assert!(lines > LINES);
    assert_eq!(verified["lines"], lines);
}
