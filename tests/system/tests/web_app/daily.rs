//! The web app looks for updates when it is opened and once a day, and tells its owner.

use std::time::{Duration, Instant};

use latchkey_system_tests::PATIENCE;

use super::Visit;

const HOUR: Duration = Duration::from_secs(3_600);
const NEWS: &str = "There is an update for";

impl Visit {
    /// The page knows what the lock runs, and that there is nothing newer.
    fn up_to_date(&mut self) {
        self.pair();
        self.click("#nav-update");
        self.click("#look");
        self.see("#status", "up to date");
        self.see("#look:not([aria-disabled])", "");
        self.click("#nav-lock");
    }

    /// What the browser has notified the owner of; waits until the app has done so. Chromium is asked only then: while
    /// one is on its way, that would lose it (it forgets notifications that it knows of and does not show).
    fn notification(&mut self) -> String {
        self.value(
            "(async () => {
                const { locks } = await import('./store.js');
                while (!(await locks()).some(({ told }) => told)) {
                    await new Promise((resolve) => setTimeout(resolve, 50));
                }
                const worker = await navigator.serviceWorker.ready;
                const [first] = await worker.getNotifications();
                return first?.body ?? 'none';
            })()",
        )
    }

    /// The service worker looks for updates, as browsers have it do while no page is open.
    fn look_while_closed(&mut self) {
        self.browser.requests().unwrap();
        self.browser.periodic_sync("updates").unwrap();
        let begun = Instant::now();
        let asked = |url: &String| url.contains("/owner/v1/update");
        while !self.browser.requests().unwrap().iter().any(asked) {
            assert!(begun.elapsed() < PATIENCE, "it does not look");
        }
    }
}

#[test]
fn a_page_that_is_opened_tells_of_an_update() {
    let mut visit = Visit::new();
    visit.up_to_date();
    visit.publish();
    visit.browser.reload().unwrap();
    visit.see("#news", NEWS);
    visit.see("#nav-update", "available");
    visit.picture("news");
    visit.click("#news-update");
    visit.see("#update", "Version 2.0.0");
    visit.nothing_amiss();
}

#[test]
fn a_page_that_stays_open_looks_again_after_a_day() {
    let mut visit = Visit::new();
    visit.up_to_date();
    visit.publish();
    visit.browser.live_through(23 * HOUR).unwrap();
    assert_eq!(visit.value("document.querySelector('#news').hidden"), "true");
    visit.browser.live_through(2 * HOUR).unwrap();
    visit.see("#news", NEWS);
}

#[test]
fn an_owner_who_wants_to_be_told_is_notified_while_the_page_is_closed() {
    let mut visit = Visit::new();
    visit
        .browser
        .permit(&["notifications", "periodicBackgroundSync"])
        .unwrap();
    visit.up_to_date();
    visit.look_while_closed();
    visit.publish();
    visit.look_while_closed();
    assert!(visit.notification().contains(NEWS));
    visit.nothing_amiss();
}

#[test]
fn a_page_in_the_background_notifies_of_what_it_finds() {
    let mut visit = Visit::new();
    visit.browser.permit(&["notifications"]).unwrap();
    visit.up_to_date();
    visit.publish();
    visit.browser.look_away().unwrap();
    // A day passes; then there is a network again.
    let later = "{
        const now = Date.now;
        Date.now = () => now() + 25 * 60 * 60 * 1000;
        dispatchEvent(new Event('online'));
    }";
    visit.browser.evaluate(later).unwrap();
    assert!(visit.notification().contains(NEWS));
    visit.browser.look_back().unwrap();
    visit.see("#news", NEWS);
}

#[test]
fn what_the_page_and_its_service_worker_learn_of_a_lock_at_once_is_both_kept() {
    let mut visit = Visit::new();
    visit.pair();
    let learned = visit.value(
        "(async () => {
            const { changeLock, locks } = await import('./store.js');
            const [{ id }] = await locks();
            await Promise.all([changeLock(id, { running: 'one' }), changeLock(id, { told: 'two' })]);
            const [{ running, told }] = await locks();
            return `${running} ${told}`;
        })()",
    );
    assert_eq!(learned, "one two");
}
