//! Those who ask too often: each pays for itself, and everybody else is served.

use std::net::IpAddr;

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use bytes::Bytes;
use futures_util::future::join_all;
use futures_util::{FutureExt as _, stream};
use latchkey_directive::{Event, Problem, ProblemCode};
use latchkey_image::ImageDigest;
use latchkey_server::http::{App, Peer, routes};
use latchkey_server::limits::UNPROVEN_BODY_TIMEOUT;
use tower::ServiceExt as _;

use crate::support::{Answer, Harness, Lock};
use crate::visit::{ORIGIN, post};
use crate::wire::{ANYBODYS_FORMS, Wire, served};

/// What an address may send that proves nothing, before it is told to come back.
const ALLOWANCE: usize = 200;

/// A lock's message that comes over a connection from this address.
async fn says(harness: &Harness, from: &str, forwarded: Option<&str>, path: &str, body: Vec<u8>) -> Answer {
    let mut request = Request::builder().method(Method::POST).uri(path);
    if let Some(value) = forwarded {
        request = request.header("x-forwarded-for", value);
    }
    let address: IpAddr = from.parse().unwrap();
    let request = request.extension(Peer(address)).body(body.into());
    harness.send(request.unwrap()).await
}

async fn check_in(harness: &Harness, from: &str, lock: &mut Lock) -> Answer {
    let message = lock.check_in();
    says(harness, from, None, "/device/v1/check-in", lock.seal(&message)).await
}

/// It is told to come back, and when: not all at the same time.
fn told_to_come_back(answer: &Answer) -> u32 {
    assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{answer:?}");
    let problem: Problem = minicbor::decode(&answer.body).unwrap();
    assert_eq!(problem.code, ProblemCode::Busy);
    assert!((60..120).contains(&problem.call_again_s), "{problem:?}");
    assert_eq!(
        answer.header(header::RETRY_AFTER),
        problem.call_again_s.to_string()
    );
    problem.call_again_s
}

/// Those who were told to wait so many seconds do not all come back together.
fn differ(mut waits: Vec<u32>) {
    assert!(waits.iter().all(|wait| (60..120).contains(wait)), "{waits:?}");
    waits.sort_unstable();
    waits.dedup();
    assert!(waits.len() > 5, "{waits:?}");
}

#[tokio::test]
async fn garbage_without_end_from_one_address() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let garbage = |from: &'static str| says(&harness, from, None, "/device/v1/report", b"garbage".to_vec());
    for _ in 0..ALLOWANCE {
        assert_eq!(garbage("192.0.2.1").await.lock_problem(), ProblemCode::Malformed);
    }
    let mut waits = Vec::new();
    for _ in 0..20 {
        waits.push(told_to_come_back(&garbage("192.0.2.1").await));
    }
    differ(waits);
    assert_eq!(
        check_in(&harness, "192.0.2.2", &mut lock).await.status,
        StatusCode::OK
    );
    harness.clock.advance_ms(1_000);
    assert_eq!(garbage("192.0.2.1").await.lock_problem(), ProblemCode::Malformed);
    told_to_come_back(&garbage("192.0.2.1").await);
}

#[tokio::test]
async fn forged_check_ins_in_a_known_locks_name() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let forger = Lock::new();
    for number in 0..ALLOWANCE + 5 {
        let message = lock.check_in();
        let answer = says(
            &harness,
            "2001:db8::1",
            None,
            "/device/v1/check-in",
            forger.seal(&message),
        )
        .await;
        if number < ALLOWANCE {
            assert_eq!(answer.lock_problem(), ProblemCode::BadSignature);
        } else {
            told_to_come_back(&answer);
        }
    }
    // Another address of the same subscriber is no other; the lock itself, elsewhere, has paid for nothing.
    told_to_come_back(&check_in(&harness, "2001:db8::2", &mut lock).await);
    assert_eq!(
        check_in(&harness, "2001:db8:0:1::1", &mut lock).await.status,
        StatusCode::OK
    );
}

