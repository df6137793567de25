//! Pairing and every request that a page can make, against the real lock.

use latchkey_protocol::pairing::Family;
use latchkey_web::{Conversation, clock_is_off};
use serde_json::{Value, json};

use crate::bench::Door;
use crate::page::Page;

const MTU: usize = 247;

fn door() -> Door {
    Door::new(Family::ToFourth, MTU)
}

fn told<'a>(news: &'a [Value], what: &str) -> Vec<&'a Value> {
    let told = news.iter().map(|news| &news["told"]);
    told.filter(|told| told["what"] == what).collect()
}

#[test]
fn a_page_pairs_with_locks_of_both_kinds_and_comes_back_with_what_it_stored() {
    for (family, pin) in [(Family::ToFourth, None), (Family::Fifth, Some(0))] {
        let mut door = Door::new(family, MTU);
        let (page, stored) = Page::pair(&mut door, pin);
        let id = page.conversation.lock_id().unwrap();
        assert_eq!(id.len(), 32, "{id}");
        door.disconnect();
        let mut page = Page::new(&mut door, Conversation::open(stored).unwrap());
        assert_eq!(page.conversation.lock_id(), Some(id));
        assert_eq!(
            page.done(&mut door, &json!({ "ask": "states" }))["told"]["words"],
            "Unlocked"
        );
    }
}

#[test]
fn nothing_is_to_be_stored_before_the_lock_has_given_it() {
    let mut door = door();
    let page = Page::new(&mut door, Conversation::pair("Web app", None, 0.0).unwrap());
    assert_eq!(page.conversation.credentials(), None);
    assert_eq!(page.conversation.lock_id(), None);
    for damaged in [vec![], vec![1; 57], vec![0; 58], vec![1; 59]] {
        assert!(Conversation::open(damaged).is_err());
    }
}

#[test]
fn an_owner_moves_the_bolt_and_reads_what_came_of_it() {
    let mut door = door();
    let (mut page, _) = Page::pair(&mut door, None);
    let news = page.ask(&mut door, &json!({ "ask": "move", "action": "lock" }));
    assert_eq!(news.first().unwrap()["news"], "accepted");
    assert_eq!(news.last().unwrap()["news"], "done");
    let states = page.done(&mut door, &json!({ "ask": "states" }));
    assert_eq!(
        (&states["told"]["lock"], &states["told"]["words"]),
        (&json!("locked"), &json!("Locked"))
    );
    let log = page.ask(
        &mut door,
        &json!({ "ask": "log", "pin": 0, "start": 0, "count": 30 }),
    );
    let entries = told(&log, "log-entry");
    assert!(
        entries
            .iter()
            .any(|entry| entry["who"] == "Web app" && entry["words"] == "Lock by Bluetooth"),
        "{log:?}"
    );
    let config = page.done(&mut door, &json!({ "ask": "config" }));
    assert_eq!(config["told"]["nukiId"], "1A2B3C4D");
    for ask in ["running", "battery"] {
        assert_eq!(page.done(&mut door, &json!({ "ask": ask }))["told"]["what"], ask);
    }
}

#[test]
fn a_code_is_added_changed_and_removed() {
    let mut door = door();
    let (mut page, _) = Page::pair(&mut door, None);
    let limits = json!({ "from": null, "until": "2026-12-24T00:00", "days": 96, "dailyFrom": "08:00", "dailyUntil": "17:00" });
    let add = json!({ "ask": "add-code", "pin": 0, "code": 345_678, "name": "Postman", "limits": limits });
    let id = page.done(&mut door, &add)["told"]["id"].clone();
    let codes = |page: &mut Page, door: &mut Door| page.ask(door, &json!({ "ask": "codes", "pin": 0 }));
    let listed = codes(&mut page, &mut door);
    let [code] = told(&listed, "code")[..] else {
        panic!("{listed:?}");
    };
    assert_eq!(
        (&code["id"], &code["name"], &code["code"], &code["enabled"]),
        (&id, &json!("Postman"), &json!(345_678), &json!(true))
    );
    assert_eq!(code["limits"], limits);
    page.done(&mut door, &json!({
        "ask": "update-code", "pin": 0, "id": id, "code": 456_789, "name": "Postwoman", "enabled": false, "limits": null,
    }));
    let listed = codes(&mut page, &mut door);
    let code = told(&listed, "code")[0];
    assert_eq!(
        (&code["name"], &code["code"], &code["enabled"], &code["limits"]),
        (&json!("Postwoman"), &json!(456_789), &json!(false), &Value::Null)
    );
    page.done(&mut door, &json!({ "ask": "remove-code", "pin": 0, "id": id }));
    assert!(told(&codes(&mut page, &mut door), "code").is_empty());
}

