//! A web page's Web Bluetooth reaches the emulated lock by real packets, and the lock reaches the page.
//!
//! What is proven here is the laboratory's browser: the page is a small one of this test's own.
use std::time::Duration;

use latchkey_lab::{Browser, Choice, Scheme};
use latchkey_protocol::challenge::Fresh;
use latchkey_protocol::frame::plain;
use latchkey_protocol::gatt;
use latchkey_protocol::key::SecretKey;
use latchkey_protocol::pairing::Identity;
use latchkey_protocol::pairing::client::{Answer, ClientPairing, Way};
use latchkey_protocol::value::{AppId, AuthorizationType, Name};
use latchkey_system_tests::{Door, WebPage};

const PAGE: &str = include_str!("../../air/browser.html");

struct Visit {
    browser: Browser,
    door: Door,
    _page: WebPage,
}

impl Visit {
    fn new() -> Self {
        let door = Door::with_phones(&["browser", "one", "two", "three"]);
        let page = WebPage::new(PAGE);
        let mut browser = door.browser("browser");
        browser.open(&page.url()).unwrap();
        Self {
            browser,
            door,
            _page: page,
        }
    }

    /// Clicks on a button; gives what came of it.
    fn step(&mut self, button: &str) -> String {
        self.browser.click(&format!("#{button}")).unwrap();
        let output = format!("#{button} + output:not(:empty)");
        self.browser.wait_for(&output, ":").unwrap()
    }

    fn write(&mut self, button: &str, frame: &[u8]) -> String {
        self.browser.type_text("#frame", &hex::encode(frame)).unwrap();
        self.step(button)
    }

    /// Pairing's first step, made and judged by the protocol itself.
    fn ask_for_key(&mut self) {
        let who = Identity {
            kind: AuthorizationType::App,
            app: AppId(7),
            name: Name::new("Web").unwrap(),
        };
        let secret = SecretKey::from_bytes(&mut random()).unwrap();
        let (pairing, request) = ClientPairing::start(Way::ToFourth, who, secret);
        let mut frame = [0; plain::FRAME_MAX];
        let length = plain::write(&request, &mut frame).unwrap();
        self.browser
            .evaluate("document.querySelector('#heard').textContent = ''")
            .unwrap();
        assert_eq!(self.write("write", &frame[..length]), "done: written");
        let heard = self.browser.wait_for("#heard:not(:empty)", "").unwrap();
        let key = hex::decode(heard.trim()).unwrap();
        let answer = pairing.receive(&key, Fresh::from_random(random())).unwrap();
        assert!(matches!(answer, Answer::Say(..)), "it goes on with that key");
    }
}

fn random() -> [u8; 32] {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).unwrap();
    bytes
}

/// An echo of mcumgr's OS group: its header, and a map from "d" to the text.
fn echo(operation: u8, key: &[u8], text: &str) -> Vec<u8> {
    let mut body = [&[0xbf], key, &[0x78, u8::try_from(text.len()).unwrap()]].concat();
    body.extend(text.as_bytes());
    body.push(0xff);
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    [&[operation, 0, length[0], length[1], 0, 0, 0, 0], &body[..]].concat()
}

