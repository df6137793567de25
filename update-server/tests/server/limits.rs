//! Bounds on waiting: whoever sends slowly, or not at all, or with too many others, is told or shown the door.
//!
//! Time stands still here and jumps when nothing else is to do, so no test waits for real.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode, header};
use axum::routing::{get, post as post_of};
use bytes::Bytes;
use futures_util::{StreamExt as _, stream};
use latchkey_directive::ProblemCode;
use latchkey_server::http::{App, Bounds, Door, Tls, routes, serve};
use latchkey_server::limits::{
    BUSY_RETRY_S, CONNECTION_AGE_MAX, CONNECTION_BUFFER_BYTES, DEVICE_BODY_BYTES_MAX, HEAD_TIMEOUT,
    NOTES_BYTES_MAX, REQUEST_TIMEOUT, REQUESTS_MAX, SIGN_IN_FORM_BYTES_MAX,
};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio::time::Instant;
use tokio_rustls::TlsConnector;

use crate::support::{Draft, Harness, Lock};
use crate::visit::{ORIGIN, Visit, post};
use crate::wire::{ANYBODYS_FORMS, Wire, served, served_at, served_within};

/// A body of which nothing ever comes. Says so each time it is asked for.
pub(crate) fn stalled(asked: mpsc::UnboundedSender<()>) -> Body {
    Body::from_stream(stream::poll_fn(move |_| {
        // Nobody listens any more when the test has what it wants.
        let _ = asked.send(());
        Poll::<Option<std::io::Result<Bytes>>>::Pending
    }))
}

fn enrol(body: Body) -> Request<Body> {
    Request::post("/device/v1/enrol").body(body).unwrap()
}

#[tokio::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let harness = Harness::new().await;
    tokio::time::pause();
    let (asked, _keep) = mpsc::unbounded_channel();
    let answer = harness.send(enrol(stalled(asked))).await;
    assert_eq!(
        (answer.status, answer.lock_problem()),
        (StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Busy)
    );
    let again_s: u32 = answer.header(header::RETRY_AFTER).parse().unwrap();
    assert!((BUSY_RETRY_S..2 * BUSY_RETRY_S).contains(&again_s));
}

