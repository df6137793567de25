//! The power goes at every flash operation of what a client asks for, before, inside and after it, and once more in
//! the start that follows. What was acknowledged is there at the next start, whole; what was not has happened or not,
//! whole; the lock opens and serves.

use crate::bench::*;
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Always;
use latchkey_simulator::nor::{Cut, Moment, Nor};
use latchkey_simulator::random::Random;
use latchkey_storage::Key;

use AuthorizationType::App;

/// A key that the lock does not use: what fills a page before a test.
const FILLER: Key = Key(0x0F00);
/// How many of the smallest records still fit before a page turns; none: a page with much room.
const ROOMS: [Option<usize>; 4] = [None, Some(0), Some(2), Some(5)];

/// A lock with an owner, a guest and a code, on flash that has been in use.
struct Before {
    flash: Nor<PAGE>,
    owner: Client,
    guest: Client,
}

fn before(room: Option<usize>) -> Before {
    let mut house = House::new();
    let owner = house.pair(A, App, "Ann");
    let guest = house.pair(B, App, "Bob");
    crate::people::add_code(&owner, &mut house, 345_678);
    let mut flash = house.chip.flash().clone();
    if let Some(room) = room {
        // Until the next record of no length would turn the page, and back by as many as there is to be room for.
        let mut last = std::collections::VecDeque::new();
        let erases = flash.work().erases;
        while house.chip.flash().work().erases == erases {
            last.push_front(house.chip.flash().clone());
            last.truncate(room + 1);
            house.storage.put(FILLER, &[]).unwrap();
        }
        flash = last.pop_back().unwrap();
    }
    Before { flash, owner, guest }
}

/// Says a command, as far as the power lasts. Whether the lock said that it is done.
fn said<M: Payload>(client: &Client, house: &mut House, message: impl FnOnce(Nonce) -> M) -> bool {
    let replies = client.command(house, message);
    apart(replies).1.last().is_some_and(|last| {
        *last == complete()
            || matches!(
                last,
                FromLock::KeypadCodeId(_) | FromLock::InvitedAuthorization(_)
            )
    })
}

/// What a test is about.
trait Scenario {
    /// Does it; whether it was acknowledged.
    fn act(&mut self, house: &mut House, before: &Before) -> bool;
    /// Whether it has happened, whole. Fails the test when it is neither done nor undone.
    fn happened(&self, house: &mut House, before: &Before) -> bool;
    /// Secrets that must not lie on the chip once it has happened.
    fn gone(&self, _before: &Before) -> Option<[u8; 32]> {
        None
    }
}

fn cut_everywhere<S: Scenario>(make: impl Fn() -> S) {
    let mut cuts = 0;
    for room in ROOMS {
        let before = before(room);
        for operation in 0.. {
            let mut finished = false;
            for moment in [Moment::Before, Moment::Inside, Moment::After] {
                let mut scenario = make();
                let cut = Cut { operation, moment };
                let seed = Random::of(
                    11,
                    &[room.map_or(9, |room| room as u64), operation, moment as u64],
                );
                let (acknowledged, was_cut, chip) = live_once(&before, &mut scenario, cut, seed.clone());
                check(&before, &scenario, acknowledged, &chip, seed);
                finished |= !was_cut;
                cuts += u32::from(was_cut);
            }
            if finished {
                break;
            }
        }
    }
    assert!(cuts > 30, "only {cuts} cuts hit anything");
}

/// Does it until the cut.
fn live_once<S: Scenario>(before: &Before, scenario: &mut S, cut: Cut, seed: Random) -> (bool, bool, Chip) {
    let chip = Chip::new(before.flash.clone());
    chip.flash().power_on(None, seed.clone());
    let mut house = House::on(chip.clone(), identity(), 0).expect("the power is on");
    house.connect(A);
    chip.flash().power_on(Some(cut), seed);
    let acknowledged = scenario.act(&mut house, before);
    // A little while later, when everything that was under way is over.
    house.wait(30_000);
    let was_cut = chip.flash().is_off();
    (acknowledged, was_cut, chip)
}

/// What the next starts find, after one that is cut off as well.
fn check<S: Scenario>(before: &Before, scenario: &S, acknowledged: bool, chip: &Chip, mut seed: Random) {
    let moments = [Moment::Before, Moment::Inside, Moment::After];
    let again = Cut {
        operation: seed.below(6),
        moment: moments[seed.below(3) as usize],
    };
    chip.flash().power_on(Some(again), seed.clone());
    drop(House::on(chip.clone(), identity(), 0));
    let mut found = None;
    for _ in 0..2 {
        chip.flash().power_on(None, seed.clone());
        let mut house = House::on(chip.clone(), identity(), 0).expect("the lock opens after any cut");
        house.connect(A);
        let happened = scenario.happened(&mut house, before);
        assert!(happened || !acknowledged, "what was acknowledged is lost");
        assert!(
            found.is_none_or(|found| found == happened),
            "two starts find two truths"
        );
        found = Some(happened);
        if let Some(secret) = scenario.gone(before).filter(|_| happened) {
            let there = chip.bytes().windows(32).any(|window| window == secret);
            assert!(!there, "a removed key lies on the chip");
        }
        let served = before.owner.act(&mut house, LockAction::Lock);
        assert_eq!(apart(served).1.last(), Some(&complete()));
        before.owner.act(&mut house, LockAction::Unlock);
        assert_eq!(chip.flash().misused(), None);
    }
}

