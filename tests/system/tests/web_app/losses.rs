//! Connections that break under the web app, and a page that is loaded anew, at any stage of what it does: it goes on
//! where it can, and what it says of the lock is so.

use latchkey_lab::SignedImage;
use latchkey_system_tests::Door;

use super::Visit;

const BROWSER: &str = "browser";

impl Visit {
    fn lose(&mut self, after: &[u64]) {
        self.door.lose(BROWSER, after);
    }

    fn assert_lost(&mut self) {
        assert!(self.door.has_lost(BROWSER), "not every loss has come");
    }

    /// Names of all that may use the lock.
    fn people(&mut self) -> Vec<String> {
        self.click("#nav-users");
        self.click("#users-load");
        self.see("#users", "");
        let names = "[...document.querySelectorAll('#users > li .strong')].map((one) => one.textContent)";
        serde_json::from_value(self.browser.evaluate(names).unwrap()).unwrap()
    }

    fn begin_update(&mut self) -> SignedImage {
        let new = self.publish();
        self.click("#nav-update");
        self.click("#look");
        self.click("#install");
        self.click("#consent-yes");
        new
    }
}

#[test]
fn a_pairing_whose_connection_breaks_begins_anew_and_the_lock_knows_the_page_once() {
    let mut visit = Visit::new();
    // While the browser still finds its way about the lock, in the midst of pairing, and late in it.
    visit.lose(&[300, 1_000, 1_290]);
    visit.pair();
    visit.assert_lost();
    visit.click("#action-lock");
    visit.see("#state", "Locked");
    assert_eq!(visit.people(), ["Web app"]);
}

#[test]
fn an_action_whose_connection_breaks_is_tried_again_or_its_outcome_is_asked_for() {
    // With a motor that takes its time.
    let mut visit = Visit::at(Door::with_phones(&[BROWSER]));
    visit.pair();
    // Before the lock has heard what is asked: it is asked again.
    visit.lose(&[1]);
    visit.click("#action-lock");
    visit.see("#state", "Locked");
    visit.assert_lost();
    // While the bolt turns: it is not, but how the bolt has come to rest.
    visit.click("#action-unlock");
    visit.see("#state", "Unlocking");
    visit.lose(&[1]);
    visit.see("#status", "Unlocked. The connection was lost on the way");
    visit.see("#state", "Unlocked");
    visit.assert_lost();
}

#[test]
fn a_change_whose_connection_breaks_anywhere_is_made_once_or_said_to_be_in_doubt() {
    let mut visit = Visit::new();
    visit.pair();
    visit.click("#nav-codes");
    for (number, after) in (1..).zip([40, 120, 200, 280, 360]) {
        visit.lose(&[after]);
        let name = format!("Guest {number}");
        visit.click("#code-add");
        visit.browser.type_text("#code-name", &name).unwrap();
        let code = (345_670 + number).to_string();
        visit.browser.type_text("#code-code", &code).unwrap();
        visit.click("#code-form-yes");
        visit.see("#codes", "");
        visit.see("#code-add:not([aria-disabled])", "");
        visit.assert_lost();
        let alert = visit.value("document.querySelector('#alert').textContent");
        let list = visit.value("document.querySelector('#codes').innerText");
        let times = list.matches(&name).count();
        if alert.is_empty() {
            assert_eq!(times, 1, "{list}");
        } else {
            assert!(alert.contains("The list shows what the lock has now"), "{alert}");
            assert!(times <= 1, "{list}");
        }
        println!("lost after {after} bytes: {times} times there, {alert:?}");
    }
}

#[test]
fn an_update_goes_on_after_every_loss_and_tells_its_true_end() {
    let mut visit = Visit::new();
    visit.pair();
    visit.begin_update();
    visit.see("#update-stage", "Sending");
    visit.lose(&[5_000, 40_000, 3_000, 90_000, 20_000]);
    visit.see("#outcome", "2.0.0 and has confirmed it");
    visit.assert_lost();
    visit.see("#running", "version 2.0.0");
}

#[test]
fn an_update_goes_on_in_a_page_that_is_loaded_anew() {
    const ENOUGH: u64 = 150_000;
    let mut visit = Visit::new();
    visit.pair();
    let size = visit.begin_update().bytes.len() as u64;
    let enough = format!(
        "new Promise((resolve) => {{
            const look = () => document.querySelector('#update-progress')?.value >= {ENOUGH} && resolve(true);
            new MutationObserver(look).observe(document.body, {{ attributes: true, childList: true, subtree: true }});
        }})"
    );
    visit.browser.evaluate(&enough).unwrap();
    visit.browser.reload().unwrap();
    let before = visit.door.carried();
    visit.see("#interrupted", "is not finished");
    visit.picture("interrupted");
    visit.click("#go-on");
    visit.see("#outcome", "2.0.0 and has confirmed it");
    let carried = visit.door.carried() - before;
    assert!(
        carried < size - ENOUGH / 2,
        "{carried} bytes for the rest of {size}"
    );
    // What has ended is not gone on with.
    visit.browser.reload().unwrap();
    visit.see("#running", "version 2.0.0");
    visit.browser.wait_until_gone("#interrupted", "").unwrap();
}
