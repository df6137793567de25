//! What is uploaded: every attack is refused under its name.

use latchkey_server::domain::access::Role as TokenRole;

use super::*;
use crate::access::token;
use crate::commands::{command, said};
use crate::program::{Operator, Server};

/// Something that is not so.
type Lie = fn(&mut Target);

/// A root that this server would not have for its last.
type Unfit = fn(&mut Root);

/// The published root's successor, of this version.
fn later(server: Key, version: u64) -> Root {
    let mut root = root(server);
    root.version = version;
    root
}

#[tokio::test]
async fn before_the_first_upload_there_is_nothing_and_only_an_administrator_begins() {
    let harness = Harness::ready().await;
    assert_eq!(
        harness.fetch("/tuf/metadata/1.root.json").await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(
        harness.fetch("/tuf/metadata/timestamp.json").await.status,
        StatusCode::NOT_FOUND
    );
    assert!(!harness.service.renew_tuf().await.unwrap());
    let first = root(harness.server_key().await);
    harness
        .refuses_tuf(
            json!({ "targets": signed(targets(1, &[]), &[1, 2]) }),
            "no root yet",
        )
        .await;
    let mut second = first.clone();
    second.version = 2;
    harness
        .refuses_tuf(
            json!({ "root": signed(second, &[1, 2]) }),
            "the one to follow 0 is 1",
        )
        .await;
    let (_, token) = token(&harness, TokenRole::ReleaseEngineer).await;
    let body = json!({ "root": signed(first.clone(), &[1, 2]) }).to_string();
    let answer = harness
        .call_as(&token, Method::POST, "/api/v1/tuf", body.clone())
        .await;
    assert_eq!(answer.status, StatusCode::FORBIDDEN, "{answer:?}");
    assert_eq!(
        harness
            .publish_tuf(json!({ "root": signed(first, &[1, 2]) }))
            .await
            .status,
        StatusCode::CREATED
    );
    let body = json!({ "targets": signed(targets(1, &[]), &[1, 2]) }).to_string();
    let answer = harness.call_as(&token, Method::POST, "/api/v1/tuf", body).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    harness.walk(NOW_S).await;
}

#[tokio::test]
async fn attacks_by_upload_are_refused_by_name() {
    let (harness, draft) = Harness::with_repository().await;
    let server = harness.server_key().await;
    let list = |version| targets(version, &[&draft]);
    for (version, current) in [(3, 1), (9, 1)] {
        harness
            .refuses_tuf(
                json!({ "targets": signed(list(version), &[1, 2]) }),
                &format!("the one to follow {current}"),
            )
            .await;
    }
    for signers in [&[][..], &[1], &[4, 5], &[1, 9]] {
        harness
            .refuses_tuf(json!({ "targets": signed(list(2), signers) }), "of 2 needed")
            .await;
    }
    // The same signature three times.
    let one = signed(list(2), &[1]);
    let mut thrice: Value = serde_json::from_str(&one).unwrap();
    let signature = thrice["signatures"][0].clone();
    thrice["signatures"] = json!([signature, signature, signature]);
    harness
        .refuses_tuf(json!({ "targets": thrice.to_string() }), "signed more than once")
        .await;
    // Sub-second expires, and letters that clients read in two ways: signed by somebody else's tool.
    let good = signed(list(2), &[1, 2]);
    for (from, to, says) in [
        (
            LATER.to_string(),
            LATER.to_string().replace('Z', ".049640005Z"),
            "whole seconds",
        ),
        (
            "\"1.2.0+0\"".to_owned(),
            "\"u\u{308}\"".to_owned(),
            "not printable ASCII",
        ),
        (
            "\"spec_version\":\"1.0.31\"".to_owned(),
            "\"spec_version\":\"2.0\"".to_owned(),
            "only 1.0",
        ),
    ] {
        assert!(good.contains(&from), "{from} in {good}");
        harness
            .refuses_tuf(json!({ "targets": good.replace(&from, &to) }), says)
            .await;
    }
    // Over.
    let mut over = list(2);
    over.expires = Expires::at(NOW_S);
    harness
        .refuses_tuf(json!({ "targets": signed(over, &[1, 2]) }), "expired at")
        .await;
    // Root 2 with one signature, with none of the old root's, with the server's key for more, for another server.
    let mut second = root(server);
    second.version = 2;
    let mut rotated = second.clone();
    rotated.keys.insert(key(4).id(), key(4));
    rotated.keys.insert(key(5).id(), key(5));
    rotated.roles.root = Signers::new(&[key(4), key(5)], 2);
    for (role, signers, says) in [
        (&second, &[1][..], "of 2 needed"),
        (&rotated, &[4, 5], "by the keys of root version 1"),
        (&rotated, &[1, 2, 4], "by the keys of root version 2"),
    ] {
        harness
            .refuses_tuf(json!({ "root": signed(role.clone(), signers) }), says)
            .await;
    }
    let mut other = root(key(6));
    other.version = 2;
    harness
        .refuses_tuf(
            json!({ "root": signed(other, &[1, 2]) }),
            "does not let this server's key",
        )
        .await;
    let mut over = second.clone();
    over.expires = Expires::at(NOW_S);
    harness
        .refuses_tuf(json!({ "root": signed(over, &[1, 2]) }), "the root expired at")
        .await;
    let mut left = second.clone();
    left.roles.targets = Signers::new(&[key(1), key(2)], 2);
    harness
        .refuses_tuf(
            json!({ "root": signed(left, &[1, 2]) }),
            "would no longer be signed",
        )
        .await;
    for body in [json!({}), json!({ "root": null })] {
        assert_eq!(
            harness.publish_tuf(body).await.status,
            StatusCode::OK,
            "nothing is nothing new"
        );
    }
    let answer = harness.publish_tuf(json!({ "snapshot": "{}" })).await;
    assert_eq!(answer.problem(), "invalid");
    assert_eq!(harness.walk(NOW_S).await.timestamp, 1);
}

#[tokio::test]
async fn targets_that_say_other_than_the_releases_are_refused() {
    let (harness, draft) = Harness::with_repository().await;
    let unpublished = Draft::new(9, 9);
    harness
        .refuses_tuf(
            json!({ "targets": signed(targets(2, &[&unpublished]), &[1, 2]) }),
            "is no published release",
        )
        .await;
    let lies: [(&str, Lie); 6] = [
        ("length", |target| target.length += 1),
        ("vendor", |target| target.custom.vendor = "v".to_owned()),
        ("class", |target| target.custom.class = "c".to_owned()),
        ("version", |target| target.custom.version = "9.9.9+9".to_owned()),
        ("security_counter", |target| target.custom.security_counter += 1),
        ("image_digest", |target| {
            target.custom.image_digest = "00".repeat(32)
        }),
    ];
    for (what, lie) in lies {
        let mut list = targets(2, &[&draft]);
        list.targets.values_mut().for_each(lie);
        harness
            .refuses_tuf(
                json!({ "targets": signed(list, &[1, 2]) }),
                &format!("says {what} "),
            )
            .await;
    }
    let mut list = targets(2, &[]);
    let (_, target) = target(&draft);
    let name = TargetName::try_from("lock-emulator-1-9.9.9-9.img".to_owned()).unwrap();
    list.targets.insert(name, target);
    harness
        .refuses_tuf(
            json!({ "targets": signed(list, &[1, 2]) }),
            "its name says otherwise",
        )
        .await;
}

#[tokio::test]
async fn a_rotated_root_takes_the_targets_along() {
    let (harness, draft) = Harness::with_repository().await;
    let server = harness.server_key().await;
    let mut second = root(server);
    second.version = 2;
    second.keys.remove(&key(3).id());
    second.keys.insert(key(4).id(), key(4));
    second.roles.root = Signers::new(&[key(1), key(2), key(4)], 2);
    second.roles.targets = second.roles.root.clone();
    let (root, list) = (signed(second, &[1, 4, 2]), signed(targets(2, &[&draft]), &[1, 4]));
    harness
        .refuses_tuf(json!({ "root": root }), "would no longer be signed")
        .await;
    harness
        .refuses_tuf(json!({ "targets": list }), "of 2 needed")
        .await;
    let answer = harness
        .publish_tuf(json!({ "root": root, "targets": list }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let seen = harness.walk(NOW_S).await;
    assert_eq!(
        (
            seen.root.get().version,
            seen.targets.get().version,
            seen.timestamp
        ),
        (2, 2, 2)
    );
}

#[tokio::test]
async fn a_chain_of_roots_is_judged_by_its_last() {
    let unfit: [(&str, Unfit); 3] = [
        ("the root expired at", |root| root.expires = Expires::at(NOW_S)),
        ("does not let this server's key", |root| *root = later(key(6), 2)),
        ("would no longer be signed", |root| {
            root.roles.targets = Signers::new(&[key(1), key(2)], 2);
        }),
    ];
    for (says, make_unfit) in unfit {
        let (harness, _) = Harness::with_repository().await;
        let server = harness.server_key().await;
        let mut second = later(server, 2);
        make_unfit(&mut second);
        let second = signed(second, &[1, 2]);
        let third = signed(later(server, 3), &[1, 2]);
        harness.refuses_tuf(json!({ "root": second }), says).await;
        let chain = json!({ "earlier_roots": [second], "root": third });
        let answer = harness.publish_tuf(chain.clone()).await;
        assert_eq!(answer.status, StatusCode::CREATED, "{says}: {answer:?}");
        assert_eq!(harness.walk(NOW_S).await.root.get().version, 3, "{says}");
        let log = harness.get("/api/v1/audit").await;
        let last = log.as_array().unwrap().last().unwrap();
        assert_eq!(last["subject"], "root 2, root 3", "{log}");
        assert_eq!(
            harness.publish_tuf(chain).await.status,
            StatusCode::OK,
            "the same again"
        );
        let fourth = signed(later(server, 4), &[1, 2]);
        let chain = json!({ "earlier_roots": [second, third], "root": fourth });
        assert_eq!(harness.publish_tuf(chain).await.status, StatusCode::CREATED);
    }
}

#[tokio::test]
async fn of_a_chain_of_roots_all_are_taken_or_none() {
    let (harness, _) = Harness::with_repository().await;
    let server = harness.server_key().await;
    let good = |version| signed(later(server, version), &[1, 2]);
    let mut over = later(server, 3);
    over.expires = Expires::at(NOW_S);
    let over = signed(over, &[1, 2]);
    let one = signed(later(server, 2), &[1]);
    for (earlier, last, says) in [
        (vec![good(2)], over, "the root expired at"),
        (vec![one], good(3), "of 2 needed"),
        (vec![good(2)], good(4), "the one to follow 2 is 3"),
        (vec![good(3)], good(2), "the one to follow 1 is 2"),
    ] {
        harness
            .refuses_tuf(json!({ "earlier_roots": earlier, "root": last }), says)
            .await;
    }
    assert_eq!(harness.walk(NOW_S).await.root.get().version, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_publishes_a_chain_whose_first_root_is_over() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let token = server.token();
    let shown = Operator::new(token.clone())
        .get(format!("{}/api/v1/tuf", server.url))
        .await;
    let key = latchkey_server::ids::hash(shown["server_key"].as_str().unwrap()).unwrap();
    let mut first = root(Key::new(&key).unwrap());
    first.expires = Expires::at(1_000_000_000); // by the program's own clock too
    let mut second = first.clone();
    second.version = 2;
    second.expires = Expires::day("2099-01-01").unwrap();
    let place = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let mut arguments = ["tuf", "publish", "--json"].map(str::to_owned).to_vec();
    for (name, root) in [("1.root.json", first), ("2.root.json", second)] {
        std::fs::write(place(name), signed(root, &[1, 2])).unwrap();
        arguments.extend(["--root".to_owned(), place(name)]);
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", token.as_str()),
    ];
    let published = said(&command(&arguments, &with).await);
    assert_eq!(published["files"][0]["version"], 2, "{published}");
}
