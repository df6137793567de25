//! The update task of a board with a network: carries out what the update client says, and keeps an image on trial
//! from being replaced before it has confirmed itself.

use embassy_futures::select::select4;
use embassy_time::{Duration, Instant, Timer, with_deadline, with_timeout};
use latchkey_directive::MAX_SEALED;
use latchkey_handoff::layout::{ACTIVE, MAP};
use latchkey_image::{Authority, SecurityCounter, Version};
use latchkey_lock::staging::{Expected, Proven, Staging, StagingError};
use latchkey_lock::update::{
    Action, Client, Event, Failure, Head, Identity, Moment, Pace, RANDOM_LENGTH, Step,
};

use crate::board::whole;
use crate::keeper::{FAR_MS, Keeper, now_ms};
use crate::trial::Trial;
use crate::watch::Pulse;
use crate::{Board, Sink, Uplink, trust};

/// How often an install that waits looks at the conditions, in milliseconds.
const LOOK_MS: u64 = 10_000;
/// How long a restart waits for people to be done with the lock.
const CALM: Duration = Duration::from_secs(120);
/// How this build and this lock differ from others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Options {
    /// Bounds on waiting for the server.
    pub pace: Pace,
    /// Never confirm: a test build.
    pub never_confirm: bool,
}

/// Runs the update client for good. `pulse` shows that it does.
pub async fn run<B: Board, U: Uplink>(
    board: &B,
    keeper: &Keeper<'_, B>,
    uplink: &mut U,
    pulse: &Pulse,
    options: Options,
) -> ! {
    pulse.beat();
    let mut updater = Updater::new(board, keeper, options);
    updater.serve(uplink, pulse).await
}

/// The update client, at work.
struct Updater<'l, 'k, B: Board> {
    board: &'l B,
    keeper: &'l Keeper<'k, B>,
    client: Client<'l>,
    authority: Authority<'static>,
    staging: Staging,
    /// What runs, and the rollback floor: what a new image is measured by.
    running: Version,
    floor: SecurityCounter,
    /// The image in the slot, once proven.
    proven: Option<Proven>,
    trial: Trial<'l, 'k, B>,
    never_confirm: bool,
}

impl<'l, 'k, B: Board> Updater<'l, 'k, B> {
    fn new(board: &'l B, keeper: &'l Keeper<'k, B>, options: Options) -> Self {
        let hardware = board.hardware();
        let identity = Identity {
            key: keeper.key(),
            director: keeper.director(),
            vendor: hardware.vendor,
            class: hardware.class,
            slot: ACTIVE.size,
            pace: options.pace,
        };
        let standing = keeper.standing();
        let running = standing.running;
        let moment = moment(board, keeper);
        Self {
            board,
            keeper,
            client: Client::new(identity, standing, keeper.kept_settings(), moment),
            authority: trust::authority(&hardware),
            staging: Staging::new(MAP),
            running: running.version,
            // The bootloader installs nothing older than what runs, even where the floor has yet to rise to it.
            floor: standing.floor.max(running.counter),
            proven: None,
            trial: Trial::new(board, keeper),
            never_confirm: options.never_confirm,
        }
    }

    async fn serve<U: Uplink>(&mut self, uplink: &mut U, pulse: &Pulse) -> ! {
        let mut step = self.advance(Event::Tick);
        let core = self.client.answers(&moment(self.board, self.keeper));
        self.trial.begin(core);
        loop {
            pulse.beat();
            step = match step.action {
                Action::Wait => {
                    // An image that is proven and waits for better conditions keeps the slot.
                    if self.proven.is_none() {
                        self.keeper.phone().release_from_network();
                    }
                    if self.trial.judge(uplink.has_link() && !self.never_confirm) {
                        self.advance(Event::Confirmed)
                    } else {
                        pulse.during(self.wait(uplink, step.until_ms)).await;
                        let up = uplink.is_online();
                        self.advance(Event::Network { up })
                    }
                }
                Action::Post(path) => {
                    // A proof from before counts no more; after a request, the slot stays with it all the same.
                    self.proven = None;
                    self.keeper.phone().release_from_network();
                    pulse.during(self.post(uplink, path, step.until_ms)).await
                }
                Action::Fetch { image, from } => {
                    let mut download = Download::new(self);
                    let until_ms = step.until_ms.unwrap_or(0);
                    let ended = pulse
                        .during(uplink.fetch(image, from, until_ms, &mut download))
                        .await;
                    download.end(ended)
                }
                Action::Open { .. }
                | Action::Prove { .. }
                | Action::Request
                | Action::Stage
                | Action::Read => {
                    let event = self.work(step.action, &[]);
                    self.advance(event)
                }
                Action::Restart => {
                    pulse.during(self.wait_for_calm()).await;
                    self.board.restart()
                }
            };
        }
    }

    /// Waits until nobody is at the lock: a bolt on its way is not left without a mind. Not for ever.
    async fn wait_for_calm(&self) {
        let calm = async {
            while self.keeper.conditions().busy {
                self.keeper.conditions_changed().await;
            }
        };
        // Whoever keeps the lock busy for so long cannot keep it old.
        let _ = with_timeout(CALM, calm).await;
    }

