//! The owner's web app as the server serves it, in a real browser, by clicking: its Web Bluetooth reaches the emulated
//! lock by real packets. Screenshots are left in the folder `screenshots` beside the laboratory's builds.

mod access;
mod daily;
mod losses;

use std::path::{Path, PathBuf};
use std::process::Command;

use latchkey_lab::{Browser, Owner, Scheme, Server, SignedImage, Variant, server_program};
use latchkey_phone::request::{Act, Report};
use latchkey_phone::session::News;
use latchkey_protocol::gatt;
use latchkey_protocol::message::FromLock;
use latchkey_protocol::value::{EnteredCode, KeypadAction, KeypadSource, LockState};
use latchkey_system_tests::{Door, FAST_MOTOR_DEG_S, Latchkey, PATIENCE, Way};
use serde_json::Value;

/// What the release changes, in its publisher's words.
const NOTES: &str = "Quieter at night. Mends a battery that was shown empty when it was not.";
const PHONE: (u32, u32) = (360, 740);
const DESK: (u32, u32) = (1_280, 900);

struct Visit {
    browser: Browser,
    server: Server,
    door: Door,
}

impl Visit {
    /// A browser that has never been here, a lock that has never been paired, and a server that is nobody's confidant.
    fn new() -> Self {
        Self::at(Door::new(&["browser", "phone"], |lock| {
            lock.set_motor(FAST_MOTOR_DEG_S);
        }))
    }

    fn at(door: Door) -> Self {
        let server = Server::start(&door.world.path("server")).unwrap();
        server.trust_example_policy().unwrap();
        let mut browser = door.browser("browser");
        browser.open(&format!("{}/app/", server.url())).unwrap();
        Self {
            browser,
            server,
            door,
        }
    }

    fn click(&mut self, selector: &str) {
        self.browser.click(selector).unwrap();
    }

    fn see(&mut self, selector: &str, text: &str) -> String {
        self.browser.wait_for(selector, text).unwrap()
    }

    /// With a lock on which no PIN was set, and whose clock nobody has set yet.
    fn pair(&mut self) {
        self.click("#pair");
        self.see("#pin-why", "to set it takes the PIN");
        self.click("#pin-yes");
        self.browser.wait_until_gone("#clock-off", "").unwrap();
    }

    fn publish(&self) -> SignedImage {
        let new = self.door.world.release(Variant::V2, 2);
        self.server.publish_with_notes(&new, NOTES).unwrap();
        self.server.roll_out(&new).unwrap();
        new
    }

    /// The value of an expression in the page, as text.
    fn value(&mut self, expression: &str) -> String {
        match self.browser.evaluate(expression).unwrap() {
            Value::String(text) => text,
            other => other.to_string(),
        }
    }

    fn picture(&mut self, name: &str) {
        let folder = screenshots();
        for (size, place) in [(PHONE, "phone"), (DESK, "desk")] {
            for (scheme, light) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
                let file = folder.join(format!("{name}-{place}-{light}.png"));
                self.browser.screenshot(&file, size, scheme).unwrap();
            }
        }
    }

    /// Nothing broke a rule, nothing went wrong unseen, and nobody but this server was asked for anything: for the app's
    /// files, for updates and their images, and without a word about keys, PINs or locks.
    fn nothing_amiss(&mut self) {
        assert_eq!(self.browser.complaints().unwrap(), [""; 0]);
        for url in self.browser.requests().unwrap() {
            let path = url.strip_prefix(self.server.url());
            let path = path.unwrap_or_else(|| panic!("the page asked for {url}"));
            let (path, query) = path.split_once('?').unwrap_or((path, ""));
            let asked: Vec<_> = query
                .split('&')
                .filter_map(|part| part.split('=').next())
                .collect();
            match path {
                "/owner/v1/update" => assert_eq!(asked, ["vendor", "class", "version", "counter"], "{url}"),
                _ if path.starts_with("/app/") || path.starts_with("/device/v1/images/") => {
                    assert_eq!(query, "", "{url}");
                }
                _ => panic!("the page asked for {url}"),
            }
        }
    }
}

fn screenshots() -> PathBuf {
    let folder = PathBuf::from(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../.latchkey/screenshots"
    ));
    std::fs::create_dir_all(&folder).unwrap();
    folder
}

/// Somebody at the keypad, which is played by a phone here.
fn enter(door: &mut Door, code: u32) -> Vec<News> {
    let mut keypad = Owner::new(door.phone("phone"), &door.address, gatt::MTU_MAX);
    door.invite();
    keypad.connect().unwrap();
    keypad.pair("Keypad").unwrap();
    let typed = Act::Keypad {
        source: KeypadSource::Code,
        code: EnteredCode::new(code),
        action: KeypadAction::Lock,
    };
    keypad.ask(typed).unwrap();
    let news = keypad.ask(Report::States {}).unwrap();
    keypad.disconnect().unwrap();
    news
}

