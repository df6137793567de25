//! The state machine of an [`Update`]: events, the next step, and the connection. What the lock is asked, and what
//! follows from its answers, is in `asking` and `sending`.

mod asking;
mod sending;

use latchkey_protocol::value::Pin;
use latchkey_protocol::wire::{PinWidth, Tail};

use super::news::{Ended, News, Plan};
use super::patience::{POLL_MS, Patience, RESTART_MS};
use super::{Action, Buffer, CONNECT_MS, Channel, Event, WINDOW_S};
use crate::credentials::Credentials;
use crate::moment::Moment;
use crate::release::{Fitting, LockFacts, Signed};
use crate::request::{Administer, Report};
use crate::session::{self, Session};
use crate::smp::{self, Client, Upload};

/// See the module's header.
pub struct Update<B> {
    release: Signed<B>,
    pin: Pin,
    session: Session,
    smp: Client,
    upload: Upload,
    doing: Doing,
    step: Step,
    patience: Patience,
    facts: Option<LockFacts>,
    plan: Option<Plan>,
    fitting: Option<Fitting>,
    /// The owner said yes.
    agreed: bool,
    /// The lock was asked to install the image, and said that it will.
    asked: bool,
    connected: bool,
    /// This connection has opened the window.
    opened: bool,
    /// Somebody uploads, or has, in an open window.
    guest: bool,
    connect_at_ms: u64,
    /// Pieces that a frame may have: fewer after each that came to nothing.
    pieces: usize,
    ended: Option<Ended>,
}

/// What is going on right now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doing {
    /// The caller does something; the step comes when it is done.
    Acting,
    /// The step comes at this time.
    Waiting { until_ms: u64 },
    /// The caller connects.
    Connecting { by_ms: u64 },
    /// The session has a request under way.
    Asking,
    /// Pieces of an SMP request go out.
    Sending,
    /// Its answer is awaited.
    Answering,
    /// The owner thinks.
    Consenting,
    /// Nothing any more.
    Over,
}

/// What comes next, or is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Connect,
    AskRunning,
    AskStatus,
    AskStates,
    ShowPlan,
    AskParameters,
    Open,
    AskImages,
    Upload,
    Test,
    Reset,
    /// The lock restarts: leave it alone.
    Restart,
    Close,
    End,
}

impl<B: AsRef<[u8]>> Update<B> {
    /// An update to this image, of the lock to which these credentials belong. Begin with [`Event::Done`].
    #[must_use]
    pub fn new(release: Signed<B>, credentials: Credentials, pin: Pin) -> Self {
        let about = release.about();
        let upload = Upload::new(about.image, about.size);
        Self {
            release,
            pin,
            session: Session::open(credentials),
            smp: Client::new(0),
            upload,
            doing: Doing::Acting,
            step: Step::Connect,
            patience: Patience::new(),
            facts: None,
            plan: None,
            fitting: None,
            agreed: false,
            asked: false,
            connected: false,
            opened: false,
            guest: false,
            connect_at_ms: 0,
            pieces: smp::PIECES,
            ended: None,
        }
    }