    /// Tells the client, prints what it says, stores what it wants stored.
    fn advance(&mut self, event: Event<'_>) -> Step {
        let moment = moment(self.board, self.keeper);
        let step = self.client.handle(event, &moment);
        self.print(&step);
        if !step.save || self.keeper.save(self.client.settings()).is_ok() {
            return step;
        }
        // Never asks to save again in the same step.
        let step = self.client.handle(Event::Failed(Failure::Settings), &moment);
        self.print(&step);
        step
    }

    fn print(&mut self, step: &Step) {
        for note in step.notes.into_iter().flatten() {
            self.board.print(format_args!("update: {note}"));
        }
    }

    /// Waits until something may have changed.
    async fn wait<U: Uplink>(&self, uplink: &U, until_ms: Option<u64>) {
        let until = until_ms.unwrap_or(u64::MAX).min(self.trial.ends_ms());
        // Conditions have no event of their own; a waiting install looks at them now and then.
        let look = now_ms().saturating_add(LOOK_MS);
        select4(
            Timer::at(Instant::from_millis(until.min(FAR_MS))),
            Timer::at(Instant::from_millis(look)),
            uplink.changed(),
            self.trial.radio_up(),
        )
        .await;
    }

    async fn post<U: Uplink>(&mut self, uplink: &mut U, path: &'static str, until_ms: Option<u64>) -> Step {
        let mut answer = [0; MAX_SEALED];
        let until = Instant::from_millis(until_ms.unwrap_or(0));
        let sent = with_deadline(until, uplink.post(path, self.client.outgoing(), &mut answer)).await;
        match sent.unwrap_or(Err(Failure::Timeout)) {
            Ok((status, length)) => {
                let body = answer.get(..length).unwrap_or_default();
                self.advance(Event::Answer { status, body })
            }
            Err(why) => self.advance(Event::Failed(why)),
        }
    }

    /// What is done on flash.
    fn work(&mut self, action: Action, bytes: &[u8]) -> Event<'static> {
        let flash = &mut whole(self.board);
        let failed = |error: StagingError| Event::Refused {
            reason: error.reason().code(),
        };
        match action {
            Action::Open { image, size } => {
                self.proven = None;
                if self.keeper.phone().claim_for_network().is_err() {
                    return Event::Failed(Failure::SlotTaken);
                }
                let begun = self.staging.begin(flash, image.into(), size);
                begun.map_or_else(failed, |offset| Event::Staged { offset })
            }
            Action::Stage => {
                let written = self.staging.write(flash, bytes);
                written.map_or_else(failed, |offset| Event::Staged { offset })
            }
            Action::Prove { image } => {
                let expected = Expected {
                    image,
                    running: self.running,
                    floor: self.floor,
                };
                match self.staging.prove(flash, &self.authority, &expected) {
                    Ok(proven) => {
                        self.proven = Some(proven);
                        Event::Proven
                    }
                    Err(unproven) => Event::Refused {
                        reason: unproven.code(),
                    },
                }
            }
            Action::Request => match self.proven.take() {
                Some(proven) => {
                    let asked = self.staging.request(flash, proven);
                    if asked.is_ok() {
                        self.keeper.phone().network_asked();
                    }
                    asked.map_or_else(failed, |()| Event::Requested)
                }
                None => Event::Failed(Failure::OutOfTurn),
            },
            Action::Wait | Action::Post(_) | Action::Fetch { .. } | Action::Read | Action::Restart => {
                Event::Failed(Failure::OutOfTurn)
            }
        }
    }
}

/// A download on its way from the network into flash, each part as the client says.
struct Download<'d, 'l, 'k, B: Board> {
    lock: &'d mut Updater<'l, 'k, B>,
    /// The step that is not for the download to carry out.
    over: Option<Step>,
}

impl<'d, 'l, 'k, B: Board> Download<'d, 'l, 'k, B> {
    fn new(lock: &'d mut Updater<'l, 'k, B>) -> Self {
        Self { lock, over: None }
    }

    fn take(&mut self, step: Step) -> Option<u64> {
        match (step.action, step.until_ms) {
            (Action::Read, Some(until_ms)) => Some(until_ms),
            _ => {
                self.over = Some(step);
                None
            }
        }
    }

    /// What comes after the download.
    fn end(self, ended: Result<(), Failure>) -> Step {
        self.over.unwrap_or_else(|| {
            let event = match ended {
                Ok(()) => Event::BodyEnd,
                Err(why) => Event::Failed(why),
            };
            self.lock.advance(event)
        })
    }
}

impl<B: Board> Sink for Download<'_, '_, '_, B> {
    fn head(&mut self, head: Head) -> Option<u64> {
        let step = self.lock.advance(Event::Head(head));
        self.take(step)
    }

    fn body(&mut self, bytes: &[u8]) -> Option<u64> {
        let length = bytes.len();
        let mut step = self.lock.advance(Event::Body { length });
        if step.action == Action::Stage {
            let event = self.lock.work(Action::Stage, bytes);
            step = self.lock.advance(event);
        }
        self.take(step)
    }
}

fn moment<B: Board>(board: &B, keeper: &Keeper<'_, B>) -> Moment {
    let mut random = [0; RANDOM_LENGTH];
    board.random(&mut random);
    Moment {
        now_ms: now_ms(),
        random,
        conditions: keeper.conditions(),
    }
}
