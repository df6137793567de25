//! Updates by the project's own phone, on the emulated lock, with no server anywhere: whole, broken off at every kind of
//! moment, contended, and with images that no lock is to run.

use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use latchkey_image::{Hardware, SecurityCounter};
use latchkey_lab::{At, Fate, Owner, Release, SignedImage, Signer, Variant};
use latchkey_phone::Credentials;
use latchkey_phone::update::{Ended, News};
use latchkey_protocol::gatt;
use latchkey_protocol::value::Pin;
use latchkey_system_tests::{Door, PATIENCE};

use crate::update_by_phone::{digest, open, paired, runs};

struct Scene {
    door: Door,
    owner: Owner,
    new: SignedImage,
}

impl Scene {
    fn new() -> Self {
        let door = Door::with_phones(&["phone", "tool"]);
        let owner = paired(door.phone("phone"), &door.address);
        let new = door.world.release(Variant::V2, 2);
        Self { door, owner, new }
    }

    /// The phone's program is killed, and started again with what it had stored.
    fn restart_phone(&mut self) {
        let held = copy(&self.owner);
        self.owner = Owner::new(self.door.phone("phone"), &self.door.address, gatt::MTU_MAX);
        self.owner.hold(held);
    }

    fn install(&mut self, image: &SignedImage, fate: impl FnMut(At<'_>) -> Fate) -> Option<Ended> {
        let release = image.for_phone().unwrap();
        self.owner.install(release, Pin::short(0), fate).unwrap()
    }

    fn runs(&mut self) -> Vec<u8> {
        runs(&mut self.owner)
    }
}

/// What a phone has stored.
fn copy(owner: &Owner) -> Credentials {
    let mut stored = owner.credentials().unwrap().expose(|bytes| *bytes);
    Credentials::from_bytes(&mut stored).unwrap()
}

fn is_good(ended: Option<&Ended>) -> bool {
    ended.is_some_and(Ended::is_good)
}

#[test]
fn an_owner_updates_the_lock_with_the_server_gone() {
    let mut scene = Scene::new();
    let new = scene.new.clone();
    let mut told = Vec::new();
    let ended = scene.install(&new, |at| {
        if let At::News(news) = at {
            told.push(news.clone());
        }
        Fate::On
    });
    let version = new.version;
    let before = false;
    assert_eq!(ended, Some(Ended::Confirmed { version, before }), "{told:?}");
    for wanted in [News::Requested, News::Restarting] {
        assert!(told.contains(&wanted), "{wanted:?}");
    }
    scene.door.lock.wait_for("confirmed", PATIENCE).unwrap();
    assert_eq!(scene.runs(), b"2.0.0");
    // Once more: there is nothing to do.
    let ended = scene.install(&new, |_| Fate::Killed);
    assert_eq!(
        ended,
        Some(Ended::Confirmed {
            version,
            before: true
        })
    );
}

/// What is lost.
#[derive(Clone, Copy, Debug)]
enum Loss {
    Link,
    Phone,
    Power,
}

#[test]
fn twenty_losses_at_random_points_of_link_phone_and_power_end_in_a_whole_image() {
    const SEED: u64 = 4;
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut losses = [[Loss::Link; 8], [Loss::Phone; 8], [Loss::Power; 8]].concat();
    random.shuffle(&mut losses);
    losses.truncate(20);
    // So many pieces after the one before; the whole image has about 1,500.
    let mut losses: Vec<_> = losses
        .into_iter()
        .map(|loss| (random.usize(1..130), loss))
        .collect();
    println!("seed {SEED}: {losses:?}");
    let mut scene = Scene::new();
    let release = scene.new.clone();
    let ended = loop {
        let (owner, lock) = (&mut scene.owner, &mut scene.door.lock);
        let mut from = 0;
        let fate = |at: At<'_>| {
            let At::Piece(piece) = at else { return Fate::On };
            let Some((_, loss)) = losses.pop_if(|(gap, _)| piece >= from + *gap) else {
                return Fate::On;
            };
            from = piece;
            match loss {
                Loss::Link => Fate::Lost,
                Loss::Phone => Fate::Killed,
                // The phone's program lives on and finds the lock gone.
                Loss::Power => {
                    lock.cut_power();
                    lock.power_on().unwrap();
                    lock.wait_for("radio up", PATIENCE).unwrap();
                    Fate::On
                }
            }
        };
        match owner
            .install(release.for_phone().unwrap(), Pin::short(0), fate)
            .unwrap()
        {
            Some(ended) => break ended,
            None => scene.restart_phone(),
        }
    };
    assert!(is_good(Some(&ended)), "{ended}");
    assert!(losses.is_empty(), "the update was over before {losses:?}");
    assert_eq!(scene.runs(), b"2.0.0");
}