#[tokio::test]
async fn new_devices_without_end_from_one_address() {
    let harness = Harness::ready().await;
    for number in 0..ALLOWANCE + 5 {
        // The same one again and again waits, and so does a new one.
        let lock = Lock::from_seed([(number % 50) as u8; 32]);
        let answer = says(&harness, "192.0.2.1", None, "/device/v1/enrol", lock.enrolment()).await;
        if number < ALLOWANCE {
            assert_eq!(answer.status, StatusCode::ACCEPTED);
        } else {
            told_to_come_back(&answer);
        }
    }
}

#[tokio::test]
async fn a_lock_gone_mad() {
    let harness = Harness::ready().await;
    let (mut mad, mut sane) = (harness.lock().await, harness.lock().await);
    let address = "192.0.2.1";
    for _ in 0..30 {
        assert_eq!(check_in(&harness, address, &mut mad).await.status, StatusCode::OK);
    }
    told_to_come_back(&check_in(&harness, address, &mut mad).await);
    assert_eq!(
        check_in(&harness, address, &mut sane).await.status,
        StatusCode::OK,
        "its neighbour behind the same address is served"
    );
    harness.clock.advance_ms(5_000);
    assert_eq!(check_in(&harness, address, &mut mad).await.status, StatusCode::OK);
    told_to_come_back(&check_in(&harness, address, &mut mad).await);
}

#[tokio::test]
async fn copies_without_end_of_what_a_lock_said() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let message = lock.check_in();
    let captured = lock.seal(&message);
    let replay = || {
        says(
            &harness,
            "192.0.2.66",
            None,
            "/device/v1/check-in",
            captured.clone(),
        )
    };
    assert_eq!(replay().await.status, StatusCode::OK, "whoever delivers it");
    for _ in 0..ALLOWANCE {
        assert_eq!(replay().await.lock_problem(), ProblemCode::Replayed);
    }
    told_to_come_back(&replay().await);
    assert_eq!(
        check_in(&harness, "192.0.2.1", &mut lock).await.status,
        StatusCode::OK,
        "the lock pays nothing for its copies"
    );
}

#[tokio::test]
async fn copies_without_end_of_a_report() {
    let harness = Harness::ready().await;
    let mut lock = harness.lock().await;
    let report = lock.report(Event::Requested, ImageDigest([3; 32]), 0);
    let captured = lock.seal(&report);
    let replay = || {
        says(
            &harness,
            "192.0.2.66",
            None,
            "/device/v1/report",
            captured.clone(),
        )
    };
    for _ in 0..=ALLOWANCE {
        assert_eq!(replay().await.status, StatusCode::OK);
    }
    told_to_come_back(&replay().await);
    let other = lock.report(Event::Confirmed, ImageDigest([3; 32]), 0);
    let other = lock.seal(&other);
    let answer = says(&harness, "192.0.2.1", None, "/device/v1/report", other).await;
    assert_eq!(answer.status, StatusCode::OK);
}

#[tokio::test]
async fn a_flood_through_a_proxy_and_one_that_only_says_so() {
    let mut harness = Harness::ready().await;
    let proxy: IpAddr = "192.0.2.80".parse().unwrap();
    harness.router = routes(&App::new(harness.service.clone()).behind(&[proxy])).0;
    let garbage = |from: &'static str, forwarded: &'static str| {
        says(
            &harness,
            from,
            Some(forwarded),
            "/device/v1/report",
            b"garbage".to_vec(),
        )
    };
    for _ in 0..ALLOWANCE {
        // What the client says of itself stands in front of what the proxy adds.
        garbage("192.0.2.80", "203.0.113.9, 198.51.100.1")
            .await
            .lock_problem();
    }
    told_to_come_back(&garbage("192.0.2.80", "203.0.113.10, 198.51.100.1").await);
    let other = garbage("192.0.2.80", "198.51.100.2").await;
    assert_eq!(
        other.lock_problem(),
        ProblemCode::Malformed,
        "others come through"
    );
    for number in 0..=ALLOWANCE {
        let answer = garbage("192.0.2.1", "198.51.100.3").await;
        if number == ALLOWANCE {
            told_to_come_back(&answer);
        }
    }
    let nameless = || {
        says(
            &harness,
            "192.0.2.80",
            None,
            "/device/v1/report",
            b"garbage".to_vec(),
        )
    };
    for _ in 0..ALLOWANCE {
        nameless().await.lock_problem();
    }
    told_to_come_back(&nameless().await);
    let real = garbage("192.0.2.80", "198.51.100.3").await;
    assert_eq!(
        real.lock_problem(),
        ProblemCode::Malformed,
        "nobody pays for another"
    );
}

