//! Downloads through the whole router. The rules for ranges are tested where they are written.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};
use latchkey_directive::ProblemCode;

use crate::support::{Answer, Draft, Harness};

async fn fetch(
    harness: &Harness,
    method: Method,
    path: &str,
    headers: &[(header::HeaderName, &str)],
) -> Answer {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(name, *value);
    }
    harness.send(request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn an_image_is_fetched_whole_in_parts_and_not_again() {
    let harness = Harness::ready().await;
    let draft = Draft::new(2, 7);
    let file = draft.file();
    let path = format!("/device/v1/images/{}", harness.publish(&draft).await);

    let whole = fetch(&harness, Method::GET, &path, &[]).await;
    assert_eq!((whole.status, &whole.body[..]), (StatusCode::OK, &file[..]));
    assert_eq!(whole.header(header::CONTENT_LENGTH), file.len().to_string());
    assert_eq!(
        whole.header(header::CACHE_CONTROL),
        "public, max-age=31536000, immutable"
    );
    assert_eq!(whole.header(header::ACCEPT_RANGES), "bytes");
    let tag = whole.header(header::ETAG).to_owned();
    assert!(tag.starts_with('"'), "strong");

    let head = fetch(&harness, Method::HEAD, &path, &[]).await;
    assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
    assert_eq!(head.header(header::CONTENT_LENGTH), file.len().to_string());

    let part = fetch(
        &harness,
        Method::GET,
        &path,
        &[(header::RANGE, "bytes=100-199"), (header::IF_RANGE, &tag)],
    )
    .await;
    assert_eq!(
        (part.status, &part.body[..]),
        (StatusCode::PARTIAL_CONTENT, &file[100..200])
    );
    assert_eq!(
        part.header(header::CONTENT_RANGE),
        format!("bytes 100-199/{}", file.len())
    );
    assert_eq!(part.header(header::CONTENT_LENGTH), "100");
    assert_eq!(part.header(header::ETAG), tag);

    let rest = fetch(&harness, Method::GET, &path, &[(header::RANGE, "bytes=1000-")]).await;
    assert_eq!(
        (rest.status, &rest.body[..]),
        (StatusCode::PARTIAL_CONTENT, &file[1000..])
    );
    let tail = fetch(&harness, Method::GET, &path, &[(header::RANGE, "bytes=-7")]).await;
    assert_eq!(&tail.body[..], &file[file.len() - 7..]);

    let beyond = fetch(&harness, Method::GET, &path, &[(header::RANGE, "bytes=999999-")]).await;
    assert_eq!(beyond.status, StatusCode::RANGE_NOT_SATISFIABLE);
    assert_eq!(
        beyond.header(header::CONTENT_RANGE),
        format!("bytes */{}", file.len())
    );

    let known = fetch(&harness, Method::GET, &path, &[(header::IF_NONE_MATCH, &tag)]).await;
    assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0));
    assert_eq!(known.header(header::ETAG), tag);
}

#[tokio::test]
async fn every_cut_download_goes_on_where_it_ended() {
    let harness = Harness::ready().await;
    let draft = Draft::new(2, 7);
    let file = draft.file();
    let path = format!("/device/v1/images/{}", harness.publish(&draft).await);
    let mut got = Vec::new();
    while got.len() < file.len() {
        let range = format!("bytes={}-{}", got.len(), got.len() + 96);
        got.extend(
            fetch(&harness, Method::GET, &path, &[(header::RANGE, &range)])
                .await
                .body,
        );
    }
    assert_eq!(got, file);
}

#[tokio::test]
async fn there_is_nothing_under_other_names() {
    let harness = Harness::ready().await;
    let digest = harness.publish(&Draft::new(2, 7)).await.to_string();
    for name in [
        "0".repeat(64),
        digest.to_uppercase(),
        format!("{digest}0"),
        digest[1..].to_owned(),
        "..%2f..%2fdirector.pem".to_owned(),
        "%00".to_owned(),
    ] {
        let answer = fetch(&harness, Method::GET, &format!("/device/v1/images/{name}"), &[]).await;
        assert_eq!(
            (answer.status, answer.lock_problem()),
            (StatusCode::NOT_FOUND, ProblemCode::NoSuchImage),
            "{name}"
        );
    }
}

#[tokio::test]
async fn an_image_cut_short_in_the_store_is_not_served_as_whole() {
    let harness = Harness::ready().await;
    let draft = Draft::new(2, 7);
    let file = draft.file();
    let path = format!("/device/v1/images/{}", harness.publish(&draft).await);
    let stored = harness.folder.path().join("images/sha256");
    let stored = std::fs::read_dir(stored).unwrap().next().unwrap().unwrap().path();
    std::fs::write(&stored, &file[..file.len() - 1]).unwrap();
    let answer = fetch(&harness, Method::GET, &path, &[]).await;
    assert_eq!(
        (answer.status, answer.lock_problem()),
        (StatusCode::SERVICE_UNAVAILABLE, ProblemCode::Busy)
    );
    std::fs::remove_file(&stored).unwrap();
    let answer = fetch(&harness, Method::GET, &path, &[]).await;
    assert_eq!(answer.lock_problem(), ProblemCode::Busy);
}
