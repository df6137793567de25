//! An image on trial: tests it, and confirms it or restarts the lock, which uses up one of the image's starts.
//!
//! Knows what the test asks for ([`SelfTest`] knows what makes it pass), and neither update server nor phone.

use core::future;

use embassy_futures::select::select;
use embassy_time::{Instant, Timer};
use latchkey_handoff::ImageId;
use latchkey_handoff::layout::MAP;
use latchkey_lock::self_test::{Check, SelfTest, Verdict, protocol_answers};
use latchkey_lock::staging::Staging;
use latchkey_protocol::frame::sealed::{FrameNonce, NONCE_LENGTH};
use latchkey_protocol::key::{KEY_LENGTH, SharedKey};

use crate::Board;
use crate::board::whole;
use crate::keeper::{Keeper, now_ms};
use crate::watch::Pulse;

/// How long a new image may take to pass its self-test, in milliseconds since the start.
const SELF_TEST_MS: u64 = 30_000;

/// On a board without a network: tests the running image when it is on trial. Then there is nothing to do, for good.
pub async fn run<B: Board>(board: &B, keeper: &Keeper<'_, B>, pulse: &Pulse) -> ! {
    let mut trial = Trial::new(board, keeper);
    trial.begin(true);
    while trial.is_open() {
        // There is no interface whose link could be missing.
        trial.judge(true);
        pulse.during(trial.changed()).await;
    }
    pulse.during(future::pending()).await
}

/// The trial of the running image, if it is on one.
pub(crate) struct Trial<'l, 'k, B: Board> {
    board: &'l B,
    keeper: &'l Keeper<'k, B>,
    image: ImageId,
    /// `None` when the image is confirmed.
    test: Option<SelfTest>,
}

impl<'l, 'k, B: Board> Trial<'l, 'k, B> {
    pub(crate) fn new(board: &'l B, keeper: &'l Keeper<'k, B>) -> Self {
        let running = keeper.standing().running;
        Self {
            board,
            keeper,
            image: running.image.into(),
            test: (!running.confirmed).then(|| SelfTest::until(SELF_TEST_MS)),
        }
    }

    /// Tests what can be tested at once. `core`: whether whatever else may bring the next image works.
    pub(crate) fn begin(&mut self, core: bool) {
        let Some(test) = &mut self.test else { return };
        let (mut key, mut nonce) = ([0; KEY_LENGTH], [0; NONCE_LENGTH]);
        self.board.random(&mut key);
        self.board.random(&mut nonce);
        let answers = protocol_answers(&SharedKey::from_bytes(&mut key), FrameNonce::from_random(nonce));
        test.observe(Check::Core, core && answers, now_ms());
        test.observe(Check::Storage, self.keeper.storage_answers(), now_ms());
    }

    /// Whether the image has yet to confirm itself.
    pub(crate) fn is_open(&self) -> bool {
        self.test.is_some()
    }

    /// When the test is over at the latest.
    pub(crate) fn ends_ms(&self) -> u64 {
        self.test.map_or(u64::MAX, |_| SELF_TEST_MS)
    }

    /// Ends when the test may have: with the radio or with its time. At once when it has.
    async fn changed(&self) {
        if !self.is_open() {
            return;
        }
        select(Timer::at(Instant::from_millis(SELF_TEST_MS)), self.radio_up()).await;
    }

    /// Ends when the radio is up; never when nobody waits for that.
    pub(crate) async fn radio_up(&self) {
        if self.test.is_none() || self.keeper.is_radio_up() {
            future::pending().await
        }
        while !self.keeper.is_radio_up() {
            self.keeper.conditions_changed().await;
        }
    }

    /// Confirms the running image when its test has passed, which is told; restarts when it has failed.
    pub(crate) fn judge(&mut self, link: bool) -> bool {
        let Some(test) = &mut self.test else {
            return false;
        };
        let now_ms = now_ms();
        if self.keeper.is_radio_up() {
            test.observe(Check::Radio, true, now_ms);
        }
        if link {
            test.observe(Check::Link, true, now_ms);
        }
        match test.poll(now_ms) {
            Verdict::Pending => false,
            Verdict::Passed(passed) => {
                self.board.print(format_args!("self-test passed"));
                let confirmed = Staging::new(MAP).confirm(&mut whole(self.board), self.image, passed);
                if let Err(error) = confirmed {
                    self.board
                        .print(format_args!("not confirmed: {error}; restarting"));
                    self.board.restart()
                }
                self.test = None;
                self.keeper.confirmed();
                self.board.print(format_args!("confirmed {}", self.image));
                true
            }
            Verdict::Failed(check) => {
                let check = check.name();
                self.board
                    .print(format_args!("self-test failed: {check}; restarting"));
                self.board.restart()
            }
        }
    }
}
