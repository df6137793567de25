//! Affected locks: counted and listed by what they said they run.

use axum::body::Body;
use axum::http::{Method, StatusCode, header};
use latchkey_directive::Event;
use latchkey_image::ImageDigest;
use latchkey_server::ids;
use serde_json::Value;

use crate::commands::{command, said};
use crate::program::{Operator, Server};
use crate::support::{Draft, Harness, Lock};

const WEEK_MS: i64 = 7 * 24 * 3600 * 1000;

impl Harness {
    /// A lock that runs version 1.`minor` with this counter, and said so.
    async fn runs(&self, minor: u8, counter: u32) -> Lock {
        let mut lock = self.lock().await;
        lock.runs(ImageDigest([minor; 32]), minor, counter);
        self.check_in(&mut lock).await;
        lock
    }

    /// A lock that ran version 1.1, was offered this release, and asked its bootloader for it.
    async fn asked(&self, release: ImageDigest) -> Lock {
        let mut lock = self.lock().await;
        assert_eq!(self.offered(&mut lock).await, Some(release));
        self.report(&mut lock, Event::Requested, release, 0).await;
        lock
    }

    /// The affected locks that may run another version than they said: name, what they said, and the other.
    async fn doubtful(&self, query: &str) -> Vec<(String, String, String)> {
        let path = format!("/api/v1/incidents/affected.json?{query}");
        let listed = self.get(&path).await;
        let text = |lock: &Value, name: &str| lock[name].as_str().map(str::to_owned);
        let doubtful = listed.as_array().unwrap().iter().filter_map(|lock| {
            let may_run = text(lock, "may_run")?;
            Some((text(lock, "device")?, text(lock, "version")?, may_run))
        });
        doubtful.collect()
    }

    /// How many locks run an affected version by their own word, may run one, and never said.
    async fn counted(&self, query: &str) -> [i64; 3] {
        self.service.write_presence().await.unwrap(); // a second is not waited for
        let report = self.get(&format!("/api/v1/incidents/affected?{query}")).await;
        let sum = |name: &str| -> i64 {
            let counts = report["counts"].as_array().unwrap().iter();
            counts.map(|count| count[name].as_i64().unwrap()).sum()
        };
        let counted = ["devices", "may_run", "unknown"].map(|name| report[name].as_i64().unwrap());
        assert_eq!([sum("devices"), sum("may_run")], counted[..2], "{report}");
        counted
    }

    async fn listed(&self, query: &str) -> Vec<String> {
        let json = self
            .get(&format!("/api/v1/incidents/affected.json?{query}"))
            .await;
        let path = format!("/api/v1/incidents/affected.csv?{query}");
        let csv = self.call(Method::GET, &path, Body::empty()).await;
        assert_eq!(csv.status, StatusCode::OK, "{csv:?}");
        assert_eq!(csv.header(header::CONTENT_TYPE), "text/csv; charset=utf-8");
        let mut reader = csv::Reader::from_reader(&csv.body[..]);
        let rows: Vec<String> = reader.records().map(|row| row.unwrap()[0].to_owned()).collect();
        let devices: Vec<String> = json
            .as_array()
            .unwrap()
            .iter()
            .map(|device| device["device"].as_str().unwrap().to_owned())
            .collect();
        assert_eq!(rows, devices, "{query}: both forms list the same");
        let counted = self.counted(query).await;
        assert_eq!(
            counted[0] + counted[1],
            devices.len() as i64,
            "{query}: as counted"
        );
        devices
    }
}

