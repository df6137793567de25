//! Signing in at the dashboard by the word of an OpenID provider by others, in a real browser, by clicking.

use std::os::unix::fs::OpenOptionsExt as _;

use latchkey_lab::{Air, Browser, OpenIdProvider, Server};
use latchkey_system_tests::PATIENCE;

const CLIENT: &str = "latchkey";
const SECRET: &str = "known to this test alone";

/// A server whose people come from the provider.
fn server(folder: &std::path::Path) -> (Server, OpenIdProvider) {
    // The provider has to know the server's address, and the server the provider's: this one is free, and chosen first.
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = free.local_addr().unwrap().to_string();
    let url = format!("http://{address}");
    let provider =
        OpenIdProvider::start(CLIENT, SECRET, &format!("{url}/dashboard/sign-in/callback")).unwrap();
    let secret = folder.join("client-secret");
    let mut file = std::fs::OpenOptions::new();
    let mut file = file
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(&secret)
        .unwrap();
    std::io::Write::write_all(&mut file, format!("{SECRET}\n").as_bytes()).unwrap();
    let options = [
        ("--public-url", url.as_str()),
        ("--oidc-issuer", provider.issuer()),
        ("--oidc-client-id", CLIENT),
        ("--oidc-client-secret-file", secret.to_str().unwrap()),
        ("--oidc-role", "lock-ops=operator"),
        ("--oidc-scope", "profile"),
        ("--oidc-scope", "groups"),
    ];
    let options: Vec<&str> = options.iter().flat_map(|(name, value)| [*name, *value]).collect();
    drop(free);
    let server = Server::start_with(&folder.join("server"), &address, &options).unwrap();
    (server, provider)
}

/// Somebody goes to a page, and signs in at the provider on the way.
fn sign_in(browser: &mut Browser, page: &str, name: &str) {
    browser.open(page).unwrap();
    browser.wait_for("h1", "Sign in").unwrap();
    browser.click("#provider").unwrap();
    browser.wait_for("form", "").unwrap();
    browser.type_text("input[name=login]", name).unwrap();
    browser.type_text("input[name=password]", "any").unwrap();
    browser.click("button[type=submit]").unwrap();
    browser.wait_for("form", "Continue").unwrap();
    browser.click("button[type=submit]").unwrap();
}

#[test]
fn people_sign_in_at_a_provider_by_others_and_only_those_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let (server, _provider) = server(folder.path());
    let air = Air::start(&["ana", "eve"]).unwrap();
    let mut browser = Browser::start(&air, "ana").unwrap();
    browser.set_patience(PATIENCE);

    sign_in(
        &mut browser,
        &format!("{}/dashboard/rollouts", server.url()),
        "ana",
    );
    browser.wait_for("h1", "Rollouts").unwrap();
    browser.wait_for(".who .name", "ana").unwrap();
    browser.wait_for(".who .role", "operator").unwrap();
    let log = server.operator(&["audit", "list"]).unwrap().to_string();
    assert!(log.contains("person:ana (ana)"), "{log}");

    // Out here; the provider knows her still, so one click is enough.
    browser.click(".who button").unwrap();
    browser.wait_for("h1", "Sign in").unwrap();
    browser.click("#provider").unwrap();
    browser.wait_for(".who .name", "ana").unwrap();
    drop(browser);

    let mut browser = Browser::start(&air, "eve").unwrap();
    browser.set_patience(PATIENCE);
    sign_in(&mut browser, &format!("{}/dashboard", server.url()), "eve");
    browser
        .wait_for("[role=alert]", "none of your groups has a role here")
        .unwrap();
    assert_eq!(browser.axe().unwrap(), [""; 0]);
    let log = server.operator(&["audit", "list"]).unwrap().to_string();
    assert!(!log.contains("eve"), "{log}");
}
