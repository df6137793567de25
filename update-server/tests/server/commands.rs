//! The program's commands: a whole rollout by them alone, and an exit code for each way to fail.

use std::process::{Output, Stdio};

use axum::http::StatusCode;
use serde_json::Value;
use tokio::process::Command;

use crate::databases;
use crate::program::{Operator, PATIENCE, PROGRAM, Server};
use crate::support::{Draft, Lock, policy};

/// Runs a command of the program to its end.
pub(crate) async fn command(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut run = Command::new(PROGRAM);
    let data = arguments
        .iter()
        .skip_while(|argument| **argument != "--data")
        .nth(1);
    if let Some(data) = data.filter(|_| databases::is_postgres()) {
        run.env("LATCHKEY_DATABASE", databases::of(data.as_ref()).await);
    }
    let run = run
        .args(arguments)
        .env_remove("LATCHKEY_TOKEN")
        .env_remove("LATCHKEY_SERVER")
        .envs(environment.iter().copied())
        .stdin(Stdio::null())
        .output();
    tokio::time::timeout(PATIENCE, run).await.unwrap().unwrap()
}

pub(crate) fn said(output: &Output) -> Value {
    assert_eq!(output.status.code(), Some(0), "{output:?}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("no JSON: {output:?}"))
}

#[tokio::test]
async fn the_commands_tell_the_whole_story() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let data = data.to_str().unwrap();
    let key = said(&command(&["director-key", "--json", "--data", data], &[]).await);
    assert!(
        key["pem"]
            .as_str()
            .unwrap()
            .starts_with("-----BEGIN PUBLIC KEY-----")
    );
    let server = Server::start(data.as_ref()).await;
    assert_eq!(
        server.started["director_public"], key["public"],
        "the key made beforehand is the one in use"
    );
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", token.as_str()),
    ];
    let file = |name: &str, content: &[u8]| {
        let path = folder.path().join(name);
        std::fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let policy_file = file("policy.toml", policy().as_bytes());
    let image = file("image.bin", &Draft::new(2, 7).file());
    let flawed = file(
        "flawed.bin",
        &Draft {
            signers: vec![1],
            ..Draft::new(3, 7)
        }
        .file(),
    );

    said(
        &command(
            &[
                "policy",
                "set",
                "--class",
                "lock-emulator-1",
                &policy_file,
                "--json",
            ],
            &with,
        )
        .await,
    );
    let release = said(&command(&["release", "upload", &image, "--json"], &with).await);
    let digest = release["digest"].as_str().unwrap();
    let refused = command(&["release", "upload", &flawed], &with).await;
    assert_eq!(refused.status.code(), Some(1));
    let complaint = String::from_utf8(refused.stderr).unwrap();
    assert!(
        complaint.contains("no lock of this class would boot this image"),
        "{complaint}"
    );

    let lock = Lock::new();
    let id = lock.id().to_string();
    said(&command(&["device", "expect", &id, "--json"], &with).await);
    let http = Operator::new(token.clone()).http;
    let enrol = http
        .post(format!("{}/device/v1/enrol", server.url))
        .body(lock.enrolment())
        .send()
        .await
        .unwrap();
    assert_eq!(enrol.status(), StatusCode::OK);
    let locks = file("locks.csv", format!("id\n{id}\n").as_bytes());
    let cohort = said(&command(&["cohort", "create", "office", "--csv", &locks, "--json"], &with).await);
    assert_eq!(cohort["devices"], 1);
    let cohort = said(&command(&["cohort", "add", "office", "--device", &id, "--json"], &with).await);
    assert_eq!(cohort["devices"], 1, "it is in it already");
    let wrong = folder.path().join("wrong.csv");
    std::fs::write(&wrong, "id\nnobody\n").unwrap();
    let refused = command(
        &["cohort", "create", "street", "--csv", wrong.to_str().unwrap()],
        &with,
    )
    .await;
    let why = String::from_utf8(refused.stderr).unwrap();
    assert!(
        why.contains("line 2") && why.contains("cohort add street --csv"),
        "{why}"
    );
    let create = ["rollout", "create", "--release", &digest[..8], "--all", "--json"];
    let create = [&create[..], &["--cohort", "office"]].concat();
    let rollout = said(&command(&create, &with).await);
    assert_eq!(rollout["percent"], 0.0);
    let rollout = rollout["id"].as_str().unwrap();
    let preview = said(&command(&["rollout", "preview", rollout, "--json"], &with).await);
    assert_eq!(preview["stages"][0]["devices"], 1);
    let widen = ["rollout", "widen", rollout, "--cohort", "office", "--json"];
    assert_eq!(said(&command(&widen, &with).await)["cohorts_reached"], 1);
    let reached = said(&command(&["rollout", "devices", rollout, "--reached", "--json"], &with).await);
    assert_eq!(reached[0]["id"], id);
    let status = said(&command(&["rollout", "status", rollout, "--json"], &with).await);
    assert_eq!(status["progress"]["included"], 1);
    for (step, state) in [("pause", "paused"), ("resume", "running"), ("abort", "aborted")] {
        let moved = said(&command(&["rollout", step, rollout, "--json"], &with).await);
        assert_eq!(moved["state"], state);
    }
    for listing in [
        "token list",
        "policy list",
        "release list",
        "device list",
        "cohort list",
        "cohort devices office",
        "rollout list",
        "audit list",
        "audit verify",
    ] {
        let arguments: Vec<&str> = listing.split(' ').collect();
        let shown = command(&arguments, &with).await;
        assert_eq!(shown.status.code(), Some(0), "{shown:?}");
        assert!(
            String::from_utf8(shown.stdout).unwrap().lines().count() >= 2,
            "{listing}"
        );
    }

    let offline = [
        "token",
        "create",
        "--offline",
        "--name",
        "found again",
        "--role",
        "administrator",
        "--data",
        data,
        "--json",
    ];
    let made = said(&command(&offline, &[]).await);
    let with_new = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", made["secret"].as_str().unwrap()),
    ];
    said(&command(&["token", "list", "--json"], &with_new).await);
}