#[tokio::test]
async fn who_runs_what_is_counted_and_listed() {
    let harness = Harness::ready().await;
    let old = [harness.runs(1, 1).await, harness.runs(1, 1).await];
    let gone = harness.runs(2, 2).await;
    harness.clock.advance_ms(2 * WEEK_MS);
    let new = harness.runs(3, 3).await;
    let _silent = harness.lock().await;
    let revoke = format!("/api/v1/devices/{}/revoke", gone.id());
    assert_eq!(
        harness.call(Method::POST, &revoke, Body::empty()).await.status,
        StatusCode::OK
    );

    let report = harness
        .get("/api/v1/incidents/affected?class=lock-emulator-1&to=1.2.0%2B0")
        .await;
    assert_eq!(
        (report["devices"].as_i64(), report["unknown"].as_i64()),
        (Some(3), Some(1))
    );
    let counts = report["counts"].as_array().unwrap();
    let versions: Vec<_> = counts
        .iter()
        .map(|count| {
            (
                count["version"].as_str().unwrap(),
                count["devices"].as_i64().unwrap(),
                count["seen_within_a_week"].as_i64().unwrap(),
            )
        })
        .collect();
    assert_eq!(versions, [("1.1.0+0", 2, 0), ("1.2.0+0", 1, 0)]);
    let all = harness.get("/api/v1/incidents/affected?counter_from=1").await;
    assert_eq!(
        (
            all["devices"].as_i64(),
            all["counts"][2]["seen_within_a_week"].as_i64()
        ),
        (Some(4), Some(1))
    );

    let mut wanted: Vec<String> = old.iter().map(|lock| lock.id().to_string()).collect();
    wanted.sort();
    assert_eq!(harness.listed("counter_to=1").await, wanted);
    assert_eq!(
        harness.listed(&format!("release={}", ImageDigest([3; 32]))).await,
        [new.id().to_string()]
    );
    assert_eq!(
        harness.listed("from=1.2.0%2B0&to=1.2.0%2B0").await,
        [gone.id().to_string()],
        "revoked, and on a door still"
    );
    assert!(
        harness
            .listed("class=lock-nrf52840-1&counter_from=0")
            .await
            .is_empty()
    );
}

#[tokio::test]
async fn parts_of_a_version_that_are_left_out_are_whatever_they_are() {
    let harness = Harness::ready().await;
    let mut runs = Vec::new();
    for version in ["1.2.0+7", "1.2.1+0"] {
        let mut lock = harness.lock().await;
        lock.running.version = version.parse().unwrap();
        harness.check_in(&mut lock).await;
        runs.push(lock.id().to_string());
    }
    let [build, revision] = [0, 1].map(|number| runs[number].clone());
    let mut both = runs;
    both.sort();
    for (query, wanted) in [
        ("to=1.2.0", vec![build.clone()]),
        ("to=1.2", both.clone()),
        ("to=1", both.clone()),
        ("to=1.2.0%2B6", vec![]),
        ("to=1.2.0%2B7", vec![build.clone()]),
        ("to=1.1", vec![]),
        ("from=1.2.0", both.clone()),
        ("from=1.2.0&to=1.2.0", vec![build]),
        ("from=1.2.0%2B8&to=1.2", vec![revision]),
        ("from=1.2&to=1.2", both),
    ] {
        assert_eq!(harness.listed(query).await, wanted, "{query}");
        let report = harness.get(&format!("/api/v1/incidents/affected?{query}")).await;
        assert_eq!(report["devices"], wanted.len(), "{query}: {report}");
    }
    let report = harness.get("/api/v1/incidents/affected?from=1&to=1.2").await;
    assert_eq!(
        (&report["from"], &report["to"]),
        (&"1".into(), &"1.2".into()),
        "as they were asked for"
    );
}