/// What comes to one of the forms that anybody may send.
fn sent(from: &str, path: &str, body: Body) -> Request<Body> {
    let address: IpAddr = from.parse().unwrap();
    let request = post(path).header(header::ORIGIN, ORIGIN);
    request.extension(Peer(address)).body(body).unwrap()
}

/// Who has nothing left is told so, at every such form.
async fn is_told_to_come_back(harness: &Harness, from: &str) -> bool {
    let tried = ANYBODYS_FORMS.map(|path| harness.send(sent(from, path, Body::from("garbage"))));
    let answers = join_all(tried).await;
    let busy = answers
        .iter()
        .filter(|answer| answer.status == StatusCode::TOO_MANY_REQUESTS);
    let busy = busy.count();
    assert!(busy == 0 || busy == answers.len(), "{answers:?}");
    busy > 0
}

#[tokio::test]
async fn those_sent_away_from_a_form_do_not_all_come_back_together() {
    let harness = Harness::new().await;
    let garbage = |path| harness.send(sent("192.0.2.1", path, Body::from("garbage")));
    for _ in 0..ALLOWANCE {
        garbage("/device/v1/report").await;
    }
    for path in ANYBODYS_FORMS {
        let mut waits = Vec::new();
        for _ in 0..20 {
            let answer = garbage(path).await;
            assert_eq!(answer.status, StatusCode::TOO_MANY_REQUESTS, "{path}");
            waits.push(answer.header(header::RETRY_AFTER).parse().unwrap());
        }
        differ(waits);
    }
}

