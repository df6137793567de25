//! Updates by phone on the emulated lock: an owner opens the window with the project's own session, smpclient as its
//! registry has it sends the image.

use latchkey_lab::{Air, Owner, Phone, SignedImage, Variant, smpclient};
use latchkey_phone::request::{Administer, Report};
use latchkey_phone::session::News;
use latchkey_protocol::gatt;
use latchkey_protocol::message::{FromLock, UpdateStatus};
use latchkey_protocol::value::{Pin, UpdateStage};
use latchkey_protocol::wire::Tail;
use latchkey_system_tests::{Door, PATIENCE, Site, address, nuki_id};

/// A PIN that no lock has before it is set.
const NO_PIN: u16 = 0;

struct Scene {
    door: Door,
    owner: Owner,
    image: SignedImage,
    file: String,
}

impl Scene {
    fn new() -> Self {
        let door = Door::with_phones(&["phone", "tool"]);
        let owner = paired(door.phone("phone"), &door.address);
        let image = door.world.release(Variant::V2, 2);
        let file = door.world.path("v2.bin");
        std::fs::write(&file, &image.bytes).unwrap();
        let file = file.to_str().unwrap().to_owned();
        Self {
            door,
            owner,
            image,
            file,
        }
    }

    fn open(&mut self, image: Option<[u8; 32]>) {
        open(&mut self.owner, image);
    }

    fn status(&mut self) -> UpdateStatus {
        self.owner.connect().unwrap();
        let news = self.owner.ask(Report::Update {}).unwrap().pop();
        self.owner.disconnect().unwrap();
        match news {
            Some(News::Done(Some(FromLock::UpdateStatus(status)))) => status,
            other => panic!("no status: {other:?}"),
        }
    }

    fn tool(&self, commands: &[&str]) -> String {
        self.door.smpclient("tool", commands)
    }
}

/// An owner of the new lock at this address.
pub(crate) fn paired(phone: Phone, address: &str) -> Owner {
    let mut owner = Owner::new(phone, address, gatt::MTU_MAX);
    owner.connect().unwrap();
    owner.pair("Ann").unwrap();
    owner.disconnect().unwrap();
    owner
}

/// What the lock says that it runs.
pub(crate) fn runs(owner: &mut Owner) -> Vec<u8> {
    owner.connect().unwrap();
    let version = owner.phone.read("2a26").unwrap();
    owner.disconnect().unwrap();
    version
}

/// The owner asks for one thing and goes: the field's tools bring a connection of their own.
fn administer(owner: &mut Owner, what: Administer) {
    owner.connect().unwrap();
    let news = owner.ask(what.with(Pin::short(NO_PIN))).unwrap();
    assert_eq!(news, [News::Done(None)]);
    owner.disconnect().unwrap();
}

pub(crate) fn open(owner: &mut Owner, image: Option<[u8; 32]>) {
    let window = Administer::OpenUpdateWindow {
        seconds: 600,
        image: Tail(image),
    };
    administer(owner, window);
}

