//! What values are and are not, and that numbers stay what they are.

use latchkey_protocol::value::*;
use latchkey_protocol::wire::{Field, Malformed, PinWidth, Reader};
use proptest::prelude::*;
use subtle::ConstantTimeEq;

#[test]
fn the_numbers_are_frozen() {
    let numbers: Vec<u8> = ErrorCode::ALL.iter().map(|code| code.number()).collect();
    let documented: Vec<u8> = [0x10..=0x13, 0x20..=0x2E, 0x40..=0x4D, 0xFD..=0xFF]
        .into_iter()
        .flatten()
        .collect();
    assert_eq!(numbers, documented);
    assert_eq!(ErrorCode::BadNonce.number(), 0x22);
    assert_eq!(ErrorCode::Busy.number(), 0x45);
    assert_eq!(ErrorCode::FirmwareUpdateNeeded.number(), 0x4D);
    let actions: Vec<u8> = LockAction::ALL.iter().map(|action| action.number()).collect();
    assert_eq!(actions, [1, 2, 3, 4, 5, 6, 0x81, 0x82, 0x83]);
    let states: Vec<u8> = LockState::ALL.iter().map(|state| state.number()).collect();
    assert_eq!(states, [0, 1, 2, 3, 4, 5, 6, 7, 0xFC, 0xFD, 0xFE, 0xFF]);
}

#[test]
fn sentences_say_something_of_their_own() {
    let mut sentences: Vec<_> = ErrorCode::ALL.iter().map(|code| code.sentence()).collect();
    sentences.sort_unstable();
    sentences.dedup();
    assert_eq!(sentences.len(), ErrorCode::ALL.len());
}

/// Every number is either a value, the same one both ways, or an error with a name.
fn closed<T: Number<Raw = u8> + Field + PartialEq>() {
    for number in 0..=u8::MAX {
        let read = Reader::new(&[number], PinWidth::Short).whole::<T>();
        match (T::from_number(number), read) {
            (Some(value), Ok(read)) => assert!(read == value && value.number() == number),
            (None, Err(Malformed::Value(_))) => {}
            _ => panic!("{number} is neither"),
        }
    }
}

#[test]
fn unknown_numbers_in_requests_are_errors_with_a_name() {
    closed::<LockAction>();
    closed::<SimpleAction>();
    closed::<KeypadSource>();
    closed::<KeypadAction>();
    closed::<AuthorizationType>();
    closed::<FobAction>();
    closed::<ButtonAction>();
    closed::<AdvertisingMode>();
    closed::<DaylightSaving>();
    closed::<BatteryType>();
    closed::<MotorSpeed>();
    closed::<SortOrder>();
    let error = Reader::new(&[0], PinWidth::Short).whole::<LockAction>();
    assert_eq!(error.map(|_| ()), Err(Malformed::Value("lock action")));
    let error = Reader::new(&[2], PinWidth::Short).whole::<bool>();
    assert_eq!(error, Err(Malformed::Value("flag")));
}

#[test]
fn unknown_numbers_in_reports_are_kept() {
    let read = |byte| Reader::new(&[byte], PinWidth::Short).whole::<Reported<LockState>>();
    assert_eq!(read(1), Ok(LockState::Locked.into()));
    assert_eq!(read(0x42), Ok(Reported::Unknown(0x42)));
    assert_eq!(read(0x42).unwrap().known(), None);
}

#[test]
fn keypad_codes_that_a_keypad_cannot_type() {
    for wrong in [
        0,
        1,
        12345,
        123_456,
        129_999,
        111_110,
        101_111,
        999_990,
        1_111_111,
        99_999,
        u32::MAX,
    ] {
        assert!(KeypadCode::new(wrong).is_none(), "{wrong}");
    }
    for right in [111_111, 134_567, 211_111, 999_999, 987_654] {
        assert!(KeypadCode::new(right).is_some(), "{right}");
    }
    // 9^6 codes of six such digits, less 9^4 that begin with 12.
    let count = (0..2_000_000)
        .filter(|code| KeypadCode::new(*code).is_some())
        .count();
    assert_eq!(count, 9_usize.pow(6) - 9_usize.pow(4));
}

fn code() -> KeypadCode {
    KeypadCode::new(987_654).unwrap()
}

#[test]
fn secrets_compare_and_do_not_print() {
    let code = code();
    assert!(bool::from(code.matches(&EnteredCode::new(987_654))));
    assert!(!bool::from(code.matches(&EnteredCode::new(987_655))));
    assert!(
        bool::from(Pin::short(1234).ct_eq(&Pin::long(1234))),
        "the number decides"
    );
    for bit in 0..32 {
        let (pin, code) = (123_456_u32, EnteredCode::new(987_654 ^ (1 << bit)));
        assert!(
            !bool::from(Pin::long(pin).ct_eq(&Pin::long(pin ^ (1 << bit)))),
            "bit {bit}"
        );
        assert!(!bool::from(self::code().matches(&code)), "bit {bit}");
    }
    let printed = format!(
        "{code:?} {:?} {:?} {:?}",
        Pin::short(1234),
        EnteredCode::new(987_654),
        CarriedKey::new([77; 32])
    );
    assert!(
        !printed.contains(|letter: char| letter.is_ascii_digit()),
        "{printed}"
    );
    code.expose(|code| assert_eq!(code, 987_654));
    Pin::long(123_456).expose(|pin| assert_eq!(pin, 123_456));
}