#[test]
fn page_talks_with_the_lock_by_real_packets() {
    let mut visit = Visit::new();
    assert_eq!(visit.step("choose"), format!("done: Nuki_{}", visit.door.nuki_id));
    assert_eq!(visit.step("connect"), "done: connected");
    assert_eq!(visit.step("read"), "done: 1.0.0");
    visit.ask_for_key();

    let text = "x".repeat(200);
    let answer = visit.write("echo", &echo(0x0a, b"\x61d", &text));
    let answer = hex::decode(answer.trim_start_matches("done: ")).unwrap();
    assert!(
        answer.windows(text.len()).any(|part| part == text.as_bytes()),
        "{answer:02x?}"
    );
    println!("echoes of SMP from a page: {}", visit.step("flood"));

    // Somebody takes the lock's battery out: the page hears of it, and finds the lock again afterwards.
    visit.door.lock.cut_power();
    visit.browser.wait_for("#events", "disconnected").unwrap();
    assert!(visit.step("read").starts_with("failed: NetworkError"));
    visit.door.restart();
    assert_eq!(visit.step("connect"), "done: connected");
    visit.ask_for_key();

    // It leaves by itself, and the lock, which served as many as it can, has a place again.
    let mut watcher = visit.door.phone("three");
    let others = ["one", "two"].map(|name| {
        let mut phone = visit.door.phone(name);
        phone.connect(&visit.door.address, gatt::MTU_MAX).unwrap();
        phone
    });
    assert!(visit.door.silent(&mut watcher), "it has no place for a fourth");
    assert_eq!(visit.step("leave"), "done: left");
    visit.door.seen(&mut watcher);
    drop((others, watcher));
    assert_eq!(visit.step("connect"), "done: connected");
    visit.ask_for_key();

    // A page that is loaded again has no device any more, and gets it again.
    visit.browser.reload().unwrap();
    assert!(visit.step("connect").starts_with("failed: TypeError"));
    assert_eq!(visit.step("choose"), format!("done: Nuki_{}", visit.door.nuki_id));
    assert_eq!(visit.step("connect"), "done: connected");
    visit.ask_for_key();

    let picture = visit.door.world.path("page.png");
    visit
        .browser
        .screenshot(&picture, (360, 800), Scheme::Dark)
        .unwrap();
    assert!(std::fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
    assert_eq!(visit.browser.complaints().unwrap(), [""; 0]);
    assert!(
        visit
            .browser
            .requests()
            .unwrap()
            .iter()
            .all(|url| url.starts_with("http://localhost:"))
    );
}

#[test]
fn page_is_told_when_nobody_chooses_a_lock() {
    let mut visit = Visit::new();
    visit.browser.choose(Choice::None).unwrap();
    assert!(visit.step("choose").starts_with("failed: NotFoundError"));
    let address = visit.door.address.clone();
    visit.browser.choose(Choice::Address(&address)).unwrap();
    assert_eq!(visit.step("choose"), format!("done: Nuki_{}", visit.door.nuki_id));
}

#[test]
fn page_is_used_by_mouse_keyboard_and_name_and_without_a_network() {
    let mut visit = Visit::new();
    let browser = &mut visit.browser;
    browser.wait_for_role("button", "Connect").unwrap();
    browser.click_role("button", "Connect").unwrap();
    browser
        .wait_for("#connect + output", "failed: TypeError")
        .unwrap();
    browser.press("Tab").unwrap();
    let focused = browser.evaluate("document.activeElement.id").unwrap();
    assert_eq!(focused, "read");
    browser.press("Enter").unwrap();
    browser.wait_for("#read + output", "failed: TypeError").unwrap();
    browser.wait_until_gone("output", "done").unwrap();

    let file = visit.door.world.path("file");
    std::fs::write(&file, "twelve bytes").unwrap();
    browser.choose_file("#file", &file).unwrap();
    let length = browser.evaluate("document.querySelector('#file').files[0].size");
    assert_eq!(length.unwrap(), 12);
    assert_eq!(browser.complaints().unwrap(), [""; 0]);

    let fetch = "fetch('/').then(() => 'there', () => 'gone')";
    assert_eq!(browser.evaluate(fetch).unwrap(), "there");
    browser.set_offline(true).unwrap();
    assert_eq!(browser.evaluate(fetch).unwrap(), "gone");
    assert!(!browser.complaints().unwrap().is_empty());
    browser.set_offline(false).unwrap();
    assert_eq!(browser.evaluate(fetch).unwrap(), "there");

    browser.set_patience(Duration::from_secs(1));
    let missing = browser.click("#missing").unwrap_err().to_string();
    assert!(missing.contains("'#missing' is not seen"), "{missing}");
    let disabled = "document.querySelector('#leave').disabled = true";
    browser.evaluate(disabled).unwrap();
    let disabled = browser.click("#leave").unwrap_err().to_string();
    assert!(disabled.contains("it is disabled"), "{disabled}");
}
