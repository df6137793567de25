//! The way to the Bluetooth controller: UART1, on which HCI packets follow each other as H4 says (Bluetooth
//! Core Specification, volume 4, part A).
//!
//! Bytes are taken in by interrupt, and the reader is woken once a packet, not once a byte. No byte is ever
//! lost: while there is no room, the line is held, and the controller's side waits. What a packet says of its
//! own length decides when to wake, and nothing else; a packet longer than the buffer comes in parts.

use core::cell::RefCell;
use core::convert::Infallible;
use core::future::poll_fn;
use core::sync::atomic::{AtomicBool, Ordering};
use core::task::{Context, Poll};

use critical_section::Mutex;
use embassy_sync::waitqueue::AtomicWaker;
use embedded_io_async::{ErrorType, Read, Write};
use heapless::Deque;

use crate::interrupt::{self, Line};
use crate::uart::RADIO;

/// Bytes that wait for the reader: at least three of the longest packets that the lock's host asks for.
const WAITING: usize = 1024;

static RECEIVED: Mutex<RefCell<Received>> = Mutex::new(RefCell::new(Received::new()));
static RECEIVED_WAKER: AtomicWaker = AtomicWaker::new();
static SENT_WAKER: AtomicWaker = AtomicWaker::new();
static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes the port; gives its two directions, or `None` when it has been taken before.
#[must_use]
pub fn take() -> Option<(Receiver, Sender)> {
    if TAKEN.swap(true, Ordering::Relaxed) {
        return None;
    }
    RADIO.send_on();
    RADIO.receive_on();
    interrupt::enable(Line::RadioReceive);
    interrupt::enable(Line::RadioSent);
    Some((Receiver(()), Sender(())))
}

/// Where in a packet the next byte belongs.
enum Place {
    /// The first byte, which says what kind of packet comes.
    Kind,
    /// The header; its last two bytes, or its last, are the length of what follows.
    Header {
        missing: u8,
        wide: bool,
        length: [u8; 2],
    },
    /// What follows, of which so many bytes are missing.
    Body { missing: u16 },
}

impl Place {
    /// Goes on past a byte; says whether it was a packet's last.
    fn pass(&mut self, byte: u8) -> bool {
        let (next, last) = match *self {
            Self::Kind => Self::after_kind(byte),
            Self::Header {
                missing,
                wide,
                length,
            } => {
                let [_, high] = length;
                let length = [high, byte];
                match missing.saturating_sub(1) {
                    0 if wide => Self::after_header(u16::from_le_bytes(length)),
                    0 => Self::after_header(byte.into()),
                    missing => (
                        Self::Header {
                            missing,
                            wide,
                            length,
                        },
                        false,
                    ),
                }
            }
            Self::Body { missing } => Self::after_header(missing.saturating_sub(1)),
        };
        *self = next;
        last
    }

    fn after_kind(kind: u8) -> (Self, bool) {
        let (missing, wide) = match kind {
            // ACL and isochronous data: handle, length of two bytes.
            2 | 5 => (4, true),
            // Synchronous data: handle, length of one byte.
            3 => (3, false),
            // Event: code, length.
            4 => (2, false),
            // None that a controller sends. Whoever reads it finds out that the line is out of step.
            _ => return (Self::Kind, true),
        };
        let length = [0; 2];
        (
            Self::Header {
                missing,
                wide,
                length,
            },
            false,
        )
    }

    fn after_header(missing: u16) -> (Self, bool) {
        match missing {
            0 => (Self::Kind, true),
            missing => (Self::Body { missing }, false),
        }
    }
}

struct Received {
    bytes: Deque<u8, WAITING>,
    /// How many of them belong to whole packets, and may be read.
    whole: usize,
    place: Place,
}

impl Received {
    const fn new() -> Self {
        Self {
            bytes: Deque::new(),
            whole: 0,
            place: Place::Kind,
        }
    }

    /// Takes in a byte, for which there is room; says whether the reader has something to read now.
    fn push(&mut self, byte: u8) -> bool {
        // There is room.
        let _ = self.bytes.push_back(byte);
        let last = self.place.pass(byte);
        if last || self.bytes.is_full() {
            self.whole = self.bytes.len();
            return true;
        }
        false
    }

    fn read(&mut self, buffer: &mut [u8]) -> usize {
        let count = self.whole.min(buffer.len());
        for room in buffer.iter_mut().take(count) {
            *room = self.bytes.pop_front().unwrap_or_default();
        }
        self.whole = self.whole.saturating_sub(count);
        count
    }
}

pub(crate) extern "C" fn on_byte() {
    let ready = critical_section::with(|cs| {
        let mut received = RECEIVED.borrow_ref_mut(cs);
        if received.bytes.is_full() {
            // The byte stays in the device, and the line is held, until the reader has made room.
            interrupt::disable(Line::RadioReceive);
            return true;
        }
        RADIO.receive().is_some_and(|byte| received.push(byte))
    });
    if ready {
        RECEIVED_WAKER.wake();
    }
}

pub(crate) extern "C" fn on_sent() {
    RADIO.told();
    SENT_WAKER.wake();
}

/// Packets from the controller.
pub struct Receiver(());

impl Receiver {
    fn poll(&mut self, cx: &mut Context<'_>, buffer: &mut [u8]) -> Poll<usize> {
        RECEIVED_WAKER.register(cx.waker());
        let count = critical_section::with(|cs| RECEIVED.borrow_ref_mut(cs).read(buffer));
        if count == 0 && !buffer.is_empty() {
            return Poll::Pending;
        }
        interrupt::enable(Line::RadioReceive);
        Poll::Ready(count)
    }
}

impl ErrorType for Receiver {
    type Error = Infallible;
}

impl Read for Receiver {
    async fn read(&mut self, buffer: &mut [u8]) -> Result<usize, Infallible> {
        Ok(poll_fn(|cx| self.poll(cx, buffer)).await)
    }
}

/// Packets to the controller.
pub struct Sender(());

impl Sender {
    fn poll(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<usize> {
        let sent = bytes
            .iter()
            .take_while(|byte| {
                let room = RADIO.can_send();
                if room {
                    RADIO.send(**byte);
                }
                room
            })
            .count();
        if sent > 0 || bytes.is_empty() {
            return Poll::Ready(sent);
        }
        SENT_WAKER.register(cx.waker());
        RADIO.tell_when_sent();
        // Sent before that took effect: nobody will tell.
        if RADIO.can_send() {
            cx.waker().wake_by_ref();
        }
        Poll::Pending
    }
}

impl ErrorType for Sender {
    type Error = Infallible;
}

impl Write for Sender {
    async fn write(&mut self, bytes: &[u8]) -> Result<usize, Infallible> {
        Ok(poll_fn(|cx| self.poll(cx, bytes)).await)
    }

    async fn flush(&mut self) -> Result<(), Infallible> {
        Ok(())
    }
}