#[tokio::test]
async fn bodies_that_never_come() {
    for path in ANYBODYS_FORMS {
        let harness = Harness::new().await;
        tokio::time::pause();
        let never = || Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        let waiting = (0..ALLOWANCE).map(|_| harness.send(sent("192.0.2.1", path, never())));
        for answer in join_all(waiting).await {
            assert_eq!(answer.status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        }
        tokio::time::resume();
        assert!(is_told_to_come_back(&harness, "192.0.2.1").await, "{path}");
        assert!(!is_told_to_come_back(&harness, "192.0.2.2").await);
    }
}

#[tokio::test]
async fn bodies_that_break_off() {
    for path in ANYBODYS_FORMS {
        let harness = Harness::new().await;
        let half = || {
            let gone = std::io::Error::other("gone");
            Body::from_stream(stream::iter([Ok(Bytes::from("half")), Err(gone)]))
        };
        for _ in 0..ALLOWANCE {
            let answer = harness.send(sent("192.0.2.1", path, half())).await;
            assert_eq!(answer.status, StatusCode::BAD_REQUEST, "{path}");
        }
        assert!(is_told_to_come_back(&harness, "192.0.2.1").await, "{path}");
    }
}

#[tokio::test]
async fn clients_that_hang_up_before_their_body_has_come() {
    for path in ANYBODYS_FORMS {
        let harness = Harness::new().await;
        // One connection at one time: who comes next is heard only when the server has noticed that the last one went.
        let server = served(harness.router.clone(), 1).await;
        for _ in 0..ALLOWANCE {
            let mut gone = Wire::from("127.0.0.66", server).await;
            gone.begin(path, 100).await;
        }
        let mut next = Wire::from("127.0.0.66", server).await;
        next.announce(path, 100).await;
        assert_eq!(next.status().await, StatusCode::TOO_MANY_REQUESTS, "{path}");
        drop(next);
        let mut other = Wire::from("127.0.0.1", server).await;
        other.begin(path, 100).await;
    }
}

/// How many requests were turned away unheard: for their address, for their body.
async fn turned_away(harness: &Harness) -> (usize, usize) {
    let lines = harness.metrics("latchkey_http_turned_away_total").await;
    let of = |kind: &str| {
        let beginning = format!("latchkey_http_turned_away_total{{kind=\"{kind}\"}} ");
        let count = lines.iter().find_map(|line| line.strip_prefix(&beginning));
        count.unwrap().parse().unwrap()
    };
    (of("address"), of("body"))
}

/// What is counted of answers to strangers: requests by route and status, and how many times were taken of each route.
async fn answers(harness: &Harness) -> Vec<String> {
    let mut counted = harness.metrics("latchkey_http_requests_total").await;
    counted.extend(
        harness
            .metrics("latchkey_http_request_duration_seconds_count")
            .await,
    );
    counted.retain(|line| !line.contains("\"/metrics\""));
    counted
}

#[tokio::test]
async fn what_is_turned_away_for_its_address_is_counted_apart() {
    let harness = Harness::new().await;
    for _ in 0..ALLOWANCE + 50 {
        harness
            .send(sent("192.0.2.1", "/device/v1/report", Body::from("garbage")))
            .await;
    }
    assert_eq!(turned_away(&harness).await, (50, 0));
    let of_route = "{route=\"/device/v1/report\"";
    assert_eq!(
        answers(&harness).await,
        [
            format!("latchkey_http_requests_total{of_route},status=\"400\"}} {ALLOWANCE}"),
            format!("latchkey_http_request_duration_seconds_count{of_route}}} {ALLOWANCE}"),
        ]
    );
}

#[tokio::test]
async fn what_never_came_whole_is_counted_apart() {
    let harness = Harness::new().await;
    for path in ANYBODYS_FORMS {
        let never = || Body::from_stream(stream::pending::<std::io::Result<Bytes>>());
        let broken = Body::from_stream(stream::iter([Err::<Bytes, _>(std::io::Error::other("gone"))]));
        harness.send(sent("192.0.2.1", path, broken)).await;
        let hung_up = harness.router.clone().oneshot(sent("192.0.2.1", path, never()));
        assert!(hung_up.now_or_never().is_none());
        tokio::time::pause();
        harness.send(sent("192.0.2.1", path, never())).await;
        tokio::time::resume();
    }
    assert_eq!(turned_away(&harness).await, (0, 3 * ANYBODYS_FORMS.len()));
    assert_eq!(answers(&harness).await, [""; 0]);
}

#[tokio::test]
async fn the_time_that_a_body_takes_to_come_is_not_the_servers() {
    let harness = Harness::new().await;
    let takes = UNPROVEN_BODY_TIMEOUT / 2;
    let slow = stream::once(async move {
        tokio::time::sleep(takes).await;
        Ok::<_, std::io::Error>("garbage")
    });
    tokio::time::pause();
    let request = sent("192.0.2.1", "/device/v1/report", Body::from_stream(slow));
    assert_eq!(harness.send(request).await.status, StatusCode::BAD_REQUEST);
    tokio::time::resume();
    let sum = "latchkey_http_request_duration_seconds_sum{route=\"/device/v1/report\"} ";
    let told = harness.metrics(sum).await;
    let seconds: f64 = told[0].strip_prefix(sum).unwrap().parse().unwrap();
    assert!(seconds < takes.as_secs_f64(), "{seconds}");
}

#[tokio::test]
async fn who_hangs_up_on_a_server_that_is_slow_pays_nothing() {
    let harness = Harness::ready().await;
    let enrolment = Lock::new().enrolment();
    for _ in 0..=ALLOWANCE {
        let request = sent("192.0.2.1", "/device/v1/enrol", enrolment.clone().into());
        // All of it is there, so what it waits for is the database.
        let answer = harness.router.clone().oneshot(request).now_or_never();
        assert!(answer.is_none());
    }
    assert!(!is_told_to_come_back(&harness, "192.0.2.1").await);
}
