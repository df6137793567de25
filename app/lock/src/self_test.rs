//! When a new image may confirm itself: once everything has been seen to work that it takes to replace it again.
//!
//! Four things must pass: the storage takes a record and gives it back, the network interface has a link, the radio advertises, and
//! the cores answer through which the next image may come (each seals a message and opens it again). That the update server answers is *not* asked for: a router
//! or a server that is down would send every good image back. So a server can delay an update, never undo one.
//! One failure is final, and what has not passed by the deadline has failed; then the app resets, which uses up
//! one of the image's starts. A verdict, once given, stands.

use latchkey_protocol::frame::sealed::{FRAME_MAX, FrameNonce, Sealed, seal};
use latchkey_protocol::key::SharedKey;
use latchkey_protocol::message::{Message, StatusReport};
use latchkey_protocol::value::{AuthorizationId, Status};
use latchkey_protocol::wire::PinWidth;

/// What is tested.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Check {
    /// Records can be written, read back and removed.
    Storage,
    /// The network interface works and has a link.
    Link,
    /// The radio advertises.
    Radio,
    /// The lock's protocol and, with a network, the update client seal and open messages.
    Core,
}

impl Check {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Storage, Self::Link, Self::Radio, Self::Core];

    /// The name in the log.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Storage => "storage",
            Self::Link => "link",
            Self::Radio => "radio",
            Self::Core => "core",
        }
    }
}

/// What came of the test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// Not everything has been seen yet.
    Pending,
    /// All is well: confirm.
    Passed(Passed),
    /// This check failed, or did not pass in time: reset.
    Failed(Check),
}

/// Leave to confirm the running image. Only a [`SelfTest`] gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Passed(());

/// The test of one start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SelfTest {
    deadline_ms: u64,
    storage: bool,
    link: bool,
    radio: bool,
    core: bool,
    verdict: Verdict,
}

impl SelfTest {
    /// A test that must be over at `deadline_ms` on the caller's clock.
    #[must_use]
    pub fn until(deadline_ms: u64) -> Self {
        Self {
            deadline_ms,
            storage: false,
            link: false,
            radio: false,
            core: false,
            verdict: Verdict::Pending,
        }
    }

    /// Takes in what a check showed.
    pub fn observe(&mut self, check: Check, passed: bool, now_ms: u64) -> Verdict {
        if self.poll(now_ms) == Verdict::Pending {
            match check {
                Check::Storage => self.storage = passed,
                Check::Link => self.link = passed,
                Check::Radio => self.radio = passed,
                Check::Core => self.core = passed,
            }
            if !passed {
                self.verdict = Verdict::Failed(check);
            } else if self.missing().is_none() {
                self.verdict = Verdict::Passed(Passed(()));
            }
        }
        self.verdict
    }

    /// The verdict at this time.
    pub fn poll(&mut self, now_ms: u64) -> Verdict {
        if self.verdict == Verdict::Pending
            && now_ms >= self.deadline_ms
            && let Some(check) = self.missing()
        {
            self.verdict = Verdict::Failed(check);
        }
        self.verdict
    }

    fn missing(&self) -> Option<Check> {
        [
            (self.storage, Check::Storage),
            (self.link, Check::Link),
            (self.radio, Check::Radio),
            (self.core, Check::Core),
        ]
        .into_iter()
        .find_map(|(passed, check)| (!passed).then_some(check))
    }
}

/// Whether the lock's protocol answers: seals a message and opens it again.
#[must_use]
pub fn protocol_answers(key: &SharedKey, nonce: FrameNonce) -> bool {
    let (said, by) = (Status::Complete, AuthorizationId(1));
    let mut frame = [0; FRAME_MAX];
    let sealed = seal(&StatusReport { status: said }, by, key, nonce, &mut frame);
    let opened = sealed.ok().and_then(|length| {
        let opened = Sealed::read(frame.get_mut(..length)?).ok()?.open(key).ok()?;
        StatusReport::read(opened.payload, PinWidth::Short).ok()
    });
    opened.is_some_and(|opened| opened.status == said)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_protocol_answers() {
        let key = SharedKey::from_bytes(&mut [7; 32]);
        assert!(protocol_answers(&key, FrameNonce::from_random([9; 24])));
    }

    #[test]
    fn only_everything_passed_in_time_confirms() {
        for first in Check::ALL {
            for second in Check::ALL {
                let mut test = SelfTest::until(100);
                test.observe(first, true, 1);
                assert_eq!(
                    test.observe(second, true, 2),
                    Verdict::Pending,
                    "two at most are not four"
                );
            }
        }
        let mut test = SelfTest::until(100);
        assert_eq!(test.observe(Check::Core, true, 1), Verdict::Pending);
        assert_eq!(test.observe(Check::Link, true, 2), Verdict::Pending);
        assert_eq!(test.observe(Check::Radio, true, 3), Verdict::Pending);
        assert_eq!(
            test.observe(Check::Storage, true, 99),
            Verdict::Passed(Passed(()))
        );
        assert_eq!(test.poll(1_000), Verdict::Passed(Passed(())), "a verdict stands");
        assert_eq!(
            test.observe(Check::Link, false, 1_000),
            Verdict::Passed(Passed(()))
        );
    }

    #[test]
    fn a_failed_check_is_final() {
        let mut test = SelfTest::until(100);
        assert_eq!(
            test.observe(Check::Storage, false, 1),
            Verdict::Failed(Check::Storage)
        );
        for check in Check::ALL {
            assert_eq!(test.observe(check, true, 2), Verdict::Failed(Check::Storage));
        }
    }

    #[test]
    fn what_has_not_passed_at_the_deadline_has_failed() {
        let mut test = SelfTest::until(100);
        test.observe(Check::Storage, true, 1);
        test.observe(Check::Core, true, 1);
        assert_eq!(test.poll(99), Verdict::Pending);
        assert_eq!(
            test.observe(Check::Link, true, 100),
            Verdict::Failed(Check::Link),
            "too late"
        );
    }
}
