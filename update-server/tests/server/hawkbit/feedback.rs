//! What is worth what devices say.

use super::*;

#[tokio::test]
async fn failures_count_rest_and_halt() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let halt = json!({ "release": release.to_string(), "to": "all", "halt": { "failures": 2 } });
    let rollout = harness.roll_out_to(halt).await;
    let (first, second) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    let action = first.offered().await.unwrap();
    assert_eq!(
        first.says(action, "closed", "failure").await.status,
        StatusCode::OK
    );
    assert_eq!(
        first.says(action, "closed", "failure").await.status,
        StatusCode::OK,
        "it did not hear"
    );
    assert_eq!(health(&harness, &rollout).await["refused"], 1, "once");
    assert_eq!(first.tells("1.1.0", 1).await.status, StatusCode::OK);
    assert_eq!(first.offered().await, None, "it is left alone for an hour");
    harness.clock.advance_ms(3_600_000);
    let again = first.offered().await.unwrap();
    assert_ne!(again, action, "another try is another action");
    assert_eq!(
        first.says(action, "closed", "failure").await.status,
        StatusCode::OK
    );
    assert_eq!(
        first.offered().await,
        Some(again),
        "what is said of the old one is not said of it"
    );

    let action = second.offered().await.unwrap();
    assert_eq!(
        second.says(action, "canceled", "none").await.status,
        StatusCode::OK
    );
    let status = harness.get(&format!("/api/v1/rollouts/{rollout}")).await;
    assert_eq!(status["state"], "halted", "{status}");
    assert_eq!(
        first.get(&format!("/deploymentBase/{again}")).await.status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(first.canceled().await, Some(again));
}

#[tokio::test]
async fn what_runs_an_older_image_again_has_reverted() {
    let harness = Harness::with_hawkbit().await;
    let stranger = Stranger::told(&harness).await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    assert_eq!(stranger.offered().await, Some(1));
    stranger.says(1, "closed", "success").await;
    assert_eq!(
        stranger.tells("1.2.0", 2).await.status,
        StatusCode::OK,
        "nothing new"
    );
    assert_eq!(health(&harness, &rollout).await["confirmed"], 1);
    assert_eq!(stranger.tells("1.1.0", 1).await.status, StatusCode::OK);
    let health = health(&harness, &rollout).await;
    assert_eq!(
        (&health["confirmed"], &health["reverted"]),
        (&json!(0), &json!(1))
    );
    assert_eq!(stranger.offered().await, None, "not again in this rollout");
    assert_eq!(
        stranger.reports().await[0],
        ("reverted".to_owned(), release.to_string())
    );
}

/// Clients tell when they are asked, and some say that it went well before they have started what they installed.
#[tokio::test]
async fn after_each_action_a_device_is_asked_what_it_runs() {
    let harness = Harness::with_hawkbit().await;
    let (fell, runs) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    for stranger in [&fell, &runs] {
        assert_eq!(stranger.offered().await, Some(1));
        assert_eq!(
            stranger.says(1, "proceeding", "none").await.status,
            StatusCode::OK
        );
        assert!(!stranger.is_asked().await, "not while it is at it");
        assert_eq!(stranger.says(1, "closed", "success").await.status, StatusCode::OK);
        assert!(stranger.is_asked().await);
        assert!(stranger.is_asked().await, "until it tells");
    }
    assert_eq!(health(&harness, &rollout).await["confirmed"], 2);
    assert_eq!(runs.tells("1.2.0", 2).await.status, StatusCode::OK);
    assert_eq!(fell.tells("1.1.0", 1).await.status, StatusCode::OK);
    for stranger in [&fell, &runs] {
        assert_eq!(stranger.polls().await, json!({}), "it has told");
    }
    let health = health(&harness, &rollout).await;
    assert_eq!(
        (&health["confirmed"], &health["reverted"]),
        (&json!(1), &json!(1))
    );
}

#[tokio::test]
async fn nothing_is_offered_before_a_device_has_told_what_an_action_left() {
    let harness = Harness::with_hawkbit().await;
    let (failed, left) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    assert_eq!((failed.offered().await, left.offered().await), (Some(1), Some(1)));
    assert_eq!(failed.says(1, "closed", "failure").await.status, StatusCode::OK);
    step(&harness, &rollout, "abort").await;
    assert_eq!(left.canceled().await, Some(1));
    assert!(!left.is_asked().await, "not before it has left it");
    assert_eq!(left.leaves(1).await.status, StatusCode::OK);
    let (next, _) = published(&harness, 3).await;
    let rollout = harness.roll_out(next).await;
    let foretold = async || {
        let path = format!("/api/v1/rollouts/{rollout}/preview");
        harness.get(&path).await["groups"].clone()
    };
    assert_eq!(
        foretold().await,
        json!([{ "version": null, "verdict": "not-seen", "devices": 2 }])
    );
    for stranger in [&failed, &left] {
        let decision = format!("/api/v1/devices/{}/decision", stranger.id);
        let why = harness.call(Method::GET, &decision, Body::empty()).await;
        assert_eq!(why.problem(), "conflict");
        assert!(
            why.json().to_string().contains("has to tell what it runs"),
            "{why:?}"
        );
        assert!(stranger.is_asked().await);
        assert_eq!(stranger.offered().await, None);
        assert_eq!(
            stranger.tells("1.1.0", 1).await.status,
            StatusCode::OK,
            "as before"
        );
        assert_eq!(harness.get(&decision).await["install"], next.to_string());
        assert_eq!(stranger.offered().await, Some(2));
        assert!(!stranger.is_asked().await);
    }
    assert_eq!(
        foretold().await,
        json!([{ "version": "1.1.0+0", "verdict": "offered", "devices": 2 }])
    );
}

