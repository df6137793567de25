//! The web app without a mouse and without eyes: by keys alone, with names and roles for everything that can be worked,
//! with outcomes that are read out, and by axe-core's rules on every page in both colour schemes.

use latchkey_lab::Scheme;

use super::{PHONE, Visit};

/// Roles of what can be worked; each has to have a name.
const CONTROLS: [&str; 11] = [
    "button",
    "checkbox",
    "combobox",
    "DisclosureTriangle",
    "link",
    "progressbar",
    "searchbox",
    "slider",
    "spinbutton",
    "textbox",
    "switch",
];
/// More steps than any page has controls.
const STEPS_MOST: usize = 60;

impl Visit {
    fn focused(&mut self) -> String {
        self.value("document.activeElement?.id ?? ''")
    }

    /// Goes forward by Tab to the element of this id. Wherever it comes by, the focus is seen.
    fn tab_to(&mut self, id: &str) {
        let mut passed = Vec::new();
        for _ in 0..STEPS_MOST {
            self.browser.press("Tab").unwrap();
            let focused = self.focused();
            assert!(self.is_focus_seen(), "the focus on {focused:?} is not seen");
            if focused == id {
                return;
            }
            passed.push(focused);
        }
        panic!("Tab does not come to #{id}, but to {passed:?}");
    }

    /// Whether what has the focus is marked, or is the page's content as a whole.
    fn is_focus_seen(&mut self) -> bool {
        let seen = "(() => {
            const on = document.activeElement;
            if (on === document.body) return true;
            const { outlineStyle, outlineWidth } = getComputedStyle(on);
            return on.matches(':focus-visible') && outlineStyle !== 'none' && parseFloat(outlineWidth) >= 2;
        })()";
        self.value(seen) == "true"
    }

    fn press(&mut self, id: &str) {
        self.tab_to(id);
        self.browser.press("Enter").unwrap();
    }

    fn type_into(&mut self, id: &str, text: &str) {
        self.tab_to(id);
        self.browser.insert_text(text).unwrap();
    }

    /// A screen reader reads this out.
    fn hear(&mut self, text: &str) {
        let said = format!(
            "new Promise((resolve) => {{
                const live = document.querySelector('#live');
                const look = () => live.textContent.includes({text:?}) && resolve(true);
                new MutationObserver(look).observe(live, {{ childList: true, characterData: true, subtree: true }});
                look();
            }})"
        );
        self.browser.evaluate(&said).unwrap();
        let nodes = self.browser.accessible_nodes().unwrap();
        assert!(
            nodes
                .iter()
                .any(|node| node.role == "status" && node.id == "live"),
            "{nodes:?}"
        );
    }

    /// Everything that can be worked has a name, and axe-core finds nothing wrong, in both schemes.
    fn is_accessible(&mut self, page: &str) {
        for node in self.browser.accessible_nodes().unwrap() {
            let nameless = CONTROLS.contains(&node.role.as_str()) && node.name.trim().is_empty();
            assert!(!nameless, "{page}: {node:?} has no name");
        }
        for scheme in [Scheme::Light, Scheme::Dark] {
            let file = self.door.world.path("access.png");
            self.browser.screenshot(&file, PHONE, scheme).unwrap();
            let violations = self.browser.axe().unwrap();
            assert!(violations.is_empty(), "{page}, {scheme:?}: {violations:#?}");
        }
    }
}

