//! Whatever clients do, a restart at any time changes nothing of it: RAM never knows more than flash.

use crate::bench::*;
use crate::everyday::set_advanced;
use latchkey_lock::lock::{DoorSense, Event};
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Always, Tail};
use proptest::prelude::*;

use AuthorizationType::App;

#[derive(Clone, Copy, Debug)]
enum Step {
    Invite(u8),
    Change(u8, bool),
    Remove(u8),
    AddCode(u8),
    ChangeCode(u8, u8),
    RemoveCode(u8),
    Configure(u8),
    Refine(u8),
    Schedule(u8),
    Reschedule(u8),
    Unschedule(u8),
    Pin(u16),
    WrongPin,
    Log(bool),
    Act(LockAction),
    Door(bool),
    Wait(u32),
    Restart,
}

fn steps() -> impl Strategy<Value = Step> {
    prop_oneof![
        any::<u8>().prop_map(Step::Invite),
        (2..8_u8, any::<bool>()).prop_map(|(id, on)| Step::Change(id, on)),
        (2..8_u8).prop_map(Step::Remove),
        (0..9_u8).prop_map(Step::AddCode),
        (1..6_u8, 0..9_u8).prop_map(|(id, code)| Step::ChangeCode(id, code)),
        (1..6_u8).prop_map(Step::RemoveCode),
        (0..8_u8).prop_map(Step::Configure),
        (0..40_u8).prop_map(Step::Refine),
        (0..7_u8).prop_map(Step::Schedule),
        (1..4_u8).prop_map(Step::Reschedule),
        (1..4_u8).prop_map(Step::Unschedule),
        (0..3_u16).prop_map(Step::Pin),
        Just(Step::WrongPin),
        any::<bool>().prop_map(Step::Log),
        (0..LockAction::ALL.len()).prop_map(|n| Step::Act(LockAction::ALL[n])),
        any::<bool>().prop_map(Step::Door),
        (0..30_000_u32).prop_map(Step::Wait),
        Just(Step::Restart),
    ]
}

struct World {
    house: House,
    owner: Client,
    pin: u16,
    door: Option<DoorSense>,
}

impl World {
    fn new() -> Self {
        let mut house = House::new();
        let owner = house.pair(A, App, "Ann");
        house.event(Event::WallClock(MONDAY_MORNING));
        Self {
            house,
            owner,
            pin: 0,
            door: None,
        }
    }

    fn command<M: Payload>(&mut self, message: impl FnOnce(Nonce, Pin) -> M) -> Vec<FromLock> {
        if !self.house.is_connected(A) {
            self.house.connect(A);
        }
        let pin = Pin::short(self.pin);
        let replies = self.owner.command(&mut self.house, |nonce| message(nonce, pin));
        apart(replies).1
    }

    fn restart(mut self) -> Self {
        // What moves is let come to its end first: where the power is cut is another test's.
        self.house.wait(60_000);
        let time = self.house.now_ms / 1_000;
        self.house = self.house.restart();
        self.house
            .event(Event::WallClock(MONDAY_MORNING.plus(time as u32)));
        // The sensor says once how the door is.
        if let Some(door) = self.door {
            self.house.event(Event::Door(door));
        }
        self.house.connect(A);
        self
    }