#[test]
fn an_invitation_opens_the_lock_until_it_is_taken_back() {
    let mut door = door();
    let (mut page, _) = Page::pair(&mut door, None);
    let invite = json!({ "ask": "invite", "pin": 0, "lock": "1A2B3C4D", "name": "Bob", "limits": null });
    let answer = page.done(&mut door, &invite);
    let word = answer["invitation"].as_str().unwrap().to_owned();
    let id = answer["told"]["id"].clone();
    door.disconnect();
    let bob = Conversation::invited(&format!(" {word}\n")).unwrap();
    assert_eq!(bob.nuki_id().as_deref(), Some("1A2B3C4D"));
    assert_eq!(json!(bob.authorization()), id);
    let stored = bob.credentials().unwrap();
    let mut bob = Page::new(&mut door, bob);
    bob.done(&mut door, &json!({ "ask": "move", "action": "lock" }));
    door.disconnect();

    let mut page = Page::new(&mut door, page.conversation);
    let users = page.ask(&mut door, &json!({ "ask": "users", "pin": 0 }));
    assert!(
        told(&users, "user")
            .iter()
            .any(|user| user["name"] == "Bob" && user["id"] == id),
        "{users:?}"
    );
    page.done(&mut door, &json!({ "ask": "remove-user", "pin": 0, "id": id }));
    door.disconnect();
    let mut bob = Page::new(&mut door, Conversation::open(stored).unwrap());
    let refused = bob.failed(&mut door, &json!({ "ask": "move", "action": "unlock" }));
    assert_eq!(
        (&refused["stranger"], &refused["unknownEffect"]),
        (&json!(true), &json!(false)),
        "{refused}"
    );
}

#[test]
fn what_is_no_invitation_is_none() {
    for text in ["", "latchkey:", "https://example.org/", "latchkey:AAAA"] {
        assert!(Conversation::invited(text).is_err(), "{text:?}");
    }
}

#[test]
fn a_pin_is_set_asked_for_and_told_wrong() {
    let mut door = door();
    let (mut page, _) = Page::pair(&mut door, None);
    page.done(&mut door, &json!({ "ask": "set-pin", "pin": 0, "new": 4_711 }));
    let refused = page.failed(&mut door, &json!({ "ask": "users", "pin": 0 }));
    assert_eq!(
        (&refused["wrongPin"], &refused["lost"]),
        (&json!(true), &json!(false)),
        "{refused}"
    );
    page.done(&mut door, &json!({ "ask": "users", "pin": 4_711 }));
    // One that the lock has not looked at, since it has had too many, is not said to be wrong.
    let mut guess = || page.failed(&mut door, &json!({ "ask": "users", "pin": 0 }));
    let waits = (0..10)
        .map(|_| guess())
        .find(|refused| refused["wrongPin"] == false);
    assert!(waits.is_some_and(|waits| waits["words"].to_string().contains("too many wrong PINs")));
    // One that no lock of this kind has is not even asked.
    let asked = page
        .conversation
        .ask(json!({ "ask": "users", "pin": 70_000 }).to_string(), 0.0);
    assert!(asked.is_err_and(|why| why.contains("65535")));
}

