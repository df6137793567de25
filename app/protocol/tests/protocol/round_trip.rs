//! Every message with any content: what was written reads back as it was; what is cut, longer or changed reads
//! as something with another meaning or is refused, by name.

use latchkey_protocol::message::*;
use latchkey_protocol::value::CarriedKey;
use latchkey_protocol::wire::{Always, Malformed, PinWidth, Writer};
use proptest::prelude::*;

use crate::draw::{Draw, Source};
use crate::samples::payload;

/// Everything that must hold for one kind of message.
fn check<M: Message + Draw + PartialEq + std::fmt::Debug>(seed: u64, garbage: &[u8]) {
    let mut source = Source::new(seed);
    let message: M = source.draw();
    let width = source.width;
    let bytes = payload(&message);

    // Out and in again.
    assert!(bytes.len() <= M::MAX, "{:?} is longer than it says", M::COMMAND);
    assert_eq!(M::read(&bytes, width).as_ref(), Ok(&message));
    // PINs of the other width are never taken for these.
    let other = match width {
        PinWidth::Short => PinWidth::Long,
        PinWidth::Long => PinWidth::Short,
    };
    if message.pin().is_some() {
        assert!(M::read(&bytes, other).as_ref() != Ok(&message));
    }

    // Too small a buffer is said, not overrun.
    for room in 0..bytes.len() {
        let mut out = vec![0; room];
        let mut writer = Writer::new(&mut out);
        message.write(&mut writer);
        assert!(writer.finish().is_err());
    }

    // Cut, anywhere: a whole message with fewer optional fields, or an error.
    for length in 0..bytes.len() {
        if let Ok(shorter) = M::read(&bytes[..length], width) {
            assert_eq!(payload(&shorter), bytes[..length]);
        }
    }

    // Longer: the same with newer fields that are overlooked, the same with more optional fields, or an error.
    let longer = [&bytes, garbage].concat();
    if let Ok(understood) = M::read(&longer, width) {
        let again = payload(&understood);
        assert!(longer.starts_with(&bytes) && again.len() <= longer.len());
        assert_eq!(M::read(&again, width).as_ref(), Ok(&understood));
    }

    // Changed: nothing panics, and whatever is understood means what it is written as.
    let mut changed = bytes.clone();
    for (at, with) in garbage.iter().enumerate() {
        if changed.is_empty() {
            break;
        }
        let at = (at * 7 + usize::from(*with)) % changed.len();
        changed[at] ^= with;
        if let Ok(understood) = M::read(&changed, width) {
            let again = payload(&understood);
            let read = M::read(&again, width).unwrap();
            // Not `assert_eq!`: a coordinate may have become no number, which equals nothing.
            assert!(read == understood || payload(&read) == again);
        }
    }
    let _ = M::read(garbage, width);
}

macro_rules! checks {
    ($($test:ident: $($message:ty),+;)+) => {
        proptest! {
            $(
                #[test]
                fn $test(seed: u64, garbage in proptest::collection::vec(any::<u8>(), 1..60)) {
                    $(check::<$message>(seed, &garbage);)+
                }
            )+
        }

        #[test]
        fn no_message_is_left_out() {
            let checked = [$($(<$message>::COMMAND),+),+];
            let all = [
                FromClient::COMMANDS,
                FromLock::COMMANDS,
                PairingFromClient::COMMANDS,
                PairingFromLock::COMMANDS,
            ];
            for command in all.concat() {
                assert!(checked.contains(&command), "{command:?}");
            }
        }
    };
}