    fn step(mut self, step: Step) -> Self {
        let code = |n: u8| KeypadCode::new(333_331 + u32::from(n)).unwrap();
        match step {
            Step::Invite(n) => {
                self.command(|nonce, pin| InviteAuthorization {
                    name: Name::new("Guest").unwrap(),
                    kind: AuthorizationType::ALL[usize::from(n % 4)],
                    key: CarriedKey::new([n; 32]),
                    remote_allowed: n % 2 == 0,
                    limits: Always((n % 3 == 0).then_some(TimeLimits::default())),
                    nonce,
                    pin,
                });
            }
            Step::Change(id, enabled) => {
                self.command(|nonce, pin| UpdateAuthorizationEntry {
                    authorization: AuthorizationId(id.into()),
                    name: Name::new("Changed").unwrap(),
                    enabled,
                    remote_allowed: enabled,
                    limits: Always(None),
                    nonce,
                    pin,
                });
            }
            Step::Remove(id) => {
                self.command(|nonce, pin| RemoveAuthorizationEntry {
                    authorization: AuthorizationId(id.into()),
                    nonce,
                    pin,
                });
            }
            Step::AddCode(n) => {
                self.command(|nonce, pin| AddKeypadCode {
                    code: code(n),
                    name: Name::new("Code").unwrap(),
                    limits: Always(None),
                    nonce,
                    pin,
                });
            }
            Step::ChangeCode(id, n) => {
                self.command(|nonce, pin| UpdateKeypadCode {
                    id: CodeId(id.into()),
                    code: code(n),
                    name: Name::new("Changed").unwrap(),
                    enabled: n % 2 == 0,
                    limits: Always(Some(TimeLimits::default())),
                    nonce,
                    pin,
                });
            }
            Step::RemoveCode(id) => {
                self.command(|nonce, pin| RemoveKeypadCode {
                    id: CodeId(id.into()),
                    nonce,
                    pin,
                });
            }
            Step::Configure(n) => {
                self.command(|nonce, pin| SetConfig {
                    led_brightness: n,
                    single_lock: n % 2 == 0,
                    ..crate::catalogue::set_config(nonce, pin)
                });
            }
            Step::Refine(n) => {
                self.command(|nonce, _| RequestConfig { nonce });
                let pin = self.pin;
                set_advanced(&self.owner, &mut self.house, |set| {
                    set.settings.unlatch_seconds = n;
                    set.auto_lock = Tail(Some(AutoLock {
                        enabled: n % 2 == 0,
                        immediate: false,
                        auto_update: true,
                    }));
                    set.pin = Pin::short(pin);
                });
            }
            Step::Schedule(hour) => {
                self.command(|nonce, pin| AddTimeControlEntry {
                    weekdays: Weekdays::EVERY,
                    time: TimeOfDay { hour, minute: 0 },
                    action: LockAction::Lock,
                    nonce,
                    pin,
                });
            }
            Step::Reschedule(id) => {
                self.command(|nonce, pin| UpdateTimeControlEntry {
                    id: TimeControlId(id),
                    enabled: id % 2 == 0,
                    weekdays: Weekdays::new(&[Weekday::Monday]),
                    time: TimeOfDay { hour: 8, minute: 1 },
                    action: LockAction::Unlock,
                    nonce,
                    pin,
                });
            }
            Step::Unschedule(id) => {
                self.command(|nonce, pin| RemoveTimeControlEntry {
                    id: TimeControlId(id),
                    nonce,
                    pin,
                });
            }
            Step::Pin(new) => {
                let set = self.command(|nonce, pin| SetSecurityPin {
                    new_pin: Pin::short(new),
                    nonce,
                    pin,
                });
                if set == [complete()] {
                    self.pin = new;
                }
            }
            Step::WrongPin => {
                self.command(|nonce, _| VerifySecurityPin {
                    nonce,
                    pin: Pin::short(9_999),
                });
            }
            Step::Log(enabled) => {
                self.command(|nonce, pin| EnableLogging { enabled, nonce, pin });
            }
            Step::Act(action) => {
                self.command(|nonce, _| PerformLockAction {
                    action,
                    app: AppId(0),
                    flags: ActionFlags(0),
                    suffix: Tail(None),
                    nonce,
                });
            }
            Step::Door(open) => {
                let sense = if open {
                    DoorSense::Opened
                } else {
                    DoorSense::Closed
                };
                self.door = Some(sense);
                self.house.event(Event::Door(sense));
            }
            Step::Wait(ms) => self.house.wait(ms.into()),
            Step::Restart => return self.restart(),
        }
        self
    }

    /// Everything that an administrator can see of what is stored, printed.
    fn sight(&mut self) -> Vec<String> {
        // A row of wrong PINs has to be waited for.
        self.house.wait(3_600_000);
        let mut seen = Vec::new();
        let lists = [
            self.command(|nonce, pin| RequestAuthorizationEntries {
                offset: 0,
                count: 200,
                nonce,
                pin,
            }),
            self.command(|nonce, pin| RequestTimeControlEntries { nonce, pin }),
            self.command(|nonce, _| RequestAdvancedConfig { nonce }),
            self.command(|nonce, pin| RequestLogEntries {
                start: LogIndex(0),
                count: u16::MAX,
                order: SortOrder::Ascending,
                want_count: true,
                nonce,
                pin,
            }),
        ];
        seen.extend(lists.iter().map(|list| format!("{list:?}")));
        for reply in self.command(|nonce, pin| RequestKeypadCodes {
            offset: 0,
            count: 200,
            nonce,
            pin,
        }) {
            if let FromLock::KeypadCodeEntry(entry) = &reply {
                // Codes print as dots.
                seen.push(entry.code.expose(|code| code.to_string()));
            }
            seen.push(format!("{reply:?}"));
        }
        for reply in self.command(|nonce, _| RequestConfig { nonce }) {
            if let FromLock::Config(config) = reply {
                let timeless = Config {
                    time: DateTime::UNSET,
                    ..config
                };
                seen.push(format!("{timeless:?}"));
            }
        }
        seen.push(format!("{:?}", self.house.lock_state(&self.owner)));
        seen
    }
}

#[test]
fn a_full_log_drops_the_oldest_and_keeps_a_thousand() {
    let mut world = World::new();
    for n in 0..1_300 {
        world = world.step(Step::Door(n % 2 == 0));
    }
    let mut world = world.restart();
    let log = world.owner.log(&mut world.house);
    assert!(log.len() >= 1_000, "{}", log.len());
    let newest = log[0].index.0;
    // The first thing that the sensor says is not news.
    assert_eq!(newest, 1_299);
    for (entry, index) in log.iter().zip((0..=newest).rev()) {
        assert_eq!(entry.index.0, index);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 60, ..ProptestConfig::default() })]

    #[test]
    fn a_restart_changes_nothing(steps in proptest::collection::vec(steps(), 1..25)) {
        let mut world = World::new();
        for step in steps {
            world = world.step(step);
        }
        let before = world.sight();
        let mut world = world.restart();
        prop_assert_eq!(before, world.sight());
    }
}
