//! A lock on a door, with a radio and phones in range.

use std::thread;
use std::time::Duration;

use latchkey_lab::{Air, Bluez, Browser, Lock, Phone, Seen, Variant, address, smpclient};

use crate::{PATIENCE, World};

/// How long the button is held for pairing mode, and a little longer.
const PAIRING_HOLD: Duration = Duration::from_millis(5_200);

/// A motor that turns the bolt in a fifth of a second, for tests of something else than motion.
pub const FAST_MOTOR_DEG_S: u32 = 3_600;

/// One lock that runs 1.0.0 since the factory, on an air of its own. It has power, and its radio works.
pub struct Door {
    /// The lock.
    pub lock: Lock,
    /// The lock's address on air.
    pub address: String,
    /// The lock's name to people: eight hexadecimal digits.
    pub nuki_id: String,
    air: Air,
    /// Folder and builds; last, so that the folder outlives those who work in it.
    pub world: World,
}

impl Door {
    /// A door, and controllers for phones of these names.
    ///
    /// # Panics
    /// When something has not been set up or built.
    #[must_use]
    pub fn with_phones(names: &[&str]) -> Self {
        Self::new(names, |_| {})
    }

    /// As [`Self::with_phones`], with something changed before the lock has power.
    ///
    /// # Panics
    /// As there.
    #[must_use]
    pub fn new(names: &[&str], change: impl FnOnce(&mut Lock)) -> Self {
        let world = World::new();
        let air = Air::start(&[&["lock"], names].concat()).unwrap_or_else(|error| panic!("{error:#}"));
        let running = world.release(Variant::V1, 1);
        let mut lock = world.lock("lock", &running);
        lock.set_radio(Some(air.address("lock").unwrap()));
        change(&mut lock);
        lock.power_on().expect("QEMU starts");
        let line = lock
            .wait_for("lock Nuki_", PATIENCE)
            .unwrap_or_else(|error| panic!("{error:#}"));
        let (_, nuki_id) = line.split_once("Nuki_").unwrap();
        let nuki_id = nuki_id.to_owned();
        let address = address(&nuki_id);
        lock.wait_for("radio up", PATIENCE)
            .unwrap_or_else(|error| panic!("{error:#}"));
        Self {
            lock,
            address,
            nuki_id,
            air,
            world,
        }
    }

    /// A phone on the controller of this name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn phone(&self, name: &str) -> Phone {
        Phone::start(&self.air, name).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// Has smpclient do something with this lock, from the controller of this name; gives what it printed.
    ///
    /// # Panics
    /// When there is no such controller, or smpclient fails otherwise than by being refused.
    #[must_use]
    pub fn smpclient(&self, name: &str, commands: &[&str]) -> String {
        let lock = format!("Nuki_{}", self.nuki_id);
        smpclient(&self.air, name, &lock, commands).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// A stand-in for BlueZ on the controller of this name.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn bluez(&self, name: &str) -> Bluez {
        Bluez::start(&self.air, name).unwrap_or_else(|error| panic!("{error:#}"))
    }

    /// A browser on the controller of this name, with this lock in range.
    ///
    /// # Panics
    /// When there is no such controller, or something has not been set up.
    #[must_use]
    pub fn browser(&self, name: &str) -> Browser {
        let mut browser = Browser::start(&self.air, name).unwrap_or_else(|error| panic!("{error:#}"));
        browser.wait_for_device(&self.address).unwrap();
        browser
    }

    /// Where the controller of this name listens, `HOST:PORT`.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn controller(&self, name: &str) -> String {
        self.air.address(name).unwrap().to_owned()
    }

    /// Has the connections of this controller be lost after so many bytes each, one after the other.
    ///
    /// # Panics
    /// When there is no such controller.
    pub fn lose(&mut self, name: &str, after: &[u64]) {
        self.air.lose(name, after).unwrap();
    }

    /// Bytes that the air has carried since the start.
    ///
    /// # Panics
    /// When it has ended.
    pub fn carried(&mut self) -> u64 {
        self.air.carried().unwrap()
    }

    /// Whether all of these losses have come.
    ///
    /// # Panics
    /// When there is no such controller.
    pub fn has_lost(&mut self, name: &str) -> bool {
        self.air.losses_to_come(name).unwrap() == 0
    }

    /// Somebody at the lock puts it into pairing mode.
    ///
    /// # Panics
    /// When the lock has no power.
    pub fn invite(&mut self) {
        self.hold_button(PAIRING_HOLD);
    }

    /// What a phone sees of this lock.
    ///
    /// # Panics
    /// When it sees nothing.
    pub fn seen(&self, phone: &mut Phone) -> Seen {
        let seen = phone.scan(1).unwrap();
        let found = seen.into_iter().find(|seen| seen.address == self.address);
        found.expect("the lock advertises")
    }

    /// Whether the lock does not advertise, for as long as it would have several times.
    ///
    /// # Panics
    /// When the phone cannot listen.
    pub fn silent(&self, phone: &mut Phone) -> bool {
        phone
            .scan(2)
            .unwrap()
            .iter()
            .all(|seen| seen.address != self.address)
    }

    /// Gives the lock power again, and waits until its radio works.
    ///
    /// # Panics
    /// When it does not come up.
    pub fn restart(&mut self) {
        self.lock.power_on().expect("QEMU starts");
        self.lock
            .wait_for("radio up", PATIENCE)
            .unwrap_or_else(|error| panic!("{error:#}"));
    }

    /// Holds the button at the lock, in the lock's own time.
    ///
    /// # Panics
    /// When the lock has no power.
    fn hold_button(&mut self, for_long: Duration) {
        self.lock.type_line("button down").unwrap();
        thread::sleep(for_long);
        self.lock.type_line("button up").unwrap();
        self.lock.wait_for("typed: button up", PATIENCE).unwrap();
    }

    /// Whether the lock has started again since it got power.
    ///
    /// # Panics
    /// When it has none.
    pub fn has_restarted(&mut self) -> bool {
        let lines = self.lock.console().unwrap().transcript();
        lines
            .iter()
            .filter(|line| line.contains("latchkey: app "))
            .count()
            > 1
    }
}

/// The lock's name to people, which it prints at each start.
///
/// # Panics
/// When it does not.
pub fn nuki_id(lock: &mut Lock) -> String {
    let line = lock
        .wait_for("lock Nuki_", PATIENCE)
        .unwrap_or_else(|error| panic!("{error:#}"));
    let (_, nuki_id) = line.split_once("Nuki_").unwrap();
    nuki_id.to_owned()
}
