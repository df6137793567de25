//! What goes wrong, and what is said and left then.

use latchkey_phone::error::{Effect, Error, Failure, NotAsked};
use latchkey_phone::request::{Act, Administer, Report};
use latchkey_phone::session::{Event, Frame, MOTION_MS, News, REPLY_MS};
use latchkey_phone::{Credentials, Request, Session};
use latchkey_protocol::frame::sealed::FRAME_MAX;
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::*;

use crate::bench::*;
use crate::tour::tour;

fn lock() -> Act {
    Act::Simple {
        action: SimpleAction::Lock,
    }
}

fn failed(error: Error, effect: Effect) -> News {
    News::Failed(Failure { error, effect })
}

#[test]
fn a_refusal_leaves_the_session_usable_and_the_lock_as_it_was() {
    let mut door = Door::new(Family::ToFourth, 23);
    let mut phone = Phone::paired(&mut door);
    let remove = || Administer::RemoveAuthorization {
        authorization: AuthorizationId(99),
    };
    let wrong = door.pin(1);
    let news = phone.ask(&mut door, remove().with(wrong));
    assert_eq!(
        news,
        [failed(Error::Refused(ErrorCode::BadPin.into()), Effect::None)]
    );
    let right = door.pin(0);
    let news = phone.ask(&mut door, remove().with(right));
    let unknown = Error::Refused(ErrorCode::InvalidAuthId.into());
    assert_eq!(news, [failed(unknown, Effect::None)]);
    assert!(matches!(
        phone.ask(&mut door, lock())[..],
        [News::Accepted, .., News::Done(None)]
    ));
}

#[test]
fn a_client_that_the_lock_does_not_know_hears_it_in_plain() {
    let mut door = Door::new(Family::ToFourth, 23);
    let _ = Phone::paired(&mut door);
    let key = SharedKey::from_bytes(&mut [3; 32]);
    let stranger = Credentials::invited(
        Family::ToFourth,
        LockUuid([0; 16]),
        AuthorizationId(1),
        AppId(0),
        key,
    );
    let mut phone = Phone::open(&mut door, stranger);
    let news = phone.ask(&mut door, lock());
    let refused = Error::RefusedInPlain(ErrorCode::NotAuthorized.into());
    assert_eq!(
        news,
        [failed(refused, Effect::None)],
        "only a challenge was asked for"
    );
    assert!(phone.session.is_over());
    assert_eq!(door.turns, 0);
}

#[test]
fn one_thing_at_a_time_and_pins_as_wide_as_they_are() {
    let mut door = Door::new(Family::ToFourth, 247);
    let mut phone = Phone::paired(&mut door);
    let mut out: Frame = [0; FRAME_MAX];
    let mut try_to = |phone: &mut Phone, door: &mut Door, request: Request| {
        let moment = door.moment();
        phone.session.ask(request, moment, &mut out).map(|_| ()).err()
    };
    let wide = Administer::VerifyPin {}.with(Pin::long(0));
    assert_eq!(try_to(&mut phone, &mut door, wide), Some(NotAsked::PinWidth));
    let new_pin = Pin::long(5);
    let wide = Administer::SetPin { new_pin }.with(Pin::short(0));
    assert_eq!(try_to(&mut phone, &mut door, wide), Some(NotAsked::PinWidth));
    assert_eq!(try_to(&mut phone, &mut door, Report::States {}.into()), None);
    assert_eq!(
        try_to(&mut phone, &mut door, Report::States {}.into()),
        Some(NotAsked::Busy)
    );
    phone.event(&mut door, Event::Disconnected);
    assert_eq!(
        try_to(&mut phone, &mut door, Report::States {}.into()),
        Some(NotAsked::Over)
    );
}

/// Every request of the tour, cut off after each of the lock's indications: by silence, or by the connection's end.
#[test]
fn silence_and_disconnection_at_every_point_of_every_request_are_named() {
    for (cut, error) in [
        (Event::Disconnected, Error::Disconnected),
        (Event::Tick, Error::Silence),
    ] {
        for number in 0..tour(|pin| Pin::short(pin as u16)).len() {
            let mut whole = false;
            for heard in 0.. {
                let mut door = Door::new(Family::ToFourth, 247);
                let mut phone = Phone::paired(&mut door);
                let (request, _) = tour(|pin| Pin::short(pin as u16)).swap_remove(number);
                let what = format!("{request:?} after {heard}");
                let asks_only = matches!(
                    request,
                    Request::Report(_)
                        | Request::Act(Act::Config {} | Act::AdvancedConfig {})
                        | Request::Administer(
                            Administer::Authorizations { .. }
                                | Administer::Codes { .. }
                                | Administer::Log { .. }
                                | Administer::TimeControl {},
                            _
                        )
                );
                let mut due = phone.begin(&mut door, request);
                let mut said = 0;
                for _ in 0..heard {
                    if let Due::Write(on, bytes) = &due {
                        said += 1;
                        door.write(*on, bytes);
                    }
                    let Some((on, bytes)) = door.indications.pop_front() else {
                        // A held latch says more in a while; that is as good as any other point.
                        whole = true;
                        break;
                    };
                    due = phone.event(&mut door, Event::Received { on, bytes: &bytes });
                    whole |= matches!(due, Due::Tell(News::Done(_) | News::Failed(_)));
                }
                if whole || matches!(due, Due::Wait) {
                    break;
                }
                if let Due::Write(..) = due {
                    said += 1;
                }
                door.now_ms += REPLY_MS + MOTION_MS;
                let Due::Tell(News::Failed(failure)) = phone.event(&mut door, cut) else {
                    panic!("{what}: nothing is told")
                };
                assert_eq!(failure.error, error, "{what}");
                // Only a challenge went out, or nothing that changes anything.
                let harmless = asks_only || said < 2;
                assert_eq!(failure.effect == Effect::None, harmless, "{what}");
                assert!(phone.session.is_over(), "{what}");
                assert_eq!(phone.session.next_deadline(), None, "{what}");
            }
            assert!(whole || number > 0, "no request ever ended");
        }
    }
}

#[test]
fn a_tick_before_its_time_ends_nothing() {
    let mut door = Door::new(Family::ToFourth, 247);
    let mut phone = Phone::paired(&mut door);
    let due = phone.begin(&mut door, lock());
    door.now_ms += REPLY_MS - 1;
    assert!(matches!(phone.event(&mut door, Event::Tick), Due::Wait));
    let news = phone.run(&mut door, due);
    assert_eq!(news.last(), Some(&News::Done(None)));
}

#[test]
fn what_a_failure_says_names_the_state_and_the_way_on() {
    let text = |error, effect| Failure { error, effect }.to_string();
    assert_eq!(
        text(Error::Silence, Effect::Unknown),
        "the lock does not answer; go nearer and connect again; the lock may have done it all the same: ask it for its \
         state before you try again"
    );
    assert_eq!(
        text(Error::Refused(ErrorCode::BadPin.into()), Effect::None),
        "the security PIN is wrong; the lock is as it was"
    );
    let debug = format!("{:?}", Administer::VerifyPin {}.with(Pin::short(4_711)));
    assert!(!debug.contains("4711"), "{debug}");
    let session = Session::open(Credentials::invited(
        Family::ToFourth,
        LockUuid([0; 16]),
        AuthorizationId(1),
        AppId(0),
        SharedKey::from_bytes(&mut [3; 32]),
    ));
    assert!(session.is_idle() && !session.is_over());
}
