//! Releases: what they are, who signed them, and which rollouts bring them.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;

use super::Shown;
use super::forms::At;
use super::page::{Moment, Page, grouped, html, model};
use super::rollouts::{Summary, summaries};
use crate::domain::release::Release;
use crate::domain::session::Session;
use crate::domain::signers::{Signed, Signer};
use crate::domain::story::Which;
use crate::http::{App, releases};

#[derive(Template)]
#[template(path = "dashboard/releases.html")]
struct ReleasesPage {
    page: Page,
    releases: Vec<Row>,
}

struct Row {
    digest: String,
    version: String,
    model: String,
    counter: String,
    min_version: Option<String>,
    size: String,
    file: String,
    notes: Option<String>,
    at: Moment,
    by: String,
}

impl Row {
    fn new(release: &Release) -> Self {
        Self {
            digest: release.digest.to_string(),
            version: release.version.to_string(),
            model: model(release.vendor, release.class),
            counter: release.counter.to_string(),
            min_version: release.min_version.map(|version| version.to_string()),
            size: grouped(release.size.into()),
            file: hex::encode(release.file.0),
            notes: release.notes.clone(),
            at: Moment(release.published_at),
            by: release.published_by.clone(),
        }
    }
}

/// The list.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Shown<Response> {
    let releases = app.service.releases().await?;
    Ok(html(&ReleasesPage {
        page: Page::new("Releases", "releases", Some(&session)),
        releases: releases.iter().map(Row::new).collect(),
    }))
}

#[derive(Template)]
#[template(path = "dashboard/release.html")]
struct ReleasePage {
    page: Page,
    release: Row,
    signed: Result<SignedShown, String>,
    rollouts: Vec<Summary>,
    more_rollouts: bool,
}

struct SignedShown {
    threshold: u8,
    known: usize,
    signers: Vec<(String, String)>,
    strangers: Vec<String>,
    accepted: bool,
    verdict: String,
}

impl SignedShown {
    fn new(signed: Signed) -> Self {
        let known = signed
            .signers
            .iter()
            .filter(|signer| signer.name.is_some())
            .count();
        let mut shown = Self {
            threshold: signed.threshold,
            known,
            signers: Vec::new(),
            strangers: Vec::new(),
            accepted: signed.verdict.is_ok(),
            verdict: signed.verdict.err().unwrap_or_default(),
        };
        for Signer { key_hash, name } in signed.signers {
            let id = hex::encode(key_hash);
            match name {
                Some(name) => shown.signers.push((name, id)),
                None => shown.strangers.push(id),
            }
        }
        shown
    }
}

/// One release.
pub(in crate::http) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At(digest): At<String>,
) -> Shown<Response> {
    let digest = releases::digest(&digest)?;
    let release = app.service.release(digest).await?;
    // The image store may be away while the rest is to be seen.
    let signed = app.service.signers(&release).await;
    let of_it = Which {
        of: Some(digest),
        ..Which::default()
    };
    let (rollouts, more) = summaries(&app.service, of_it, None).await?;
    Ok(html(&ReleasePage {
        page: Page::new(super::rollouts::title(&release), "releases", Some(&session)),
        release: Row::new(&release),
        signed: signed.map(SignedShown::new).map_err(|failure| failure.detail),
        rollouts,
        more_rollouts: more.is_some(),
    }))
}
