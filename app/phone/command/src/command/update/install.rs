//! `update install`: brings an image to the lock, and stays until the lock says what became of it.

use std::io::{BufRead, IsTerminal, Write};
use std::thread;

use indicatif::ProgressBar;
use latchkey_phone::release::Signed;
use latchkey_phone::update::{Action, Buffer, Channel, Ended, Event, News, Plan, Update};
use latchkey_protocol::pairing::Family;
use latchkey_protocol::value::{AuthorizationType, NukiId};
use serde_json::{Value, json};

use crate::arguments::Install;
use crate::clock::Clock;
use crate::command::Context;
use crate::failure::{Failure, Kind, Outcome};
use crate::link::{Link, LinkError, MTU_MIN, Received};
use crate::output;

/// Nobody could be asked: better said before a lock is bothered.
pub(super) fn check_consent(yes: bool) -> Outcome<()> {
    if yes || std::io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Failure::usage(
        "nobody is there to say yes; `--yes` says it. Nothing was done",
    ))
}

/// The update of one lock.
pub(super) fn run(
    context: &Context,
    asked: &Install,
    signed: Signed<Vec<u8>>,
    notes: Option<&str>,
) -> Outcome<()> {
    let lock_name = context.common.lock.as_deref();
    let held = context.store()?.load(lock_name, AuthorizationType::App)?;
    let family = held.credentials.family;
    let pin = asked.pin.ask(family.pin_width())?.pin()?;
    let mut journey = Journey {
        link: context.link()?,
        lock: held.lock,
        family,
        clock: Clock::start(),
        connected: false,
        yes: asked.yes,
        notes,
        bar: output::bar(signed.about().size.into(), "looking for the lock"),
        context,
        plan: Value::Null,
        small_mtu: None,
    };
    let ended = journey.go(Update::new(signed, held.credentials, pin))?;
    journey.bar.finish_and_clear();
    if let (Ended::LinkLost { .. }, Some(mtu)) = (&ended, journey.small_mtu) {
        return Err(LinkError::SmallMtu(mtu).into());
    }
    let Ended::Confirmed { version, before } = ended else {
        return Err(failure(&ended));
    };
    context.output.facts(&json!({
        "outcome": "confirmed",
        "version": version.to_string(),
        "before": before,
        "plan": if context.output.json { journey.plan } else { Value::Null },
    }));
    Ok(())
}

/// The exit code says what a script can do about it.
fn failure(ended: &Ended) -> Failure {
    let kind = match ended {
        Ended::Session(failure) => return (*failure).into(),
        Ended::NotAsked(why) => return (*why).into(),
        Ended::LinkLost { .. } | Ended::Smp(_) => Kind::Link,
        Ended::StillOnTrial | Ended::NotBack | Ended::NotRestarted => Kind::Unknown,
        Ended::Confirmed { .. }
        | Ended::Declined
        | Ended::Unfit(_)
        | Ended::TooOld
        | Ended::LockOnTrial { .. }
        | Ended::NotOpened(_)
        | Ended::Busy(_)
        | Ended::Refused(_)
        | Ended::RefusedByBootloader { .. }
        | Ended::Reverted { .. }
        | Ended::NotInstalled { .. } => Kind::Refused,
    };
    Failure::new(kind, ended.to_string())
}

/// What the update's state machine has done by this program.
struct Journey<'c> {
    context: &'c Context,
    link: Box<dyn Link>,
    lock: NukiId,
    family: Family,
    clock: Clock,
    connected: bool,
    yes: bool,
    notes: Option<&'c str>,
    bar: ProgressBar,
    /// What was agreed to.
    plan: Value,
    /// The lock agreed on too little.
    small_mtu: Option<u16>,
}

/// What happened, with what it borrows from.
enum Happened {
    Done,
    Connected(u16),
    NotConnected,
    Disconnected,
    Received(Received),
    Consent(bool),
    Tick,
}