#[test]
fn names_as_they_come() {
    assert_eq!(Name::<8>::new("12345678").unwrap().as_str(), "12345678");
    assert!(Name::<8>::new("123456789").is_none());
    assert!(
        Name::<8>::new("a\0b").is_none(),
        "what is shown would not be what was given"
    );
    assert_eq!(Name::<8>::new("").unwrap().as_str(), "");
    // The sender cut a character in two: what is whole is shown, what came is kept.
    let cut = Name::<4>::from_bytes(*b"abc\xC3").unwrap();
    assert_eq!((cut.as_str(), cut.as_bytes()), ("abc", b"abc\xC3"));
    // Something behind the zero: not shown, but authenticators cover it.
    let dirty = Name::<4>::from_bytes(*b"a\0b\xFF").unwrap();
    assert_eq!((dirty.as_str(), dirty.as_bytes()), ("a", b"a\0b\xFF"));
    assert!(Name::<4>::from_bytes(*b"a\xFFbc").is_none());
    assert!(Name::<4>::from_bytes(*b"a\xC3bc").is_none(), "cut in the middle");
}

#[test]
fn days_of_the_week() {
    let weekend = Weekdays::new(&[Weekday::Saturday, Weekday::Sunday]);
    assert_eq!(weekend.mask(), 0b11);
    assert!(weekend.contains(Weekday::Sunday) && !weekend.contains(Weekday::Monday));
    assert!(Weekday::ALL.iter().all(|day| Weekdays::EVERY.contains(*day)));
    assert_eq!(Weekdays::new(&[Weekday::Monday]).mask(), 0b100_0000);
    assert!(Weekdays::from_mask(0x80).is_none());
}

#[test]
fn moments_and_no_moments() {
    let date = |year, month, day| DateTime {
        year,
        month,
        day,
        ..DateTime::UNSET
    };
    assert_eq!(date(1970, 1, 1).to_unix(), Some(0));
    assert_eq!(date(2026, 11, 26).to_unix(), Some(1_795_651_200));
    assert_eq!(date(2024, 2, 29).to_unix(), Some(1_709_164_800));
    for none in [
        date(2025, 2, 29),
        date(2025, 13, 1),
        date(2025, 0, 1),
        date(2025, 1, 0),
        date(1969, 12, 31),
    ] {
        assert_eq!(none.to_unix(), None, "{none:?}");
    }
    assert_eq!(
        DateTime {
            hour: 24,
            ..date(2025, 1, 1)
        }
        .to_unix(),
        None
    );
    assert_eq!(
        DateTime {
            second: 60,
            ..date(2025, 1, 1)
        }
        .to_unix(),
        None
    );
    assert_eq!(DateTime::UNSET.to_unix(), None);
    assert_eq!(date(u16::MAX, 1, 1).to_unix(), None, "after the year 9999");
    assert_eq!(DateTime::from_unix(u64::MAX), None);
    assert_eq!(TimeOfDay { hour: 23, minute: 59 }.minutes(), Some(1439));
    assert_eq!(TimeOfDay { hour: 24, minute: 0 }.minutes(), None);
    assert_eq!(TimeOfDay { hour: 0, minute: 60 }.minutes(), None);
}

#[test]
fn batteries() {
    let battery = Battery::new(true, false, 51);
    assert!(battery.critical() && !battery.charging());
    assert_eq!(battery.percent(), 50);
    assert_eq!(Battery::new(false, true, 255).percent(), 100);
    assert_eq!(AccessoryBattery(0b0111).keypad_critical(), Some(true));
    assert_eq!(AccessoryBattery(0b0111).door_sensor_critical(), Some(false));
    assert_eq!(AccessoryBattery(0).keypad_critical(), None);
    assert!(ActionFlags(0b10).force() && !ActionFlags(0b10).auto_unlock());
}

#[test]
fn nuki_ids_that_phones_would_take_for_negative() {
    assert!(NukiId::new(0).is_none() && NukiId::new(0x8000_0000).is_none());
    assert_eq!(NukiId::new(0x0A0B).unwrap().to_string(), "00000A0B");
}

#[test]
fn time_zones_by_name() {
    assert_eq!(TimeZoneId::EuropeBerlin.name(), Some("Europe/Berlin"));
    assert_eq!(TimeZoneId::AmericaArgentinaBuenosAires.number(), 5);
    assert_eq!(TimeZoneId::PacificPagoPago.number(), 45);
    assert_eq!(TimeZoneId::None.name(), None);
    assert_eq!(TimeZoneId::ALL.len(), 47);
    for (number, zone) in (0_u16..).zip(&TimeZoneId::ALL[..46]) {
        assert_eq!(zone.number(), number);
        assert!(zone.name().unwrap().contains('/'));
    }
}

proptest! {
    #[test]
    fn moments_come_back(seconds in 0_u64..253_402_300_800) {
        let moment = DateTime::from_unix(seconds).unwrap();
        prop_assert_eq!(moment.to_unix(), Some(seconds));
    }

    #[test]
    fn names_of_any_bytes_never_panic(bytes: [u8; 20]) {
        if let Some(name) = Name::from_bytes(bytes) {
            prop_assert_eq!(name.as_bytes(), &bytes);
            prop_assert!(bytes.starts_with(name.as_str().as_bytes()));
        }
    }
}