/// A guest pairs.
#[derive(Default)]
struct Pair {
    client: Option<Client>,
}

impl Scenario for Pair {
    fn act(&mut self, house: &mut House, _: &Before) -> bool {
        house.hold_button(5_000);
        house.connect(C);
        self.client = house.pair_now(C, App, "New").ok();
        self.client.is_some()
    }

    fn happened(&self, house: &mut House, before: &Before) -> bool {
        let names = names(house, before);
        assert!(names[..2] == ["Ann", "Bob"], "{names:?}");
        let there = names[2..] == ["New"];
        assert!(there || names.len() == 2, "{names:?}");
        if let Some(client) = self.client.as_ref().filter(|_| there) {
            house.connect(C);
            client.on(C).states(house);
        }
        there
    }
}

fn names(house: &mut House, before: &Before) -> Vec<String> {
    let owner = &before.owner;
    let replies = owner.command(house, |nonce| RequestAuthorizationEntries {
        offset: 0,
        count: 100,
        nonce,
        pin: owner.pin(0),
    });
    let names = replies.iter().filter_map(|reply| match reply {
        FromLock::AuthorizationEntry(entry) => Some(entry.name.as_str().to_owned()),
        _ => None,
    });
    names.collect()
}

#[test]
fn a_cut_in_a_pairing_loses_nobody_and_leaves_nobody_half_paired() {
    cut_everywhere(Pair::default);
}

/// The owner pairs again, which takes the place of what he had.
#[derive(Default)]
struct PairAgain;

impl Scenario for PairAgain {
    fn act(&mut self, house: &mut House, _: &Before) -> bool {
        house.hold_button(5_000);
        house.connect(C);
        house.pair_now(C, App, "Bob").is_ok()
    }

    fn happened(&self, house: &mut House, before: &Before) -> bool {
        // Between the new one and the old one's removal, both are there.
        let names = names(house, before);
        assert!(names.len() == 2 || names == ["Ann", "Bob", "Bob"], "{names:?}");
        let frame = before.guest.seal(
            house,
            &RequestConfig {
                nonce: Nonce([0; 32]),
            },
        );
        house.connect(B);
        house.write(B, latchkey_lock::lock::Characteristic::UserData, &frame);
        let (on, _) = house.read(B).swap_remove(0);
        on == latchkey_lock::lock::Characteristic::Keyturner
    }

    fn gone(&self, before: &Before) -> Option<[u8; 32]> {
        Some(before.guest.key.expose(|key| *key))
    }
}

#[test]
fn a_cut_in_pairing_again_locks_nobody_out() {
    cut_everywhere(PairAgain::default);
}

struct Remove;

impl Scenario for Remove {
    fn act(&mut self, house: &mut House, before: &Before) -> bool {
        said(&before.owner, house, |nonce| RemoveAuthorizationEntry {
            authorization: before.guest.id,
            nonce,
            pin: before.owner.pin(0),
        })
    }

    fn happened(&self, house: &mut House, before: &Before) -> bool {
        let names = names(house, before);
        let gone = names == ["Ann"];
        assert!(gone || names == ["Ann", "Bob"], "{names:?}");
        gone
    }

    fn gone(&self, before: &Before) -> Option<[u8; 32]> {
        Some(before.guest.key.expose(|key| *key))
    }
}

#[test]
fn a_cut_in_a_removal_brings_no_key_back_and_leaves_none_to_read() {
    cut_everywhere(|| Remove);
}

struct AddCode;

impl Scenario for AddCode {
    fn act(&mut self, house: &mut House, before: &Before) -> bool {
        said(&before.owner, house, |nonce| AddKeypadCode {
            code: KeypadCode::new(456_789).unwrap(),
            name: Name::new("Gardener").unwrap(),
            limits: Always(None),
            nonce,
            pin: before.owner.pin(0),
        })
    }

    fn happened(&self, house: &mut House, before: &Before) -> bool {
        let owner = &before.owner;
        let replies = owner.command(house, |nonce| RequestKeypadCodes {
            offset: 0,
            count: 100,
            nonce,
            pin: owner.pin(0),
        });
        let codes: Vec<u32> = replies
            .iter()
            .filter_map(|reply| match reply {
                FromLock::KeypadCodeEntry(entry) => Some(entry.code.expose(|code| code)),
                _ => None,
            })
            .collect();
        let there = codes == [345_678, 456_789];
        assert!(there || codes == [345_678], "{codes:?}");
        there
    }
}