checks! {
    pairing:
        RequestData, PublicKeyOffer, Challenge, AuthorizationAuthenticator, AuthorizationData,
        GrantedAuthorization, AuthorizationIdConfirmation, AuthorizationInfo, AuthorizationDataFifth,
        GrantedAuthorizationFifth;
    actions:
        PerformLockAction, PerformSimpleLockAction, PerformKeypadAction, StatusReport, ErrorReport;
    states:
        KeyturnerStates, BatteryReport, MostRecentCommand, OpeningsClosingsSummary, FirmwareStatus;
    configurations:
        RequestConfig, Config, SetConfig, RequestAdvancedConfig, AdvancedConfig, SetAdvancedConfig;
    maintenance:
        SetSecurityPin, VerifySecurityPin, RequestCalibration, RequestReboot, UpdateTime;
    authorizations:
        RemoveAuthorizationEntry, RequestAuthorizationEntries, AuthorizationEntryCount, AuthorizationEntry,
        InviteAuthorization, InvitedAuthorization, UpdateAuthorizationEntry;
    logs:
        RequestLogEntries, LogEntry, LogEntryCount, EnableLogging;
    keypads:
        AddKeypadCode, KeypadCodeId, RequestKeypadCodes, KeypadCodeCount, KeypadCodeEntry, UpdateKeypadCode,
        RemoveKeypadCode;
    time_control:
        AddTimeControlEntry, TimeControlEntryId, RemoveTimeControlEntry, RequestTimeControlEntries,
        TimeControlEntryCount, TimeControlEntry, UpdateTimeControlEntry;
    updates:
        OpenUpdateWindow, CloseUpdateWindow, UpdateStatus, RunningImage;
}

/// What a client asks for has exactly one length (or one of those that its optional fields give).
#[test]
fn a_byte_too_many_in_a_request_is_an_error() {
    for seed in 0..200 {
        let mut source = Source::new(seed);
        let requests: Vec<FromClient> = vec![
            source.draw::<RemoveAuthorizationEntry>().into(),
            source.draw::<PerformSimpleLockAction>().into(),
            source.draw::<SetConfig>().into(),
            source.draw::<SetSecurityPin>().into(),
            source.draw::<AddKeypadCode>().into(),
            source.draw::<UpdateTime>().into(),
            source.draw::<RequestLogEntries>().into(),
            source.draw::<UpdateTimeControlEntry>().into(),
        ];
        for request in requests {
            let command = request.command();
            let bytes = [payload(&request), vec![9]].concat();
            let read = FromClient::read(command, &bytes, source.width);
            let long = Malformed::TooLong { extra: 1 };
            assert_eq!(read, Err(Unreadable::Malformed(command, long)), "{request:?}");
        }
    }
}

/// Clients leave anything in limits that they say do not count.
#[test]
fn limits_that_do_not_count_may_be_anything() {
    for seed in 0..50 {
        let mut source = Source::new(seed);
        let mut code: AddKeypadCode = source.draw();
        code.limits = Always(None);
        let mut bytes = payload(&code);
        let flag = 4 + 20;
        bytes[flag + 1..flag + 20].fill(0xFF);
        assert_eq!(AddKeypadCode::read(&bytes, source.width), Ok(code));
        bytes[flag] = 1;
        let read = AddKeypadCode::read(&bytes, source.width);
        assert_eq!(read, Err(Malformed::Value("weekday mask")));
    }
}

#[test]
fn flags_in_requests_are_0_or_1_and_in_reports_anything() {
    let mut source = Source::new(1);
    let mut enable: EnableLogging = source.draw();
    enable.enabled = true;
    let mut bytes = payload(&enable);
    assert_eq!(EnableLogging::read(&bytes, source.width).as_ref(), Ok(&enable));
    bytes[0] = 2;
    let read = EnableLogging::read(&bytes, source.width);
    assert_eq!(read, Err(Malformed::Value("flag")));

    let report = LogEntryCount::read(&[2, 1, 0, 0, 255], source.width).unwrap();
    assert!(report.logging && !report.door_sensor && report.door_sensor_logging);
}

#[test]
fn an_invitation_with_a_key_that_is_none() {
    let mut source = Source::new(1);
    let mut invite: InviteAuthorization = source.draw();
    invite.key = CarriedKey::new([0; 32]);
    let read = InviteAuthorization::read(&payload(&invite), source.width);
    assert_eq!(read, Err(Malformed::Value("key")));
}

#[test]
fn unknown_commands_are_named() {
    let read = FromClient::read(Command(0x0057), &[1, 2, 3], PinWidth::Short);
    assert_eq!(read, Err(Unreadable::UnknownCommand(Command(0x0057))));
    // A lock's messages are no requests.
    let read = FromClient::read(StatusReport::COMMAND, &[0], PinWidth::Short);
    assert_eq!(read, Err(Unreadable::UnknownCommand(StatusReport::COMMAND)));
    let read = FromClient::read(RequestConfig::COMMAND, &[0; 31], PinWidth::Short);
    let short = Malformed::TooShort { missing: 1 };
    assert_eq!(read, Err(Unreadable::Malformed(RequestConfig::COMMAND, short)));
}