#[test]
fn an_owner_pairs_unlocks_gives_out_a_code_and_updates_by_keys_alone() {
    let mut visit = Visit::new();
    visit.see("#pair", "Pair");
    visit.press("pair");
    visit.see("#state-more", "as of");
    // No PIN is set on this lock.
    visit.see("#pin-dialog", "");
    visit.browser.press("Enter").unwrap();
    visit.browser.wait_until_gone("#clock-off", "").unwrap();
    visit.hear("Paired");
    assert_eq!(visit.focused(), "main", "a new page is read from its beginning");
    visit.press("action-lock");
    visit.see("#state", "Locked");
    visit.hear("Locked");
    assert_eq!(visit.focused(), "action-lock");

    visit.press("nav-codes");
    visit.see("#code-add", "");
    visit.press("code-add");
    visit.see("#code-form-dialog", "");
    assert_eq!(visit.focused(), "code-name", "a dialog begins in its first field");
    // The page below is made anew meanwhile, as when the lock leaves.
    let anew = "dispatchEvent(new HashChangeEvent('hashchange'))";
    visit.browser.evaluate(anew).unwrap();
    visit.browser.press("Escape").unwrap();
    visit.browser.wait_until_gone("#code-form-dialog", "").unwrap();
    visit.see("#code-add:not([aria-disabled])", "");
    assert_eq!(visit.focused(), "code-add", "and gives the focus back");
    visit.browser.press("Enter").unwrap();
    visit.see("#code-form-dialog", "");
    visit.browser.insert_text("Postman").unwrap();
    visit.type_into("code-code", "345678");
    visit.browser.press("Enter").unwrap();
    visit.see("#codes", "Postman");
    visit.hear("Code added");
    assert_eq!(visit.focused(), "code-add");

    visit.publish();
    visit.press("nav-update");
    visit.see("#look", "");
    visit.press("look");
    visit.see("#update", "Version 2.0.0");
    visit.press("install");
    visit.see("#plan", "2.0.0");
    visit.press("consent-yes");
    visit.hear("Sending");
    visit.hear("2.0.0 and has confirmed it");
    visit.nothing_amiss();
}

#[test]
fn every_page_and_dialog_has_names_roles_and_contrast() {
    let mut visit = Visit::new();
    visit.see("#pair", "Pair");
    visit.is_accessible("locks");
    visit.pair();
    visit.click("#settings");
    visit.see("#set-pin", "");
    visit.is_accessible("door");
    visit.click("#set-pin");
    visit.is_accessible("new PIN");
    visit.browser.type_text("#new-pin", "4711").unwrap();
    visit.click("#change-pin-yes");
    visit.see("#status", "The PIN is set");

    // Loaded anew, the page has forgotten the PIN; a wrong one is said to be wrong, and asked for again.
    visit.browser.reload().unwrap();
    visit.click("#nav-codes");
    visit.click("#codes-load");
    visit.see("#pin-dialog", "");
    visit.is_accessible("PIN");
    visit.browser.type_text("#pin", "1234").unwrap();
    visit.click("#pin-yes");
    visit.see("#alert", "PIN is wrong");
    visit.is_accessible("codes, refused");
    visit.click("#code-add");
    visit.click("#code-limited");
    visit.is_accessible("a code");
    visit.browser.type_text("#code-name", "Postman").unwrap();
    visit.browser.type_text("#code-code", "345678").unwrap();
    visit.click("#code-form-yes");
    visit.browser.type_text("#pin", "4711").unwrap();
    visit.click("#pin-yes");
    visit.see("#codes", "Postman");
    visit.is_accessible("codes");

    visit.click("#nav-users");
    visit.click("#user-invite");
    visit.browser.type_text("#user-name", "Bob").unwrap();
    visit.click("#user-form-yes");
    visit.see("#invitation-shown-dialog", "");
    visit.is_accessible("an invitation");
    visit.click("#invitation-shown-yes");
    visit.see("#users", "Bob");
    visit.is_accessible("people");
    visit.click("#nav-log");
    visit.click("#log-load");
    visit.see("#log", "");
    visit.is_accessible("log");

    visit.publish();
    visit.click("#nav-update");
    visit.click("#look");
    visit.see("#update", "Version 2.0.0");
    visit.is_accessible("update");
    visit.click("#install");
    visit.see("#plan", "2.0.0");
    visit.is_accessible("plan");
    visit.click("#consent-yes");
    visit.see("#update-stage", "Sending");
    visit.is_accessible("sending");
    visit.see("#outcome", "2.0.0");
    visit.is_accessible("updated");
}
