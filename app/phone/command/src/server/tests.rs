//! A server that does not mean well.

use std::cell::RefCell;
use std::io::{Read, Write};
use std::net::TcpListener;
use std::rc::Rc;
use std::thread;

use latchkey_image::{ImageDigest, SecurityCounter, Uuid, Version};
use latchkey_phone::release::Boot;
use latchkey_protocol::value::BootOutcome;
use serde_json::json;

use super::*;

const IMAGE: &[u8] = b"an image, as far as a server knows";

/// Gives each connection the next of these answers, whole; gives the requests' heads.
fn serve(answers: Vec<Vec<u8>>) -> (Server, Heads) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let server = format!("http://{}", listener.local_addr().unwrap());
    let heads = thread::spawn(move || {
        let mut heads = Vec::new();
        for answer in answers {
            let (mut stream, _) = listener.accept().unwrap();
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                let mut byte = [0];
                stream.read_exact(&mut byte).unwrap();
                head.push(byte[0]);
            }
            heads.push(String::from_utf8(head).unwrap());
            // The client may have heard enough.
            let _ = stream.write_all(&answer);
        }
        heads
    });
    let mut server = ServerPlace { server }.open().unwrap();
    server.rest = Box::new(|_| {});
    (server, heads)
}

/// The requests' heads, once all answers are given.
type Heads = thread::JoinHandle<Vec<String>>;
/// How long was waited between attempts.
type Waits = Rc<RefCell<Vec<Duration>>>;

/// The same, with the waits between attempts.
fn serve_and_wait(answers: Vec<Vec<u8>>) -> (Server, Waits, Heads) {
    let (mut server, heads) = serve(answers);
    let waits = Rc::new(RefCell::new(Vec::new()));
    let noted = Rc::clone(&waits);
    server.rest = Box::new(move |wait| noted.borrow_mut().push(wait));
    (server, waits, heads)
}

fn answer(status: &str, headers: &str, body: &[u8]) -> Vec<u8> {
    let length = body.len();
    let head = format!("HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n");
    [head.as_bytes(), body].concat()
}

fn lock() -> LockFacts {
    LockFacts {
        vendor: Uuid([1; 16]),
        class: Uuid([2; 16]),
        room: 400_000,
        image: ImageDigest([3; 32]),
        version: Version::default(),
        counter: SecurityCounter(1),
        floor: SecurityCounter(1),
        confirmed: true,
        boot: Boot {
            outcome: BootOutcome::Steady.into(),
            reason: 0,
            about: [0; 16],
            starts_left: 0,
        },
    }
}

fn announced() -> Announced {
    Announced {
        version: "2.0.0+0".to_owned(),
        security_counter: 2,
        size: u32::try_from(IMAGE.len()).unwrap(),
        digest: "ab".repeat(32),
        file_sha256: hex::encode(Sha256::digest(IMAGE)),
        notes: None,
        image_path: "/image".to_owned(),
        download_path: Some("/download".to_owned()),
    }
}

fn update(change: impl FnOnce(&mut serde_json::Value)) -> Vec<u8> {
    let about = announced();
    let mut update = json!({
        "version": about.version, "security_counter": about.security_counter, "size": about.size,
        "digest": about.digest, "file_sha256": about.file_sha256, "notes": about.notes,
        "image_path": about.image_path, "download_path": about.download_path,
    });
    change(&mut update);
    json!({ "update": update }).to_string().into_bytes()
}

#[test]
fn the_server_hears_what_runs_and_nothing_else() {
    let (server, heads) = serve(vec![answer("200 OK", "", &update(|_| {}))]);
    assert_eq!(server.ask(&lock()).unwrap(), Some(announced()));
    let heads = heads.join().unwrap();
    let (path, rest) = heads[0].split_once(" HTTP/1.1").unwrap();
    assert_eq!(
        path,
        "GET /owner/v1/update?vendor=01010101-0101-0101-0101-010101010101&\
         class=02020202-0202-0202-0202-020202020202&version=0.0.0%2B0&counter=1"
    );
    for telling in ["cookie", "authorization", "user-agent", "referer"] {
        assert!(!rest.to_ascii_lowercase().contains(telling), "{rest}");
    }
}

