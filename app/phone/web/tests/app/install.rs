//! Installs as a page holds them, against the real lock.

use latchkey_image::Hardware;
use latchkey_lab::{Release as Build, Signer};
use latchkey_phone::Credentials;
use latchkey_web::{Install, Release, trusts_example_keys};
use serde_json::{Value, json};

use crate::house::{House, Verdict};
use crate::images::{release, release_for};
use crate::page::Installing;

const MTU: u16 = 247;

fn stored(credentials: &Credentials) -> Vec<u8> {
    credentials.expose(|bytes| bytes.to_vec())
}

fn checked(build: &Build) -> Release {
    Release::check(build.sign().unwrap().bytes).unwrap()
}

fn installing(held: &Credentials, build: &Build) -> Installing {
    Installing::new(Install::new(checked(build), stored(held), 0).unwrap())
}

fn kinds(page: &Installing) -> Vec<&str> {
    page.news
        .iter()
        .map(|news| news["news"].as_str().unwrap())
        .collect()
}

#[test]
fn a_page_shows_the_plan_then_progress_and_ends_with_the_locks_own_word() {
    let (mut house, held) = House::new(MTU);
    let mut page = installing(&held, &release());
    let ended = page.run(&mut house);
    assert_eq!(
        ended,
        json!({
            "news": "ended",
            "good": true,
            "wrongPin": false,
            "words": "the lock runs 5.0.0+0 and has confirmed it",
        })
    );
    let plan = &page.news[0];
    let size = release().sign().unwrap().bytes.len();
    assert_eq!(plan["news"], "plan");
    assert_eq!(
        (&plan["from"], &plan["to"], &plan["counter"]),
        (&json!("1.2.3+0"), &json!("5.0.0+0"), &json!(5))
    );
    assert_eq!(
        (&plan["size"], &plan["received"], &plan["earlier"]),
        (&json!(size), &json!(0), &Value::Null)
    );
    assert!(plan["awaySeconds"].as_u64().unwrap() > 0);
    let kinds = kinds(&page);
    let mut order = [
        "plan",
        "uploading",
        "requested",
        "restarting",
        "on-trial",
        "ended",
    ]
    .iter();
    let mut next = order.next();
    for kind in kinds {
        if next == Some(&kind) {
            next = order.next();
        }
    }
    assert_eq!(next, None, "{:?}", page.news);
}

#[test]
fn losses_are_told_and_the_install_goes_on() {
    let (mut house, held) = House::new(MTU);
    house.lose_at = [3, 20, 50].into();
    house.cut_at = [70].into();
    let mut page = installing(&held, &release());
    assert_eq!(page.run(&mut house)["good"], true);
    assert!(kinds(&page).contains(&"link-lost"));
    assert!(house.lose_at.is_empty() && house.cut_at.is_empty());
}

#[test]
fn an_owner_who_declines_changes_nothing() {
    let (mut house, held) = House::new(MTU);
    let mut page = installing(&held, &release());
    page.consents = false;
    let ended = page.run(&mut house);
    assert_eq!(ended["good"], false);
    assert!(
        ended["words"].as_str().unwrap().contains("as you wish"),
        "{ended}"
    );
    assert_eq!(house.pieces, 0);
}

#[test]
fn a_wrong_pin_is_said_to_be_why() {
    let (mut house, held) = House::new(MTU);
    let install = Install::new(checked(&release()), stored(&held), 1).unwrap();
    let ended = Installing::new(install).run(&mut house);
    assert_eq!(
        (&ended["good"], &ended["wrongPin"]),
        (&json!(false), &json!(true)),
        "{ended}"
    );
}

#[test]
fn an_image_that_is_taken_back_is_said_to_be() {
    let (mut house, held) = House::new(MTU);
    house.verdict = Verdict::Revert {
        after_ms: 4_000,
        reason: 3,
    };
    let mut page = installing(&held, &release());
    let ended = page.run(&mut house);
    assert_eq!(ended["good"], false);
    assert!(ended["words"].as_str().unwrap().contains("taken back"), "{ended}");
}

#[test]
fn what_is_not_signed_as_this_app_asks_is_not_shown_to_any_lock() {
    assert!(trusts_example_keys(), "a build for tests");
    let about: Value = serde_json::from_str(&checked(&release()).about()).unwrap();
    assert_eq!(
        (&about["version"], &about["counter"]),
        (&json!("5.0.0+0"), &json!(5))
    );
    let signed_by = |signers: &[Signer]| Build {
        signers: signers.to_vec(),
        ..release()
    };
    for signers in [&[][..], &[Signer::A], &[Signer::A, Signer::Stranger]] {
        assert!(
            Release::check(signed_by(signers).sign().unwrap().bytes).is_err(),
            "{}",
            signers.len()
        );
    }
    let good = release().sign().unwrap().bytes;
    let mut tampered = good.clone();
    tampered[10_000] ^= 1;
    let bad = [
        tampered,
        good[..good.len() - 1].to_vec(),
        Vec::new(),
        vec![0; 100],
    ];
    for file in bad {
        assert!(Release::check(file).is_err());
    }
}

#[test]
fn what_is_for_another_lock_is_refused_before_a_byte_is_sent() {
    let (mut house, held) = House::new(MTU);
    let other = release_for(Hardware::NRF52840);
    for build in [
        other,
        Build {
            counter: latchkey_image::SecurityCounter(4),
            ..release()
        },
    ] {
        let mut page = installing(&held, &build);
        let ended = page.run(&mut house);
        assert_eq!(
            (ended["good"].clone(), house.pieces),
            (json!(false), 0),
            "{ended}"
        );
        assert_eq!(kinds(&page), ["ended"], "it is not even shown");
    }
}

#[test]
fn what_a_page_should_not_do_is_refused_in_words() {
    let (_, held) = House::new(MTU);
    let refused = |stored, pin| Install::new(checked(&release()), stored, pin).err();
    assert!(refused(stored(&held), 70_000).unwrap().contains("65535"));
    assert!(refused(vec![1, 2, 3], 0).unwrap().contains("pair again"));
    let mut install = Install::new(checked(&release()), stored(&held), 0).unwrap();
    assert!(install.received("elsewhere", &[], 0.0).is_err());
}
