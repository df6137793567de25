//! A round through the whole catalogue, for a lock that nobody but the owner has used: what to ask, in which order, and
//! what comes back. Shared with the tests over the radio.

use latchkey_phone::Request;
use latchkey_phone::request::{Act, Administer, Report, Settings};
use latchkey_phone::session::News;
use latchkey_protocol::message::*;
use latchkey_protocol::value::*;
use latchkey_protocol::wire::Tail;

/// What was told, without its content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Accepted,
    Part(Command),
    Done,
    Answer(Command),
}

use Told::{Accepted, Answer, Done, Part};

/// The news in short. States come as often as the lock likes and are left out.
pub(crate) fn in_short(news: &[News]) -> Vec<Told> {
    news.iter()
        .filter_map(|news| match news {
            News::Accepted => Some(Accepted),
            News::Part(message) => Some(Part(message.command())),
            News::Done(None) => Some(Done),
            News::Done(Some(message)) => Some(Answer(message.command())),
            News::States(_) => None,
            News::Paired | News::Failed(_) => panic!("{news:?}"),
        })
        .collect()
}

pub(crate) fn settings() -> Settings {
    Settings {
        name: Name::new("Back door").unwrap(),
        latitude: 47.0,
        longitude: 15.0,
        auto_unlatch: false,
        pairing_enabled: true,
        button_enabled: true,
        led_enabled: true,
        led_brightness: 2,
        offset_minutes: 60,
        daylight_saving: DaylightSaving::European,
        fob_action_1: FobAction::Unlock,
        fob_action_2: FobAction::Lock,
        fob_action_3: FobAction::None,
        single_lock: false,
        advertising_mode: AdvertisingMode::Normal,
        time_zone: TimeZoneId::EuropeBerlin,
    }
}

fn advanced() -> Administer {
    Administer::SetAdvancedConfig {
        settings: AdvancedSettings {
            unlocked_offset: 0,
            locked_offset: 0,
            single_locked_offset: 0,
            unlocked_to_locked_offset: 0,
            lock_n_go_seconds: 20,
            single_press: ButtonAction::Intelligent,
            double_press: ButtonAction::ShowStatus,
            detached_cylinder: false,
            battery_type: BatteryType::Alkaline,
            detects_battery: true,
            unlatch_seconds: 3,
            auto_lock_seconds: 300,
            auto_unlock_disabled: true,
            night_mode: false,
            night_start: TimeOfDay { hour: 22, minute: 0 },
            night_end: TimeOfDay { hour: 6, minute: 0 },
            night_auto_lock: false,
            night_auto_unlock_disabled: false,
            night_immediate_lock: false,
        },
        auto_lock: Tail(None),
        motor: Tail(None),
    }
}

/// Every request, with what comes back. `pin` makes a PIN as wide as the lock's are; the lock has none set.
pub(crate) fn tour(pin: impl Fn(u32) -> Pin) -> Vec<(Request, Vec<Told>)> {
    let mut steps = reports();
    let mut administer = |asked: Administer, told: &[Told]| steps.push((asked.with(pin(0)), told.to_vec()));
    let time = DateTime {
        year: 2026,
        month: 6,
        day: 1,
        hour: 8,
        ..DateTime::UNSET
    };
    administer(Administer::SetTime { time }, &[Done]);
    administer(Administer::VerifyPin {}, &[Done]);
    administer(Administer::SetConfig { settings: settings() }, &[Done]);
    administer(advanced(), &[Done]);
    administer(Administer::Calibrate {}, &[Accepted, Done]);
    people(&mut administer);
    codes(&mut administer);
    schedule(&mut administer);
    steps.extend(motions());
    let mut administer = |asked: Administer, told: &[Told]| steps.push((asked.with(pin(0)), told.to_vec()));
    administer(Administer::RemoveCode { id: CodeId(1) }, &[Done]);
    administer(Administer::EnableLogging { enabled: true }, &[Done]);
    administer(
        Administer::OpenUpdateWindow {
            seconds: 600,
            image: Tail(Some([7; 32])),
        },
        &[Done],
    );
    administer(Administer::CloseUpdateWindow {}, &[Done]);
    let (count, entry) = (Part(LogEntryCount::COMMAND), Part(LogEntry::COMMAND));
    administer(
        Administer::Log {
            start: LogIndex(0),
            count: 3,
            order: SortOrder::Descending,
            want_count: true,
        },
        &[count, entry, entry, entry, Done],
    );
    // The new PIN guards what follows, and is taken back.
    let (new_pin, old_pin) = (pin(4_711), pin(0));
    administer(Administer::SetPin { new_pin }, &[Done]);
    let restore = Administer::SetPin { new_pin: old_pin };
    steps.push((restore.with(pin(4_711)), vec![Done]));
    steps.push((Administer::Restart {}.with(pin(0)), vec![Done]));
    steps
}

