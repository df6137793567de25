//! The owners' web app as a browser gets it.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_server::http::{File, WebApp};

use crate::support::{Answer, Harness};

const FILES: &[File] = &[
    File {
        name: "index.html",
        bytes: b"<!doctype html>",
    },
    File {
        name: "app.js",
        bytes: b"export {};",
    },
    File {
        name: "style.css",
        bytes: b":root {}",
    },
    File {
        name: "app.webmanifest",
        bytes: b"{}",
    },
    File {
        name: "latchkey_bg.wasm",
        bytes: b"\0asm",
    },
    File {
        name: "icon.svg",
        bytes: b"<svg/>",
    },
    File {
        name: "icon.png",
        bytes: b"png",
    },
];

async fn get(harness: &Harness, path: &str, tag: Option<&str>) -> Answer {
    let mut request = Request::builder().method(Method::GET).uri(path);
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    harness.send(request.body(Body::empty()).unwrap()).await
}

async fn harness() -> Harness {
    Harness::with_web_app(WebApp::new(FILES)).await
}

#[tokio::test]
async fn every_file_has_its_type() {
    let harness = harness().await;
    for (path, kind) in [
        ("/app/", "text/html; charset=utf-8"),
        ("/app/app.js", "text/javascript; charset=utf-8"),
        ("/app/style.css", "text/css; charset=utf-8"),
        ("/app/app.webmanifest", "application/manifest+json"),
        ("/app/latchkey_bg.wasm", "application/wasm"),
        ("/app/icon.svg", "image/svg+xml"),
        ("/app/icon.png", "image/png"),
    ] {
        let answer = get(&harness, path, None).await;
        assert_eq!(answer.status, StatusCode::OK, "{path}");
        assert_eq!(answer.headers[header::CONTENT_TYPE], kind, "{path}");
        assert_eq!(
            answer.headers[header::X_CONTENT_TYPE_OPTIONS],
            "nosniff",
            "{path}"
        );
    }
}

#[tokio::test]
async fn the_page_loads_from_this_server_alone_and_runs_no_script_but_its_files() {
    let harness = harness().await;
    for path in ["/app/", "/app/app.js", "/app/latchkey_bg.wasm"] {
        let answer = get(&harness, path, None).await;
        let policy = answer.headers[header::CONTENT_SECURITY_POLICY].to_str().unwrap();
        let rules: Vec<&str> = policy.split("; ").collect();
        for rule in [
            "default-src 'none'",
            "script-src 'self' 'wasm-unsafe-eval'",
            "connect-src 'self'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ] {
            assert!(rules.contains(&rule), "{path}: {rule} in {policy}");
        }
        for leak in ["unsafe-inline", "'unsafe-eval'", "http:", "https:", "*", "data:"] {
            assert!(!policy.contains(leak), "{path}: {leak} in {policy}");
        }
        assert_eq!(answer.headers[header::REFERRER_POLICY], "no-referrer");
        assert_eq!(answer.headers[header::X_FRAME_OPTIONS], "DENY");
        assert_eq!(answer.headers["cross-origin-opener-policy"], "same-origin");
    }
}

