//! Flash in memory, of which only the pages that were ever written take room: a fleet of locks has many chips.

use std::collections::BTreeMap;
use std::convert::Infallible;

use embedded_storage::nor_flash::{ErrorType, NorFlash, ReadNorFlash};
use latchkey_handoff::layout::{FLASH, PAGE};

const PAGE_BYTES: usize = PAGE as usize;

/// One lock's chip, blank at first. Its power is never cut; `tests/simulator` does that.
#[derive(Default)]
pub(crate) struct Flash(BTreeMap<u32, Box<[u8; PAGE_BYTES]>>);

impl ErrorType for Flash {
    type Error = Infallible;
}

/// The pieces of `length` bytes from `offset` on: which page, from where in it, how many bytes.
fn pieces(offset: u32, length: usize) -> impl Iterator<Item = (u32, usize, usize)> {
    let (mut at, mut left) = (offset as usize, length);
    std::iter::from_fn(move || {
        let within = at % PAGE_BYTES;
        let piece = left.min(PAGE_BYTES - within);
        let page = (at / PAGE_BYTES) as u32;
        at += piece;
        left -= piece;
        (piece > 0).then_some((page, within, piece))
    })
}

impl ReadNorFlash for Flash {
    const READ_SIZE: usize = 4;

    fn read(&mut self, offset: u32, bytes: &mut [u8]) -> Result<(), Infallible> {
        let mut done = 0;
        for (page, within, piece) in pieces(offset, bytes.len()) {
            let into = &mut bytes[done..][..piece];
            match self.0.get(&page) {
                Some(written) => into.copy_from_slice(&written[within..][..piece]),
                None => into.fill(0xff),
            }
            done += piece;
        }
        Ok(())
    }

    fn capacity(&self) -> usize {
        FLASH as usize
    }
}

impl NorFlash for Flash {
    const WRITE_SIZE: usize = 4;
    const ERASE_SIZE: usize = PAGE_BYTES;

    fn erase(&mut self, from: u32, to: u32) -> Result<(), Infallible> {
        self.0.retain(|page, _| !(from / PAGE..to / PAGE).contains(page));
        Ok(())
    }

    fn write(&mut self, offset: u32, bytes: &[u8]) -> Result<(), Infallible> {
        let mut done = 0;
        for (page, within, piece) in pieces(offset, bytes.len()) {
            let page = self.0.entry(page).or_insert_with(|| Box::new([0xff; PAGE_BYTES]));
            for (at, byte) in page[within..].iter_mut().zip(&bytes[done..][..piece]) {
                *at &= byte;
            }
            done += piece;
        }
        Ok(())
    }
}
