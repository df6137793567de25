//! What a phone finds when it asks the lock for its services.
//!
//! The table is built in one order, always, so that handles are the same at every connection and in every
//! version: clients keep them. What is added one day is added at the end.

use core::fmt::Write as _;

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use heapless::{String, Vec};
use latchkey_lock::lock::Characteristic as Which;
use latchkey_protocol::gatt;
use latchkey_protocol::value::{NukiId, Version};
use trouble_host::prelude::*;

use super::LINKS;
use super::pool::Pool;
use crate::start::HARDWARE;

/// Attributes in the table: generic access 5, generic attribute 1, pairing 4, keyturner 9, device information 7,
/// SMP 4.
const ATTRIBUTES: usize = 30;

/// A characteristic that locks have and nobody uses; what is written to it is taken and forgotten.
const THIRD: u128 = gatt::KEYTURNER_USER_DATA + (1 << 96);

/// The attribute server of this lock.
pub(super) type Server<'v> = AttributeServer<'v, NoopRawMutex, Pool, ATTRIBUTES, LINKS>;
type Table<'v> = AttributeTable<'v, NoopRawMutex, ATTRIBUTES>;
/// A characteristic whose value is a message passing through; the table keeps none.
type Passing = trouble_host::prelude::Characteristic<[u8]>;

/// How the lock presents itself to whoever asks.
#[derive(Clone, Debug)]
pub struct Presentation {
    /// The name, as advertised too.
    name: String<22>,
    /// Serial number: the lock's id in hexadecimal.
    serial: String<8>,
    /// Firmware revision, `MAJOR.MINOR.PATCH`.
    firmware: String<11>,
    /// Hardware revision, `MAJOR.MINOR`.
    hardware: String<7>,
}

impl Presentation {
    /// That of the lock with this id and firmware.
    pub(crate) fn of(id: NukiId, firmware: Version) -> Self {
        let mut presentation = Self {
            name: String::new(),
            serial: String::new(),
            firmware: String::new(),
            hardware: String::new(),
        };
        let [major, minor] = HARDWARE;
        // Each has room for the longest there is.
        let _ = write!(presentation.name, "Nuki_{id}");
        let _ = write!(presentation.serial, "{id}");
        let _ = write!(presentation.firmware, "{firmware}");
        let _ = write!(presentation.hardware, "{major}.{minor}");
        presentation
    }
}

/// The handles of what messages come and go on.
pub(super) struct Handles {
    pairing: Passing,
    keyturner: Passing,
    user: Passing,
    third: u16,
    smp: Passing,
}

impl Handles {
    /// Which characteristic a client has written.
    pub(super) fn written(&self, handle: u16) -> Option<Which> {
        [
            (self.pairing.handle, Which::Pairing),
            (self.keyturner.handle, Which::Keyturner),
            (self.user.handle, Which::UserData),
        ]
        .into_iter()
        .find_map(|(known, which)| (known == handle).then_some(which))
    }

    /// Whether it is the one that is taken and never read.
    pub(super) fn is_third(&self, handle: u16) -> bool {
        self.third == handle
    }

    /// Whether it is the one for updates.
    pub(super) fn is_smp(&self, handle: u16) -> bool {
        self.smp.handle == handle
    }

    pub(super) fn smp(&self) -> &Passing {
        &self.smp
    }

    pub(super) fn of(&self, which: Which) -> &Passing {
        match which {
            Which::Pairing => &self.pairing,
            Which::Keyturner => &self.keyturner,
            Which::UserData => &self.user,
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

    let mut service = table.add_service(Service::new(gatt::PAIRING_SERVICE));
    let pairing = passing(&mut service, gatt::PAIRING_DATA);
    service.build();

    let mut service = table.add_service(Service::new(gatt::KEYTURNER_SERVICE));
    let keyturner = passing(&mut service, gatt::KEYTURNER_DATA);
    let user = passing(&mut service, gatt::KEYTURNER_USER_DATA);
    let third = service
        .add_characteristic_small(
            THIRD,
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

    let mut service = table.add_service(Service::new(gatt::SMP_SERVICE));
    let smp = service
        .add_characteristic_small(
            gatt::SMP_CHARACTERISTIC,
            [
                CharacteristicProp::WriteWithoutResponse,
                CharacteristicProp::Notify,
            ],
            Vec::<u8, 20>::new(),
        )
        .build()
        .to_raw();
    service.build();

    let handles = Handles {
        pairing,
        keyturner,
        user,
        third: third.handle,
        smp,
    };
    Ok((Server::new(table), handles))
}

fn passing<'d>(service: &mut ServiceBuilder<'_, 'd, NoopRawMutex, ATTRIBUTES>, uuid: u128) -> Passing {
    let props = [CharacteristicProp::Write, CharacteristicProp::Indicate];
    service
        .add_characteristic_small(uuid, props, Vec::<u8, 20>::new())
        .build()
        .to_raw()
}