impl Happened {
    fn event(&self) -> Event<'_> {
        match self {
            Self::Done => Event::Done,
            Self::Connected(mtu) => Event::Connected { mtu: *mtu },
            Self::NotConnected => Event::NotConnected,
            Self::Disconnected => Event::Disconnected,
            Self::Received(received) => Event::Received {
                on: received.on,
                bytes: &received.bytes,
            },
            Self::Consent(yes) => Event::Consent(*yes),
            Self::Tick => Event::Tick,
        }
    }
}

impl Journey<'_> {
    fn go(&mut self, mut update: Update<Vec<u8>>) -> Outcome<Ended> {
        let mut buffer = Buffer::new();
        let mut happened = Happened::Done;
        let mut plan = None;
        let mut ended = None;
        while !update.is_over() {
            let moment = self.clock.moment()?;
            let action = update.handle(happened.event(), moment, &mut buffer);
            happened = match action {
                Action::Connect => self.connect(),
                Action::Wait => match plan.take() {
                    Some(plan) => Happened::Consent(self.consent(&plan)?),
                    None => self.wait(update.next_deadline())?,
                },
                Action::Again => Happened::Done,
                Action::Disconnect => {
                    self.link.disconnect();
                    self.connected = false;
                    Happened::Done
                }
                Action::Write { on, bytes } => self.write(Channel::Lock(on), bytes),
                Action::Send { bytes } => self.write(Channel::Smp, bytes),
                Action::Tell(News::Plan(told)) => {
                    plan = Some(told);
                    Happened::Done
                }
                Action::Tell(News::Ended(told)) => {
                    ended = Some(told);
                    Happened::Done
                }
                Action::Tell(news) => {
                    self.show(&news);
                    Happened::Done
                }
            };
        }
        ended.ok_or_else(Failure::odd_answer)
    }

    fn connect(&mut self) -> Happened {
        match self.link.connect(self.lock, self.family, self.context.patience()) {
            Ok(mtu) if mtu >= MTU_MIN => {
                self.connected = true;
                Happened::Connected(mtu)
            }
            Ok(mtu) => {
                self.small_mtu = Some(mtu);
                self.link.disconnect();
                Happened::NotConnected
            }
            Err(_) => Happened::NotConnected,
        }
    }

    fn write(&mut self, on: Channel, bytes: &[u8]) -> Happened {
        if self.link.write(on, bytes).is_ok() {
            return Happened::Done;
        }
        self.connected = false;
        Happened::Disconnected
    }

    /// Until something happens, or the time has come.
    fn wait(&mut self, by_ms: Option<u64>) -> Outcome<Happened> {
        let by_ms = by_ms.ok_or_else(Failure::odd_answer)?;
        let left = self.clock.until(by_ms);
        if !self.connected {
            // Nothing but time can happen.
            thread::sleep(left);
            return Ok(Happened::Tick);
        }
        Ok(match self.link.next(left) {
            Ok(Some(received)) => Happened::Received(received),
            Ok(None) => Happened::Tick,
            Err(_) => {
                self.connected = false;
                Happened::Disconnected
            }
        })
    }

    fn show(&self, news: &News) {
        match news {
            News::Uploading { received, .. } => {
                self.bar.set_message("sending the image");
                self.bar.set_position((*received).into());
            }
            News::Requested => self.bar.set_message("the lock has checked the image"),
            News::Restarting => self
                .bar
                .println("The lock restarts. The door does not answer for a while; the key opens it."),
            News::OnTrial => self.bar.println("The new version runs and tests itself."),
            News::Busy => self.bar.println("Somebody else has the lock right now; waiting."),
            News::LinkLost { .. } => self.bar.set_message("not connected, trying again"),
            News::Plan(_) | News::Ended(_) => {}
        }
    }

    /// Shows what will happen, and asks.
    fn consent(&mut self, plan: &Plan) -> Outcome<bool> {
        self.plan = facts(plan, self.notes);
        if !self.context.output.json {
            self.bar.suspend(|| output::note(&in_words(plan, self.notes)));
        }
        if self.yes {
            return Ok(true);
        }
        self.bar.suspend(|| {
            let failed = |error| Failure::usage(format!("nobody could be asked: {error}"));
            let mut question = std::io::stderr().lock();
            write!(question, "Install it now? [y/N] ").map_err(failed)?;
            question.flush().map_err(failed)?;
            let mut answer = String::new();
            std::io::stdin().lock().read_line(&mut answer).map_err(failed)?;
            Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
        })
    }
}