#[tokio::test]
async fn who_asked_for_a_bad_release_and_was_never_heard_of_since_may_run_it() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let rollout = harness.roll_out(release).await;
    let silent = harness.asked(release).await.id().to_string();
    let mut runs = harness.asked(release).await;
    let mut fell = harness.asked(release).await;
    let mut refused = harness.asked(release).await;
    assert_eq!(
        harness.counted("from=1.2").await,
        [0, 4, 0],
        "nobody has called since"
    );
    harness.pause(&rollout).await;
    runs.runs(release, 2, 2);
    harness.check_in(&mut runs).await;
    harness.check_in(&mut fell).await;
    let event = Event::RefusedByBootloader;
    harness.report(&mut refused, event, release, 1).await;

    let mut wanted = vec![silent.clone(), runs.id().to_string()];
    wanted.sort();
    let doubtful = [(silent, "1.1.0+0".to_owned(), "1.2.0+0".to_owned())];
    let by_digest = format!("release={release}");
    for query in ["from=1.2", "counter_from=2&class=lock-emulator-1", &by_digest] {
        assert_eq!(harness.listed(query).await, wanted, "{query}");
        assert_eq!(harness.doubtful(query).await, doubtful, "{query}");
        assert_eq!(harness.counted(query).await, [1, 1, 0], "{query}");
    }
    let csv = harness
        .call(
            Method::GET,
            "/api/v1/incidents/affected.csv?from=1.2",
            Body::empty(),
        )
        .await;
    let mut reader = csv::Reader::from_reader(&csv.body[..]);
    let column = reader
        .headers()
        .unwrap()
        .iter()
        .position(|name| name == "may_run");
    let marks: Vec<String> = reader
        .records()
        .map(|row| row.unwrap()[column.unwrap()].to_owned())
        .collect();
    let marked = wanted
        .iter()
        .map(|device| if *device == doubtful[0].0 { "1.2.0+0" } else { "" });
    assert_eq!(marks, marked.collect::<Vec<_>>());
    for (query, counted) in [("to=1.1", [3, 0, 0]), ("class=lock-emulator-1", [4, 0, 0])] {
        assert_eq!(
            harness.counted(query).await,
            counted,
            "{query}: once, by what it said"
        );
        assert!(harness.doubtful(query).await.is_empty(), "{query}");
    }
}

/// A lock says once that it asked its bootloader, and restarts whether or not anybody heard.
#[tokio::test]
async fn who_was_told_to_install_a_bad_release_and_was_never_heard_of_since_may_run_it() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let untold = harness.runs(1, 1).await.id().to_string();
    let rollout = harness.roll_out(release).await;
    let [mut silent, mut refuses_another, mut refuses, mut calls] =
        harness.locks(4).await.try_into().ok().unwrap();
    for lock in [&mut silent, &mut refuses_another, &mut refuses, &mut calls] {
        assert_eq!(harness.offered(lock).await, Some(release));
    }
    assert_eq!(harness.counted("from=1.2").await, [0, 4, 0], "not {untold}");
    let another = ImageDigest([3; 32]);
    for (lock, image) in [(&mut refuses_another, another), (&mut refuses, release)] {
        harness.report(lock, Event::RefusedByApp, image, 1).await;
    }
    assert_eq!(harness.counted("from=1.2").await, [0, 3, 0]);
    assert_eq!(harness.offered(&mut calls).await, Some(release));
    assert_eq!(
        harness.counted("from=1.2").await,
        [0, 3, 0],
        "it is told so again"
    );
    harness.pause(&rollout).await;
    assert_eq!(harness.offered(&mut calls).await, None);
    assert_eq!(harness.counted("from=1.2").await, [0, 2, 0]);

    let mut wanted = [&silent, &refuses_another].map(|lock| lock.id().to_string());
    wanted.sort();
    assert_eq!(harness.listed("from=1.2").await, wanted);
    let doubtful = wanted.map(|lock| (lock, "1.1.0+0".to_owned(), "1.2.0+0".to_owned()));
    assert_eq!(harness.doubtful("from=1.2").await, doubtful);
}

/// A report goes before the check-in that follows it; one that says that the new image runs may be the last word, too.
#[tokio::test]
async fn the_last_word_of_a_lock_is_what_counts() {
    let harness = Harness::ready().await;
    let release = harness.publish(&Draft::new(2, 2)).await;
    let rollout = harness.roll_out(release).await;
    let mut lock = harness.asked(release).await;
    harness.report(&mut lock, Event::Confirmed, release, 0).await;
    assert_eq!(harness.counted("from=1.2").await, [0, 1, 0]);
    harness.report(&mut lock, Event::Reverted, release, 0).await;
    assert_eq!(harness.counted("from=1.2").await, [0, 0, 0]);
    // It did not hear that its report had come, and had called before it said so again.
    let mut late = harness.lock().await;
    assert_eq!(harness.offered(&mut late).await, Some(release));
    let report = late.report(Event::Requested, release, 0);
    harness.pause(&rollout).await;
    harness.check_in(&mut late).await;
    let answer = harness.lock_says("/device/v1/report", late.seal(&report)).await;
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    assert_eq!(harness.counted("from=1.2").await, [0, 0, 0]);
}

