//! What is served: published releases are a repository, of whole files, kept by caches as long as they may be.

use axum::http::header;

use super::*;
use crate::audit::tamper;

#[tokio::test]
async fn published_releases_are_a_repository() {
    let (harness, draft) = Harness::with_repository().await;
    let seen = harness.walk(NOW_S).await;
    assert_eq!((seen.snapshot, seen.timestamp), (1, 1));
    let listed = seen.targets.get().targets.iter().next().unwrap();
    assert_eq!((listed.0.clone(), listed.1.clone()), target(&draft));

    let next = Draft::new(3, 8);
    harness.publish(&next).await;
    let list = signed(targets(2, &[&draft, &next]), &[1, 2]);
    let answer = harness.publish_tuf(json!({ "targets": list })).await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    let seen = harness.walk(NOW_S).await;
    assert_eq!(
        (seen.snapshot, seen.timestamp, seen.targets.get().targets.len()),
        (2, 2, 2)
    );

    let again = harness.publish_tuf(json!({ "targets": list })).await;
    assert_eq!(
        again.status,
        StatusCode::OK,
        "the same files again change nothing: {again:?}"
    );
    assert_eq!(harness.walk(NOW_S).await.timestamp, 2);
    let said = harness.get("/api/v1/audit").await;
    let published: Vec<_> = said
        .as_array()
        .unwrap()
        .iter()
        .filter(|line| line["action"] == "tuf.publish")
        .map(|line| line["subject"].as_str().unwrap())
        .collect();
    assert_eq!(published, ["root 1, targets 1", "targets 2"]);
}

#[tokio::test]
async fn what_is_listed_no_more_is_served_no_more() {
    let (harness, draft) = Harness::with_repository().await;
    let (name, target) = target(&draft);
    let path = format!("/tuf/targets/{}.{name}", target.hashes.sha256);
    assert_eq!(harness.fetch(&path).await.status, StatusCode::OK);
    let answer = harness
        .publish_tuf(json!({ "targets": signed(targets(2, &[]), &[1, 2]) }))
        .await;
    assert_eq!(answer.status, StatusCode::CREATED, "{answer:?}");
    assert_eq!(harness.fetch(&path).await.status, StatusCode::NOT_FOUND);
    assert!(harness.walk(NOW_S).await.targets.get().targets.is_empty());
}

#[tokio::test]
async fn files_are_kept_by_caches_exactly_as_long_as_they_may_be() {
    let (harness, draft) = Harness::with_repository().await;
    let (name, target) = target(&draft);
    let image = format!("/tuf/targets/{}.{name}", target.hashes.sha256);
    for (path, keep) in [
        ("/tuf/metadata/1.root.json", "public, max-age=31536000, immutable"),
        (
            "/tuf/metadata/1.targets.json",
            "public, max-age=31536000, immutable",
        ),
        (
            "/tuf/metadata/1.snapshot.json",
            "public, max-age=31536000, immutable",
        ),
        ("/tuf/metadata/timestamp.json", "no-cache"),
        (&image, "public, max-age=31536000, immutable"),
    ] {
        let whole = harness.fetch(path).await;
        assert_eq!(whole.status, StatusCode::OK, "{path}");
        assert_eq!(whole.header(header::CACHE_CONTROL), keep, "{path}");
        let tag = whole.header(header::ETAG).to_owned();
        assert_eq!(tag, format!("\"{}\"", Hash::of(&whole.body)), "{path}");
        let request = Request::get(path)
            .header(header::IF_NONE_MATCH, &tag)
            .body(Body::empty());
        let again = harness.send(request.unwrap()).await;
        assert_eq!(
            (again.status, again.body.len()),
            (StatusCode::NOT_MODIFIED, 0),
            "{path}"
        );
        let head = Request::head(path).body(Body::empty()).unwrap();
        let head = harness.send(head).await;
        assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0), "{path}");
    }
    let part = Request::get(&image)
        .header(header::RANGE, "bytes=0-9")
        .body(Body::empty());
    assert_eq!(harness.send(part.unwrap()).await.body.len(), 10);
    for path in [
        "/tuf/metadata/2.root.json",
        "/tuf/metadata/0.root.json",
        "/tuf/metadata/root.json",
        "/tuf/metadata/1.timestamp.json",
        "/tuf/metadata/..%2Ftuf.pem",
        &format!("/tuf/targets/{name}"),
        &format!("/tuf/targets/{}.other.img", target.hashes.sha256),
        &format!("/tuf/targets/{}.{name}", "0".repeat(64)),
        "/tuf/targets/x",
    ] {
        let answer = harness.fetch(path).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store", "{path}");
        answer.problem();
    }
}

#[tokio::test]
async fn when_each_file_expires_is_told_as_a_metric() {
    let gauges = async |harness: &Harness| -> Vec<String> {
        let told = harness.call(Method::GET, "/metrics", Body::empty()).await.body;
        let told = String::from_utf8(told.to_vec()).unwrap();
        let lines = told
            .lines()
            .filter(|line| line.starts_with("latchkey_tuf_expiry"));
        lines.map(str::to_owned).collect()
    };
    assert_eq!(gauges(&Harness::ready().await).await, [""; 0], "no repository");

    let (harness, _) = Harness::with_repository().await;
    let mut expected: Vec<String> = harness.get("/api/v1/tuf").await["files"]
        .as_array()
        .unwrap()
        .iter()
        .map(|file| {
            let (role, expires) = (file["role"].as_str().unwrap(), file["expires"].as_str().unwrap());
            let seconds = expires.parse::<Expires>().unwrap().unix_s();
            format!("latchkey_tuf_expiry_timestamp_seconds{{role=\"{role}\"}} {seconds}")
        })
        .collect();
    expected.sort();
    assert_eq!(expected.len(), 4, "{expected:?}");
    let mut told = gauges(&harness).await;
    told.sort();
    assert_eq!(told, expected);

    // A timestamp that is renewed is told of anew.
    harness.clock.advance_ms(48 * HOUR_MS);
    assert!(harness.service.renew_tuf().await.unwrap());
    let mut renewed = gauges(&harness).await;
    renewed.sort();
    let changed: Vec<_> = renewed
        .iter()
        .zip(&told)
        .filter(|(after, before)| after != before)
        .collect();
    assert_eq!(changed.len(), 1, "{changed:?}");
    assert!(changed[0].0.contains("timestamp\"}"), "{changed:?}");

    // One that is damaged is told of, with all the rest.
    let all = async || {
        let answer = harness.call(Method::GET, "/metrics", Body::empty()).await;
        assert_eq!(answer.status, StatusCode::OK);
        String::from_utf8(answer.body.to_vec()).unwrap()
    };
    assert!(all().await.contains("latchkey_tuf_readable 1\n"));
    tamper(
        harness.folder.path().to_str().unwrap(),
        "UPDATE tuf_files SET document = 'no document' WHERE role = 'root'",
    )
    .await;
    let damaged = harness.call(Method::GET, "/api/v1/tuf", Body::empty()).await;
    assert!(damaged.status.is_server_error());
    let told = all().await;
    assert!(told.contains("latchkey_tuf_readable 0\n"), "{told}");
    assert!(told.contains("latchkey_devices{kind=\"approved\"} 0\n"), "{told}");
    assert_eq!(gauges(&harness).await, [""; 0], "what was so before is not told");
}
