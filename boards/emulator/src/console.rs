//! The console: UART0, for people and for the laboratory's tools.
//!
//! Writing waits for the one-byte FIFO, but not for ever: when nobody takes the bytes they are dropped, so a
//! console can never hold up a boot. What is typed waits in a small buffer, in whole lines; what does not fit
//! is dropped.

use core::fmt;

use crate::uart::CONSOLE;

/// How often a full FIFO is looked at before the byte is dropped; about 10 ms.
const PATIENCE: u32 = 50_000;

/// A writer to UART0.
///
/// Bytes only, so several may exist; their lines may then mix.
pub struct Console(());

impl Console {
    /// Switches the transmitter on.
    #[must_use]
    pub fn new() -> Self {
        CONSOLE.send_on();
        Self(())
    }

    /// Writes bytes as they are; drops what nobody takes.
    pub fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            if (0..PATIENCE).all(|_| !CONSOLE.can_send()) {
                return;
            }
            CONSOLE.send(*byte);
        }
    }
}

impl Default for Console {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        self.write(text.as_bytes());
        Ok(())
    }
}

#[cfg(feature = "app")]
pub(crate) use input::on_byte;
#[cfg(feature = "app")]
pub use input::{LINE_MAX, Lines};

#[cfg(feature = "app")]
mod input {
    //! What is typed on the console.

    use core::cell::RefCell;
    use core::future::poll_fn;
    use core::sync::atomic::{AtomicBool, Ordering};
    use core::task::{Context, Poll};

    use critical_section::Mutex;
    use embassy_sync::waitqueue::AtomicWaker;
    use heapless::{Deque, Vec};

    use crate::interrupt::{self, Line};
    use crate::uart::CONSOLE;

    /// The longest line, in bytes; of a longer one the end is lost.
    pub const LINE_MAX: usize = 64;
    /// Bytes that wait.
    const WAITING: usize = 256;

    static TYPED: Mutex<RefCell<Typed>> = Mutex::new(RefCell::new(Typed::new()));
    static WAKER: AtomicWaker = AtomicWaker::new();
    static TAKEN: AtomicBool = AtomicBool::new(false);

    struct Typed {
        bytes: Deque<u8, WAITING>,
        /// Whole lines among them.
        lines: usize,
    }

    impl Typed {
        const fn new() -> Self {
            Self {
                bytes: Deque::new(),
                lines: 0,
            }
        }

        /// Takes in a byte; says whether it ends a line.
        fn push(&mut self, byte: u8) -> bool {
            let ends = byte == b'\n' || byte == b'\r';
            // The last place is for the end of the line, which is then never what is dropped.
            let room = self.bytes.len() < if ends { WAITING } else { WAITING - 1 };
            if room && self.bytes.push_back(byte).is_ok() && ends {
                self.lines = self.lines.saturating_add(1);
                return true;
            }
            false
        }

        fn pop(&mut self) -> Option<Vec<u8, LINE_MAX>> {
            self.lines = self.lines.checked_sub(1)?;
            let mut line = Vec::new();
            while let Some(byte) = self.bytes.pop_front() {
                if byte == b'\n' || byte == b'\r' {
                    break;
                }
                let _ = line.push(byte);
            }
            Some(line)
        }
    }

    /// The lines that are typed. There is one reader.
    pub struct Lines(());

    impl Lines {
        /// Switches the receiver on; `None` when it has been taken before.
        #[must_use]
        pub fn take() -> Option<Self> {
            if TAKEN.swap(true, Ordering::Relaxed) {
                return None;
            }
            CONSOLE.receive_on();
            interrupt::enable(Line::ConsoleReceive);
            Some(Self(()))
        }

        /// The next line, without its end.
        pub async fn next(&mut self) -> Vec<u8, LINE_MAX> {
            poll_fn(|cx| self.poll(cx)).await
        }

        fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Vec<u8, LINE_MAX>> {
            WAKER.register(cx.waker());
            let line = critical_section::with(|cs| TYPED.borrow_ref_mut(cs).pop());
            line.map_or(Poll::Pending, Poll::Ready)
        }
    }

    pub(crate) extern "C" fn on_byte() {
        let Some(byte) = CONSOLE.receive() else { return };
        if critical_section::with(|cs| TYPED.borrow_ref_mut(cs).push(byte)) {
            WAKER.wake();
        }
    }
}
