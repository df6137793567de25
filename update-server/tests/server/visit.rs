//! Somebody at the dashboard, as a browser without scripts would have it: a cookie, pages, forms.

use axum::body::Body;
use axum::http::{Method, Request, StatusCode, header};

use crate::support::{Answer, Harness};

/// Where the dashboard is, to the browser.
pub(crate) const HOST: &str = "updates.example";
pub(crate) const ORIGIN: &str = "https://updates.example";

/// A signed-in browser.
pub(crate) struct Visit<'h> {
    pub(crate) harness: &'h Harness,
    pub(crate) cookie: String,
    pub(crate) mark: String,
}

/// A form as a browser sends it.
pub(crate) fn form(fields: &[(&str, &str)]) -> String {
    let mut text = url::form_urlencoded::Serializer::new(String::new());
    text.extend_pairs(fields).finish()
}

pub(crate) fn post(path: &str) -> axum::http::request::Builder {
    Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::HOST, HOST)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
}

/// The value of the first such attribute in a page.
pub(crate) fn between<'t>(text: &'t str, before: &str, after: &str) -> Option<&'t str> {
    let (_, rest) = text.split_once(before)?;
    rest.split_once(after).map(|(value, _)| value)
}

impl Answer {
    /// A page's text, checked for what every page has.
    pub(crate) fn page(&self) -> &str {
        assert_eq!(
            self.header(header::CONTENT_TYPE),
            "text/html; charset=utf-8",
            "{self:?}"
        );
        assert_eq!(self.header(header::CACHE_CONTROL), "no-store");
        let policy = self.header(header::CONTENT_SECURITY_POLICY);
        assert!(
            policy.starts_with("default-src 'none'; script-src 'self'; style-src 'self'; "),
            "{policy}"
        );
        assert!(!policy.contains("unsafe"), "{policy}");
        let text = std::str::from_utf8(&self.body).unwrap();
        for inline in [
            "<script>",
            "<style",
            " style=\"",
            " onclick",
            " onload",
            "javascript:",
            "hx-on",
        ] {
            assert!(!text.contains(inline), "a page with {inline}");
        }
        text
    }

    /// The kind of a failure that is a page.
    pub(crate) fn page_problem(&self) -> String {
        let page = self.page();
        between(page, "data-problem=\"", "\"")
            .unwrap_or_else(|| panic!("no problem in {page}"))
            .to_owned()
    }

    /// Where a change leads.
    pub(crate) fn leads_to(&self) -> &str {
        let page = String::from_utf8_lossy(&self.body);
        assert_eq!(self.status, StatusCode::SEE_OTHER, "{page}");
        assert_eq!(self.header(header::CACHE_CONTROL), "no-store");
        self.header(header::LOCATION)
    }
}

impl<'h> Visit<'h> {
    pub(crate) async fn with(harness: &'h Harness, token: &str) -> Self {
        let body = form(&[("token", token), ("next", "/dashboard")]);
        let request = post("/dashboard/sign-in").header(header::ORIGIN, ORIGIN);
        let answer = harness.send(request.body(Body::from(body)).unwrap()).await;
        assert_eq!(answer.leads_to(), "/dashboard");
        let cookie = answer
            .header(header::SET_COOKIE)
            .split(';')
            .next()
            .unwrap()
            .to_owned();
        Self::holding(harness, cookie).await
    }

    /// With a session's cookie.
    pub(crate) async fn holding(harness: &'h Harness, cookie: String) -> Self {
        let mut visit = Self {
            harness,
            cookie,
            mark: String::new(),
        };
        let home = visit.get("/dashboard").await;
        visit.mark = between(home.page(), "name=\"csrf\" value=\"", "\"")
            .unwrap()
            .to_owned();
        assert_eq!(visit.mark.len(), 64);
        visit
    }

    /// As the administrator.
    pub(crate) async fn new(harness: &'h Harness) -> Self {
        Self::with(harness, &harness.admin).await
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        let request = Request::builder()
            .uri(path)
            .header(header::HOST, HOST)
            .header(header::ACCEPT, "text/html,*/*;q=0.8")
            .header(header::COOKIE, &self.cookie);
        self.harness.send(request.body(Body::empty()).unwrap()).await
    }

    /// A page that is there.
    pub(crate) async fn see(&self, path: &str) -> String {
        let answer = self.get(path).await;
        let page = answer.page();
        assert_eq!(answer.status, StatusCode::OK, "{path}: {page}");
        page.to_owned()
    }

    /// Sends a form of this session's own.
    pub(crate) async fn send(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = form(&[&[("csrf", self.mark.as_str())], fields].concat());
        let request = post(path)
            .header(header::ORIGIN, ORIGIN)
            .header("sec-fetch-site", "same-origin")
            .header(header::COOKIE, &self.cookie);
        self.harness.send(request.body(Body::from(body)).unwrap()).await
    }

    /// Looks at a rollout's step, as its address has it, and presses the button there.
    pub(crate) async fn step(&self, place: &str, step: &str) -> Answer {
        let page = self.see(&format!("{place}/{step}")).await;
        self.press(place, step, &page).await
    }

    /// Presses the button of a step's page, however old that is.
    pub(crate) async fn press(&self, place: &str, step: &str, page: &str) -> Answer {
        let seen = between(page, "name=\"seen\" value=\"", "\"").unwrap();
        let mut fields = vec![("seen", seen)];
        for field in ["percent", "cohort"] {
            let hidden = format!("<input type=\"hidden\" name=\"{field}\" value=\"");
            fields.extend(between(page, &hidden, "\"").map(|value| (field, value)));
        }
        let (word, _) = step.split_once('?').unwrap_or((step, ""));
        self.send(&format!("{place}/{word}"), &fields).await
    }
}