pub(crate) fn digest(image: &SignedImage) -> String {
    image.digest.0.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first offset that the lock named.
fn began_at(printed: &str) -> usize {
    let line = printed.lines().find_map(|line| line.strip_prefix("offset "));
    line.unwrap_or_else(|| panic!("no offset in\n{printed}"))
        .parse()
        .unwrap()
}

#[test]
fn smpclient_updates_the_lock_inside_the_window_and_across_a_power_cut() {
    let mut scene = Scene::new();
    let hash = digest(&scene.image);
    let file = scene.file.clone();

    let printed = scene.tool(&["echo", "upload", &file]);
    assert!(printed.contains("echo who is there?"), "{printed}");
    assert!(printed.contains("refused"), "{printed}");
    assert!(!printed.contains("offset"), "{printed}");
    scene
        .door
        .lock
        .wait_for("phone: refused, reason 156", PATIENCE)
        .unwrap();

    scene.open(Some(scene.image.digest.0));
    let printed = scene.tool(&["upload-until", "100000", &file]);
    assert!(began_at(&printed) < 3_000, "from the beginning: {printed}");
    let status = scene.status();
    assert_eq!(status.stage.known(), Some(UpdateStage::Receiving));
    assert!(status.received >= 100_000);

    // A restart closes the window, and nothing that is on flash is sent again.
    scene.door.lock.cut_power();
    scene.door.lock.power_on().unwrap();
    scene.door.lock.wait_for("radio up", PATIENCE).unwrap();
    assert!(scene.tool(&["upload", &file]).contains("refused"));
    scene.open(Some(scene.image.digest.0));
    let printed = scene.tool(&["upload", &file, "list", "test", &hash, "reset"]);
    assert!(began_at(&printed) > 80_000, "{printed}");
    assert!(printed.contains(&format!("image 1 2.0.0 {hash}\n")), "{printed}");
    assert!(
        printed.contains(&format!("image 1 2.0.0 {hash} pending\n")),
        "{printed}"
    );
    assert!(printed.contains("reset\n"), "{printed}");

    for wanted in [
        "asked for the install",
        "restarting for an update by phone",
        "app 2.0.0",
        "confirmed",
    ] {
        scene.door.lock.wait_for(wanted, PATIENCE).unwrap();
    }
    assert_eq!(runs(&mut scene.owner), b"2.0.0");
    assert!(scene.tool(&["list"]).contains("refused"), "closed again");
}

#[test]
fn smpclient_is_refused_what_nobody_signed_and_what_the_owner_did_not_name() {
    let mut scene = Scene::new();
    let hash = digest(&scene.image);
    let mut tampered = scene.image.bytes.clone();
    if let Some(byte) = tampered.get_mut(50_000) {
        *byte ^= 1;
    }
    let bad = scene.door.world.path("tampered.bin");
    std::fs::write(&bad, &tampered).unwrap();
    let bad = bad.to_str().unwrap().to_owned();

    scene.open(None);
    let printed = scene.tool(&["upload", &bad, "confirm", &hash]);
    assert!(printed.contains("CONFIRMATION_DENIED"), "{printed}");
    let printed = scene.tool(&["test", &hash]);
    assert!(printed.contains("ECORRUPT"), "{printed}");
    assert_ne!(scene.status().refusal, 0);
    assert!(!scene.tool(&["list"]).contains("image 1"), "given up");

    let file = scene.file.clone();
    scene.open(Some([9; 32]));
    let printed = scene.tool(&["upload", &file, "test", &hash]);
    assert!(printed.contains("EACCESSDENIED"), "{printed}");
    assert_eq!(scene.status().refusal, 159);
    assert!(scene.tool(&["erase"]).contains("erased"));
}

#[test]
fn the_server_waits_for_the_phone_and_has_its_turn() {
    let air = Air::start(&["lock", "phone", "tool"]).unwrap();
    let mut site = Site::with_lock(|lock| lock.set_radio(Some(air.address("lock").unwrap())));
    let nuki_id = nuki_id(&mut site.lock);
    site.lock.wait_for("radio up", PATIENCE).unwrap();
    let phone = Phone::start(&air, "phone").unwrap();
    let mut owner = paired(phone, &address(&nuki_id));
    let new = site.world.release(Variant::V2, 2);
    let file = site.world.path("v2.bin");
    std::fs::write(&file, &new.bytes).unwrap();
    let file = file.to_str().unwrap();

    open(&mut owner, None);
    let name = format!("Nuki_{nuki_id}");
    let begun = smpclient(&air, "tool", &name, &["upload-until", "20000", file]).unwrap();
    assert!(begun.contains("offset"), "{begun}");
    site.server.publish(&new).unwrap();
    site.server.roll_out(&new).unwrap();
    site.lock
        .wait_for("failed: an update from a phone is under way", PATIENCE)
        .unwrap();
    administer(&mut owner, Administer::CloseUpdateWindow {});
    site.server
        .wait_for_event(&site.id, "confirmed", PATIENCE)
        .unwrap();
}
