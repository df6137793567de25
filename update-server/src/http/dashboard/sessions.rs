//! Who is signed in, for administrators, and the button that ends it.

use askama::Template;
use axum::Extension;
use axum::extract::State;
use serde::Deserialize;

use super::forms::{Chosen, Filled};
use super::page::{Moment, Page, html};
use super::{Shown, see};
use crate::domain::access::Role;
use crate::domain::session::Session;
use crate::domain::signed_in::SignedIn;
use crate::http::App;

const HERE: &str = "/dashboard/sessions";

/// Logins on one page.
const ROWS: u32 = 100;

#[derive(Template)]
#[template(path = "dashboard/sessions.html")]
struct SessionsPage {
    page: Page,
    people: Vec<Row>,
    /// The address of the next page.
    more: Option<String>,
    newest: bool,
}

struct Row {
    login: String,
    person: String,
    role: &'static str,
    sessions: Vec<(Moment, Moment)>,
}

impl From<SignedIn> for Row {
    fn from(somebody: SignedIn) -> Self {
        let sessions = somebody.sessions.iter();
        Self {
            role: somebody.role.map_or("none any more", Role::as_str),
            sessions: sessions
                .map(|session| (Moment(session.since), Moment(session.until)))
                .collect(),
            login: somebody.login,
            person: somebody.person,
        }
    }
}

/// Behind which login to begin.
#[derive(Deserialize)]
pub(in crate::http) struct After {
    after: Option<String>,
}

/// The list.
pub(in crate::http) async fn list(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Chosen(After { after }): Chosen<After>,
) -> Shown {
    let found = app.service.signed_in(after.as_deref(), ROWS).await?;
    let full = found.len() >= ROWS as usize;
    let last = found.last().filter(|_| full).map(|last| &last.login);
    let address = |last: &String| {
        let last: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
        format!("{HERE}?after={last}")
    };
    Ok(html(&SessionsPage {
        page: Page::new("Sessions", "sessions", Some(&session)),
        more: last.map(address),
        people: found.into_iter().map(Into::into).collect(),
        newest: after.is_none(),
    }))
}

/// Whose sessions a button ends.
#[derive(Deserialize)]
pub(in crate::http) struct Whose {
    login: String,
}

/// Ends somebody's sessions.
pub(in crate::http) async fn end(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    Filled(Whose { login }): Filled<Whose>,
) -> Shown {
    app.service.end_sessions(session.caller(), &login).await?;
    Ok(see(HERE))
}
