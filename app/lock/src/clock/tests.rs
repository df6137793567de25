#![allow(
    clippy::arithmetic_side_effects,
    reason = "an overflow in a test fails the test"
)]

use super::*;
use latchkey_protocol::value::{DaylightSaving, TimeZoneId};
use proptest::prelude::*;

/// 2026-01-01T00:00:00 UTC.
const Y2026: u32 = 1_767_225_600;

fn zone(id: TimeZoneId) -> Zone {
    Zone {
        id,
        offset_min: 0,
        saving: DaylightSaving::Off,
    }
}

fn date(year: u16, month: u8, day: u8, hour: u8, minute: u8, second: u8) -> DateTime {
    DateTime {
        year,
        month,
        day,
        hour,
        minute,
        second,
    }
}

#[test]
fn every_zone_goes_as_tzdata_says_each_half_hour_of_three_years() {
    let mut compared = 0;
    for id in TimeZoneId::ALL {
        let Some(name) = id.name() else { continue };
        let known = tzdb_data::find_tz(name.as_bytes()).expect(name);
        for half_hour in 0..(3 * 365 * 48) {
            let time = UnixTime(Y2026 + half_hour * 1_800);
            let expected = known.find_local_time_type(time.0.into()).unwrap().ut_offset() / 60;
            assert_eq!(
                i32::from(zone(*id).offset_min(time)),
                expected,
                "{name} at {:?}",
                time.date()
            );
        }
        compared += 1;
    }
    assert_eq!(compared, 46);
}

#[test]
fn without_a_zone_offset_and_european_summer_count() {
    let berlin_by_hand = Zone {
        id: TimeZoneId::None,
        offset_min: 60,
        saving: DaylightSaving::European,
    };
    let always_winter = Zone {
        saving: DaylightSaving::Off,
        ..berlin_by_hand
    };
    let berlin = zone(TimeZoneId::EuropeBerlin);
    for hour in 0..(3 * 365 * 24) {
        let time = UnixTime(Y2026 + hour * 3_600);
        assert_eq!(berlin_by_hand.offset_min(time), berlin.offset_min(time));
        assert_eq!(always_winter.offset_min(time), 60);
    }
}

#[test]
fn local_days_begin_at_local_midnight() {
    // 2026-03-28 23:30 UTC is half past midnight on Sunday in Berlin.
    let time = UnixTime::of(date(2026, 3, 28, 23, 30, 5)).unwrap();
    let local = zone(TimeZoneId::EuropeBerlin).local(time);
    assert_eq!((local.minute(), weekday(local.day())), (30, Weekday::Sunday));
    assert_eq!(local.date(), date(2026, 3, 29, 0, 30, 5));
    assert_eq!(local.rest_of_minute_s(), 55);
    // New York is still in Saturday's evening.
    let local = zone(TimeZoneId::AmericaNewYork).local(time);
    assert_eq!(
        (local.minute(), weekday(local.day())),
        (19 * 60 + 30, Weekday::Saturday)
    );
}

#[test]
fn dates_that_do_not_exist_are_no_times() {
    for impossible in [
        date(0, 0, 0, 0, 0, 0),
        date(2026, 2, 29, 0, 0, 0),
        date(2026, 13, 1, 0, 0, 0),
        date(2026, 1, 1, 24, 0, 0),
        date(2026, 1, 1, 0, 60, 0),
        date(2026, 1, 1, 0, 0, 60),
        date(1999, 12, 31, 23, 59, 59),
        date(2107, 1, 1, 0, 0, 0),
        date(u16::MAX, 255, 255, 255, 255, 255),
    ] {
        assert_eq!(UnixTime::of(impossible), None, "{impossible:?}");
    }
}

#[test]
fn a_clock_that_was_not_told_gives_a_lower_bound_and_no_time() {
    let mut clock = Clock::resume(UnixTime(Y2026), 500);
    assert_eq!(clock.told(10_500), None);
    assert_eq!(clock.now(10_500), UnixTime(Y2026 + 10));
    clock.tell(UnixTime(Y2026 + 1_000), 20_000);
    assert_eq!(clock.told(21_999), Some(UnixTime(Y2026 + 1_001)));
    assert_eq!(Clock::resume(UnixTime(0), 0).now(0), EARLIEST);
}

proptest! {
    #[test]
    fn times_and_dates_are_each_others_inverse(time in EARLIEST.0..) {
        prop_assert_eq!(UnixTime::of(UnixTime(time).date()), Some(UnixTime(time)));
    }

    #[test]
    fn any_zone_has_an_offset_and_no_panic(offset_min: i16, european: bool, time: u32) {
        let saving = if european { DaylightSaving::European } else { DaylightSaving::Off };
        let local = Zone { id: TimeZoneId::None, offset_min, saving }.local(UnixTime(time));
        prop_assert!(local.minute() < 24 * 60);
    }

    #[test]
    fn it_is_time_at_the_moment_that_was_named(at_ms in 0..1_u64 << 40, ahead_ms in 1_000..1_u64 << 40) {
        let clock = Clock::resume(EARLIEST, at_ms);
        let time = clock.now(at_ms + ahead_ms);
        let when = clock.when(time);
        prop_assert_eq!(clock.now(when), time);
        prop_assert!(clock.now(when - 1) < time);
    }

    #[test]
    fn a_clock_never_goes_back(latest: u32, at_ms: u64, a: u64, b: u64) {
        let clock = Clock::resume(UnixTime(latest), at_ms);
        prop_assert!(clock.now(a.min(b)) <= clock.now(a.max(b)));
    }
}
