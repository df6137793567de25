//! What devices are told: the decision is that of any lock.

use sha1::Sha1;
use sha2::{Digest as _, Sha256};

use super::*;
use crate::documents::swu;
use crate::visit::Visit;

#[tokio::test]
async fn a_device_is_asked_what_it_runs_and_told_what_to_install() {
    let harness = Harness::with_hawkbit().await;
    let (release, file) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let stranger = Stranger::new(&harness).await;
    assert!(stranger.polls().await["configData"]["href"].is_string());
    assert_eq!(stranger.offered().await, None, "nothing is decided without facts");
    assert_eq!(stranger.tells("1.1.0", 1).await.status, StatusCode::OK);
    assert_eq!(stranger.offered().await, Some(1));
    assert_eq!(stranger.offered().await, Some(1), "the same as before");

    let deployment = stranger.get("/deploymentBase/1?c=-1").await;
    assert_eq!(deployment.status, StatusCode::OK, "{deployment:?}");
    assert_eq!(deployment.json()["id"], "1");
    let (artifact, path) = stranger.told_to_install(1).await;
    let path = &path;
    assert_eq!(artifact["size"], file.len());
    assert_eq!(artifact["hashes"]["sha256"], hex::encode(Sha256::digest(&file)));
    assert_eq!(artifact["hashes"]["sha1"].as_str().unwrap().len(), 40);
    assert_eq!(artifact["hashes"]["md5"].as_str().unwrap().len(), 32);
    assert_eq!(stranger.get(path).await.body, file);
    let head = stranger.call(Method::HEAD, path, Body::empty()).await;
    assert_eq!(head.header(header::CONTENT_LENGTH), file.len().to_string());
    assert_eq!(
        stranger.get("/softwaremodules/1/artifacts/other").await.status,
        StatusCode::NOT_FOUND
    );

    for _ in 0..3 {
        assert_eq!(
            stranger.says(1, "proceeding", "none").await.status,
            StatusCode::OK
        );
    }
    assert_eq!(health(&harness, &rollout).await["under_way"], 1);
    assert_eq!(stranger.says(1, "closed", "success").await.status, StatusCode::OK);
    assert_eq!(health(&harness, &rollout).await["confirmed"], 1);
    let told = stranger.seen().await["told"].clone();
    assert_eq!(
        (&told["running"], &told["security_counter"]),
        (&json!(release.to_string()), &json!(2))
    );
    assert_eq!(told["boot"], json!(null), "nobody said how it starts");
    let visit = Visit::new(&harness).await;
    let page = visit.see(&format!("/dashboard/devices/{}", stranger.id)).await;
    assert!(
        page.contains("confirmed by its own word") && !page.contains("Last start"),
        "{page}"
    );
    assert!(stranger.is_asked().await, "whether it still runs that");
    assert_eq!(stranger.tells("1.2.0", 2).await.status, StatusCode::OK);
    assert_eq!(stranger.polls().await, json!({}));
    let events: Vec<_> = stranger
        .reports()
        .await
        .into_iter()
        .map(|(event, _)| event)
        .collect();
    assert_eq!(events, ["confirmed", "requested"], "each once");
    assert_eq!(
        stranger.get(path).await.status,
        StatusCode::NOT_FOUND,
        "it is over"
    );
    assert_eq!(
        stranger.get("/deploymentBase/1").await.status,
        StatusCode::NOT_FOUND
    );
}

#[tokio::test]
async fn a_release_with_a_swu_is_offered_as_that() {
    let harness = Harness::with_hawkbit().await;
    let (release, image) = published(&harness, 2).await;
    harness.roll_out(release).await;
    let stranger = Stranger::told(&harness).await;
    assert_eq!(stranger.offered().await, Some(1));
    let (_, as_image) = stranger.told_to_install(1).await;
    let (first, second) = (swu(&image, b"signed"), swu(&image, b"signed again"));
    let release = release.to_string();
    let mut paths = vec![(as_image, image)];
    for file in [first, second] {
        let added = harness.attach(&release, "swu", file.clone()).await;
        assert_eq!(added.status, StatusCode::CREATED, "{added:?}");
        let (artifact, path) = stranger.told_to_install(1).await;
        assert!(path.ends_with(".swu"), "{path}: SWUpdate goes by that");
        assert_eq!(artifact["size"], file.len());
        assert_eq!(artifact["hashes"]["sha256"], hex::encode(Sha256::digest(&file)));
        assert_eq!(artifact["hashes"]["sha1"], hex::encode(Sha1::digest(&file)));
        paths.push((path, file));
    }
    for (path, file) in &paths {
        assert_eq!(
            stranger.get(path).await.body,
            *file,
            "{path}: links given before stay good"
        );
        let head = stranger.call(Method::HEAD, path, Body::empty()).await;
        assert_eq!(head.header(header::CONTENT_LENGTH), file.len().to_string());
        assert!(head.body.is_empty());
        let range = Request::builder()
            .uri(format!("{BASE}{}{path}", stranger.id))
            .header(header::AUTHORIZATION, format!("TargetToken {}", stranger.token))
            .header(header::RANGE, "bytes=1000-");
        let rest = harness.send(range.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (rest.status, &rest.body[..]),
            (StatusCode::PARTIAL_CONTENT, &file[1000..])
        );
    }
    assert_eq!(stranger.says(1, "closed", "success").await.status, StatusCode::OK);
    for (path, _) in &paths {
        assert_eq!(
            stranger.get(path).await.status,
            StatusCode::NOT_FOUND,
            "it is over"
        );
    }
}

