//! Keeping pages fresh: a part of a page is rendered again at each pulse and sent to whoever looks at it, when it has
//! changed.
//!
//! One channel in each process carries the pulse, and holds only the latest. What several look at is rendered once for
//! all of them, one part at a time, and whether a session is still one is asked once for all its pages; so watching
//! costs the database the same however many pages are open, and there are only so many readers. A reader that does
//! not take what it is sent is dropped; it may come again. A reader has a page that was made just now, so it is sent
//! only what was looked up after it came: what others were sent before may be older. A stream ends when its session
//! does, and when the server stops.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use askama::Template as _;
use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use tokio::sync::{Mutex, Semaphore, mpsc, watch};

use super::Shown;
use super::fleet::FleetNow;
use super::forms::At;
use super::rollouts::RolloutNow;
use crate::Service;
use crate::domain::access::Permission;
use crate::domain::session::Session;
use crate::failure::{Failure, Kind, Outcome};
use crate::http::App;
use crate::limits::{LIVE_READERS_MAX, LIVE_TAKE_MAX};

/// How often what is looked at is looked up again.
const PULSE: Duration = Duration::from_secs(2);

/// The fleet is counted at every so many pulses: it takes a look at every device.
const FLEET_PULSES: u64 = 5;

/// What a reader is sent first: how long to wait before it comes again, in milliseconds.
const GREETING: &str = "retry: 3000\n\n";

/// A part of a page that is kept fresh.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Part {
    Fleet,
    Rollout { id: String, operates: bool },
}

impl Part {
    /// The pulse at which it was last to be looked up.
    fn due(&self, pulse: u64) -> u64 {
        match self {
            Self::Fleet => pulse.saturating_sub(pulse.checked_rem(FLEET_PULSES).unwrap_or(0)),
            Self::Rollout { .. } => pulse,
        }
    }

    async fn render(&self, service: &Service) -> Outcome<String> {
        match self {
            Self::Fleet => FleetNow::look(service).await?.render(),
            Self::Rollout { id, operates } => {
                RolloutNow::new(&service.rollout_story(id).await?, *operates).render()
            }
        }
        .map_err(Failure::storage)
    }
}

/// The pulse, and what was rendered at it.
#[derive(Debug)]
pub(in crate::http) struct Live {
    pulse: watch::Sender<u64>,
    rendered: Mutex<HashMap<Part, (u64, Arc<str>)>>,
    /// By the mark of a session: the pulse at which it was asked for, and whether it was still one.
    sessions: Mutex<HashMap<String, (u64, bool)>>,
    places: Arc<Semaphore>,
}

impl std::fmt::Debug for Part {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("…")
    }
}

impl Default for Live {
    fn default() -> Self {
        Self {
            pulse: watch::Sender::new(1),
            rendered: Mutex::default(),
            sessions: Mutex::default(),
            places: Arc::new(Semaphore::new(LIVE_READERS_MAX)),
        }
    }
}

impl Live {
    /// Has everything that is looked at looked up again.
    pub(in crate::http) fn beat(&self) {
        // So that nothing of anybody is kept when nobody looks any more.
        if self.pulse.receiver_count() == 0
            && let (Ok(mut rendered), Ok(mut sessions)) = (self.rendered.try_lock(), self.sessions.try_lock())
        {
            rendered.clear();
            sessions.clear();
        }
        self.pulse.send_modify(|pulse| *pulse = pulse.saturating_add(1));
    }

    /// Beats until it is dropped.
    pub(in crate::http) async fn beat_on(&self) {
        let mut ticks = tokio::time::interval(PULSE);
        loop {
            ticks.tick().await;
            self.beat();
        }
    }

    /// Ends every stream.
    pub(in crate::http) fn end(&self) {
        self.pulse.send_replace(u64::MAX);
        self.places.close();
    }

    /// A part as it was at this pulse or an earlier one at which it was due; and at which.
    async fn look(&self, part: &Part, pulse: u64, service: &Service) -> Outcome<(u64, Arc<str>)> {
        let due = part.due(pulse);
        let mut rendered = self.rendered.lock().await;
        if let Some((at, text)) = rendered.get(part)
            && *at >= due
        {
            return Ok((*at, text.clone()));
        }
        let text: Arc<str> = part.render(service).await?.into();
        bound(&mut rendered);
        rendered.insert(part.clone(), (pulse, text.clone()));
        Ok((pulse, text))
    }

