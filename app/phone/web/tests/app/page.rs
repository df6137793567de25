//! What the page's scripts do, without the page: one step after the other, and what the lock says in between.

use latchkey_phone::session::Characteristic;
use latchkey_web::{Conversation, Install, Step};
use serde_json::{Value, json};

use crate::bench::{Door, LINK};
use crate::house::{Happened, House};

fn characteristic(name: &str) -> Characteristic {
    match name {
        "pairing" => Characteristic::Pairing,
        "keyturner" => Characteristic::Keyturner,
        "userData" => Characteristic::UserData,
        other => panic!("the lock has no {other:?}"),
    }
}

const fn name(on: Characteristic) -> &'static str {
    match on {
        Characteristic::Pairing => "pairing",
        Characteristic::Keyturner => "keyturner",
        Characteristic::UserData => "userData",
    }
}

fn now(door: &Door) -> f64 {
    door.now_ms as f64
}

/// A page with a conversation on a connection.
pub(crate) struct Page {
    pub(crate) conversation: Conversation,
    /// What was to be stored, once it was.
    pub(crate) stored: Option<Vec<u8>>,
    /// The connection breaks before what the lock says for the so-and-so-many-th time arrives.
    pub(crate) loses_word: Option<usize>,
}

impl Page {
    pub(crate) fn new(door: &mut Door, conversation: Conversation) -> Self {
        door.connect();
        Self {
            conversation,
            stored: None,
            loses_word: None,
        }
    }

    /// Pairs by the button; gives what there is to store.
    pub(crate) fn pair(door: &mut Door, pin: Option<u32>) -> (Self, Vec<u8>) {
        door.open_pairing();
        let conversation = Conversation::pair("Web app", pin, now(door)).unwrap();
        let mut page = Self::new(door, conversation);
        let news = page.begin(door);
        assert_eq!(news.last().unwrap(), &json!({ "news": "paired" }));
        let stored = page.stored.clone().expect("it is stored before it is paired");
        (page, stored)
    }

    pub(crate) fn begin(&mut self, door: &mut Door) -> Vec<Value> {
        let first = self.conversation.begin().unwrap();
        self.go(door, first)
    }

    /// Asks; gives all news of it.
    pub(crate) fn ask(&mut self, door: &mut Door, what: &Value) -> Vec<Value> {
        let first = self.conversation.ask(what.to_string(), now(door)).unwrap();
        self.go(door, first)
    }

    /// Asks what is answered; gives what is told with it.
    pub(crate) fn done(&mut self, door: &mut Door, what: &Value) -> Value {
        let news = self.ask(door, what).pop().unwrap();
        assert_eq!(news["news"], "done", "{what}: {news}");
        news
    }

    /// Asks what fails; gives why.
    pub(crate) fn failed(&mut self, door: &mut Door, what: &Value) -> Value {
        let news = self.ask(door, what).pop().unwrap();
        assert_eq!(news["news"], "failed", "{what}: {news}");
        news
    }

    fn go(&mut self, door: &mut Door, mut step: Step) -> Vec<Value> {
        let mut news: Vec<Value> = Vec::new();
        loop {
            step = match step.action.as_str() {
                "write" => {
                    door.write(characteristic(&step.on), &step.bytes);
                    self.hear(door)
                }
                "store" => {
                    self.stored = self.conversation.credentials();
                    self.conversation.stored(now(door)).unwrap()
                }
                "tell" => {
                    news.push(serde_json::from_str(&step.news).unwrap());
                    let last = news.last().unwrap()["news"].as_str().unwrap();
                    if ["paired", "done", "failed"].contains(&last) {
                        return news;
                    }
                    self.hear(door)
                }
                "wait" => self.hear(door),
                other => panic!("a conversation asks for {other:?}"),
            };
        }
    }

    /// What the lock says next, or that time passes.
    fn hear(&mut self, door: &mut Door) -> Step {
        if self.loses_word == Some(0) {
            door.disconnect();
            return self.conversation.disconnected(now(door)).unwrap();
        }
        if let Some((on, bytes)) = door.indications.pop_front() {
            self.loses_word = self.loses_word.map(|left| left - 1);
            return self.conversation.received(name(on), &bytes, now(door)).unwrap();
        }
        let by_ms = self.conversation.deadline().expect("something goes on");
        let due_ms = door.lock.next_deadline(door.now_ms).unwrap_or(by_ms as u64);
        door.wait(due_ms.saturating_sub(door.now_ms).clamp(1, 1_000));
        self.conversation.tick(now(door)).unwrap()
    }
}

/// A page that installs.
pub(crate) struct Installing {
    pub(crate) install: Install,
    pub(crate) news: Vec<Value>,
    pub(crate) consents: bool,
}

impl Installing {
    pub(crate) fn new(install: Install) -> Self {
        Self {
            install,
            news: Vec::new(),
            consents: true,
        }
    }

    /// Runs it to its end; gives the last news.
    pub(crate) fn run(&mut self, house: &mut House) -> Value {
        const MOST_STEPS: usize = 50_000;
        let mut step = self.install.done(now(&house.door)).unwrap();
        for _ in 0..MOST_STEPS {
            let happened = match step.action.as_str() {
                "again" => Happened::Done,
                "connect" => house.connect(),
                "disconnect" => {
                    house.disconnect();
                    Happened::Done
                }
                "write" => {
                    house.door.write(characteristic(&step.on), &step.bytes);
                    Happened::Done
                }
                "send" => {
                    assert_eq!(step.on, "smp");
                    house.send(&step.bytes)
                }
                "tell" => {
                    let news: Value = serde_json::from_str(&step.news).unwrap();
                    self.news.push(news.clone());
                    match news["news"].as_str().unwrap() {
                        "ended" => {
                            assert!(self.install.is_over());
                            return news;
                        }
                        "plan" => Happened::Consent(self.consents),
                        _ => Happened::Done,
                    }
                }
                "wait" => self.wait(house),
                other => panic!("an install asks for {other:?}"),
            };
            step = self.tell(&happened, now(&house.door));
        }
        panic!("it does not end: {:?}", self.news.last())
    }

    fn tell(&mut self, happened: &Happened, now_ms: f64) -> Step {
        let install = &mut self.install;
        let step = match happened {
            Happened::Done => install.done(now_ms),
            Happened::Connected(mtu) => install.connected(*mtu, now_ms),
            Happened::NotConnected => install.not_connected(now_ms),
            Happened::Disconnected => install.disconnected(now_ms),
            Happened::Lock((on, bytes)) => install.received(name(*on), bytes, now_ms),
            Happened::Smp(bytes) => install.received("smp", bytes, now_ms),
            Happened::Consent(yes) => install.consent(*yes, now_ms),
            Happened::Tick => install.tick(now_ms),
        };
        step.unwrap()
    }

    fn wait(&self, house: &mut House) -> Happened {
        loop {
            if let Some(sent) = house.door.indications.pop_front() {
                return Happened::Lock(sent);
            }
            if let Some(bytes) = house.notifications.pop_front() {
                return Happened::Smp(bytes);
            }
            if house.connected && house.door.lock.should_disconnect(LINK, house.door.now_ms) {
                house.disconnect();
                return Happened::Disconnected;
            }
            let by_ms = self.install.deadline().expect("it waits for something") as u64;
            let Some(left_ms) = by_ms
                .checked_sub(house.door.now_ms)
                .filter(|left_ms| *left_ms > 0)
            else {
                return Happened::Tick;
            };
            let was_connected = house.connected;
            if house.wait(left_ms.min(100)) && was_connected {
                return Happened::Disconnected;
            }
        }
    }
}