#[test]
fn a_clock_that_was_never_set_is_off_until_it_is() {
    const NOW: f64 = 1_790_000_000.0;
    let mut door = door();
    let (mut page, _) = Page::pair(&mut door, None);
    let mut shown = |page: &mut Page| {
        let news = page.done(&mut door, &json!({ "ask": "states" }));
        news["told"]["unix"].as_f64().unwrap_or_default()
    };
    assert!(clock_is_off(shown(&mut page), NOW));
    let set = json!({ "ask": "set-time", "pin": 0, "unix": NOW as u64 });
    page.done(&mut door, &set);
    let mut shown = |page: &mut Page| {
        let news = page.done(&mut door, &json!({ "ask": "states" }));
        news["told"]["unix"].as_f64().unwrap_or_default()
    };
    assert!(!clock_is_off(shown(&mut page), NOW));
    assert!(clock_is_off(shown(&mut page), NOW + 3_600.0));
    for odd in [f64::NAN, f64::NEG_INFINITY, f64::INFINITY] {
        let _ = clock_is_off(odd, odd);
    }
}

#[test]
fn a_connection_that_breaks_is_told_apart_by_what_the_lock_may_have_done() {
    let ask = json!({ "ask": "move", "action": "lock" });
    let mut heard = Vec::new();
    for words in 0.. {
        let mut door = door();
        let (mut page, _) = Page::pair(&mut door, None);
        page.loses_word = Some(words);
        let last = page.ask(&mut door, &ask).pop().unwrap();
        if last["news"] == "done" {
            break;
        }
        assert_eq!(last["lost"], true, "{last}");
        assert!(page.conversation.is_over());
        let unknown = last["unknownEffect"].as_bool().unwrap();
        assert!(
            unknown || door.turns == 0,
            "a lock that turned is said to be as it was"
        );
        heard.push(unknown);
    }
    assert_eq!(
        heard.first(),
        Some(&false),
        "no challenge came: nothing was asked"
    );
    assert!(
        heard.len() > 2 && heard[1..].iter().all(|unknown| *unknown),
        "{heard:?}"
    );
}

#[test]
fn a_pairing_that_breaks_never_leaves_a_page_with_less_than_the_lock_has() {
    let mut ends = Vec::new();
    for words in 0.. {
        let mut door = door();
        door.open_pairing();
        let conversation = Conversation::pair("Web app", None, 0.0).unwrap();
        let mut page = Page::new(&mut door, conversation);
        page.loses_word = Some(words);
        let last = page.begin(&mut door).pop().unwrap();
        if last["news"] == "paired" {
            break;
        }
        assert_eq!(last["lost"], true, "{last}");
        let unknown = last["unknownEffect"].as_bool().unwrap();
        assert_eq!(unknown, page.stored.is_some(), "after {words} words");
        if let Some(stored) = page.stored {
            // Whether the lock knows it is seen by asking.
            let mut again = Page::new(&mut door, Conversation::open(stored).unwrap());
            let answer = again.ask(&mut door, &json!({ "ask": "states" })).pop().unwrap();
            ends.push((answer["news"].clone(), answer["stranger"].clone()));
        }
    }
    assert!(
        ends.contains(&(json!("done"), Value::Null)),
        "a last word lost on its way back: {ends:?}"
    );
}

#[test]
fn what_a_page_should_not_do_is_refused_in_words() {
    let mut door = door();
    let mut page = Page::new(&mut door, Conversation::pair("Web app", None, 0.0).unwrap());
    let states = json!({ "ask": "states" }).to_string();
    assert!(
        page.conversation
            .ask(states.clone(), 0.0)
            .is_err_and(|why| why.contains("not paired"))
    );
    assert!(page.conversation.received("elsewhere", &[], 0.0).is_err());
    let too_long = "x".repeat(33);
    for name in ["", " ", too_long.as_str()] {
        assert!(Conversation::pair(name, None, 0.0).is_err(), "{name:?}");
    }
    let (mut page, _) = Page::pair(&mut door, None);
    page.conversation.ask(states.clone(), 0.0).unwrap();
    assert!(page.conversation.ask(states, 0.0).is_err(), "one at a time");
}