    /// Whether it has ended: [`News::Ended`] has been told.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.doing == Doing::Over
    }

    /// Whether it takes the connection to stand.
    #[must_use]
    pub const fn is_connected(&self) -> bool {
        self.connected
    }

    /// The credentials, for the next connection.
    #[must_use]
    pub fn into_credentials(self) -> Option<Credentials> {
        self.session.into_credentials()
    }

    /// The image.
    #[must_use]
    pub const fn release(&self) -> &Signed<B> {
        &self.release
    }

    /// When [`Event::Tick`] is wanted at the latest, on the clock of [`Moment`].
    #[must_use]
    pub fn next_deadline(&self) -> Option<u64> {
        match self.doing {
            Doing::Waiting { until_ms } => Some(until_ms),
            Doing::Connecting { by_ms } => Some(by_ms),
            Doing::Asking => self.session.next_deadline(),
            Doing::Sending | Doing::Answering => self.smp.next_deadline(),
            Doing::Acting | Doing::Consenting | Doing::Over => None,
        }
    }

    /// Takes in what happened; gives what to do.
    pub fn handle<'a>(&mut self, event: Event<'_>, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        match event {
            Event::Done => self.on_done(moment, out),
            Event::Connected { mtu } => self.on_connected(mtu, moment, out),
            Event::NotConnected if self.is_connecting() => self.lost(moment, out),
            Event::Disconnected if self.connected || self.is_connecting() => self.lost(moment, out),
            Event::NotConnected | Event::Disconnected => Action::Wait,
            Event::Received {
                on: Channel::Lock(on),
                bytes,
            } if self.connected => {
                let event = session::Event::Received { on, bytes };
                self.tell_session(event, moment, out)
            }
            Event::Received {
                on: Channel::Smp,
                bytes,
            } if self.connected => self.on_smp(bytes, moment, out),
            Event::Received { .. } => Action::Wait,
            Event::Consent(yes) => self.on_consent(yes, moment, out),
            Event::Tick => self.on_tick(moment, out),
        }
    }

    const fn is_connecting(&self) -> bool {
        matches!(self.doing, Doing::Connecting { .. })
    }

    fn on_done<'a>(&mut self, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        match self.doing {
            Doing::Acting => self.go(moment, out),
            Doing::Sending => self.send(out),
            Doing::Waiting { .. }
            | Doing::Connecting { .. }
            | Doing::Asking
            | Doing::Answering
            | Doing::Consenting
            | Doing::Over => Action::Wait,
        }
    }

    fn on_connected<'a>(&mut self, mtu: u16, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        let Doing::Connecting { .. } = self.doing else {
            return Action::Wait;
        };
        let about = self.release.about();
        self.session.renew();
        self.smp = Client::new(mtu);
        self.smp.narrow(self.pieces);
        self.upload = Upload::new(about.image, about.size);
        self.connected = true;
        self.opened = false;
        self.step = Step::AskRunning;
        self.go(moment, out)
    }

    fn on_consent<'a>(&mut self, yes: bool, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        if self.doing != Doing::Consenting {
            return Action::Wait;
        }
        self.agreed = yes;
        self.step = Step::Connect;
        if !yes {
            self.ended = Some(Ended::Declined);
            self.step = Step::End;
        }
        self.go(moment, out)
    }

    fn on_tick<'a>(&mut self, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        let due = self.next_deadline().is_some_and(|by_ms| by_ms <= moment.now_ms);
        match self.doing {
            _ if !due => Action::Wait,
            Doing::Waiting { .. } => self.go(moment, out),
            Doing::Connecting { .. } => self.drop_link(&moment),
            Doing::Asking => self.tell_session(session::Event::Tick, moment, out),
            Doing::Sending | Doing::Answering => match self.smp.tick(moment.now_ms) {
                Ok(()) => Action::Wait,
                Err(_) => {
                    // Perhaps more pieces came at once than the lock can hold.
                    if self.step == Step::Upload {
                        self.pieces = (self.pieces / 2).max(1);
                    }
                    self.drop_link(&moment)
                }
            },
            Doing::Acting | Doing::Consenting | Doing::Over => Action::Wait,
        }
    }

    // The next step.

    fn go<'a>(&mut self, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        let now_ms = moment.now_ms;
        match self.step {
            Step::Connect => self.connect(now_ms),
            Step::AskRunning => self.ask(Report::Running {}.into(), moment, out),
            Step::AskStatus => self.ask(Report::Update {}.into(), moment, out),
            Step::AskStates => self.ask(Report::States {}.into(), moment, out),
            Step::ShowPlan => self.show_plan(),
            Step::Open => self.open(moment, out),
            Step::Close => {
                let close = Administer::CloseUpdateWindow {}.with(self.pin());
                self.ask(close, moment, out)
            }
            Step::AskParameters => self.speak(&smp::Request::Parameters, now_ms, out),
            Step::AskImages => self.speak(&smp::Request::Images, now_ms, out),
            Step::Upload => {
                // Not by `speak`: the request borrows the image.
                let request = self.upload.next(self.release.bytes(), &self.smp);
                let begun = self.smp.ask(&request, now_ms);
                self.spoken(begun, out)
            }
            Step::Test => {
                let image = self.release.about().image;
                self.speak(&smp::Request::Test(image), now_ms, out)
            }
            Step::Reset => self.speak(&smp::Request::Reset, now_ms, out),
            Step::Restart => {
                self.connect_at_ms = now_ms.saturating_add(RESTART_MS);
                self.step = Step::Connect;
                self.disconnect()
            }
            Step::End if self.connected => self.disconnect(),
            Step::End => {
                self.doing = Doing::Over;
                // There is always one.
                let ended = self.ended.take().unwrap_or(Ended::Declined);
                Action::Tell(News::Ended(ended))
            }
        }
    }

    fn connect(&mut self, now_ms: u64) -> Action<'static> {
        if now_ms < self.connect_at_ms {
            let until_ms = self.connect_at_ms;
            self.doing = Doing::Waiting { until_ms };
            return Action::Wait;
        }
        let by_ms = now_ms.saturating_add(CONNECT_MS);
        self.doing = Doing::Connecting { by_ms };
        Action::Connect
    }

    /// The caller disconnects; then comes the step.
    fn disconnect(&mut self) -> Action<'static> {
        self.connected = false;
        self.opened = false;
        self.doing = Doing::Acting;
        Action::Disconnect
    }

    fn show_plan(&mut self) -> Action<'static> {
        if self.connected {
            // People think for longer than a lock keeps a connection on which nothing is said.
            return self.disconnect();
        }
        let Some(plan) = self.plan else {
            return self.end(Ended::TooOld);
        };
        self.doing = Doing::Consenting;
        Action::Tell(News::Plan(plan))
    }

    /// Opens the window, for this one image.
    fn open<'a>(&mut self, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        let Some(fitting) = self.fitting else {
            return self.end(Ended::TooOld);
        };
        let open = Administer::OpenUpdateWindow {
            seconds: WINDOW_S,
            image: Tail(Some(fitting.image().0)),
        };
        let open = open.with(self.pin());
        self.ask(open, moment, out)
    }

    /// The PIN, once more.
    fn pin(&self) -> Pin {
        self.pin.expose(|value| match self.pin.width() {
            PinWidth::Short => Pin::short(u16::try_from(value).unwrap_or(u16::MAX)),
            PinWidth::Long => Pin::long(value),
        })
    }

    /// Tells something, then goes on with the step.
    fn tell(&mut self, news: News) -> Action<'static> {
        self.doing = Doing::Acting;
        Action::Tell(news)
    }

    /// Goes on with a step, at the next event: each has its own randomness.
    fn then(&mut self, step: Step) -> Action<'static> {
        self.step = step;
        self.doing = Doing::Acting;
        Action::Again
    }

    fn pause(&mut self, step: Step, now_ms: u64) -> Action<'static> {
        self.step = step;
        let until_ms = now_ms.saturating_add(POLL_MS);
        self.doing = Doing::Waiting { until_ms };
        Action::Wait
    }

    /// Ends like this. A window that is open for nothing is closed before.
    fn end(&mut self, ended: Ended) -> Action<'static> {
        self.ended = Some(ended);
        let close = self.connected && self.opened && !self.asked && self.session.is_idle();
        self.then(if close { Step::Close } else { Step::End })
    }

    // The connection.

    /// The connection is gone by itself.
    fn lost<'a>(&mut self, moment: Moment, out: &'a mut Buffer) -> Action<'a> {
        self.connected = false;
        self.opened = false;
        match self.come_again(moment.now_ms) {
            Some(news) => self.tell(news),
            None => self.go(moment, out),
        }
    }

    /// The connection is of no use any more.
    fn drop_link(&mut self, moment: &Moment) -> Action<'static> {
        // That it is lost shows in how the next step begins.
        let _ = self.come_again(moment.now_ms);
        self.disconnect()
    }

    /// Makes connecting again, or the end, the next step.
    fn come_again(&mut self, now_ms: u64) -> Option<News> {
        if self.ended.is_some() {
            self.step = Step::End;
            return None;
        }
        let received = self.patience.most();
        let ended = match self.patience.lost() {
            _ if self.asked && self.patience.is_over(now_ms) => self.unsettled(),
            None => Ended::LinkLost { received },
            Some(wait_ms) => {
                self.step = Step::Connect;
                let again_at_ms = now_ms.saturating_add(wait_ms);
                self.connect_at_ms = again_at_ms;
                // That a lock is away which restarts is no news.
                return (!self.asked).then_some(News::LinkLost { again_at_ms });
            }
        };
        self.ended = Some(ended);
        self.step = Step::End;
        None
    }

    /// What is to be said when time is over.
    const fn unsettled(&self) -> Ended {
        if self.patience.seen {
            Ended::StillOnTrial
        } else {
            Ended::NotBack
        }
    }
}