#[test]
fn of_two_phones_one_wins_and_the_other_is_told() {
    let mut scene = Scene::new();
    let new = scene.new.clone();
    let mut other = Owner::new(scene.door.phone("tool"), &scene.door.address, gatt::MTU_MAX);
    other.hold(copy(&scene.owner));
    let (begun, began) = channel();
    let (tell, told) = channel();
    let release = new.for_phone().unwrap();
    let second = thread::spawn(move || {
        began.recv().unwrap();
        let ended = other.install(release, Pin::short(0), |_| Fate::On).unwrap();
        tell.send(ended).unwrap();
    });
    let mut heard = None;
    let first = scene.install(&new, |at| {
        if let At::Piece(piece) = at {
            if piece == 200 {
                begun.send(()).unwrap();
            }
            // It goes on slowly until the second one has been told.
            if piece > 200 && heard.is_none() {
                heard = told.recv_timeout(Duration::from_millis(50)).ok();
            }
        }
        Fate::On
    });
    second.join().unwrap();
    let second = heard.or_else(|| told.try_recv().ok()).flatten();
    assert!(is_good(first.as_ref()), "{first:?}");
    let Some(Ended::Busy(Some(refused))) = second else {
        panic!("the second phone was not told: {second:?}");
    };
    assert!(refused.words.contains("another client is uploading"), "{refused}");
    assert_eq!(scene.runs(), b"2.0.0");
}

/// Images that no lock is to run, what the phone says to each, and the number that lock or bootloader gives.
fn bad_images(scene: &Scene) -> Vec<(&'static str, SignedImage, u16)> {
    // A beginning of it will do: none of them ever runs.
    let mut payload = scene.door.world.builds.payload(Variant::V2).unwrap();
    payload.truncate(30_000);
    payload[4..8].copy_from_slice(&(Hardware::EMULATOR.slot.address + 0x200 + 0x401).to_le_bytes());
    let good = Release::new(payload, 2);
    let mut tampered = good.sign().unwrap();
    tampered.bytes[20_000] ^= 1;
    let sign = |release: Release| release.sign().unwrap();
    vec![
        ("tampered", tampered, 35),
        (
            "older",
            sign(Release {
                counter: SecurityCounter(0),
                ..good.clone()
            }),
            39,
        ),
        (
            "wrong class",
            sign(Release {
                class: Hardware::NRF52840.class,
                ..good.clone()
            }),
            38,
        ),
        (
            "unsigned",
            sign(Release {
                signers: Vec::new(),
                ..good.clone()
            }),
            20,
        ),
        (
            "signed by one of two",
            sign(Release {
                signers: vec![Signer::A],
                ..good
            }),
            33,
        ),
    ]
}

#[test]
fn what_no_lock_is_to_run_is_refused_by_the_phone_and_by_the_lock_whoever_sends_it() {
    let mut scene = Scene::new();
    for (what, bad, code) in bad_images(&scene) {
        // The phone refuses it before a byte of it is sent.
        match bad.for_phone() {
            Err(_) => {}
            Ok(release) => {
                let ended = scene
                    .owner
                    .install(release, Pin::short(0), |_| Fate::Killed)
                    .unwrap();
                assert!(matches!(ended, Some(Ended::Unfit(_))), "{what}: {ended:?}");
            }
        }
        // And who sends it all the same, over SMP as others speak it, is refused by the lock.
        let file = scene.door.world.path("bad.bin");
        std::fs::write(&file, &bad.bytes).unwrap();
        open(&mut scene.owner, None);
        let hash = digest(&bad);
        let printed = scene
            .door
            .smpclient("tool", &["upload", file.to_str().unwrap(), "test", &hash]);
        assert!(printed.contains("refused"), "{what}: {printed}");
        let wanted = format!("phone: refused, reason {code} ");
        scene.door.lock.wait_for(&wanted, PATIENCE).unwrap();
        assert_eq!(scene.runs(), b"1.0.0", "{what}");
    }
    assert!(!scene.door.has_restarted());
}