#[test]
fn answers_that_make_no_sense_are_named() {
    let long = vec![b' '; ANSWER_MAX + 1];
    for wrong in [
        answer("200 OK", "", b"hello"),
        answer("200 OK", "", &long),
        answer("500 No", "", b"{}"),
        answer("200 OK", "", &update(|update| update["size"] = json!(u32::MAX))),
        answer(
            "200 OK",
            "",
            &update(|update| update["digest"] = json!("../../etc")),
        ),
        answer(
            "200 OK",
            "",
            &update(|update| update["image_path"] = json!("@elsewhere.example/image")),
        ),
        answer(
            "200 OK",
            "",
            &update(|update| update["download_path"] = json!("@elsewhere.example/image")),
        ),
        b"not HTTP at all\r\n\r\n".to_vec(),
    ] {
        let (server, _) = serve(vec![wrong]);
        assert_eq!(server.ask(&lock()).unwrap_err().kind, Kind::Server);
    }
}

#[test]
fn a_download_that_breaks_off_goes_on_from_there() {
    let half = IMAGE.len() / 2;
    let mut broken = answer("200 OK", "", IMAGE);
    broken.truncate(broken.len() - IMAGE.len() + half);
    let range = format!(
        "content-range: bytes {half}-{}/{}\r\n",
        IMAGE.len() - 1,
        IMAGE.len()
    );
    let (server, heads) = serve(vec![
        broken,
        answer("206 Partial Content", &range, &IMAGE[half..]),
    ]);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("image");
    assert_eq!(server.fetch(&announced(), &to).unwrap(), IMAGE);
    assert_eq!(std::fs::read(&to).unwrap(), IMAGE);
    let again = heads.join().unwrap()[1].to_ascii_lowercase();
    assert!(again.contains(&format!("range: bytes={half}-\r\n")), "{again}");
    assert!(again.contains("if-range: \""), "{again}");
}

#[test]
fn a_server_that_is_busy_is_left_alone_as_long_as_it_asks() {
    let busy = |after: &str| {
        answer(
            "503 Service Unavailable",
            &format!("retry-after: {after}\r\n"),
            b"",
        )
    };
    let (server, waits, _) = serve_and_wait(vec![busy("30"), busy("0"), answer("200 OK", "", IMAGE)]);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("image");
    assert_eq!(server.fetch(&announced(), &to).unwrap(), IMAGE);
    let waits = waits.take();
    assert_eq!(waits[0], Duration::from_secs(30));
    assert!(waits[1] >= Duration::from_secs(1), "{waits:?}");

    // Nobody sits in front of it for an hour.
    let (server, waits, heads) = serve_and_wait(vec![busy("3600")]);
    let refused = server
        .fetch(&announced(), &folder.path().join("other"))
        .unwrap_err();
    assert!(refused.to_string().contains("3600 s"), "{refused}");
    assert_eq!((waits.take().len(), heads.join().unwrap().len()), (0, 1));

    let (server, _, _) = serve_and_wait(vec![busy("90")]);
    let refused = server.ask(&lock()).unwrap_err();
    assert!(refused.to_string().contains("90 s"), "{refused}");
}

#[test]
fn a_server_that_stays_away_is_given_up_and_one_that_refuses_is_not_asked_again() {
    let gone = answer("502 Bad Gateway", "", b"");
    let (server, waits, heads) = serve_and_wait(vec![gone; 5]);
    let folder = tempfile::tempdir().unwrap();
    let to = folder.path().join("image");
    assert_eq!(server.fetch(&announced(), &to).unwrap_err().kind, Kind::Server);
    assert_eq!((waits.take().len(), heads.join().unwrap().len()), (4, 5));

    let (server, waits, _) = serve_and_wait(vec![answer("404 Not Found", "", b"")]);
    let refused = server.fetch(&announced(), &to).unwrap_err();
    assert!(refused.to_string().contains("404"), "{refused}");
    assert!(waits.take().is_empty());
}

