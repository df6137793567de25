//! What is so already is acknowledged no earlier than what is new: not before it is on disk. Each of these is asked
//! twice while SQLite's disk stands still, and neither may be answered before it goes on; nor is the audit log told.

use std::path::Path;
use std::pin::pin;
use std::sync::Arc;

use bytes::Bytes;
use ed25519_dalek::pkcs8::spki::EncodePublicKey as _;
use ed25519_dalek::pkcs8::spki::der::pem::LineEnding;
use ed25519_dalek::{Signer as _, SigningKey};
use latchkey_directive::{
    BootOutcome, BootReport, CheckIn, Enrolment, Event, MAX_SEALED, Nonce, PublicKey, Purpose, Report,
    Running, seal,
};
use latchkey_image::build::Description;
use latchkey_image::{Hardware, ImageDigest, SecurityCounter, Version};

use super::access::{Caller, NewToken, Role};
use super::release::{Published, ReleaseKind};
use crate::clock::SetClock;
use crate::director::DirectorKey;
use crate::objects::Objects;
use crate::online::OnlineKey;
use crate::store::{Store, StuckDisk};
use crate::{Keys, Service, Settings};

const HARDWARE: Hardware = Hardware::EMULATOR;

pub(super) async fn service(folder: &Path) -> (Service, Store) {
    let url = Store::url_of_file(&folder.join("latchkey.db")).unwrap();
    let store = Store::open(&url).await.unwrap();
    let keys = Keys {
        director: DirectorKey::open_or_create(&folder.join("director.pem"), false).unwrap(),
        online: OnlineKey::open_or_create(&folder.join("tuf.pem"), false).unwrap(),
    };
    let objects = Objects::folder(&folder.join("images")).unwrap();
    let clock = Arc::new(SetClock::at(1_800_000_000_000));
    let service = Service::new(store.clone(), objects, keys, clock, Settings::default());
    (service, store)
}

/// Asks a second time while what the first one committed is not on disk; gives both answers.
async fn twice<A, B>(
    store: &Store,
    first: impl Future<Output = A>,
    again: impl Future<Output = B>,
) -> (A, B) {
    let stuck = StuckDisk::of(store).await;
    let (mut first, mut again) = (pin!(first), pin!(again));
    tokio::select! {
        _ = &mut first => panic!("acknowledged before it was on disk"),
        () = stuck.waited_for(2) => {}
    }
    tokio::select! {
        _ = &mut first => panic!("acknowledged before it was on disk"),
        _ = &mut again => panic!("the same again was acknowledged before it was on disk"),
        () = stuck.waited_for(3) => {}
    }
    drop(stuck);
    tokio::join!(first, again)
}

fn sealed<M: Purpose + minicbor::Encode<()>>(key: &SigningKey, message: &M) -> Vec<u8> {
    let mut out = vec![0; MAX_SEALED];
    let length = seal(message, |digest| key.sign(digest).to_bytes(), &mut out).unwrap();
    out.truncate(length);
    out
}

#[tokio::test]
async fn tokens() {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service(folder.path()).await;
    let by = Caller::console();
    let wanted = NewToken {
        name: "x",
        person: None,
        role: Role::Viewer,
    };
    let (token, _) = service.create_token(&by, &wanted).await.unwrap();
    let revoke = || service.revoke_token(&by, &token.id);
    let (first, again) = twice(&store, revoke(), revoke()).await;
    assert_eq!(first.unwrap().revoked_at, again.unwrap().revoked_at);
}

#[tokio::test]
async fn lines_of_the_audit_log_and_where_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service(folder.path()).await;
    let by = Caller::console();
    let change = || service.add_hawkbit_device(&by, HARDWARE.class_name);
    let (_, lines) = twice(&store, change(), service.audit(0, 10)).await;
    assert_eq!(lines.unwrap().len(), 1);
    let (_, end) = twice(&store, change(), service.audit_anchor()).await;
    assert_eq!(end.unwrap().number, 2);
}

#[tokio::test]
async fn devices_and_what_they_say() {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service(folder.path()).await;
    let by = Caller::console();
    let key = SigningKey::from_bytes(&[7; 32]);
    let device = PublicKey::from_bytes(key.verifying_key().as_bytes())
        .unwrap()
        .device_id();
    let enrolment = sealed(
        &key,
        &Enrolment {
            device_key: key.verifying_key().to_bytes(),
            vendor: HARDWARE.vendor,
            class: HARDWARE.class,
        },
    );
    let (first, again) = twice(&store, service.enrol(&enrolment), service.enrol(&enrolment)).await;
    assert_eq!(first.unwrap(), again.unwrap());
    let approve = || service.approve_device(&by, device);
    let (first, again) = twice(&store, approve(), approve()).await;
    assert_eq!(first.unwrap().since, again.unwrap().since);

    let check_in = |sequence| {
        sealed(
            &key,
            &CheckIn {
                device,
                nonce: Nonce([0; 16]),
                sequence,
                vendor: HARDWARE.vendor,
                class: HARDWARE.class,
                running: Running {
                    image: ImageDigest([0; 32]),
                    version: Version::default(),
                    counter: SecurityCounter(1),
                    confirmed: false,
                },
                floor: SecurityCounter(1),
                boot: BootReport {
                    outcome: BootOutcome::Steady,
                    reason: 0,
                    about: [0; 16],
                    starts_left: 0,
                },
                battery_percent: 80,
                hold: None,
                echo: None,
            },
        )
    };
    let (news, same) = (check_in(1), check_in(2));
    let (first, again) = twice(&store, service.check_in(&news), service.check_in(&same)).await;
    assert!(first.is_ok() && again.is_ok());

    let report = Report {
        device,
        sequence: 3,
        event: Event::Requested,
        image: ImageDigest([0; 32]),
        reason: 0,
    };
    let report = sealed(&key, &report);
    let (first, again) = twice(&store, service.report(&report), service.report(&report)).await;
    assert_eq!(first.unwrap().0, again.unwrap().0);

    let revoke = || service.revoke_device(&by, device);
    let (first, again) = twice(&store, revoke(), revoke()).await;
    assert_eq!(first.unwrap().since, again.unwrap().since);
}

#[tokio::test]
async fn releases() {
    let folder = tempfile::tempdir().unwrap();
    let (service, store) = service(folder.path()).await;
    let by = Caller::console();
    let key = SigningKey::from_bytes(&[1; 32]);
    let public = key.verifying_key().to_public_key_pem(LineEnding::LF).unwrap();
    let policy = format!("threshold = 1\n[[keys]]\nname = \"one\"\npublic = \"\"\"\n{public}\"\"\"\n");
    service
        .set_policy(&by, HARDWARE.class_name, &policy)
        .await
        .unwrap();
    let mut payload = vec![0; 1000];
    let reset = HARDWARE.slot.address.saturating_add(0x209);
    payload.splice(..4, HARDWARE.slot.ram.end.to_le_bytes());
    payload.splice(4..8, reset.to_le_bytes());
    let description = Description {
        version: Version::default(),
        counter: SecurityCounter(1),
        vendor: HARDWARE.vendor,
        class: HARDWARE.class,
        min_version: None,
        header_size: 0x200,
    };
    let mut image = description.build(&payload).unwrap();
    image.sign(&key).unwrap();
    let file = Bytes::from(image.into_bytes());
    let publish = || service.publish(&by, file.clone(), ReleaseKind::Feature, None);
    let (first, again) = twice(&store, publish(), publish()).await;
    assert_eq!(first.unwrap().1, Published::Now);
    assert_eq!(again.unwrap().1, Published::Before);
}
