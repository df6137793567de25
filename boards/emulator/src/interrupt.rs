//! The interrupts the lock app uses, and the table of them that the linker puts behind the exceptions.

use cortex_m::interrupt::InterruptNumber;
use cortex_m::peripheral::NVIC;

/// One entry of the vector table.
#[derive(Clone, Copy)]
#[repr(C)]
union Vector {
    handler: unsafe extern "C" fn(),
    reserved: usize,
}

unsafe extern "C" {
    fn DefaultHandler();
}

/// An interrupt line that this crate handles.
#[derive(Clone, Copy)]
#[repr(u16)]
pub(crate) enum Line {
    ConsoleReceive = 0,
    RadioReceive = 2,
    RadioSent = 3,
    Timer0 = 8,
    Timer1 = 9,
    Ethernet = 13,
}

// SAFETY: the numbers are the machine's interrupt lines, and constant.
unsafe impl InterruptNumber for Line {
    fn number(self) -> u16 {
        self as u16
    }
}

/// Lets an interrupt through. Its device is set up, and its handler in [`__INTERRUPTS`].
pub(crate) fn enable(line: Line) {
    // SAFETY: breaks no critical section: each of these handlers protects what it shares by one of its own, and
    // none of them is kept away by masking its line.
    unsafe { NVIC::unmask(line) };
}

/// Holds an interrupt back until it is enabled again; its device goes on asking for it.
pub(crate) fn disable(line: Line) {
    NVIC::mask(line);
}

const LINES: usize = 32;

#[allow(
    clippy::indexing_slicing,
    reason = "at build time: a line outside the table does not compile"
)]
// SAFETY: cortex-m-rt's linker script expects the table of interrupt handlers under this name and section.
#[unsafe(no_mangle)]
#[unsafe(link_section = ".vector_table.interrupts")]
static __INTERRUPTS: [Vector; LINES] = {
    let mut table = [Vector {
        handler: DefaultHandler,
    }; LINES];
    table[Line::ConsoleReceive as usize] = Vector {
        handler: crate::console::on_byte,
    };
    table[Line::RadioReceive as usize] = Vector {
        handler: crate::hci::on_byte,
    };
    table[Line::RadioSent as usize] = Vector {
        handler: crate::hci::on_sent,
    };
    table[Line::Timer0 as usize] = Vector {
        handler: crate::time::on_wrap,
    };
    table[Line::Timer1 as usize] = Vector {
        handler: crate::time::on_alarm,
    };
    table[Line::Ethernet as usize] = Vector {
        handler: crate::net::on_interrupt,
    };
    table
};
