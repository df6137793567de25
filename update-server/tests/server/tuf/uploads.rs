//! What is uploaded: every attack is refused under its name.

use latchkey_server::domain::access::Role as TokenRole;

use super::*;
use crate::access::token;

/// Something that is not so.
type Lie = fn(&mut Target);

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