fn reports() -> Vec<(Request, Vec<Told>)> {
    vec![
        (Report::States {}.into(), vec![Answer(KeyturnerStates::COMMAND)]),
        (Report::Battery {}.into(), vec![Answer(BatteryReport::COMMAND)]),
        (Report::Firmware {}.into(), vec![Answer(FirmwareStatus::COMMAND)]),
        (Report::Update {}.into(), vec![Answer(UpdateStatus::COMMAND)]),
        (Report::Running {}.into(), vec![Answer(RunningImage::COMMAND)]),
        (Act::Config {}.into(), vec![Answer(Config::COMMAND)]),
        (
            Act::AdvancedConfig {}.into(),
            vec![Answer(AdvancedConfig::COMMAND)],
        ),
    ]
}

fn motions() -> Vec<(Request, Vec<Told>)> {
    let action = |action| Act::Lock {
        action,
        flags: ActionFlags::default(),
        suffix: Tail(Name::new(" (test)")),
    };
    let simple = |action| Act::Simple { action };
    let code = Act::Keypad {
        source: KeypadSource::Code,
        code: EnteredCode::new(345_678),
        action: KeypadAction::Unlock,
    };
    [
        action(LockAction::Lock),
        simple(SimpleAction::Unlock),
        action(LockAction::FullLock),
        code,
        simple(SimpleAction::Lock),
        action(LockAction::Unlatch),
    ]
    .into_iter()
    .map(|act| (act.into(), vec![Accepted, Done]))
    .collect()
}

fn people(administer: &mut impl FnMut(Administer, &[Told])) {
    let guest = AuthorizationId(2);
    administer(
        Administer::Invite {
            name: Name::new("Guest").unwrap(),
            kind: AuthorizationType::App,
            key: CarriedKey::new([9; 32]),
            remote_allowed: false,
            limits: None,
        },
        &[Answer(InvitedAuthorization::COMMAND)],
    );
    administer(
        Administer::UpdateAuthorization {
            authorization: guest,
            name: Name::new("Visitor").unwrap(),
            enabled: true,
            remote_allowed: true,
            limits: Some(TimeLimits::default()),
        },
        &[Done],
    );
    let entry = Part(AuthorizationEntry::COMMAND);
    administer(
        Administer::Authorizations {
            offset: 0,
            count: 100,
        },
        &[Part(AuthorizationEntryCount::COMMAND), entry, entry, Done],
    );
    administer(Administer::RemoveAuthorization { authorization: guest }, &[Done]);
}

fn codes(administer: &mut impl FnMut(Administer, &[Told])) {
    administer(
        Administer::AddCode {
            code: KeypadCode::new(987_654).unwrap(),
            name: Name::new("Cleaner").unwrap(),
            limits: None,
        },
        &[Answer(KeypadCodeId::COMMAND)],
    );
    administer(
        Administer::Codes {
            offset: 0,
            count: 100,
        },
        &[
            Part(KeypadCodeCount::COMMAND),
            Part(KeypadCodeEntry::COMMAND),
            Done,
        ],
    );
    administer(
        Administer::UpdateCode {
            id: CodeId(1),
            code: KeypadCode::new(345_678).unwrap(),
            name: Name::new("Cleaner").unwrap(),
            enabled: true,
            limits: None,
        },
        &[Done],
    );
}

fn schedule(administer: &mut impl FnMut(Administer, &[Told])) {
    administer(
        Administer::AddTimeControl {
            weekdays: Weekdays::EVERY,
            time: TimeOfDay { hour: 23, minute: 0 },
            action: LockAction::Lock,
        },
        &[Answer(TimeControlEntryId::COMMAND)],
    );
    administer(
        Administer::UpdateTimeControl {
            id: TimeControlId(1),
            enabled: false,
            weekdays: Weekdays::EVERY,
            time: TimeOfDay { hour: 22, minute: 0 },
            action: LockAction::FullLock,
        },
        &[Done],
    );
    administer(
        Administer::TimeControl {},
        &[
            Part(TimeControlEntryCount::COMMAND),
            Part(TimeControlEntry::COMMAND),
            Done,
        ],
    );
    administer(Administer::RemoveTimeControl { id: TimeControlId(1) }, &[Done]);
}
