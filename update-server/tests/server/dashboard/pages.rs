//! Locks, releases and the audit log; and that whatever a stranger wrote is shown as text.

use axum::http::{Method, StatusCode};
use latchkey_directive::{Event, Hold};
use latchkey_server::domain::access::Role;
use serde_json::json;

use crate::audit::tamper;
use crate::clones::{alarmed, call, cloned};
use crate::support::{Draft, Harness, Lock};
use crate::visit::Visit;

const HOSTILE: &str = "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>{{7*7}}</td>";

/// Pages with nothing in them that a stranger made into more than text.
fn shown_as_text(page: &str, what: &str) {
    let (_, main) = page.split_once("<header").unwrap();
    assert!(
        !main.contains("<script>") && !main.contains("<img src=x"),
        "{what}: {page}"
    );
    assert!(
        main.contains("&#60;script&#62;alert(1)"),
        "{what} is not shown at all: {page}"
    );
}

#[tokio::test]
async fn hostile_names_and_notes_are_shown_as_text() {
    let harness = Harness::ready().await;
    let body = json!({ "name": HOSTILE, "role": "administrator" }).to_string();
    let made = harness.call(Method::POST, "/api/v1/tokens", body).await.json();
    let notes: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    let token = made["secret"].as_str().unwrap();
    let path = format!("/api/v1/releases?notes={notes}");
    let release = harness
        .call_as(token, Method::POST, &path, Draft::new(2, 2).file())
        .await
        .json();
    let digest = release["digest"].as_str().unwrap();
    let body = json!({ "release": digest, "to": "all" }).to_string();
    let rollout = harness
        .call_as(token, Method::POST, "/api/v1/rollouts", body)
        .await
        .json();
    let visit = Visit::with(&harness, token).await;
    for path in [
        "/dashboard".to_owned(),
        "/dashboard/releases".to_owned(),
        format!("/dashboard/releases/{digest}"),
        "/dashboard/rollouts".to_owned(),
        format!("/dashboard/rollouts/{}", rollout["id"].as_str().unwrap()),
        "/dashboard/audit".to_owned(),
    ] {
        shown_as_text(&visit.see(&path).await, &path);
    }
    // What comes in with an address.
    let asked: String = url::form_urlencoded::byte_serialize(HOSTILE.as_bytes()).collect();
    for path in [
        format!("/dashboard/devices/{asked}"),
        format!("/dashboard/devices?name={asked}"),
        format!("/dashboard/rollouts/{asked}"),
        format!("/dashboard/sign-in?next={asked}"),
    ] {
        let answer = visit.get(&path).await;
        let page = answer.page();
        assert!(!page.contains("<script>alert"), "{path}: {page}");
    }
}

#[tokio::test]
async fn a_lock_by_its_page() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let mut lock = Lock::new();
    harness.lock_says("/device/v1/enrol", lock.enrolment()).await;
    let id = lock.id().to_string();
    let place = format!("/dashboard/devices/{id}");
    assert!(
        visit
            .see("/dashboard")
            .await
            .contains("class=\"urgent\"><b>1</b> wait for approval")
    );
    let waiting = visit.see("/dashboard/devices?state=awaiting").await;
    assert!(waiting.contains(&id) && waiting.contains("Approve"));
    assert!(visit.see(&place).await.contains("gets nothing: it is awaiting"));
    assert_eq!(
        visit.send(&format!("{place}/approve"), &[]).await.leads_to(),
        place
    );
    assert!(visit.see(&place).await.contains("has not checked in yet"));

    let release = harness.publish(&Draft::new(2, 2)).await;
    harness.roll_out(release).await;
    assert_eq!(harness.offered(&mut lock).await, Some(release));
    let page = visit.see(&place).await;
    assert!(page.contains("1.2.0+0 is offered to it."), "{page}");
    assert!(page.contains(": offered") && page.contains("1.1.0+0, confirmed by its own self-test"));
    assert!(page.contains("<dt>Last start</dt><dd>steady"), "{page}");
    // The code of an image that is too old, as the bootloader has it.
    harness.report(&mut lock, Event::Reverted, release, 0).await;
    let page = visit.see(&place).await;
    assert!(
        page.contains("Nothing new.") && page.contains("the device reverted it 1 time(s)"),
        "{page}"
    );
    assert!(page.contains("device.enrol") && page.contains("device.approve"));

    // Found by how its name begins; alone, it is shown at once.
    assert_eq!(
        visit
            .get(&format!("/dashboard/devices?name={}", &id[..9].to_uppercase()))
            .await
            .leads_to(),
        place
    );
    harness.lock().await;
    assert!(visit.see("/dashboard/devices").await.contains(&id));
    assert_eq!(
        visit.get("/dashboard/devices?name=xyz").await.page_problem(),
        "invalid"
    );

    assert!(
        visit
            .see(&format!("{place}/revoke"))
            .await
            .contains("Revoke for good")
    );
    assert_eq!(
        visit.send(&format!("{place}/revoke"), &[]).await.leads_to(),
        place
    );
    assert!(visit.see(&place).await.contains("gets nothing: it is revoked"));
    assert_eq!(
        visit.send(&format!("{place}/dance"), &[]).await.page_problem(),
        "not-found"
    );
}

