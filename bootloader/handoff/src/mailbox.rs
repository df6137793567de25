//! What the app tells the bootloader: which image it has confirmed, how far a download is, what to install.
//!
//! One record is the whole of it, so a confirmation and a request can never be half there. The app writes;
//! the bootloader only reads, and believes nothing: a request is a wish, which the bootloader's own check
//! of the image grants or refuses. A body that does not decode asks for nothing.

use embedded_storage::nor_flash::{NorFlash, ReadNorFlash};

use crate::fields::{Reader, Writer};
use crate::id::ImageId;
use crate::journal::{Body, Journal, JournalError, newest};

const LAYOUT: u8 = 1;
const NO_IMAGE: ImageId = ImageId([0; 16]);

/// The newest word of the app.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Mailbox {
    /// The image that passed its own self-test. Counts while that image is the one in ACTIVE; leave it in
    /// place when a download begins.
    pub confirmed: Option<ImageId>,
    /// What the DFU slot is used for.
    pub staging: Staging,
}

/// What the DFU slot is used for, as the app sees it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Staging {
    /// Nothing of the app's.
    #[default]
    Nothing,
    /// An image is on its way in.
    Download(Download),
    /// An image is complete; the bootloader shall install it at the next start.
    Request(Request),
}

/// An image on its way into the DFU slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Download {
    /// Which.
    pub image: ImageId,
    /// How long it will be, in bytes.
    pub size: u32,
    /// Pages that are written and will not be written again. The page after them may be torn.
    pub pages_done: u16,
}

/// An image to install.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request {
    /// Any number other than [`BootReport::handled`](crate::BootReport::handled), by habit the next one:
    /// each is handled once.
    pub serial: u32,
    /// What the DFU slot has to hold.
    pub image: ImageId,
}

impl Mailbox {
    /// Opens the mailbox's two pages and settles them.
    ///
    /// # Errors
    /// When the flash fails or is not two pages.
    pub fn open<F: NorFlash>(flash: F) -> Result<(Journal<F>, Self), JournalError<F::Error>> {
        let journal = Journal::open(flash)?;
        let mailbox = Self::decode(journal.newest());
        Ok((journal, mailbox))
    }

    /// Reads a mailbox that is settled, without writing.
    ///
    /// # Errors
    /// When the flash fails.
    pub fn read<F: ReadNorFlash>(flash: &mut F) -> Result<Self, F::Error> {
        Ok(Self::decode(newest(flash)?.as_ref()))
    }

    /// Makes this the newest word.
    ///
    /// # Errors
    /// When the flash fails; the newest word is then the old or this one.
    pub fn post<F: NorFlash>(&self, journal: &mut Journal<F>) -> Result<(), JournalError<F::Error>> {
        journal.append(&self.encode())
    }

    fn encode(&self) -> Body {
        let confirmed = self.confirmed.unwrap_or(NO_IMAGE);
        let (tag, image, first, second) = match self.staging {
            Staging::Nothing => (0, NO_IMAGE, 0, 0),
            Staging::Download(download) => (1, download.image, download.size, download.pages_done),
            Staging::Request(request) => (2, request.image, request.serial, 0),
        };
        Writer::new()
            .put([LAYOUT, u8::from(self.confirmed.is_some()), tag])
            .put(confirmed.0)
            .put(image.0)
            .put(first.to_le_bytes())
            .put(second.to_le_bytes())
            .finish()
    }

    fn decode(body: Option<&Body>) -> Self {
        body.and_then(Self::parse).unwrap_or_default()
    }

    fn parse(body: &Body) -> Option<Self> {
        let mut fields = Reader::new(body);
        let [layout, confirmed, tag] = fields.bytes()?;
        let known = ImageId(fields.bytes()?);
        let image = ImageId(fields.bytes()?);
        let (first, second) = (fields.u32()?, fields.u16()?);
        let staging = match tag {
            0 => Staging::Nothing,
            1 => Staging::Download(Download {
                image,
                size: first,
                pages_done: second,
            }),
            2 => Staging::Request(Request { serial: first, image }),
            _ => return None,
        };
        let confirmed = match confirmed {
            0 => None,
            1 => Some(known),
            _ => return None,
        };
        (layout == LAYOUT).then_some(Self { confirmed, staging })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_of_the_app_comes_back() {
        let image = ImageId([7; 16]);
        for confirmed in [None, Some(ImageId([9; 16]))] {
            for staging in [
                Staging::Nothing,
                Staging::Download(Download {
                    image,
                    size: 0x1234_5678,
                    pages_done: 0x9abc,
                }),
                Staging::Request(Request {
                    serial: 0xffff_fffe,
                    image,
                }),
            ] {
                let mailbox = Mailbox { confirmed, staging };
                assert_eq!(Mailbox::decode(Some(&mailbox.encode())), mailbox);
            }
        }
    }

    #[test]
    fn a_body_of_another_layout_asks_for_nothing() {
        for body in [[0; 52], [0xff; 52], [2; 52]] {
            assert_eq!(Mailbox::decode(Some(&body)), Mailbox::default());
        }
    }
}
