//! The operators' dashboard in a real browser, by clicking: a whole rollout whose failing release halts itself, Halt
//! without a script, and a rollout that an emulated lock installs. Screenshots are left in the folder `screenshots` beside
//! the laboratory's builds.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::PathBuf;

use ed25519_dalek::{Signer as _, SigningKey};
use latchkey_directive::{
    Action, BootOutcome, BootReport, CheckIn, DeviceId, Directive, Enrolment, Event, MAX_SEALED, Nonce,
    PublicKey, Purpose, Report, Running, Sealed, seal,
};
use latchkey_image::{Hardware, ImageDigest, SecurityCounter, Version};
use latchkey_lab::{Air, Browser, Release, Scheme, Server, SignedImage, Variant, example_director};
use latchkey_system_tests::{PATIENCE, Site};
use tempfile::TempDir;

const PHONE: (u32, u32) = (360, 800);
const DESK: (u32, u32) = (1_440, 900);

/// What is wider than its place: the page, its tabs, and tables whose rows become cards on a phone.
const TOO_WIDE: &str = "[...document.querySelectorAll('html, .top nav, .scroll:has(> .stack)')] \
                        .filter((one) => one.scrollWidth > one.clientWidth).map((one) => one.outerHTML.slice(0, 120))";

/// An operator at a browser.
struct Operator {
    browser: Browser,
    /// Whether pages run scripts; the rules of accessibility are looked at by one.
    scripts: bool,
    _air: Air,
}

impl Operator {
    fn new() -> Self {
        let air = Air::start(&["browser"]).unwrap();
        let mut browser = Browser::start(&air, "browser").unwrap();
        browser.set_patience(PATIENCE);
        Self {
            browser,
            scripts: true,
            _air: air,
        }
    }

    fn sign_in(&mut self, server: &Server) {
        let home = format!("{}/dashboard", server.url());
        self.browser.open(&home).unwrap();
        self.see("h1", "Sign in");
        self.picture("dashboard-sign-in");
        self.browser.type_text("#token", server.token()).unwrap();
        self.click("main button");
        self.see("h1", "Fleet");
    }

    fn click(&mut self, selector: &str) {
        self.browser.click(selector).unwrap();
    }

    fn see(&mut self, selector: &str, text: &str) -> String {
        self.browser.wait_for(selector, text).unwrap()
    }

    /// A picture in every size and colour; that nothing has to be scrolled sideways to be seen; and that no rule of
    /// accessibility is broken in either size and either colour, where a script can tell.
    fn picture(&mut self, name: &str) {
        let folder = PathBuf::from(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../.latchkey/screenshots"
        ));
        std::fs::create_dir_all(&folder).unwrap();
        for (size, place) in [(PHONE, "phone"), (DESK, "desk")] {
            for (scheme, light) in [(Scheme::Light, "light"), (Scheme::Dark, "dark")] {
                let file = folder.join(format!("{name}-{place}-{light}.png"));
                self.browser.screenshot(&file, size, scheme).unwrap();
                let too_wide = self.browser.evaluate(TOO_WIDE).unwrap();
                assert_eq!(too_wide, serde_json::json!([]), "{name} at {size:?}");
                // Two of the four have each size and each colour.
                let tells = matches!((size, scheme), (PHONE, Scheme::Light) | (DESK, Scheme::Dark));
                if self.scripts && tells {
                    let broken = self.browser.axe().unwrap();
                    assert_eq!(broken, [""; 0], "{name} at {size:?}, {scheme:?}");
                }
            }
        }
    }

    /// Nothing broke a rule, nothing went wrong unseen, and nobody but this server was asked for anything.
    fn nothing_amiss(&mut self, server: &Server) {
        let own_form = format!("sent: POST {}/dashboard/", server.url());
        let mut complaints = self.browser.complaints().unwrap();
        complaints.retain(|complaint| !complaint.starts_with(&own_form));
        assert_eq!(complaints, [""; 0]);
        for url in self.browser.requests().unwrap() {
            assert!(url.starts_with(server.url()), "the page asked for {url}");
        }
    }

    /// Makes a rollout of the one release there is, by clicking, and starts it after the dry run.
    fn roll_out(&mut self, cohorts: &str, stages: &str, failures: &str) {
        self.click("nav a[href='/dashboard/rollouts']");
        self.click("a[href='/dashboard/rollouts/new']");
        self.browser.type_text("#stages", stages).unwrap();
        self.browser.type_text("#failures", failures).unwrap();
        if !cohorts.is_empty() {
            self.browser.type_text("#cohorts", cohorts).unwrap();
            self.picture("dashboard-new-rollout");
        }
        self.click("#make");
        self.see("h1", "on hold");
        self.click("#start");
        self.see("#dry-run", "lock-emulator-1");
        self.picture("dashboard-dry-run");
        self.click("#do");
        self.see("h1", "running");
    }

    /// Has the rollout that is looked at reach its next stage, which is this one.
    fn widen(&mut self, to: &str) {
        self.see("#widen", to);
        self.click("#widen");
        self.see("#do", to);
        self.see("#dry-run", "lock-emulator-1");
        self.picture("dashboard-widen");
        self.click("#do");
        self.see("#now .stages .current", to);
    }
}

