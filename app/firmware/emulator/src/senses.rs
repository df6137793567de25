//! What the emulated lock perceives: what is typed on its console stands for what happens at the door.
//!
//! ```text
//! button down | up            the button at the lock
//! turn DEGREES                somebody turns the knob: 0 is unlocked, 720 locked
//! door open | closed | tampered | none
//! battery PERCENT
//! motor jam | free            something holds the bolt, or lets it go
//! memory stack                prints how deep the stack has been
//! memory clear                forgets how deep it has been
//! ```

use latchkey_board_emulator::console::Lines;
use latchkey_board_emulator::trace;
use latchkey_firmware::{Board, Senses};
use latchkey_lock::lock::{DoorSense, Event};

use crate::board::Emulator;
use crate::bolt::Bolt;

/// The senses, and what of the world a typed line changes.
pub(crate) struct Typed {
    lines: Lines,
    board: &'static Emulator,
    bolt: &'static Bolt,
    told: Told,
}

/// What a lock is told at its start without anybody typing.
enum Told {
    Nothing,
    Battery,
    All,
}

impl Typed {
    pub(crate) fn new(lines: Lines, board: &'static Emulator, bolt: &'static Bolt) -> Self {
        Self {
            lines,
            board,
            bolt,
            told: Told::Nothing,
        }
    }

    /// What a line means to the lock, if it is told anything. `Err` for a line that means nothing.
    fn mean(&self, line: &str) -> Result<Option<Event<'static>>, ()> {
        let (what, how) = line.split_once(' ').ok_or(())?;
        Ok(match (what, how.trim()) {
            ("button", "down") => Some(Event::Button(true)),
            ("button", "up") => Some(Event::Button(false)),
            ("turn", degrees) => {
                self.bolt.turn(degrees.parse().map_err(|_| ())?);
                None
            }
            ("door", state) => {
                let number = DOOR.iter().position(|(name, _)| *name == state).ok_or(())?;
                self.bolt.set_door(u32::try_from(number).map_err(|_| ())?);
                Some(self.door())
            }
            ("battery", percent) => {
                self.board.set_battery(percent.parse().map_err(|_| ())?);
                Some(Event::Battery(self.board.battery()))
            }
            ("motor", "jam") => {
                self.bolt.jam(true);
                None
            }
            ("motor", "free") => {
                self.bolt.jam(false);
                None
            }
            ("memory", "clear") => {
                trace::clear_unused_stack();
                None
            }
            ("memory", "stack") => {
                let deepest = trace::deepest_stack();
                self.board
                    .print(format_args!("stack has been {deepest} bytes deep"));
                None
            }
            _ => return Err(()),
        })
    }

    fn door(&self) -> Event<'static> {
        let number = usize::try_from(self.bolt.door()).unwrap_or(usize::MAX);
        let sense = DOOR
            .get(number)
            .map_or(DoorSense::Unavailable, |(_, sense)| *sense);
        Event::Door(sense)
    }
}

/// What the door can be; their places are the numbers that the world keeps.
const DOOR: [(&str, DoorSense); 4] = [
    ("closed", DoorSense::Closed),
    ("open", DoorSense::Opened),
    ("tampered", DoorSense::Tampered),
    ("none", DoorSense::Unavailable),
];

impl Senses for Typed {
    async fn next(&mut self) -> Event<'static> {
        match self.told {
            Told::Nothing => {
                self.told = Told::Battery;
                return Event::Battery(self.board.battery());
            }
            Told::Battery => {
                self.told = Told::All;
                return self.door();
            }
            Told::All => {}
        }
        loop {
            let line = self.lines.next().await;
            let line = core::str::from_utf8(&line).unwrap_or_default().trim();
            match self.mean(line) {
                Ok(event) => {
                    self.board.print(format_args!("typed: {line}"));
                    if let Some(event) = event {
                        return event;
                    }
                }
                Err(()) if line.is_empty() => {}
                Err(()) => self.board.print(format_args!(
                    "typed: {line}: means nothing; the README says what does"
                )),
            }
        }
    }
}
