//! A lock that has been lived with: what its people set up on one version is there on the next, and on the first again
//! when the next one is bad. Nobody pairs again.

use latchkey_lab::{Air, Owner, Phone, Variant};
use latchkey_phone::request::{Act, Administer, Report, Settings};
use latchkey_phone::session::News;
use latchkey_phone::{Credentials, Request};
use latchkey_protocol::gatt;
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::{FromLock, LogEntry, LogEvent};
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::*;
use latchkey_system_tests::{FAST_MOTOR_DEG_S, PATIENCE, Site, address, nuki_id};

/// The PIN that the owner sets.
fn pin() -> Pin {
    Pin::short(4_711)
}

/// A house with a lock of version 1, its owner and their guest, each with a phone.
struct House {
    site: Site,
    owner: Owner,
    guest: Owner,
    _air: Air,
}

/// What the people of the house have set up.
#[derive(Debug, PartialEq)]
struct SetUp {
    settings: Settings,
    people: Vec<FromLock>,
    codes: Vec<FromLock>,
    log: Vec<FromLock>,
    state: LockState,
}

fn must_be_done(owner: &mut Owner, request: impl Into<Request>) -> Option<FromLock> {
    let mut news = owner.ask(request).unwrap();
    match news.pop() {
        Some(News::Done(answer)) => answer,
        other => panic!("{other:?}"),
    }
}

fn list(owner: &mut Owner, asked: Administer) -> Vec<FromLock> {
    let news = owner.ask(asked.with(pin())).unwrap();
    let (last, parts) = news.split_last().unwrap();
    assert_eq!(*last, News::Done(None));
    assert!(!parts.is_empty());
    let parts = news.into_iter().filter_map(|news| match news {
        News::Part(part) => Some(part),
        _ => None,
    });
    parts.collect()
}

impl House {
    fn move_in() -> Self {
        let air = Air::start(&["lock", "owner", "guest"]).unwrap();
        let mut site = Site::with_lock(|lock| {
            lock.set_radio(Some(air.address("lock").unwrap()));
            lock.set_motor(FAST_MOTOR_DEG_S);
        });
        let address = address(&nuki_id(&mut site.lock));
        site.lock.wait_for("radio up", PATIENCE).unwrap();
        let phone = |name| Phone::start(&air, name).unwrap();
        let mut owner = Owner::new(phone("owner"), &address, gatt::MTU_MAX);
        let mut guest = Owner::new(phone("guest"), &address, gatt::MTU_DEFAULT);
        owner.connect().unwrap();
        assert_eq!(owner.pair("Ann").unwrap(), [News::Paired]);
        guest.hold(set_up(&mut owner));
        Self {
            site,
            owner,
            guest,
            _air: air,
        }
    }

    /// Everything that the owner can read.
    fn read(&mut self) -> SetUp {
        let owner = &mut self.owner;
        let Some(FromLock::Config(config)) = must_be_done(owner, Act::Config {}) else {
            panic!("no configuration")
        };
        let Some(FromLock::KeyturnerStates(states)) = must_be_done(owner, Report::States {}) else {
            panic!("no states")
        };
        let (offset, count) = (0, 100);
        SetUp {
            settings: Settings::of(&config).unwrap(),
            people: list(owner, Administer::Authorizations { offset, count }),
            codes: list(owner, Administer::Codes { offset, count }),
            log: list(
                owner,
                Administer::Log {
                    start: LogIndex(0),
                    count,
                    order: SortOrder::Ascending,
                    want_count: false,
                },
            ),
            state: states.lock_state.known().unwrap(),
        }
    }

    /// Publishes a build, and waits until the lock has told what became of it.
    fn update(&mut self, variant: Variant, outcome: &str) {
        let new = self.site.world.release(variant, 2);
        self.site.server.publish(&new).unwrap();
        self.site.server.roll_out(&new).unwrap();
        let event = self.site.server.wait_for_event(&self.site.id, outcome, PATIENCE);
        event.unwrap();
        self.owner.phone.wait_for_disconnection(PATIENCE).unwrap();
        self.owner.connect().unwrap();
    }

    /// Owner, guest and the one with the code come in and out.
    fn is_lived_in(&mut self) {
        self.guest.connect().unwrap();
        let action = SimpleAction::Unlock;
        must_be_done(&mut self.guest, Act::Simple { action });
        let by_code = Act::Keypad {
            source: KeypadSource::Code,
            code: EnteredCode::new(987_654),
            action: KeypadAction::Lock,
        };
        must_be_done(&mut self.owner, by_code);
        must_be_done(&mut self.owner, Administer::VerifyPin {}.with(pin()));
    }
}

/// The owner sets the lock up; gives what their guest holds.
fn set_up(owner: &mut Owner) -> Credentials {
    let none_set = || Pin::short(0);
    let time = DateTime {
        year: 2026,
        month: 6,
        day: 1,
        hour: 8,
        ..DateTime::UNSET
    };
    must_be_done(owner, Administer::SetTime { time }.with(none_set()));
    must_be_done(owner, Administer::SetPin { new_pin: pin() }.with(none_set()));
    let settings = crate::tour::settings();
    must_be_done(owner, Administer::SetConfig { settings }.with(pin()));
    let code = Administer::AddCode {
        code: KeypadCode::new(987_654).unwrap(),
        name: Name::new("Cleaner").unwrap(),
        limits: None,
    };
    must_be_done(owner, code.with(pin()));
    let invite = Administer::Invite {
        name: Name::new("Bob").unwrap(),
        kind: AuthorizationType::App,
        key: CarriedKey::new([9; 32]),
        remote_allowed: false,
        limits: None,
    };
    let Some(FromLock::InvitedAuthorization(invited)) = must_be_done(owner, invite.with(pin())) else {
        panic!("nobody was invited")
    };
    let action = SimpleAction::Lock;
    must_be_done(owner, Act::Simple { action });
    let uuid = owner.credentials().unwrap().uuid;
    let key = SharedKey::from_bytes(&mut [9; 32]);
    Credentials::invited(Family::ToFourth, uuid, invited.authorization, AppId(2), key)
}

/// Takes what came into the log since it was as long as this.
fn take_new(log: &mut Vec<FromLock>, length: usize) -> Vec<LogEvent> {
    let event = |entry| match entry {
        FromLock::LogEntry(LogEntry { event, .. }) => event,
        other => panic!("{other:?}"),
    };
    log.split_off(length).into_iter().map(event).collect()
}

#[test]
fn what_was_set_up_is_there_after_an_update() {
    let mut house = House::move_in();
    let before = house.read();
    assert_eq!(
        (before.people.len(), before.codes.len()),
        (3, 2),
        "each with its count"
    );
    house.update(Variant::V2, "confirmed");
    assert_eq!(house.owner.phone.read("2a26").unwrap(), b"2.0.0");
    let mut after = house.read();
    let new = take_new(&mut after.log, before.log.len());
    let version = Version {
        major: 2,
        minor: 0,
        patch: 0,
    };
    assert_eq!(new, [LogEvent::FirmwareUpdate(version)]);
    assert_eq!(after, before);
    house.is_lived_in();
}

#[test]
fn what_was_set_up_is_there_after_an_update_that_crashed_was_taken_back() {
    let mut house = House::move_in();
    let before = house.read();
    house.update(Variant::Crash, "reverted");
    assert_eq!(house.owner.phone.read("2a26").unwrap(), b"1.0.0");
    assert_eq!(house.read(), before);
    house.is_lived_in();
}
