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
