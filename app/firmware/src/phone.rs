//! Updates by phone: SMP, wired to the radio, the lock's update window and the whole chip.
//!
//! Carries out what `latchkey_lock::smp` decides and prints what came of it. Knows none of its rules.

use core::cell::RefCell;

use latchkey_handoff::layout::MAP;
use latchkey_lock::lock::{LinkId, Lock};
use latchkey_lock::slot::{Slot, Source, Taken};
use latchkey_lock::smp::{Around, Identity, Outcome, Smp};
use latchkey_lock::update::{Conditions, Standing};

use crate::board::whole;
use crate::keeper::now_ms;
use crate::{Board, trust};

/// The phone's way to the slot, and who has the slot.
pub(crate) struct Phone {
    smp: RefCell<Smp<'static>>,
    slot: RefCell<Slot>,
}

impl Phone {
    /// For a lock that has just started.
    pub(crate) fn new(board: &impl Board, standing: &Standing) -> Self {
        let identity = Identity {
            authority: trust::authority(&board.hardware()),
            running: standing.running,
            // The bootloader installs nothing older than what runs, even where the floor has yet to rise to it.
            floor: standing.floor.max(standing.running.counter),
            map: MAP,
        };
        Self {
            smp: RefCell::new(Smp::new(identity)),
            slot: RefCell::new(Slot::free()),
        }
    }

    /// Takes in what a client wrote.
    pub(crate) fn received(
        &self,
        board: &impl Board,
        lock: &mut Lock,
        conditions: Conditions,
        link: LinkId,
        bytes: &[u8],
    ) {
        let now_ms = now_ms();
        lock.serves_update(link, now_ms);
        let mut around = Around {
            now_ms,
            conditions,
            window: lock.update_window(),
            slot: &mut self.slot.borrow_mut(),
        };
        let mut smp = self.smp.borrow_mut();
        let outcome = smp.receive(link, bytes, &mut around, &mut whole(board));
        if !matches!(outcome, Outcome::Waiting | Outcome::Ignored | Outcome::Answered) {
            board.print(format_args!("phone: {outcome}"));
        }
    }

    /// The next piece to notify.
    pub(crate) fn outgoing(&self, link: LinkId, piece: &mut [u8]) -> Option<usize> {
        self.smp.borrow_mut().outgoing(link, piece)
    }

    /// A client is gone.
    pub(crate) fn disconnected(&self, link: LinkId) {
        self.smp.borrow_mut().disconnected(link);
    }

    /// Does what time has brought. Whether the lock is to be restarted, once nobody is at it.
    pub(crate) fn tick(&self, lock: &mut Lock, conditions: Conditions) -> bool {
        let now_ms = now_ms();
        let mut around = Around {
            now_ms,
            conditions,
            window: lock.update_window(),
            slot: &mut self.slot.borrow_mut(),
        };
        let mut smp = self.smp.borrow_mut();
        smp.settle(&mut around);
        smp.wants_restart(around.window, now_ms)
    }

    /// When [`Self::tick`] is due.
    pub(crate) fn next_deadline(&self, lock: &mut Lock) -> Option<u64> {
        self.smp.borrow().next_deadline(lock.update_window())
    }

    /// Takes the slot for the network.
    pub(crate) fn claim_for_network(&self) -> Result<(), Taken> {
        self.slot.borrow_mut().claim(Source::Network)
    }

    /// The network has asked for an install.
    pub(crate) fn network_asked(&self) {
        self.slot.borrow_mut().asked(Source::Network);
    }

    /// The network is through with the slot for now.
    pub(crate) fn release_from_network(&self) {
        self.slot.borrow_mut().release(Source::Network);
    }
}
