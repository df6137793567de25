//! A guest who holds a key and says whatever he likes, sealed as it should be, with fresh nonces where he wants them,
//! between pieces of nonsense on every characteristic. He may move the bolt; without the PIN he administers nothing.
//!
//! [`any_words`] is also the body of a fuzz target.

use crate::bench::*;
use latchkey_lock::lock::Characteristic;
use latchkey_protocol::frame::plain;
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::*;
use latchkey_protocol::pairing::client::Way;
use latchkey_protocol::pairing::{Family, Identity as Who};
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Always, PinWidth, Writer};
use latchkey_simulator::nor::Nor;
use latchkey_storage::{Key, VALUE_MAX};

/// Too many to guess.
const PIN: u32 = 0x5EC4_E7A1;
/// Wrong guesses, the bolt, and what the guest's own record counts.
const HIS: [u16; 3] = [0x0104, 0x0105, 0x1001];

/// A lock with an owner, a PIN, a guest, a code and a schedule.
struct Setup {
    flash: Nor<PAGE>,
    owner: Client,
    guest: Client,
}

thread_local! {
    static SETUP: Setup = set_up();
}

fn fifth() -> latchkey_lock::lock::Identity {
    latchkey_lock::lock::Identity {
        family: Family::Fifth,
        ..identity()
    }
}

fn set_up() -> Setup {
    let mut house = House::with(fifth());
    house.connect(A);
    let who = Who {
        kind: AuthorizationType::App,
        app: AppId(1),
        name: Name::new("Ann").unwrap(),
    };
    let owner = house.pair_as(A, Way::Fifth(Pin::long(0)), who).ok().unwrap();
    let pin = || Pin::long(PIN);
    owner.command(&mut house, |nonce| SetSecurityPin {
        new_pin: pin(),
        nonce,
        pin: Pin::long(0),
    });
    owner.command(&mut house, |nonce| InviteAuthorization {
        name: Name::new("Guest").unwrap(),
        kind: AuthorizationType::Keypad,
        key: CarriedKey::new([9; 32]),
        remote_allowed: true,
        limits: Always(None),
        nonce,
        pin: pin(),
    });
    owner.command(&mut house, |nonce| AddKeypadCode {
        code: KeypadCode::new(345_678).unwrap(),
        name: Name::new("Cleaner").unwrap(),
        limits: Always(None),
        nonce,
        pin: pin(),
    });
    owner.command(&mut house, |nonce| AddTimeControlEntry {
        weekdays: Weekdays::EVERY,
        time: TimeOfDay { hour: 7, minute: 0 },
        action: LockAction::Unlock,
        nonce,
        pin: pin(),
    });
    let guest = Client {
        link: B,
        id: AuthorizationId(2),
        key: SharedKey::from_bytes(&mut [9; 32]),
        name: Name::new("Guest").unwrap(),
        width: PinWidth::Long,
    };
    let flash = house.chip.flash().clone();
    Setup { flash, owner, guest }
}

struct Raw<'d>(u16, &'d [u8]);

impl Payload for Raw<'_> {
    fn command(&self) -> Command {
        Command(self.0)
    }

    fn write(&self, out: &mut Writer<'_>) {
        out.bytes(self.1);
    }
}

/// What is left of the input.
struct Input<'d>(&'d [u8]);

impl<'d> Input<'d> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn take(&mut self, length: u8) -> &'d [u8] {
        let (taken, rest) = self.0.split_at(self.0.len().min(length.into()));
        self.0 = rest;
        taken
    }
}

/// Every record but those that are his to change.
fn records(house: &mut House) -> Vec<(Key, Vec<u8>)> {
    let keys: Vec<Key> = house.storage.keys().filter(|key| !HIS.contains(&key.0)).collect();
    let mut value = |key| {
        let mut buffer = [0; VALUE_MAX];
        let value = house.storage.get(key, &mut buffer).unwrap().unwrap();
        (key, value.to_vec())
    };
    keys.into_iter().map(&mut value).collect()
}