#[tokio::test]
async fn the_decision_is_that_of_any_lock() {
    let harness = Harness::with_hawkbit().await;
    let (stranger, other) = (Stranger::told(&harness).await, Stranger::new(&harness).await);
    let (old, _) = published(&harness, 1).await;
    harness.roll_out(old).await;
    assert_eq!(stranger.offered().await, None, "nothing that is not newer");
    let (release, _) = published(&harness, 2).await;
    let rollout = harness
        .roll_out_to(json!({ "release": release.to_string(), "to": "list", "devices": [other.id] }))
        .await;
    assert_eq!(stranger.offered().await, None, "it is not for this one");
    step(&harness, &rollout, "abort").await;
    harness.roll_out(release).await;
    let wishes = format!("/api/v1/devices/{}/wishes", stranger.id);
    let none = json!({ "updates": "none" }).to_string();
    harness.call(Method::PUT, &wishes, none).await;
    assert_eq!(stranger.offered().await, None, "its owner wants none");
    harness.call(Method::PUT, &wishes, "{}").await;
    assert_eq!(stranger.offered().await, Some(1));
    let decision = harness
        .get(&format!("/api/v1/devices/{}/decision", stranger.id))
        .await;
    assert_eq!(decision["install"], release.to_string(), "{decision}");
}

#[tokio::test]
async fn what_was_aborted_is_left_and_what_runs_is_believed() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let (obeys, quick) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    for stranger in [&obeys, &quick] {
        assert_eq!(stranger.offered().await, Some(1));
        assert_eq!(
            stranger.get("/cancelAction/1").await.status,
            StatusCode::NOT_FOUND,
            "nobody asks that"
        );
        assert_eq!(stranger.leaves(1).await.status, StatusCode::NOT_FOUND);
        assert_eq!(stranger.says(1, "download", "none").await.status, StatusCode::OK);
    }
    step(&harness, &rollout, "abort").await;

    assert_eq!(obeys.canceled().await, Some(1));
    let cancel = obeys.get("/cancelAction/1").await.json();
    assert_eq!(cancel, json!({ "id": "1", "cancelAction": { "stopId": "1" } }));
    let path = "/cancelAction/1/feedback";
    let not_yet = obeys.call(Method::POST, path, said("rejected", "none")).await;
    assert_eq!(not_yet.status, StatusCode::OK);
    assert_eq!(obeys.canceled().await, Some(1), "it is asked again");
    assert_eq!(obeys.leaves(1).await.status, StatusCode::OK);
    assert_eq!(obeys.tells("1.1.0", 1).await.status, StatusCode::OK);
    assert_eq!(obeys.polls().await, json!({}));
    assert_eq!(obeys.says(1, "closed", "success").await.problem(), "gone");
    assert_eq!(obeys.seen().await["told"]["version"], "1.1.0+0");

    assert_eq!(
        quick.says(1, "closed", "success").await.status,
        StatusCode::OK,
        "it runs it"
    );
    assert_eq!(quick.seen().await["told"]["version"], "1.2.0+0");
    assert_eq!(quick.tells("1.2.0", 2).await.status, StatusCode::OK);
    assert_eq!(quick.polls().await, json!({}));
    let (next, _) = published(&harness, 3).await;
    harness.roll_out(next).await;
    assert_eq!(obeys.offered().await, Some(2), "another is another");
}

#[tokio::test]
async fn a_newer_rollout_waits_until_the_older_is_left() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let (release, _) = published(&harness, 2).await;
    harness.roll_out(release).await;
    assert_eq!(stranger.offered().await, Some(1));
    let (next, _) = published(&harness, 3).await;
    let halt = json!({ "silence_hours": 1 });
    let newer = harness
        .roll_out_to(json!({ "release": next.to_string(), "to": "all", "halt": halt }))
        .await;
    assert_eq!(
        stranger.polls().await.as_object().unwrap().len(),
        1,
        "one thing after another"
    );
    assert_eq!(stranger.canceled().await, Some(1));
    harness.clock.advance_ms(3_600_001);
    assert_eq!(
        health(&harness, &newer).await["silent"],
        0,
        "it was not told of that yet"
    );
    assert_eq!(stranger.leaves(1).await.status, StatusCode::OK);
    assert_eq!(stranger.tells("1.1.0", 1).await.status, StatusCode::OK);
    assert_eq!(stranger.offered().await, Some(2));
    harness.clock.advance_ms(3_600_001);
    assert_eq!(health(&harness, &newer).await["silent"], 1);
}
