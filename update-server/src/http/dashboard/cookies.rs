//! The dashboard's cookies: what they are called, who may have put them there, and how they are read.
//!
//! They are out of reach for scripts. Over TLS they are this host's alone: their names begin with `__Host-`, which
//! browsers take from this host over TLS and from nobody else, and none by another name is read. What goes to the
//! provider and back has to come with a link from another site (`Lax`); a session never does (`Strict`).

use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;

/// A cookie.
pub(super) struct Cookie {
    name: &'static str,
    name_over_tls: &'static str,
    /// In the clear; over TLS a `__Host-` cookie has the whole path.
    path: &'static str,
    same_site: &'static str,
}

/// Who has signed in.
pub(super) const SESSION: Cookie = Cookie {
    name: "latchkey",
    name_over_tls: "__Host-latchkey",
    path: "/",
    same_site: "Strict",
};

/// Who is signing in at the provider.
pub(super) const ATTEMPT: Cookie = Cookie {
    name: "latchkey-sign-in",
    name_over_tls: "__Host-latchkey-sign-in",
    path: super::SIGN_IN,
    same_site: "Lax",
};

impl Cookie {
    /// Its value, of the cookies that came.
    pub(super) fn read<'h>(&self, headers: &'h HeaderMap, tls: bool) -> Option<&'h str> {
        let wanted = if tls { self.name_over_tls } else { self.name };
        let lines = headers.get_all(header::COOKIE).iter();
        let mut pairs = lines
            .filter_map(|line| line.to_str().ok())
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs.find(|(name, _)| *name == wanted).map(|(_, value)| value)
    }

    /// Has the browser keep it.
    pub(super) fn put(&self, response: &mut Response, value: &str, life: Duration, tls: bool) {
        let Self { path, same_site, .. } = self;
        let (name, path, secure) = if tls {
            (self.name_over_tls, "/", "; Secure")
        } else {
            (self.name, *path, "")
        };
        let seconds = life.as_secs();
        let cookie =
            format!("{name}={value}; Path={path}; Max-Age={seconds}; HttpOnly; SameSite={same_site}{secure}");
        // A value is of our own making, and fits.
        if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
            cookie.set_sensitive(true);
            response.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }

    /// Has the browser forget it.
    pub(super) fn remove(&self, response: &mut Response, tls: bool) {
        self.put(response, "", Duration::ZERO, tls);
    }
}

#[cfg(test)]
mod tests {
    use axum::response::IntoResponse as _;

    use super::*;

    fn put(cookie: &Cookie, tls: bool) -> String {
        let mut response = ().into_response();
        cookie.put(&mut response, "00", Duration::from_secs(5), tls);
        let header = &response.headers()[header::SET_COOKIE];
        assert!(header.is_sensitive());
        header.to_str().unwrap().to_owned()
    }

    #[test]
    fn a_cookie_is_this_sites_alone() {
        for (cookie, tls, text) in [
            (
                &SESSION,
                false,
                "latchkey=00; Path=/; Max-Age=5; HttpOnly; SameSite=Strict",
            ),
            (
                &SESSION,
                true,
                "__Host-latchkey=00; Path=/; Max-Age=5; HttpOnly; SameSite=Strict; Secure",
            ),
            (
                &ATTEMPT,
                false,
                "latchkey-sign-in=00; Path=/dashboard/sign-in; Max-Age=5; HttpOnly; SameSite=Lax",
            ),
            (
                &ATTEMPT,
                true,
                "__Host-latchkey-sign-in=00; Path=/; Max-Age=5; HttpOnly; SameSite=Lax; Secure",
            ),
        ] {
            assert_eq!(put(cookie, tls), text);
        }
    }

    #[test]
    fn over_tls_only_a_cookie_that_nobody_else_can_have_put_there_is_read() {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_static("a=b; latchkey=injected"));
        assert_eq!(SESSION.read(&headers, true), None);
        assert_eq!(SESSION.read(&headers, false), Some("injected"));
        headers.append(header::COOKIE, HeaderValue::from_static("__Host-latchkey=own"));
        assert_eq!(SESSION.read(&headers, true), Some("own"));
        assert_eq!(ATTEMPT.read(&headers, true), None);
    }
}
