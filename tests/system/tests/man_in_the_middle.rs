//! Between lock and real server, and on the real server's disk: what was captured once is worth nothing the
//! second time, and what was published cannot be changed behind the server's back.

use latchkey_handoff::layout;
use latchkey_image::Refusal;
use latchkey_lab::Variant;
use latchkey_system_tests::{Answer, PATIENCE, Proxy, Site};

const CHECK_IN: &str = "/device/v1/check-in";

#[test]
fn replayed_directive() {
    let mut site = Site::with_one_lock();
    let new = site.world.release(Variant::V2, 2);
    let proxy = Proxy::start(site.server.url()).unwrap();
    // He keeps the download from coming through, so that the lock asks again.
    proxy.alter(
        |answer: &Answer| match answer.path.starts_with("/device/v1/images/") {
            true => b"not now"[..].into(),
            false => answer.body.clone(),
        },
    );
    site.lock.set_server(Some(&proxy.url()));
    site.lock.power_on().unwrap();
    site.server.publish(&new).unwrap();
    let rollout = site.server.roll_out(&new).unwrap();
    site.lock.wait_for("update: offered 2.0.0", PATIENCE).unwrap();
    let captured = proxy.answers(CHECK_IN).pop().unwrap();

    // The operators think better of it. He does not, and repeats what the server once said.
    site.server.abort(&rollout).unwrap();
    proxy.alter(move |answer: &Answer| match answer.path.as_str() {
        CHECK_IN => captured.body.clone(),
        _ => answer.body.clone(),
    });
    site.lock.power_on().unwrap();
    site.lock
        .wait_for("the answer is for another lock or another check-in", PATIENCE)
        .unwrap();
    site.lock
        .wait_for("the answer is for another lock or another check-in", PATIENCE)
        .unwrap();
    let said = site.lock.console().unwrap().transcript().join("\n");
    assert!(!said.contains("offered "), "{said}");
    assert_eq!(
        site.lock.chip().unwrap().image(layout::ACTIVE),
        Some(site.running.digest)
    );
}

#[test]
fn image_changed_on_the_way() {
    let mut site = Site::with_one_lock();
    let new = site.world.release(Variant::V2, 2);
    let proxy = Proxy::start(site.server.url()).unwrap();
    proxy.alter(|answer: &Answer| {
        let mut body = answer.body.to_vec();
        if answer.path.starts_with("/device/v1/images/")
            && let Some(last) = body.last_mut()
        {
            *last ^= 1;
        }
        body.into()
    });
    site.lock.set_server(Some(&proxy.url()));
    site.lock.power_on().unwrap();
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    let event = site
        .server
        .wait_for_event(&site.id, "refused-by-app", PATIENCE)
        .unwrap();
    assert_eq!(event["image"], new.digest.to_string());
    assert_eq!(event["reason"], Refusal::BadSignature { key: 1 }.code());
    assert_eq!(
        site.lock.chip().unwrap().image(layout::ACTIVE),
        Some(site.running.digest)
    );
}

#[test]
fn image_changed_on_the_server_after_publishing() {
    let site = Site::with_one_lock();
    let new = site.world.release(Variant::V2, 2);
    site.server.publish(&new).unwrap();
    let object = site.server.stored_image(&new).unwrap();
    let mut bytes = std::fs::read(&object).unwrap();
    bytes[0x3000] ^= 0x80;
    std::fs::write(&object, bytes).unwrap();
    site.server.roll_out(&new).unwrap();
    let event = site
        .server
        .wait_for_event(&site.id, "refused-by-app", PATIENCE)
        .unwrap();
    assert_eq!(event["image"], new.digest.to_string());
    assert_eq!(event["reason"], Refusal::DigestMismatch.code());
    assert_eq!(
        site.lock.chip().unwrap().image(layout::ACTIVE),
        Some(site.running.digest)
    );
}
