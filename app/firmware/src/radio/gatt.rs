//! What a phone finds when it asks the lock for its services.
//!
//! The table is built in one order, always, so that handles are the same at every connection and in every
//! version: clients keep them. What is added one day is added at the end.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use heapless::{String, Vec};
use trouble_host::prelude::*;

use super::{Characteristic as Which, LINKS};

/// Attributes in the table: generic access 5, generic attribute 1, pairing 4, keyturner 9, device information 7.
const ATTRIBUTES: usize = 26;

/// The attribute server of this lock.
pub(super) type Server<'v> = AttributeServer<'v, NoopRawMutex, DefaultPacketPool, ATTRIBUTES, LINKS>;
type Table<'v> = AttributeTable<'v, NoopRawMutex, ATTRIBUTES>;
/// A characteristic whose value is a message passing through; the table keeps none.
type Passing = trouble_host::prelude::Characteristic<[u8]>;

/// How the lock presents itself to whoever asks.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The name, as advertised too.
    pub name: String<22>,
    /// Serial number: the lock's id in hexadecimal.
    pub serial: String<8>,
    /// Firmware revision, `MAJOR.MINOR.PATCH`.
    pub firmware: String<16>,
    /// Hardware revision, `MAJOR.MINOR`.
    pub hardware: String<8>,
}

/// The handles of what messages come and go on.
pub(super) struct Handles {
    pairing: Passing,
    keyturner: Passing,
    user: Passing,
    third: u16,
}

impl Handles {
    /// Which characteristic a client has written.
    pub(super) fn written(&self, handle: u16) -> Option<Which> {
        [
            (self.pairing.handle, Which::Pairing),
            (self.keyturner.handle, Which::Keyturner),
            (self.user.handle, Which::User),
        ]
        .into_iter()
        .find_map(|(known, which)| (known == handle).then_some(which))
    }

    /// Whether it is the one that is taken and never read.
    pub(super) fn is_third(&self, handle: u16) -> bool {
        self.third == handle
    }

    pub(super) fn of(&self, which: Which) -> &Passing {
        match which {
            Which::Pairing => &self.pairing,
            Which::Keyturner => &self.keyturner,
            Which::User => &self.user,
        }
    }
}

/// The table, with the handles that matter.
///
/// # Errors
/// The name is too long for the generic access service.
pub(super) fn build(presentation: &Presentation) -> Result<(Server<'_>, Handles), &'static str> {
    let mut table = Table::new();
    GapConfig::Peripheral(PeripheralConfig {
        name: &presentation.name,
        appearance: &appearance::access_control::ACCESS_LOCK,
    })
    .build(&mut table)?;

    let mut service = table.add_service(Service::new(uuid(0x100)));
    let pairing = passing(&mut service, uuid(0x101));
    service.build();

    let mut service = table.add_service(Service::new(uuid(0x200)));
    let keyturner = passing(&mut service, uuid(0x201));
    let user = passing(&mut service, uuid(0x202));
    let third = service
        .add_characteristic_small(
            uuid(0x203),
            [CharacteristicProp::WriteWithoutResponse],
            Vec::<u8, 20>::new(),
        )
        .build();
    service.build();

    let mut service = table.add_service(Service::new(service::DEVICE_INFORMATION));
    service.add_characteristic_ro(characteristic::SERIAL_NUMBER_STRING, presentation.serial.as_str());
    service.add_characteristic_ro(
        characteristic::FIRMWARE_REVISION_STRING,
        presentation.firmware.as_str(),
    );
    service.add_characteristic_ro(
        characteristic::HARDWARE_REVISION_STRING,
        presentation.hardware.as_str(),
    );
    service.build();

    let handles = Handles {
        pairing,
        keyturner,
        user,
        third: third.handle,
    };
    Ok((Server::new(table), handles))
}

/// A UUID of the lock's own services.
fn uuid(number: u16) -> Uuid {
    let [low, high] = number.to_le_bytes();
    Uuid::new_long([
        0x66,
        0x9a,
        0x0c,
        0x20,
        0x00,
        0x08,
        0x6c,
        0x91,
        0xe4,
        0x11,
        0x01,
        0x55,
        low,
        high | 0xe0,
        0x2e,
        0xa9,
    ])
}

fn passing<'d>(service: &mut ServiceBuilder<'_, 'd, NoopRawMutex, ATTRIBUTES>, uuid: Uuid) -> Passing {
    let props = [CharacteristicProp::Write, CharacteristicProp::Indicate];
    service
        .add_characteristic_small(uuid, props, Vec::<u8, 20>::new())
        .build()
        .to_raw()
}