#[test]
fn completions_go_to_a_reader_that_has_gone_without_a_word() {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let output = std::process::Command::new(PROGRAM)
        .args(["completions", "bash"])
        .stdout(writer)
        .stderr(Stdio::piped())
        .spawn()
        .unwrap()
        .wait_with_output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(output.stderr.is_empty(), "{output:?}");
}

#[tokio::test]
async fn who_is_signed_in_is_put_out_by_a_command() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", token.as_str()),
    ];
    let list = ["session", "list", "--json"];
    assert_eq!(said(&command(&list, &with).await), serde_json::json!([]));
    let body = crate::visit::form(&[("token", &token)]);
    let signed_in = Operator::new(token.clone())
        .http
        .post(format!("{}/dashboard/sign-in", server.url))
        .header("origin", &server.url)
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body)
        .send()
        .await
        .unwrap();
    assert!(signed_in.status().is_success() || signed_in.status().is_redirection());
    let listed = said(&command(&list, &with).await);
    let login = format!("token:{}", &token[4..20]);
    assert_eq!(listed[0]["login"], login.as_str());
    assert_eq!(listed[0]["sessions"].as_array().unwrap().len(), 1);
    let table = command(&["session", "list"], &with).await;
    let since = listed[0]["sessions"][0]["since_ms"].to_string();
    let table = String::from_utf8(table.stdout).unwrap();
    assert!(table.contains(&login) && table.contains(&since), "{table}");

    let end = ["session", "end", &login, "--json"];
    assert_eq!(said(&command(&end, &with).await)["ended"], 1);
    assert_eq!(said(&command(&list, &with).await), serde_json::json!([]));
    let again = command(&end, &with).await;
    assert_eq!(again.status.code(), Some(1));
    assert!(
        String::from_utf8(again.stderr)
            .unwrap()
            .contains("nobody is signed in")
    );
}

#[tokio::test]
async fn failures_have_their_own_exit_codes() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(folder.path()).await;
    let url = server.url.clone();
    let wrong = [("LATCHKEY_SERVER", url.as_str()), ("LATCHKEY_TOKEN", "lks_wrong")];
    let none = [("LATCHKEY_SERVER", url.as_str())];
    let token = server.token();
    assert_eq!(command(&["release", "list"], &wrong).await.status.code(), Some(4));
    assert_eq!(command(&["release", "list"], &none).await.status.code(), Some(4));
    assert_eq!(
        command(&["release", "publish"], &none).await.status.code(),
        Some(2)
    );
    let good = [
        ("LATCHKEY_SERVER", url.as_str()),
        ("LATCHKEY_TOKEN", token.as_str()),
    ];
    assert_eq!(
        command(&["device", "show", "x/../../y"], &good)
            .await
            .status
            .code(),
        Some(1)
    );
    assert_eq!(
        command(&["release", "upload", "/nowhere/at/all"], &good)
            .await
            .status
            .code(),
        Some(1)
    );
    server.kill().await;
    let gone = command(&["release", "list"], &good).await;
    assert_eq!(gone.status.code(), Some(3));
    assert!(
        String::from_utf8(gone.stderr)
            .unwrap()
            .contains("cannot be reached")
    );
}

#[tokio::test]
async fn an_example_director_key_is_refused_unless_it_is_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../keys-example/director.pem");
    let refused = command(
        &[
            "serve",
            "--listen",
            "127.0.0.1:0",
            "--data",
            data,
            "--director-key",
            example,
        ],
        &[],
    )
    .await;
    assert_eq!(refused.status.code(), Some(1));
    assert!(String::from_utf8(refused.stderr).unwrap().contains("example key"));
    let shown = command(
        &[
            "director-key",
            "--json",
            "--data",
            data,
            "--director-key",
            example,
            "--allow-example-keys",
        ],
        &[],
    )
    .await;
    let public = std::fs::read_to_string(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../keys-example/director.pub.pem"
    ));
    assert_eq!(
        said(&shown)["pem"].as_str().unwrap().trim(),
        public.unwrap().trim()
    );
}