#[test]
fn an_owner_pairs_unlocks_gives_out_a_code_and_updates_by_clicking() {
    let mut visit = Visit::new();
    visit.see("#pair", "Pair");
    visit.picture("locks");
    visit.pair();
    visit.click("#action-lock");
    visit.see("#state", "Locked");
    visit.click("#action-unlock");
    visit.see("#state", "Unlocked");
    visit.picture("door");

    visit.click("#nav-codes");
    visit.click("#code-add");
    visit.browser.type_text("#code-name", "Postman").unwrap();
    visit.browser.type_text("#code-code", "345678").unwrap();
    visit.click("#code-form-yes");
    visit.see("#codes", "Postman");
    visit.picture("codes");
    visit.click("#nav-lock");
    visit.click("#disconnect");
    let news = enter(&mut visit.door, 345_678);
    let Some(News::Done(Some(FromLock::KeyturnerStates(states)))) = news.last() else {
        panic!("no states: {news:?}");
    };
    assert_eq!(
        states.lock_state.known(),
        Some(LockState::Locked),
        "the code locks the door"
    );

    visit.click("#nav-log");
    visit.click("#log-load");
    let log = visit.see("#log", "Postman");
    assert!(!log.contains("not known"), "pairing set the lock's clock: {log}");
    visit.picture("log");
    visit.click("#nav-users");
    visit.click("#users-load");
    visit.see("#users", "Keypad");
    visit.picture("users");

    visit.publish();
    visit.click("#nav-update");
    visit.click("#look");
    visit.see("#update", "Version 2.0.0");
    visit.see("#update-notes", NOTES);
    visit.picture("update");
    visit.click("#install");
    visit.see("#plan", "2.0.0");
    visit.see("#plan-notes", NOTES);
    visit.picture("plan");
    visit.click("#consent-yes");
    visit.see("#update-stage", "Sending");
    visit.picture("sending");
    visit.see("#outcome", "2.0.0");
    visit.picture("updated");
    visit.see("#running", "version 2.0.0");
    visit.door.lock.wait_for("confirmed", PATIENCE).unwrap();
    visit.nothing_amiss();
}

#[test]
fn a_button_that_is_pressed_while_the_page_changes_is_clicked() {
    let mut visit = Visit::new();
    visit.pair();
    visit.browser.hold("#action-lock").unwrap();
    let change = "document.querySelector('#disconnect').click()";
    visit.browser.evaluate(change).unwrap();
    visit.browser.release().unwrap();
    visit.see("#state", "Locked");
}

#[test]
fn the_page_works_without_a_network_once_loaded() {
    let mut visit = Visit::new();
    visit.pair();
    // Kept, and in charge, before the network goes.
    let kept = "navigator.serviceWorker.ready.then(({ active }) => active.state)";
    visit.browser.evaluate(kept).unwrap();
    assert_eq!(visit.browser.installability().unwrap(), [""; 0]);
    visit.server.kill();
    visit.browser.set_offline(true).unwrap();
    visit.browser.reload().unwrap();
    visit.see("#action-unlock", "Unlock");
    visit.click("#action-lock");
    visit.see("#state", "Locked");

    // An image at hand is enough for an update.
    let new = visit.door.world.release(Variant::V2, 2);
    let file = visit.door.world.path("v2.bin");
    std::fs::write(&file, &new.bytes).unwrap();
    install_file(&mut visit, &file);
    visit.see("#plan", "2.0.0");
    visit.click("#consent-yes");
    visit.see("#outcome", "2.0.0");
}

#[test]
fn an_image_that_nobody_signed_is_refused_before_the_lock_is_bothered() {
    let mut visit = Visit::new();
    visit.pair();
    let mut tampered = visit.door.world.release(Variant::V2, 2).bytes;
    tampered[50_000] ^= 1;
    let file = visit.door.world.path("tampered.bin");
    std::fs::write(&file, &tampered).unwrap();
    install_file(&mut visit, &file);
    visit.see("#alert", "not what was signed");
    visit.picture("refused");
}

fn install_file(visit: &mut Visit, file: &Path) {
    visit.click("#nav-update");
    visit.click("#from-file");
    visit.browser.choose_file("#update-file", file).unwrap();
}

#[test]
fn an_invitation_by_the_page_opens_in_the_command_and_the_other_way_about() {
    let mut visit = Visit::new();
    visit.pair();
    visit.click("#nav-users");
    visit.click("#user-invite");
    visit.browser.type_text("#user-name", "Bob").unwrap();
    visit.click("#user-form-yes");
    visit.see("#invitation-shown-dialog", "");
    visit.picture("invitation");
    let bob = Latchkey::new(Way::Hci(visit.door.controller("phone")));
    let word = visit.value("document.querySelector('#invitation-text').value");
    let file = bob.home().join("bob.latchkey");
    std::fs::write(&file, &word).unwrap();
    visit.click("#invitation-shown-yes");
    visit.see("#users", "Bob");
    let file = file.to_str().unwrap();
    let accepted = bob.facts(&["pair", "--lock", "home", "--invitation", file]);
    assert_eq!(accepted["lock"], visit.door.nuki_id.as_str());
    assert_eq!(bob.facts(&["lock"])["done"], true);

    let file = bob.home().join("carol.latchkey");
    let _ = bob.facts(&["users", "invite", "Carol", "--out", file.to_str().unwrap()]);
    visit.click("#locks-link");
    visit.see("#accept", "");
    visit.browser.choose_file("#invitation-file", &file).unwrap();
    visit.see("#invitation", "latchkey:");
    visit.click("#accept");
    visit.click("#action-unlock");
    visit.see("#state", "Unlocked");
    visit.see("#action-unlock:not([aria-disabled])", "");
    visit.click("#nav-log");
    visit.click("#log-load");
    // The page was told no PIN with the invitation, and none was set.
    visit.click("#pin-yes");
    let log = visit.see("#log", "Carol");
    assert!(log.contains("Bob"), "{log}");
    visit.nothing_amiss();
}

#[test]
fn a_page_for_trying_things_out_is_served_by_no_server_for_locks_in_the_field() {
    let folder = tempfile::tempdir().unwrap();
    let mut serve = Command::new(server_program().unwrap());
    serve.args(["serve", "--listen", "127.0.0.1:0", "--data"]);
    let refused = serve.arg(folder.path().join("data")).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr);
    assert!(!refused.status.success(), "{said}");
    assert!(said.contains("cargo xtask web --release"), "{said}");
    assert!(!folder.path().join("data").exists(), "nothing was begun");
}
