//! The audit log, newest first, and whether it is what was written.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use axum::response::Response;
use serde::Deserialize;

use super::Shown;
use super::forms::Chosen;
use super::page::{Event, Moment, Page, grouped, html};
use crate::domain::session::Session;
use crate::domain::story::Proof;
use crate::http::App;

const ROWS: u32 = 100;

/// Which lines to show.
#[derive(Deserialize)]
pub(in crate::http) struct Which {
    before: Option<i64>,
    /// `again` has the whole log followed from its first line.
    #[serde(default)]
    check: String,
}

#[derive(Template)]
#[template(path = "dashboard/audit.html")]
struct AuditPage {
    page: Page,
    proof: ProofShown,
    events: Vec<Event>,
    older: Option<i64>,
    newest: bool,
}

struct ProofShown {
    at: Moment,
    lines: String,
    head: String,
    broken: Option<String>,
    whole: bool,
}

impl From<Proof> for ProofShown {
    fn from(proof: Proof) -> Self {
        Self {
            at: Moment(proof.at),
            lines: grouped(proof.head.number),
            head: proof.head.to_string(),
            broken: proof.broken.map(|broken| broken.to_string()),
            whole: proof.whole,
        }
    }
}

/// A page of it.
pub(in crate::http) async fn show(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Chosen(which): Chosen<Which>,
) -> Shown<Response> {
    let proof = app.service.prove_audit(which.check == "again").await?;
    let lines = app.service.audit_before(which.before, ROWS).await?;
    let older = lines.last().map(|line| line.number).filter(|last| *last > 1);
    Ok(html(&AuditPage {
        page: Page::new("Audit log", "audit", Some(&session)),
        proof: proof.into(),
        events: lines.iter().map(Event::new).collect(),
        older,
        newest: which.before.is_none(),
    }))
}