#[tokio::test]
async fn more_requests_than_there_are_places_are_told_to_come_back() {
    let harness = Harness::new().await;
    let (asked, mut begun) = mpsc::unbounded_channel();
    let mut holding = Vec::new();
    for _ in 0..REQUESTS_MAX {
        let router = harness.router.clone();
        let request = Request::post("/api/v1/tokens")
            .header(header::AUTHORIZATION, format!("Bearer {}", harness.admin))
            .body(stalled(asked.clone()))
            .unwrap();
        holding.push(tokio::spawn(async move {
            tower::ServiceExt::oneshot(router, request)
                .await
                .unwrap()
                .status()
        }));
        begun.recv().await.unwrap();
    }
    tokio::time::pause();
    let answer = harness.lock_says("/device/v1/enrol", vec![0]).await;
    assert_eq!(
        (answer.status, answer.lock_problem()),
        (StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Busy)
    );
    let people = Request::get("/openapi.json").body(Body::empty()).unwrap();
    assert_eq!(harness.send(people).await.problem(), "busy");
    // Each place is free again once its request is given up.
    for held in holding {
        assert_eq!(held.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
    let answer = harness.lock_says("/device/v1/enrol", vec![0]).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Malformed);
    // This is what the alert about errors is for.
    tokio::time::resume();
    let refused = "latchkey_http_requests_total{route=\"/device/v1/enrol\",status=\"503\"}";
    assert_eq!(harness.metrics(refused).await, [format!("{refused} 1")]);
}

#[tokio::test]
async fn a_request_that_comes_when_all_places_are_taken_waits_for_one() {
    let harness = Harness::new().await;
    let (router, _) = routes(&App::new(harness.service.clone()).with_requests_max(1));
    let (asked, mut begun) = mpsc::unbounded_channel();
    let slow = Request::post("/api/v1/tokens")
        .header(header::AUTHORIZATION, format!("Bearer {}", harness.admin))
        .body(stalled(asked))
        .unwrap();
    let slow = tokio::spawn(tower::ServiceExt::oneshot(router.clone(), slow));
    begun.recv().await.unwrap();
    let people = Request::get("/openapi.json").body(Body::empty()).unwrap();
    let mut waiting = tower::ServiceExt::oneshot(router, people);
    assert!(futures_util::poll!(&mut waiting).is_pending());
    slow.abort();
    assert_eq!(waiting.await.unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn bodies_that_do_not_come_keep_no_place_from_others() {
    let harness = Harness::ready().await;
    let (router, _) = routes(&App::new(harness.service.clone()).with_requests_max(1));
    let server = served(router, 64).await;
    let mut waiting = Vec::new();
    for path in ANYBODYS_FORMS {
        for _ in 0..4 {
            let mut wire = Wire::from("127.0.0.66", server).await;
            wire.begin(path, 100).await;
            waiting.push(wire);
        }
    }
    let enrolment = Lock::new().enrolment();
    let mut lock = Wire::from("127.0.0.1", server).await;
    lock.begin("/device/v1/enrol", enrolment.len()).await;
    lock.say(&enrolment).await;
    assert_eq!(lock.status().await, StatusCode::ACCEPTED);
    // Whose body comes after all is answered, too.
    for mut wire in waiting {
        wire.say(&[b'x'; 100]).await;
        assert_eq!(wire.status().await, StatusCode::BAD_REQUEST);
    }
}

#[tokio::test]
async fn a_session_whose_form_does_not_come_keeps_no_place_from_others() {
    let harness = Harness::new().await;
    let cookie = Visit::new(&harness).await.cookie;
    let (router, _) = routes(&App::new(harness.service.clone()).with_requests_max(1));
    let (asked, mut begun) = mpsc::unbounded_channel();
    let slow = post("/dashboard/sign-out")
        .header(header::ORIGIN, ORIGIN)
        .header(header::COOKIE, cookie)
        .body(stalled(asked))
        .unwrap();
    let slow = tokio::spawn(tower::ServiceExt::oneshot(router.clone(), slow));
    begun.recv().await.unwrap();
    let lock = enrol(Lock::new().enrolment().into());
    let answer = tower::ServiceExt::oneshot(router, lock).await.unwrap();
    assert_eq!(answer.status(), StatusCode::ACCEPTED);
    slow.abort();
}

#[tokio::test]
async fn a_server_without_a_free_place_says_that_it_is_well() {
    let harness = Harness::new().await;
    let (router, _) = routes(&App::new(harness.service.clone()).with_requests_max(0));
    let health = Request::get("/healthz").body(Body::empty()).unwrap();
    let answer = tower::ServiceExt::oneshot(router, health).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK);
}

#[tokio::test]
async fn one_address_takes_not_all_connections() {
    let door = Door {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        router: Router::new().route("/", get("here")),
        tls: None,
    };
    let server = served_at(door, Bounds::usual(4));
    let mut crowd = Vec::new();
    for _ in 0..8 {
        crowd.push(Wire::from("127.0.0.66", server).await);
    }
    let mut other = Wire::from("127.0.0.1", server).await;
    other.say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
    assert_eq!(other.status().await, StatusCode::OK);
    assert_eq!(crowd[7].rest().await, "", "shown the door at once");
}

#[tokio::test]
async fn a_crowd_at_one_door_keeps_nobody_from_another() {
    let door = async || Door {
        listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
        router: Router::new().route("/", get("here")),
        tls: None,
    };
    let doors = vec![door().await, door().await];
    let at = |number: usize| doors[number].listener.local_addr().unwrap();
    let (first, second) = (at(0), at(1));
    tokio::spawn(serve(doors, Bounds::usual(1), std::future::pending()));
    let ask = async |door| {
        let mut wire = Wire::from("127.0.0.1", door).await;
        wire.say(b"GET / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        wire
    };
    let mut served = ask(first).await;
    assert_eq!(served.status().await, StatusCode::OK);
    let (mut crowd, mut other) = (ask(first).await, ask(second).await);
    drop(served);
    tokio::select! {
        status = other.status() => assert_eq!(status, StatusCode::OK),
        _ = crowd.status() => panic!("its turn was before"),
    }
}

#[tokio::test]
async fn nobody_has_more_read_of_a_body_than_its_route_takes() {
    const PIECE: usize = 512;
    let harness = Harness::new().await;
    for (path, bytes_max) in ANYBODYS_FORMS.into_iter().zip([
        DEVICE_BODY_BYTES_MAX,
        DEVICE_BODY_BYTES_MAX,
        DEVICE_BODY_BYTES_MAX,
        SIGN_IN_FORM_BYTES_MAX,
    ]) {
        let read = Arc::new(AtomicUsize::new(0));
        let counted = read.clone();
        let endless = stream::repeat_with(move || {
            counted.fetch_add(PIECE, Ordering::Relaxed);
            Ok::<_, std::io::Error>(vec![b'x'; PIECE])
        });
        let request = post(path).header(header::ORIGIN, ORIGIN);
        let request = request.body(Body::from_stream(endless)).unwrap();
        assert_eq!(harness.send(request).await.status, StatusCode::BAD_REQUEST);
        let read = read.load(Ordering::Relaxed);
        assert!(read > bytes_max && read <= bytes_max + PIECE, "{path}: {read}");
    }
}

#[tokio::test]
async fn connections_that_say_nothing_or_never_finish_are_closed() {
    let harness = Harness::new().await;
    // One place: who comes next is served only because the one before was shown the door.
    let address = served(harness.router.clone(), 1).await;
    tokio::time::pause();
    for said in [
        "",
        "GET /openapi.json HT",
        "GET /openapi.json HTTP/1.1\r\nhost: x\r\nx-a: b\r\n",
    ] {
        let began = Instant::now();
        let mut connection = TcpStream::connect(address).await.unwrap();
        connection.write_all(said.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        // Ends only because the server ends it; how it does is its own affair.
        let _ = connection.read_to_end(&mut answer).await;
        assert!(!answer.starts_with(b"HTTP/1.1 200"), "{said:?}");
        assert!(
            began.elapsed() >= HEAD_TIMEOUT,
            "closed for another reason: {said:?}"
        );
    }
}

/// Old before whoever says nothing is shown the door.
const AGE_MAX: Duration = Duration::from_secs(5);
const _: () = assert!(AGE_MAX.as_secs() < HEAD_TIMEOUT.as_secs());

const SLOW: &[u8] = b"POST /slow HTTP/1.1\r\nhost: x\r\n\r\n";

/// A server with connections that get old, and work that takes as long as the test wants.
struct Ageing {
    server: SocketAddr,
    begun: mpsc::UnboundedReceiver<()>,
    finish: Arc<Notify>,
}

impl Ageing {
    async fn new() -> Self {
        let (begins, begun) = mpsc::unbounded_channel();
        let finish = Arc::new(Notify::new());
        let finished = finish.clone();
        let slow = async move || {
            begins.send(()).unwrap();
            finished.notified().await;
            "done"
        };
        let router = Router::new()
            .route("/slow", post_of(slow))
            .route("/", get("here"));
        let bounds = Bounds {
            of_one_address: 2,
            age_max: AGE_MAX,
            stall_max: STALL_MAX,
            ..Bounds::usual(2)
        };
        let server = served_within(router, bounds).await;
        Self {
            server,
            begun,
            finish,
        }
    }

    /// A connection with a request under way.
    async fn busy(&mut self) -> Wire {
        let mut wire = Wire::from("127.0.0.1", self.server).await;
        wire.say(SLOW).await;
        self.begun.recv().await.unwrap();
        wire
    }

    /// A connection that had its answer and waits for nothing.
    async fn idle(&self) -> Wire {
        let mut wire = Wire::from("127.0.0.1", self.server).await;
        wire.say(b"HEAD / HTTP/1.1\r\nhost: x\r\n\r\n").await;
        assert_eq!(wire.status().await, StatusCode::OK);
        wire
    }
}

#[tokio::test]
async fn a_request_under_way_when_its_connection_is_old_is_answered() {
    let mut ageing = Ageing::new().await;
    let mut busy = ageing.busy().await;
    let mut younger = ageing.idle().await;
    tokio::time::pause();
    tokio::time::advance(AGE_MAX).await;
    // A jump of time between what is sent and what is received would be one more reason to end.
    tokio::time::resume();
    assert_eq!(younger.rest().await, "");
    ageing.finish.notify_one();
    let head = busy.head().await;
    assert!(head.starts_with("HTTP/1.1 200"), "{head}");
    assert!(head.contains("connection: close"), "it was old by then: {head}");
    assert_eq!(busy.rest().await, "done");
}

#[tokio::test]
async fn an_old_connection_that_does_nothing_is_ended_at_once() {
    let ageing = Ageing::new().await;
    let mut idle = ageing.idle().await;
    tokio::time::pause();
    let began = Instant::now();
    assert_eq!(idle.rest().await, "");
    let ended = began.elapsed();
    assert!(ended < HEAD_TIMEOUT, "for another reason, after {ended:?}");
}

#[tokio::test]
async fn a_request_that_does_not_end_is_cut_off_with_its_old_connection() {
    let mut ageing = Ageing::new().await;
    let mut busy = ageing.busy().await;
    tokio::time::pause();
    let began = Instant::now();
    assert_eq!(busy.rest().await, "");
    assert!(began.elapsed() >= REQUEST_TIMEOUT, "it was given no time");
}

/// How long clients here may take nothing of what they asked for.
const STALL_MAX: Duration = Duration::from_secs(30);
const _: () = assert!(STALL_MAX.as_secs() < CONNECTION_AGE_MAX.as_secs());

/// More than lies between server and client where both keep little: to have so much, the client has to make the server go
/// on.
const PIECE: usize = 512 * 1024;
const LITTLE: u32 = 8 * 1024;
const PIECES: usize = 6;

/// What a client may be slow to take, at a server with one place.
fn served_to_slow_ones(tls: Option<Tls>) -> SocketAddr {
    let endless =
        async || Body::from_stream(stream::repeat_with(|| Ok::<_, std::io::Error>(vec![b'x'; 4096])));
    let long = async || vec![b'x'; PIECES * PIECE];
    let rare = async || {
        let first = stream::once(async { Ok::<_, std::io::Error>("first") });
        let second = stream::once(async {
            tokio::time::sleep(2 * STALL_MAX).await;
            Ok("second")
        });
        Body::from_stream(first.chain(second))
    };
    let router = Router::new()
        .route("/endless", get(endless))
        .route("/long", get(long))
        .route("/rare", get(rare))
        .route("/", get("here"));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_send_buffer_size(LITTLE).unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let door = Door {
        listener: socket.listen(16).unwrap(),
        router,
        tls,
    };
    let bounds = Bounds {
        stall_max: STALL_MAX,
        ..Bounds::usual(1)
    };
    served_at(door, bounds)
}

/// Asks for what has no end, and takes the beginning of it; gives when it asked.
async fn takes_nothing_more<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S) -> Instant {
    let began = Instant::now();
    let request = b"GET /endless HTTP/1.1\r\nhost: x\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut beginning = [0; 12];
    stream.read_exact(&mut beginning).await.unwrap();
    assert_eq!(&beginning, b"HTTP/1.1 200");
    began
}

/// Who comes next is heard because the one before was cut off for taking nothing, not for being old. Gives what it is
/// answered.
async fn the_place_goes_to_another(server: SocketAddr, began: Instant) -> String {
    tokio::time::pause();
    let mut next = Wire::from("127.0.0.1", server).await;
    next.say(b"GET / HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let answer = next.rest().await;
    let waited = began.elapsed();
    assert!((STALL_MAX..CONNECTION_AGE_MAX).contains(&waited), "{waited:?}");
    answer
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_is_cut_off() {
    let server = served_to_slow_ones(None);
    let mut stream = TcpStream::connect(server).await.unwrap();
    let began = takes_nothing_more(&mut stream).await;
    let answer = the_place_goes_to_another(server, began).await;
    assert!(answer.ends_with("here"), "{answer}");
}

#[tokio::test]
async fn who_takes_nothing_of_an_answer_over_tls_is_cut_off() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let (certificate, key) = (folder.path().join("server.pem"), folder.path().join("server.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let server = served_to_slow_ones(Some(Tls::from_files(&certificate, &key).unwrap()));

    let mut trusted = RootCertStore::empty();
    trusted.add(made.cert.der().clone()).unwrap();
    let config = ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let stream = TcpStream::connect(server).await.unwrap();
    let connector = TlsConnector::from(Arc::new(config));
    let name = server.ip().into();
    let mut stream = connector.connect(name, stream).await.unwrap();
    let began = takes_nothing_more(&mut stream).await;
    // It speaks no TLS, and is told so or shown the door; what counts is when.
    the_place_goes_to_another(server, began).await;
}

#[tokio::test]
async fn who_takes_an_answer_slowly_gets_all_of_it() {
    let server = served_to_slow_ones(None);
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(LITTLE).unwrap();
    let mut stream = socket.connect(server).await.unwrap();
    let request = b"GET /long HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut taken = Vec::new();
    for _ in 1..PIECES {
        let mut piece = vec![0; PIECE];
        stream.read_exact(&mut piece).await.unwrap();
        taken.append(&mut piece);
        tokio::time::pause();
        tokio::time::advance(STALL_MAX * 2 / 3).await;
        tokio::time::resume();
    }
    stream.read_to_end(&mut taken).await.unwrap();
    let body = taken.rsplit(|byte| *byte == b'\n').next().unwrap();
    assert_eq!(body.len(), PIECES * PIECE);
}

#[tokio::test]
async fn an_answer_that_comes_rarely_is_not_cut_off() {
    let mut wire = Wire::from("127.0.0.1", served_to_slow_ones(None)).await;
    tokio::time::pause();
    wire.say(b"GET /rare HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        .await;
    let answer = wire.rest().await;
    assert!(answer.contains("first") && answer.contains("second"), "{answer}");
}

#[tokio::test]
async fn the_longest_notes_fit_into_a_head_and_what_is_longer_than_a_connection_keeps_is_refused() {
    let harness = Harness::ready().await;
    let server = served(harness.router.clone(), 2).await;
    let file = Draft::new(2, 2).file();
    let head = format!(
        "POST /api/v1/releases?notes={} HTTP/1.1\r\nhost: x\r\nauthorization: Bearer {}\r\ncontent-length: {}\r\n\r\n",
        "%78".repeat(NOTES_BYTES_MAX),
        harness.admin,
        file.len()
    );
    let mut wire = Wire::from("127.0.0.1", server).await;
    wire.say(head.as_bytes()).await;
    wire.say(&file).await;
    assert_eq!(wire.status().await, StatusCode::CREATED);

    let mut endless = b"GET / HTTP/1.1\r\nx: ".to_vec();
    endless.resize(CONNECTION_BUFFER_BYTES, b'x');
    let mut wire = Wire::from("127.0.0.1", server).await;
    wire.say(&endless).await;
    assert_eq!(wire.status().await, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE);
}

#[test]
fn there_are_never_more_connections_than_descriptors_for_them() {
    let connections = latchkey_server::limits::connections();
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    assert!((1..=latchkey_server::limits::CONNECTIONS_MAX).contains(&connections));
    assert!(
        limit
            .current
            .is_none_or(|current| connections as u64 * 2 < current)
    );
}