#[tokio::test]
async fn a_release_says_who_signed_it_and_what_that_is_worth_now() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let mut draft = Draft::new(2, 7);
    draft.signers = vec![1, 2, 9];
    let release = harness.publish(&draft).await;
    let place = format!("/dashboard/releases/{release}");
    let page = visit.see(&place).await;
    assert!(
        page.contains("✓ 2 of the policy's keys signed; 2 are needed"),
        "{page}"
    );
    for (number, name) in [(1, "release-1"), (2, "release-2"), (9, "not in the policy")] {
        let key = crate::support::release_key(number).verifying_key();
        let hash = latchkey_image::PublicKey::new(key.to_bytes()).hash();
        let line = format!(
            "<dt>{name}</dt><dd><span class=\"mono\">{}</span>",
            hex::encode(hash)
        );
        assert!(page.contains(&line), "no {line} in {page}");
    }
    assert!(!page.contains("release-3"));

    // The policy changes: what was published stays, and its page says what a lock would say today.
    let stricter = crate::support::policy().replace("threshold = 2", "threshold = 3");
    harness.trust(&stricter).await;
    let page = visit.see(&place).await;
    assert!(
        page.contains("✕ A lock would refuse it under the policy registered now"),
        "{page}"
    );

    // The store loses the image: the rest is still to be seen.
    for file in std::fs::read_dir(harness.folder.path().join("images/sha256")).unwrap() {
        std::fs::remove_file(file.unwrap().path()).unwrap();
    }
    let page = visit.see(&place).await;
    assert!(
        page.contains("It cannot be said now") && page.contains("1.2.0+0"),
        "{page}"
    );
}

#[tokio::test]
async fn the_audit_log_is_shown_with_its_proof_and_a_changed_line_shows() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    for _ in 0..70 {
        crate::access::token(&harness, Role::Viewer).await;
    }
    for _ in 0..40 {
        harness.lock().await;
    }
    let page = visit.see("/dashboard/audit").await;
    assert!(page.contains("✓ Each of the "), "{page}");
    assert!(page.contains("Older") && page.contains("token.create"));
    let lines = harness.get("/api/v1/audit").await;
    let last = lines.as_array().unwrap().last().unwrap();
    let head = format!("{}:{}", last["number"], last["link"].as_str().unwrap());
    assert!(page.contains(&head), "{head}");
    let (_, rest) = page.split_once("/dashboard/audit?before=").unwrap();
    let (before, _) = rest.split_once('"').unwrap();
    let older = visit.see(&format!("/dashboard/audit?before={before}")).await;
    assert!(older.contains("policy.set") && older.contains("Newest"));

    // A new line is followed from where it stopped.
    harness.lock().await;
    assert!(visit.see("/dashboard/audit").await.contains("✓ Each of the "));

    // Behind the server's back.
    tamper(
        harness.folder.path().to_str().unwrap(),
        "UPDATE audit SET actor = 'nobody' WHERE number = 5",
    )
    .await;
    let page = visit.see("/dashboard/audit?check=again").await;
    assert!(
        page.contains("This log is not what was written:</strong> line 5 does not follow"),
        "{page}"
    );
    assert!(
        visit
            .see("/dashboard/audit")
            .await
            .contains("This log is not what was written"),
        "and stays so"
    );
}

#[tokio::test]
async fn a_copied_key_is_shown_on_its_page_and_settled_there() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let (mut original, mut copy) = cloned(&harness).await;
    let place = format!("/dashboard/devices/{}", original.id());
    let is_told = |page: &str| page.contains("<strong>Two devices seem to have this lock's key</strong>");
    assert!(!is_told(&visit.see(&place).await));
    for _ in 0..3 {
        harness.check_in(&mut original).await;
    }
    for _ in 0..2 {
        call(&harness, &mut copy).await;
    }
    let release = harness.publish(&Draft::new(2, 2)).await;
    harness.roll_out(release).await;
    let page = visit.see(&place).await;
    assert!(is_told(&page), "{page}");
    assert!(
        page.contains("two devices seem to have its key"),
        "and why it gets nothing: {page}"
    );
    assert!(page.contains(&format!("action=\"{place}/settle\"")), "{page}");
    let (_, secret) = crate::access::token(&harness, Role::Viewer).await;
    let viewer = Visit::with(&harness, &secret).await;
    let page = viewer.see(&place).await;
    assert!(is_told(&page) && !page.contains("/settle"), "{page}");

    let page = visit.see(&place).await;
    assert_eq!(visit.press(&place, "settle", &page).await.leads_to(), place);
    let now = visit.see(&place).await;
    assert!(!is_told(&now) && now.contains("device.settle"), "{now}");
    assert!(now.contains("1.2.0+0 is offered to it."), "{now}");
    let again = visit.press(&place, "settle", &page).await;
    assert_eq!(again.page_problem(), "conflict");
}