#[tokio::test]
async fn questions_that_make_no_sense_are_refused() {
    let harness = Harness::ready().await;
    for form in ["", ".csv", ".json"] {
        for query in [
            "",
            "?from=2.0.0%2B0&to=1.0.0%2B0",
            "?counter_from=2&counter_to=1",
            "?release=xyz",
            "?from=one",
            "?to=1.2%2B3",
            "?country=de",
        ] {
            let path = format!("/api/v1/incidents/affected{form}{query}");
            let answer = harness.call(Method::GET, &path, Body::empty()).await;
            assert_eq!(answer.problem(), "invalid", "{path}");
        }
        let path = format!("/api/v1/incidents/affected{form}?class=lock-9");
        assert_eq!(
            harness.call(Method::GET, &path, Body::empty()).await.problem(),
            "not-found"
        );
    }
}

/// More locks than fit a page, most of them not affected: pages without any lie between.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_commands_report_and_list() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("data")).await;
    let token = server.token();
    let with = [
        ("LATCHKEY_SERVER", server.url.as_str()),
        ("LATCHKEY_TOKEN", token.as_str()),
    ];
    let operator = Operator::new(token.clone());
    let names: String = (0..2500).map(|number| format!("{number:032x}\n")).collect();
    let import = operator.ask(
        reqwest::Method::POST,
        format!("{}/api/v1/devices/import", server.url),
    );
    assert_eq!(
        import.body(format!("id\n{names}")).send().await.unwrap().status(),
        StatusCode::OK
    );
    let mut lock = Lock::new();
    let expect = format!("id\n{}\n", lock.id());
    let import = operator.ask(
        reqwest::Method::POST,
        format!("{}/api/v1/devices/import", server.url),
    );
    assert_eq!(import.body(expect).send().await.unwrap().status(), StatusCode::OK);
    for (path, body) in [
        ("enrol", lock.enrolment()),
        ("check-in", {
            let check_in = lock.check_in();
            lock.seal(&check_in)
        }),
    ] {
        let sent = operator
            .http
            .post(format!("{}/device/v1/{path}", server.url))
            .body(body)
            .send()
            .await
            .unwrap();
        assert_eq!(sent.status(), StatusCode::OK, "{path}");
    }
    let report = said(&command(&["incident", "report", "--counter-to", "1", "--json"], &with).await);
    assert_eq!(
        (report["devices"].as_i64(), report["unknown"].as_i64()),
        (Some(1), Some(0))
    );
    let within = ["incident", "report", "--from", "1.1", "--to", "1.1.0"];
    let shown = String::from_utf8(command(&within, &with).await.stdout).unwrap();
    assert!(
        shown.contains("1 lock(s) are affected, of versions from 1.1 up to 1.1.0; 0 more may run"),
        "{shown}"
    );
    let listed = command(&["incident", "devices", "--class", "lock-emulator-1"], &with).await;
    let listed = String::from_utf8(listed.stdout).unwrap();
    let lines: Vec<&str> = listed.lines().collect();
    assert_eq!(lines.len(), 2, "{listed}");
    assert!(
        lines[0].starts_with("device,state,")
            && lines[0].ends_with(",may_run")
            && ids::device(&lines[1][..32]) == Some(lock.id()),
        "{listed}"
    );
    assert_eq!(
        said(&command(&["incident", "devices", "--counter-to", "1", "--json"], &with).await)
            .as_array()
            .unwrap()
            .len(),
        1
    );
    assert_eq!(
        command(&["incident", "report"], &with).await.status.code(),
        Some(2),
        "which locks?"
    );
}