/// A nonce, unless nonsense that he wrote before is in its way.
fn fresh_nonce(house: &mut House, guest: &Client) -> Option<Nonce> {
    let wanted = Challenge::COMMAND;
    let extra = latchkey_protocol::wire::Rest;
    let frame = guest.seal(house, &RequestData { wanted, extra });
    house.write(B, Characteristic::UserData, &frame);
    let mut sent = house.read(B);
    sent.retain(|(on, _)| *on == Characteristic::UserData);
    guest.open(sent).into_iter().find_map(|reply| match reply {
        FromLock::Challenge(Challenge { nonce }) => Some(nonce),
        _ => None,
    })
}

/// Puts a fresh nonce where the catalogue has it.
fn with_nonce(house: &mut House, guest: &Client, payload: &mut [u8], behind: usize) {
    let start = payload.len().checked_sub(behind + 32);
    if let (Some(start), Some(nonce)) = (start, fresh_nonce(house, guest)) {
        payload[start..start + 32].copy_from_slice(&nonce.0);
    }
}

fn step(house: &mut House, guest: &Client, input: &mut Input<'_>) -> Option<()> {
    if !house.is_connected(B) {
        house.connect(B);
    }
    match input.byte()? % 8 {
        0 => {
            let on = match input.byte()? % 3 {
                0 => Characteristic::Pairing,
                1 => Characteristic::Keyturner,
                _ => Characteristic::UserData,
            };
            let length = input.byte()?;
            house.write(B, on, input.take(length));
        }
        1 => house.wait(u64::from(input.byte()?) * 100),
        2 => house.disconnect(B),
        how => {
            let named = usize::from(input.byte()?);
            let command = FromClient::COMMANDS
                .get(named)
                .map_or(named as u16, |command| command.0);
            let length = input.byte()?;
            let mut payload = input.take(length).to_vec();
            payload.truncate(PAYLOAD_MAX);
            match how {
                3 | 4 => with_nonce(house, guest, &mut payload, 0),
                5 | 6 => with_nonce(house, guest, &mut payload, 4),
                _ => {}
            }
            if house.is_connected(B) {
                let frame = guest.seal(house, &Raw(command, &payload));
                house.write(B, Characteristic::UserData, &frame);
            }
        }
    }
    for (on, mut frame) in house.read(B) {
        match on {
            Characteristic::UserData => drop(guest.open(vec![(on, core::mem::take(&mut frame))])),
            Characteristic::Pairing | Characteristic::Keyturner => drop(plain::read(&frame).unwrap()),
        }
    }
    Some(())
}

/// Plays the guest as `data` has it.
///
/// # Panics
/// When he administered anything, when an answer is not one, or when the owner is not served afterwards.
pub(crate) fn any_words(data: &[u8]) {
    SETUP.with(|setup| {
        let chip = Chip::new(setup.flash.clone());
        let mut house = House::on(chip, fifth(), 0).expect("the power is on");
        let before = records(&mut house);
        let mut input = Input(data);
        while step(&mut house, &setup.guest, &mut input).is_some() {}
        assert!(records(&mut house) == before, "a guest administered something");
        house.connect(A);
        setup.owner.states(&mut house);
    });
}

#[cfg(test)]
mod tests {
    use super::any_words;
    use latchkey_protocol::message::FromClient;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

        #[test]
        fn a_guest_administers_nothing(
            words in proptest::collection::vec(
                (3..8_u8, 0..FromClient::COMMANDS.len() as u8, proptest::collection::vec(0..4_u8, 0..127)),
                0..12,
            ),
            nonsense in proptest::collection::vec(any::<u8>(), 0..300),
        ) {
            let mut data = Vec::new();
            for (how, command, payload) in words {
                data.extend([how, command, payload.len() as u8]);
                data.extend(payload);
            }
            data.extend(nonsense);
            any_words(&data);
        }
    }

    /// Every command, as long as it is, with a fresh nonce and the wrong PIN.
    #[test]
    fn every_command_without_the_pin_is_refused() {
        for command in 0..FromClient::COMMANDS.len() as u8 {
            for length in 0..=super::PAYLOAD_MAX as u8 {
                let mut data = vec![5, command, length];
                data.extend(vec![1; length.into()]);
                any_words(&data);
            }
        }
    }
}