/// A server with the example policy, and a release that no lock here will run.
fn server_with_release(folder: &TempDir) -> (Server, SignedImage) {
    let server = Server::start(&folder.path().join("server")).unwrap();
    server.trust_example_policy().unwrap();
    let slot = Hardware::EMULATOR.slot;
    let mut payload = vec![0x5a; 4_000];
    payload[..4].copy_from_slice(&slot.ram.end.to_le_bytes());
    payload[4..8].copy_from_slice(&(slot.address + 0x200 + 9).to_le_bytes());
    let image = Release::new(payload, 2).sign().unwrap();
    server
        .publish_with_notes(&image, "Quieter motor.\n<b>Not bold.</b>")
        .unwrap();
    (server, image)
}

/// A lock as far as the server can tell: it speaks the signed messages, and says what its test wants.
struct Told {
    key: SigningKey,
    sequence: u64,
    running: Running,
}

impl Told {
    /// Enrolled and approved.
    fn new(server: &Server, number: u8) -> Self {
        let lock = Self {
            key: SigningKey::from_bytes(&[number; 32]),
            sequence: 0,
            running: Running {
                image: ImageDigest([0; 32]),
                version: Version {
                    major: 1,
                    ..Version::default()
                },
                counter: SecurityCounter(1),
                confirmed: true,
            },
        };
        server.approve(&lock.id().to_string()).unwrap();
        let enrolment = lock.seal(&Enrolment {
            device_key: lock.key.verifying_key().to_bytes(),
            vendor: Hardware::EMULATOR.vendor,
            class: Hardware::EMULATOR.class,
        });
        post(server, "/device/v1/enrol", &enrolment);
        lock
    }

    fn id(&self) -> DeviceId {
        let key = PublicKey::from_bytes(self.key.verifying_key().as_bytes());
        key.unwrap().device_id()
    }

    fn seal<M: Purpose + minicbor::Encode<()>>(&self, message: &M) -> Vec<u8> {
        let mut out = vec![0; MAX_SEALED];
        let length = seal(message, |digest| self.key.sign(digest).to_bytes(), &mut out).unwrap();
        out.truncate(length);
        out
    }

    /// What it is told to install.
    fn check_in(&mut self, server: &Server) -> Option<ImageDigest> {
        self.sequence += 1;
        let check_in = CheckIn {
            device: self.id(),
            nonce: Nonce([self.sequence.to_le_bytes()[0]; 16]),
            sequence: self.sequence,
            vendor: Hardware::EMULATOR.vendor,
            class: Hardware::EMULATOR.class,
            running: self.running,
            floor: SecurityCounter(1),
            boot: BootReport {
                outcome: BootOutcome::Steady,
                reason: 0,
                about: [0; 16],
                starts_left: 0,
            },
            battery_percent: 80,
            echo: None,
            hold: None,
        };
        let answer = post(server, "/device/v1/check-in", &self.seal(&check_in));
        let director = example_director().unwrap().verifying_key();
        let director = PublicKey::from_bytes(director.as_bytes()).unwrap();
        let directive: Directive = Sealed::parse(&answer).unwrap().open(&director).unwrap();
        match directive.action {
            Action::Nothing => None,
            Action::Install(install) => Some(install.image),
        }
    }

    fn report(&mut self, server: &Server, event: Event, image: ImageDigest) {
        self.sequence += 1;
        let report = Report {
            device: self.id(),
            sequence: self.sequence,
            event,
            image,
            reason: 0,
        };
        post(server, "/device/v1/report", &self.seal(&report));
    }
}