fn facts(plan: &Plan, notes: Option<&str>) -> Value {
    json!({
        "from": plan.from.to_string(),
        "to": plan.to.to_string(),
        "security_counter": plan.counter.0,
        "size": plan.size,
        "received_before": plan.received,
        "away_seconds": plan.away_seconds,
        "battery_percent": plan.battery.percent(),
        "battery_critical": plan.battery.critical(),
        "changes": notes,
        "earlier": plan.earlier.map(|earlier| earlier.to_string()),
    })
}

fn in_words(plan: &Plan, notes: Option<&str>) -> String {
    let battery = match (plan.battery.critical(), plan.battery.percent()) {
        (true, _) => "low: change the batteries first".to_owned(),
        (false, 0) => "good".to_owned(),
        (false, percent) => format!("{percent} %"),
    };
    let mut words = format!(
        "Version {} instead of {}; the lock never goes back behind it.\n",
        plan.to, plan.from
    );
    if let Some(notes) = notes {
        words.push_str(&format!("What it changes: {notes}\n"));
    }
    if let Some(earlier) = &plan.earlier {
        words.push_str(&format!("Before you try it again: {earlier}\n"));
    }
    words.push_str(&format!(
        "The door may not answer for {} seconds; by hand and by key it opens.\nBattery: {battery}",
        plan.away_seconds
    ));
    words
}

#[cfg(test)]
mod tests {
    use latchkey_image::{SecurityCounter, Version};
    use latchkey_phone::release::Unfit;
    use latchkey_phone::update::Earlier;
    use latchkey_protocol::value::Battery;

    use super::*;

    fn plan() -> Plan {
        let version = |major| Version {
            major,
            ..Version::default()
        };
        Plan {
            from: version(1),
            to: version(2),
            counter: SecurityCounter(2),
            size: 300_000,
            received: 0,
            battery: Battery::new(true, false, 10),
            away_seconds: 29,
            earlier: Some(Earlier::Reverted(0)),
        }
    }

    #[test]
    fn an_owner_hears_what_counts_before_saying_yes() {
        let words = in_words(&plan(), Some("Quieter motor."));
        for part in [
            "2.0.0+0 instead of 1.0.0+0",
            "Quieter motor.",
            "29 seconds",
            "batteries",
            "took this image back",
        ] {
            assert!(words.contains(part), "{part}: {words}");
        }
    }

    #[test]
    fn the_plan_is_as_scripts_know_it() {
        assert_eq!(
            facts(
                &Plan {
                    earlier: None,
                    ..plan()
                },
                None
            )
            .to_string(),
            "{\"away_seconds\":29,\"battery_critical\":true,\"battery_percent\":10,\"changes\":null,\"earlier\":null,\
             \"from\":\"1.0.0+0\",\"received_before\":0,\"security_counter\":2,\"size\":300000,\"to\":\"2.0.0+0\"}"
        );
    }

    #[test]
    fn exit_codes_tell_what_is_lost_from_what_is_refused() {
        let code = |ended| failure(&ended).kind;
        assert_eq!(code(Ended::Declined), Kind::Refused);
        assert_eq!(code(Ended::Unfit(Unfit::Running)), Kind::Refused);
        assert_eq!(code(Ended::LinkLost { received: 0 }), Kind::Link);
        assert_eq!(code(Ended::NotBack), Kind::Unknown);
    }
}