#[tokio::test]
async fn a_browser_that_has_a_file_is_not_sent_it_again_until_it_changes() {
    let harness = harness().await;
    let first = get(&harness, "/app/app.js", None).await;
    assert_eq!(first.headers[header::CACHE_CONTROL], "no-cache");
    let tag = first.headers[header::ETAG].to_str().unwrap().to_owned();
    let again = get(&harness, "/app/app.js", Some(&tag)).await;
    assert_eq!((again.status, again.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(again.headers[header::ETAG], tag.as_str());
    let other = get(&harness, "/app/style.css", Some(&tag)).await;
    assert_eq!(other.status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_not_in_the_table_is_not_there() {
    let harness = harness().await;
    for path in [
        "/app/none.js",
        "/app/..%2FCargo.toml",
        "/app/%2e%2e%2f%2e%2e%2fetc%2fpasswd",
        "/app/index.html%00",
    ] {
        let answer = get(&harness, path, None).await;
        assert_eq!(answer.status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(answer.problem(), "not-found");
    }
}

#[cfg(not(feature = "web-app"))]
#[tokio::test]
async fn a_server_that_was_built_without_it_says_so() {
    let answer = get(&Harness::new().await, "/app/", None).await;
    assert_eq!(answer.status, StatusCode::NOT_FOUND);
    assert!(
        answer.json()["detail"]
            .as_str()
            .unwrap()
            .contains("cargo xtask web")
    );
}

/// A file that is shorter when it is packed, and one that is not.
const LONG: &[File] = &[
    File {
        name: "long.js",
        bytes: &[b'a'; 10_000],
    },
    File {
        name: "short.js",
        bytes: b"a",
    },
];

async fn taking(harness: &Harness, path: &str, codings: &str, tag: Option<&str>) -> Answer {
    let mut request = Request::get(path).header(header::ACCEPT_ENCODING, codings);
    if let Some(tag) = tag {
        request = request.header(header::IF_NONE_MATCH, tag);
    }
    harness.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn a_browser_that_takes_gzip_gets_the_same_bytes_packed() {
    use std::io::Read as _;
    let harness = Harness::with_web_app(WebApp::new(LONG)).await;
    let packed = taking(&harness, "/app/long.js", "gzip, deflate, br", None).await;
    assert_eq!(packed.headers[header::CONTENT_ENCODING], "gzip");
    assert_eq!(
        packed.headers[header::CONTENT_TYPE],
        "text/javascript; charset=utf-8"
    );
    assert!(packed.body.len() < 1_000, "{}", packed.body.len());
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&packed.body[..])
        .read_to_end(&mut bytes)
        .unwrap();
    assert_eq!(bytes, LONG[0].bytes);

    for refusing in [
        "",
        "br",
        "identity",
        "gzip;q=0",
        "gzip; q=0.0",
        "*;q=0",
        "*, gzip;q=0",
        "gzip;level=9",
    ] {
        let plain = taking(&harness, "/app/long.js", refusing, None).await;
        assert!(
            !plain.headers.contains_key(header::CONTENT_ENCODING),
            "{refusing}"
        );
        assert_eq!(&plain.body[..], LONG[0].bytes, "{refusing}");
    }
    for taking_it in ["GZIP", "br;q=1, gzip;q=0.1", "*", "*;q=0, gzip"] {
        let packed = taking(&harness, "/app/long.js", taking_it, None).await;
        assert_eq!(packed.headers[header::CONTENT_ENCODING], "gzip", "{taking_it}");
    }
    let short = taking(&harness, "/app/short.js", "gzip", None).await;
    assert!(!short.headers.contains_key(header::CONTENT_ENCODING));
    assert_eq!(&short.body[..], b"a");
}

#[tokio::test]
async fn each_form_of_a_file_has_a_tag_of_its_own() {
    let harness = Harness::with_web_app(WebApp::new(LONG)).await;
    let tag = |answer: &Answer| answer.header(header::ETAG).to_owned();
    let plain = taking(&harness, "/app/long.js", "identity", None).await;
    let packed = taking(&harness, "/app/long.js", "gzip", None).await;
    assert_ne!(tag(&plain), tag(&packed));
    for answer in [&plain, &packed] {
        assert_eq!(answer.headers[header::VARY], "accept-encoding");
    }
    for (codings, known, status) in [
        ("gzip", tag(&packed), StatusCode::NOT_MODIFIED),
        ("gzip", tag(&plain), StatusCode::OK),
        ("identity", tag(&plain), StatusCode::NOT_MODIFIED),
        ("identity", tag(&packed), StatusCode::OK),
    ] {
        let answer = taking(&harness, "/app/long.js", codings, Some(&known)).await;
        assert_eq!(answer.status, status, "{codings} {known}");
        assert_eq!(answer.headers[header::VARY], "accept-encoding");
    }
}