#[test]
fn what_is_not_the_announced_image_is_not_left_behind() {
    let other = vec![b'x'; IMAGE.len()];
    let longer = [IMAGE, b"and more"].concat();
    let range = "content-range: bytes 3-9/99\r\n";
    for wrong in [
        answer("200 OK", "", &other),
        answer("200 OK", "", &longer),
        answer("206 Partial Content", range, IMAGE),
        answer("404 Not Found", "", b""),
    ] {
        let (server, _) = serve(vec![wrong]);
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("image");
        let failure = server.fetch(&announced(), &to).unwrap_err();
        assert_eq!(failure.kind, Kind::Server, "{failure}");
        assert!(!to.exists(), "{failure}");
    }
}

/// A server that sends whoever asks to this place.
fn sends_to(place: &str) -> (Server, Heads) {
    serve(vec![answer(
        "307 Temporary Redirect",
        &format!("location: {place}\r\n"),
        b"",
    )])
}

#[test]
fn an_image_that_lies_elsewhere_is_fetched_there_and_checked_all_the_same() {
    for (body, fetched) in [(IMAGE, true), (&vec![b'x'; IMAGE.len()], false)] {
        let (bucket, heads) = serve(vec![answer("200 OK", "", body)]);
        let (server, here) = sends_to(&format!("{}bucket/image?X-Amz-Signature=ab", bucket.base));
        let folder = tempfile::tempdir().unwrap();
        let to = folder.path().join("image");
        assert_eq!(server.fetch(&announced(), &to).is_ok(), fetched);
        assert_eq!(to.exists(), fetched);
        let there = heads.join().unwrap()[0].to_ascii_lowercase();
        assert!(
            there.starts_with("get /bucket/image?x-amz-signature=ab "),
            "{there}"
        );
        assert!(!there.contains("referer"), "{there}");
        assert!(here.join().unwrap()[0].starts_with("GET /download "));
    }
}

#[test]
fn a_server_of_before_is_asked_at_the_path_that_it_tells() {
    let before = update(|update| drop(update.as_object_mut().unwrap().remove("download_path")));
    let (server, heads) = serve(vec![answer("200 OK", "", &before), answer("200 OK", "", IMAGE)]);
    let update = server.ask(&lock()).unwrap().unwrap();
    let folder = tempfile::tempdir().unwrap();
    assert_eq!(
        server.fetch(&update, &folder.path().join("image")).unwrap(),
        IMAGE
    );
    assert!(heads.join().unwrap()[1].starts_with("GET /image "));
}

#[test]
fn nobody_is_led_out_of_tls_nor_to_what_is_no_web_server() {
    let may = |from: &str, to: &str| may_follow(&from.parse().unwrap(), &to.parse().unwrap());
    assert!(may("https://a.example/", "https://bucket.example/"));
    assert!(may("http://a.example/", "https://bucket.example/"));
    assert!(may("http://a.example/", "http://bucket.example/"));
    assert!(!may("https://a.example/", "http://bucket.example/"));
    assert!(!may("https://a.example/", "http://a.example/"));
    assert!(!may("http://a.example/", "ftp://a.example/"));
    assert!(!may("http://a.example/", "file:///etc/passwd"));

    // What is not followed is an answer like any other, and no image.
    let (server, _) = sends_to("ftp://127.0.0.1/image");
    let folder = tempfile::tempdir().unwrap();
    let refused = server
        .fetch(&announced(), &folder.path().join("image"))
        .unwrap_err();
    assert!(refused.to_string().contains("307"), "{refused}");
}

#[test]
fn a_chain_of_redirects_ends() {
    let again = answer("307 Temporary Redirect", "location: /download\r\n", b"");
    let (server, heads) = serve(vec![again; REDIRECTS_MAX + 1]);
    let folder = tempfile::tempdir().unwrap();
    let refused = server
        .fetch(&announced(), &folder.path().join("image"))
        .unwrap_err();
    assert!(refused.to_string().contains("307"), "{refused}");
    assert_eq!(heads.join().unwrap().len(), REDIRECTS_MAX + 1);
}