#[test]
fn a_cut_in_adding_a_code_leaves_it_there_or_not() {
    cut_everywhere(|| AddCode);
}

struct SetBoth;

impl Scenario for SetBoth {
    fn act(&mut self, house: &mut House, before: &Before) -> bool {
        let owner = &before.owner;
        said(owner, house, |nonce| {
            crate::catalogue::set_config(nonce, owner.pin(0))
        })
    }

    fn happened(&self, house: &mut House, before: &Before) -> bool {
        let replies = before.owner.command(house, |nonce| RequestConfig { nonce });
        let [FromLock::Config(config)] = &replies[..] else {
            panic!("no configuration: {replies:?}")
        };
        let set = config.name.as_str() == "Back door";
        let whole = (config.led_brightness, config.time_zone.known());
        let (new, old) = ((2, Some(TimeZoneId::EuropeBerlin)), (3, Some(TimeZoneId::None)));
        assert_eq!(whole, if set { new } else { old });
        set
    }
}

#[test]
fn a_cut_in_a_change_of_the_configuration_leaves_the_old_or_the_new_one() {
    cut_everywhere(|| SetBoth);
}

struct Act;

impl Scenario for Act {
    fn act(&mut self, house: &mut House, before: &Before) -> bool {
        let replies = apart(before.owner.act(house, LockAction::Lock)).1;
        replies.last() == Some(&complete())
    }

    fn happened(&self, house: &mut House, before: &Before) -> bool {
        let log = before.owner.log(house);
        // What comes after it is what `check` does, or what the start found out.
        let first = log.last().map(|entry| entry.event);
        matches!(first, Some(LogEvent::LockAction(movement)) if movement.completion == Completion::Success.into())
            && log
                .last()
                .is_some_and(|entry| entry.authorization == before.owner.id)
    }
}

#[test]
fn a_cut_in_an_action_loses_no_entry_that_was_acknowledged() {
    // The two starts that look also act, so only what was acknowledged is looked for.
    let before = before(Some(5));
    let mut cuts = 0;
    for operation in 0..100 {
        for moment in [Moment::Before, Moment::Inside, Moment::After] {
            let cut = Cut { operation, moment };
            let seed = Random::of(12, &[operation, moment as u64]);
            let (acknowledged, was_cut, chip) = live_once(&before, &mut Act, cut, seed.clone());
            chip.flash().power_on(None, seed);
            let mut house = House::on(chip.clone(), identity(), 0).expect("the lock opens after any cut");
            house.connect(A);
            assert!(Act.happened(&mut house, &before) || !acknowledged);
            assert_eq!(
                apart(before.owner.act(&mut house, LockAction::FullLock)).1.last(),
                Some(&complete())
            );
            cuts += u32::from(was_cut);
        }
    }
    assert!(cuts > 20, "only {cuts} cuts hit anything");
}

/// A wrong PIN.
struct Guess;

impl Scenario for Guess {
    fn act(&mut self, house: &mut House, before: &Before) -> bool {
        let owner = &before.owner;
        let replies = owner.command(house, |nonce| VerifySecurityPin {
            nonce,
            pin: owner.pin(1),
        });
        replies == [error(ErrorCode::BadPin, VerifySecurityPin::COMMAND)]
    }

    fn happened(&self, house: &mut House, before: &Before) -> bool {
        // Four more are looked at, the fifth only if the first one was not counted.
        let owner = &before.owner;
        let guess = |house: &mut House| {
            let replies = owner.command(house, |nonce| VerifySecurityPin {
                nonce,
                pin: owner.pin(2),
            });
            replies == [error(ErrorCode::BadPin, VerifySecurityPin::COMMAND)]
        };
        (0..4).for_each(|_| assert!(guess(house)));
        let counted = !guess(house);
        house.wait(60_000);
        house.connect(A);
        let right = owner.command(house, |nonce| VerifySecurityPin {
            nonce,
            pin: owner.pin(0),
        });
        assert_eq!(right, [complete()]);
        counted
    }
}

#[test]
fn a_guess_that_was_answered_was_counted_whatever_the_cut() {
    let before = before(Some(0));
    for operation in 0..20 {
        for moment in [Moment::Before, Moment::Inside, Moment::After] {
            let cut = Cut { operation, moment };
            let seed = Random::of(13, &[operation, moment as u64]);
            let (answered, _, chip) = live_once(&before, &mut Guess, cut, seed.clone());
            chip.flash().power_on(None, seed);
            let mut house = House::on(chip.clone(), identity(), 0).expect("the lock opens after any cut");
            house.connect(A);
            assert!(Guess.happened(&mut house, &before) || !answered);
        }
    }
}