#[tokio::test]
async fn a_device_may_run_what_it_was_told_to_install_until_it_says_how_that_ended() {
    let harness = Harness::with_hawkbit().await;
    let (broken, well) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    let silent = Stranger::told(&harness).await;
    let (release, _) = published(&harness, 2).await;
    harness.roll_out(release).await;
    assert_eq!(silent.offered().await, Some(1));
    for stranger in [&broken, &well] {
        assert_eq!(stranger.offered().await, Some(1));
        assert_eq!(
            stranger.says(1, "proceeding", "none").await.status,
            StatusCode::OK
        );
    }
    assert_eq!(well.says(1, "closed", "success").await.status, StatusCode::OK);
    let report = harness.get("/api/v1/incidents/affected?from=1.2").await;
    assert_eq!((&report["devices"], &report["may_run"]), (&json!(1), &json!(2)));
    let listed = harness.get("/api/v1/incidents/affected.json?from=1.2").await;
    for stranger in [&broken, &silent] {
        let mut locks = listed.as_array().unwrap().iter();
        let listed = locks.find(|lock| lock["device"] == stranger.id).unwrap();
        assert_eq!(
            (&listed["version"], &listed["may_run"]),
            (&json!("1.1.0+0"), &json!("1.2.0+0"))
        );
    }
}

#[tokio::test]
async fn hostile_feedback_changes_nothing() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let (stranger, other) = (Stranger::told(&harness).await, Stranger::told(&harness).await);
    assert_eq!(other.offered().await, Some(1));
    assert_eq!(
        stranger.says(1, "closed", "success").await.status,
        StatusCode::NOT_FOUND,
        "it is another's"
    );
    assert_eq!(
        stranger
            .get("/softwaremodules/1/artifacts/lock-emulator-1-1.2.0-0.img")
            .await
            .status,
        StatusCode::NOT_FOUND
    );
    assert_eq!(stranger.offered().await, Some(1));
    for action in ["0", "2", "-1", "01", "+1", "99999999999999999999", "x", "%2e%2e"] {
        for path in [
            format!("/deploymentBase/{action}"),
            format!("/cancelAction/{action}"),
            format!("/softwaremodules/{action}/artifacts/lock-emulator-1-1.2.0-0.img"),
        ] {
            assert_eq!(stranger.get(&path).await.status, StatusCode::NOT_FOUND, "{path}");
            harness.clock.advance_ms(60_000); // a device may not ask without end
        }
        let path = format!("/deploymentBase/{action}/feedback");
        let answer = stranger
            .call(Method::POST, &path, said("closed", "success"))
            .await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
    }
    let long = said("closed", &"x".repeat(70_000));
    let path = "/deploymentBase/1/feedback";
    assert_eq!(
        stranger.call(Method::POST, path, long).await.problem(),
        "too-large"
    );
    for body in [
        String::new(),
        "{}".to_owned(),
        "[".repeat(60_000),
        said("closed", "none"),
        said("closed", "perhaps"),
        said("done", "success"),
        json!({ "status": { "execution": "closed" } }).to_string(),
        json!({ "status": { "execution": ["closed"], "result": { "finished": "success" } } }).to_string(),
    ] {
        assert_eq!(stranger.call(Method::POST, path, body).await.problem(), "invalid");
    }
    for data in [
        "",
        "{}",
        r#"{"data":{"version":"9.9.9"}}"#,
        r#"{"data":{"version":"\u0000","counter":"1"}}"#,
    ] {
        assert_eq!(
            stranger.call(Method::PUT, "/configData", data).await.problem(),
            "invalid"
        );
    }
    let health = health(&harness, &rollout).await;
    assert_eq!((&health["confirmed"], &health["refused"]), (&json!(0), &json!(0)));
    assert_eq!(stranger.says(1, "closed", "success").await.status, StatusCode::OK);
    assert_eq!(
        stranger.says(1, "closed", "success").await.status,
        StatusCode::OK,
        "said again"
    );
    for (execution, finished) in [
        ("closed", "failure"),
        ("proceeding", "none"),
        ("rejected", "none"),
    ] {
        assert_eq!(
            stranger.says(1, execution, finished).await.problem(),
            "gone",
            "{execution}"
        );
    }
    assert_eq!(stranger.reports().await.len(), 1, "nothing counts twice");
}

#[tokio::test]
async fn who_reports_without_end_is_heard_once_it_ends() {
    let harness = Harness::with_hawkbit().await;
    let (release, _) = published(&harness, 2).await;
    let rollout = harness.roll_out(release).await;
    let stranger = Stranger::told(&harness).await;
    assert_eq!(stranger.offered().await, Some(1));
    let mut answers = Vec::new();
    for _ in 0..40 {
        answers.push(stranger.says(1, "proceeding", "none").await.status);
    }
    assert_eq!(answers.first(), Some(&StatusCode::OK));
    assert_eq!(answers.last(), Some(&StatusCode::TOO_MANY_REQUESTS));
    assert_eq!(stranger.says(1, "rejected", "none").await.problem(), "too-often");
    assert_eq!(
        stranger.says(2, "closed", "success").await.problem(),
        "too-often",
        "it has no such action"
    );
    assert_eq!(
        stranger.says(1, "closed", "success").await.status,
        StatusCode::OK,
        "a client may say so only once"
    );
    assert_eq!(health(&harness, &rollout).await["confirmed"], 1);
    assert_eq!(
        stranger.says(1, "closed", "success").await.problem(),
        "too-often",
        "again is too often"
    );
}