/// A lock's message; gives the answer's body.
fn post(server: &Server, path: &str, body: &[u8]) -> Vec<u8> {
    let address = server.url().trim_start_matches("http://");
    let mut stream = TcpStream::connect(address).unwrap();
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(&[head.as_bytes(), body].concat()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    assert!(head.starts_with("HTTP/1.1 20"), "{path}: {head}");
    answer.split_off(end + 4)
}

#[test]
fn a_failing_release_is_rolled_out_by_clicks_and_halts_itself_before_ones_eyes() {
    let folder = tempfile::tempdir().unwrap();
    let (mut server, release) = server_with_release(&folder);
    let mut locks: Vec<Told> = (1..=12).map(|number| Told::new(&server, number)).collect();
    for lock in &mut locks {
        assert_eq!(lock.check_in(&server), None);
    }
    for (cohort, locks) in [("office", &locks[..2]), ("pilots", &locks[2..5])] {
        let names: Vec<String> = locks.iter().map(|lock| lock.id().to_string()).collect();
        server.create_cohort(cohort, &names).unwrap();
    }
    let mut operator = Operator::new();
    operator.sign_in(&server);
    operator.see("main", "lock-emulator-1 12");
    operator.picture("dashboard-fleet");
    operator.roll_out("office, pilots", "100", "3");
    operator.widen("cohort pilots");
    operator.widen("100 %");

    // From here on, nobody loads the page again.
    let mut offered = 0;
    for lock in &mut locks[..8] {
        assert_eq!(lock.check_in(&server), Some(release.digest));
        offered += 1;
    }
    operator.see("#now .legend", &format!("{offered} under way"));
    locks[0].report(&server, Event::Confirmed, release.digest);
    operator.see("#now .legend", "1 confirmed");
    operator.picture("dashboard-rollout");
    for lock in &mut locks[1..4] {
        lock.report(&server, Event::Reverted, release.digest);
    }
    operator.see(
        "[role=alert]",
        "3 of 4 devices failed (3 reverted, 0 refused, 0 silent)",
    );
    operator.see("h1", "halted itself");
    for lock in &mut locks[8..] {
        assert_eq!(lock.check_in(&server), None, "nobody else is touched");
    }
    operator.picture("dashboard-halted");

    // Why, and for whom.
    operator.click("#now a[href$='standing=reverted']");
    operator.see("table", "reverted");
    operator.picture("dashboard-members");
    operator.click("tbody a");
    operator.see("#why", "Nothing new");
    operator.picture("dashboard-lock");
    operator.click("nav a[href='/dashboard/releases']");
    operator.click("tbody a");
    operator.see("#signers", "2 are needed");
    operator.see(".notes", "<b>Not bold.</b>");
    operator.picture("dashboard-release");
    operator.click("nav a[href='/dashboard/audit']");
    operator.see("#proof", "follows from the one before, to the end of the log");
    operator.see("table", "rollout.halt");
    operator.picture("dashboard-audit");
    operator.click("nav a[href='/dashboard/sessions']");
    operator.see("table", "administrator");
    operator.picture("dashboard-sessions");
    operator.nothing_amiss(&server);

    // The server dies and comes back; the page finds it again by itself.
    operator.click("nav a[href='/dashboard/rollouts']");
    operator.see("table", "halted itself");
    operator.picture("dashboard-rollouts");
    operator.click("tbody a");
    operator.see("#now .legend", "3 reverted");
    server.restart().unwrap();
    locks[4].report(&server, Event::Reverted, release.digest);
    operator.see("#now .legend", "4 reverted");
}

#[test]
fn a_rollout_is_halted_with_two_clicks_and_no_script() {
    let folder = tempfile::tempdir().unwrap();
    let (server, release) = server_with_release(&folder);
    let (mut one, mut two) = (Told::new(&server, 1), Told::new(&server, 2));
    let mut operator = Operator::new();
    operator.browser.set_scripts(false).unwrap();
    operator.scripts = false;
    operator.sign_in(&server);
    operator.roll_out("", "100", "50");
    assert_eq!(one.check_in(&server), Some(release.digest));
    operator.click("#halt");
    operator.see(".counts", "lock-emulator-1");
    operator.picture("dashboard-halt");
    operator.click("#do");
    operator.see("h1", "on hold");
    assert_eq!(two.check_in(&server), None);
    let button = operator
        .browser
        .evaluate("document.querySelector('#clock').textContent");
    assert_eq!(button.unwrap(), "", "no script has run");
    operator.nothing_amiss(&server);
}

/// From the first click to the lock's own word that it runs.
#[test]
fn an_emulated_lock_installs_what_was_rolled_out_by_clicks() {
    let mut site = Site::with_one_lock();
    let new = site.world.release(Variant::V2, 2);
    site.server.publish(&new).unwrap();
    let mut operator = Operator::new();
    operator.sign_in(&site.server);
    operator.roll_out("", "100", "1");
    operator.see("#now .legend", "1 under way");
    operator.see("#now .legend", "1 confirmed");
    site.lock.wait_for("confirmed", PATIENCE).unwrap();
    operator.click("nav a[href='/dashboard']");
    operator.see("main", "1 run 2.0.0");
    operator.nothing_amiss(&site.server);
}