#[tokio::test]
async fn an_alarm_that_was_raised_after_the_page_was_made_is_not_settled_by_it() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let (mut original, mut copy) = alarmed(&harness).await;
    let place = format!("/dashboard/devices/{}", original.id());
    let device = format!("/api/v1/devices/{}", original.id());
    let page = visit.see(&place).await;
    let settled = harness.call(Method::POST, &format!("{device}/settle"), "").await;
    assert_eq!(settled.json()["alarm_since_ms"], json!(null));

    // In the same moment, and later: in whatever order the two are heard, one of them is found to be behind.
    for passed_ms in [0, 60_000] {
        harness.clock.advance_ms(passed_ms);
        for _ in 0..4 {
            call(&harness, &mut original).await;
            call(&harness, &mut copy).await;
        }
        let before = harness.get(&device).await;
        assert!(before["alarm_since_ms"].is_i64(), "{before}");
        let answer = visit.press(&place, "settle", &page).await;
        assert_eq!(answer.status, StatusCode::CONFLICT);
        assert_eq!(answer.page_problem(), "conflict");
        let again = answer.page();
        assert!(again.contains("another one was raised since"), "{again}");
        assert_eq!(harness.get(&device).await, before);
        let bare = visit.send(&format!("{place}/settle"), &[]).await;
        assert_eq!(bare.page_problem(), "conflict");
        // The page that came again shows the new one, and settles that.
        assert_eq!(visit.press(&place, "settle", again).await.leads_to(), place);
        assert!(harness.get(&device).await["alarm_since_ms"].is_null());
    }
}

#[tokio::test]
async fn what_an_owner_wishes_is_shown_on_the_locks_page() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    let mut lock = harness.lock().await;
    harness.check_in(&mut lock).await;
    let place = format!("/dashboard/devices/{}", lock.id());
    let shown = async || {
        let page = visit.see(&place).await;
        let (_, wishes) = page.split_once("id=\"wishes\"").unwrap();
        wishes.split_once("</section>").unwrap().0.to_owned()
    };
    let wishes = shown().await;
    for text in ["<dd>all that are rolled out</dd>", "<dd>no</dd>"] {
        assert!(wishes.contains(text), "no {text} in {wishes}");
    }
    assert!(
        !wishes.contains("Time zone") && !wishes.contains("The lock's word"),
        "{wishes}"
    );

    let until = harness.service.now_ms() + 3_600_000;
    let path = format!("/api/v1/devices/{}/wishes", lock.id());
    let wanted = json!({ "updates": "security", "postponed_until_ms": until, "zone": "Europe/Paris" });
    let set = harness.call(Method::PUT, &path, wanted.to_string()).await;
    assert_eq!(set.status, StatusCode::OK, "{set:?}");
    lock.hold = Some(Hold::OWNER);
    harness.check_in(&mut lock).await;
    let wishes = shown().await;
    for text in [
        "<dd>security updates only</dd>",
        "<dd>until <time datetime=",
        "<dd>Europe/Paris</dd>",
        "<dd>its owner wants no updates by the air</dd>",
    ] {
        assert!(wishes.contains(text), "no {text} in {wishes}");
    }
    assert!(!wishes.contains("which is over"), "{wishes}");
    harness.clock.advance_ms(3_600_000);
    assert!(shown().await.contains("which is over"));
    let wanted = json!({ "updates": "none" }).to_string();
    harness.call(Method::PUT, &path, wanted).await;
    assert!(shown().await.contains("<dd>none by the air</dd>"));
}

#[tokio::test]
async fn an_audit_log_whose_end_was_cut_off_gets_no_tick() {
    let harness = Harness::ready().await;
    let visit = Visit::new(&harness).await;
    assert!(visit.see("/dashboard/audit").await.contains("✓ Each of the "));
    tamper(
        harness.folder.path().to_str().unwrap(),
        "DELETE FROM audit WHERE number > 1",
    )
    .await;
    for page in ["/dashboard/audit", "/dashboard/audit?check=again"] {
        let page = visit.see(page).await;
        assert!(page.contains("the log ends with line 1, but"), "{page}");
        assert!(!page.contains("✓ Each of the "), "{page}");
    }
}
