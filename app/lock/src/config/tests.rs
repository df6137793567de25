use super::*;
use crate::store::{RECORD_MAX, decode, encode};
use latchkey_protocol::message::{AutoLock, SetAdvancedConfig};
use latchkey_protocol::value::{ButtonAction, Nonce, Pin, TimeOfDay};
use latchkey_protocol::wire::Tail;
use proptest::prelude::*;

fn new() -> Config {
    Config::new(Name::new("Front door").unwrap())
}

fn set(from: &Config) -> SetConfig {
    SetConfig {
        name: Name::new("Ä long name of thirty-two bytes").unwrap(),
        latitude: 47.07,
        longitude: -15.43,
        auto_unlatch: true,
        pairing_enabled: false,
        button_enabled: false,
        led_enabled: false,
        led_brightness: 5,
        offset_minutes: -720,
        daylight_saving: DaylightSaving::European,
        fob_action_1: FobAction::Unlock,
        fob_action_2: FobAction::Lock,
        fob_action_3: FobAction::Intelligent,
        single_lock: true,
        advertising_mode: AdvertisingMode::Slowest,
        time_zone: TimeZoneId::PacificPagoPago,
        nonce: Nonce([0; 32]),
        pin: Pin::short(u16::from(from.updates)),
    }
}

fn advanced() -> SetAdvancedConfig {
    SetAdvancedConfig {
        settings: Advanced {
            auto_lock_seconds: u16::MAX,
            double_press: ButtonAction::ShowStatus,
            ..Advanced::default()
        }
        .settings(),
        auto_lock: Tail(None),
        motor: Tail(None),
        nonce: Nonce([0; 32]),
        pin: Pin::short(0),
    }
}

#[test]
fn every_field_survives_on_flash() {
    let config = new().set(&set(&new())).unwrap();
    assert_eq!(config.updates, 1);
    let mut bytes = [0; RECORD_MAX];
    let written = encode(&config, &mut bytes).unwrap();
    assert_eq!(decode::<Config>(written).unwrap(), config);

    let set = Advanced::default().set(&advanced()).unwrap();
    let written = encode(&set, &mut bytes).unwrap();
    assert_eq!(decode::<Advanced>(written).unwrap(), set);
}

#[test]
fn what_an_older_client_does_not_know_stays() {
    let mut newer = advanced();
    newer.auto_lock = Tail(Some(AutoLock {
        enabled: true,
        immediate: true,
        auto_update: false,
    }));
    let set = Advanced::default().set(&newer).unwrap();
    assert!(set.auto_lock && set.immediate_auto_lock && !set.auto_update);
    let again = set.set(&advanced()).unwrap();
    assert_eq!(again, set);
}

#[test]
fn a_value_that_only_a_newer_version_knows_is_harmless() {
    let mut bytes = [0; RECORD_MAX];
    let length = encode(&new(), &mut bytes).unwrap().len();
    // Map key 14 and its value, the advertising mode: make it 9.
    let at = bytes[..length]
        .windows(2)
        .rposition(|pair| pair == [14, 0])
        .unwrap();
    bytes[at + 1] = 9;
    let read: Config = decode(&bytes[..length]).unwrap();
    assert_eq!(read, new());
}

#[test]
fn values_out_of_bounds_change_nothing() {
    let config = new();
    let good = || set(&config);
    for bad in [
        SetConfig {
            latitude: f32::NAN,
            ..good()
        },
        SetConfig {
            longitude: 180.5,
            ..good()
        },
        SetConfig {
            led_brightness: 6,
            ..good()
        },
        SetConfig {
            offset_minutes: 841,
            ..good()
        },
    ] {
        assert_eq!(config.set(&bad), Err(OutOfBounds), "{bad:?}");
    }
    let bad: [fn(&mut SetAdvancedConfig); 6] = [
        |bad| bad.settings.lock_n_go_seconds = 4,
        |bad| bad.settings.lock_n_go_seconds = 61,
        |bad| bad.settings.unlatch_seconds = 31,
        |bad| bad.settings.auto_lock_seconds = 1,
        |bad| bad.settings.locked_offset = i16::MIN,
        |bad| bad.settings.night_end = TimeOfDay { hour: 24, minute: 0 },
    ];
    for spoil in bad {
        let mut spoiled = advanced();
        spoil(&mut spoiled);
        assert_eq!(Advanced::default().set(&spoiled), Err(OutOfBounds));
    }
}

proptest! {
    #[test]
    fn random_records_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..RECORD_MAX)) {
        let _ = (decode::<Config>(&bytes), decode::<Advanced>(&bytes));
    }
}