    /// Whether a session is one at this pulse. Where that cannot be found out, it is none: its pages come again.
    async fn is_still(&self, session: &Session, pulse: u64, service: &Service) -> bool {
        let mark = session.mark().expose(str::to_owned);
        let mut sessions = self.sessions.lock().await;
        if let Some((at, still)) = sessions.get(&mark)
            && *at >= pulse
        {
            return *still;
        }
        let still = service.still(session.clone()).await.is_ok();
        bound(&mut sessions);
        sessions.insert(mark, (pulse, still));
        still
    }
}

/// Keeps no more than readers could have asked for.
fn bound<K, V>(kept: &mut HashMap<K, V>) {
    if kept.len() > LIVE_READERS_MAX {
        kept.clear();
    }
}

/// The fleet's part.
pub(in crate::http) async fn fleet(
    State(app): State<App>,
    Extension(session): Extension<Session>,
) -> Shown<Response> {
    follow(app, session, Part::Fleet).await
}

/// A rollout's part.
pub(in crate::http) async fn rollout(
    State(app): State<App>,
    Extension(session): Extension<Session>,
    At(id): At<String>,
) -> Shown<Response> {
    // Told now, while it can be told as a page.
    let _ = app.service.rollout(&id).await?;
    let operates = session.caller().may(Permission::Operate);
    follow(app, session, Part::Rollout { id, operates }).await
}

async fn follow(app: App, session: Session, part: Part) -> Shown<Response> {
    let place = app.live.places.clone().try_acquire_owned().map_err(|_| {
        Failure::new(
            Kind::Busy,
            "as many pages are kept fresh as this server has room for; load the page again to see what is new",
        )
    })?;
    let (to, mut from) = mpsc::channel::<Bytes>(1);
    let mut pulse = app.live.pulse.subscribe();
    let came = *pulse.borrow_and_update();
    tokio::spawn(async move {
        let _place = place;
        if send(&to, Bytes::from_static(GREETING.as_bytes())).await.is_none() {
            return;
        }
        let mut last: Option<Arc<str>> = None;
        loop {
            let now = *pulse.borrow_and_update();
            if now == u64::MAX || !app.live.is_still(&session, now, &app.service).await {
                return;
            }
            // A look that fails, fails for all; the next pulse comes.
            if now > came
                && let Ok((at, text)) = app.live.look(&part, now, &app.service).await
                && at > came
                && last.as_ref() != Some(&text)
            {
                if send(&to, message(&text)).await.is_none() {
                    return;
                }
                last = Some(text);
            }
            tokio::select! {
                changed = pulse.changed() => if changed.is_err() { return },
                () = to.closed() => return,
            }
        }
    });
    let pieces = futures_util::stream::poll_fn(move |context| from.poll_recv(context));
    let pieces = futures_util::StreamExt::map(pieces, Ok::<Bytes, Infallible>);
    let kind = [(header::CONTENT_TYPE, "text/event-stream")];
    Ok((kind, Body::from_stream(pieces)).into_response())
}

/// Hands a piece to the reader; `None` when it went away, or does not take it.
async fn send(to: &mpsc::Sender<Bytes>, piece: Bytes) -> Option<()> {
    tokio::time::timeout(LIVE_TAKE_MAX, to.send(piece))
        .await
        .ok()?
        .ok()
}

/// As the WHATWG's HTML standard has it: each line of the text after `data:`, and an empty line.
fn message(text: &str) -> Bytes {
    let mut out = String::with_capacity(text.len().saturating_add(1024));
    // A lone carriage return ends a line there too.
    for line in text.split(['\n', '\r']) {
        out.push_str("data: ");
        out.push_str(line);
        out.push('\n');
    }
    out.push('\n');
    out.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_text_can_end_a_message_early() {
        assert_eq!(
            message("<p>a</p>\n\nevent: x\rb"),
            "data: <p>a</p>\ndata: \ndata: event: x\ndata: b\n\n"
        );
    }

    #[tokio::test(start_paused = true)]
    async fn a_reader_that_does_not_take_what_it_is_sent_is_dropped() {
        let (to, from) = mpsc::channel(1);
        assert!(send(&to, Bytes::new()).await.is_some(), "there is room for one");
        assert!(send(&to, Bytes::new()).await.is_none(), "and it was not taken");
        drop(from);
        assert!(send(&to, Bytes::new()).await.is_none());
    }

    #[test]
    fn the_fleet_is_counted_at_every_fifth_pulse() {
        assert_eq!([4, 5, 9, 10].map(|pulse| Part::Fleet.due(pulse)), [0, 5, 5, 10]);
    }
}
