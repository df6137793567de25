//! Advertisements as operating systems hand them out: taken apart. Put together again, there is one place that knows
//! what a lock says.

use std::collections::HashMap;

use latchkey_protocol::advertising::Advertisement;

const SERVICE_DATA_128: u8 = 0x21;
const MANUFACTURER_DATA: u8 = 0xFF;

/// What a lock says by data of manufacturers; `None` when no lock says this.
pub(super) fn by_manufacturers(data: &HashMap<u16, Vec<u8>>) -> Option<Advertisement> {
    data.iter()
        .find_map(|(company, content)| read(MANUFACTURER_DATA, &company.to_le_bytes(), content))
}

/// Likewise, by data of services.
pub(super) fn by_services<'a>(data: impl Iterator<Item = (u128, &'a Vec<u8>)>) -> Option<Advertisement> {
    let mut data = data;
    data.find_map(|(service, content)| read(SERVICE_DATA_128, &service.to_le_bytes(), content))
}

fn read(kind: u8, head: &[u8], content: &[u8]) -> Option<Advertisement> {
    let length = head.len().checked_add(content.len())?.checked_add(1)?;
    let structure = [&[u8::try_from(length).ok()?, kind], head, content].concat();
    Advertisement::read(&structure).ok()
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::gatt;
    use latchkey_protocol::pairing::Family;
    use latchkey_protocol::value::NukiId;

    use super::*;

    const ID: u32 = 0x1234_ABCD;

    #[test]
    fn what_a_lock_advertises_is_known_by_its_parts() {
        let id = NukiId::new(ID).unwrap();
        let door = Advertisement::DoorMode {
            id,
            state_changed: true,
        };
        // Behind flags (3 bytes), length, kind and company.
        let content = door.data().as_bytes()[3 + 4..].to_vec();
        assert_eq!(by_manufacturers(&HashMap::from([(0x4C, content)])), Some(door));
        let content = ID.to_be_bytes().to_vec();
        assert_eq!(
            by_services([(gatt::PAIRING_SERVICE, &content)].into_iter()),
            Some(Advertisement::Pairing(Family::ToFourth, id))
        );
    }

    #[test]
    fn others_are_none_and_no_length_matters() {
        for content in [vec![], vec![0; 23], vec![2; 300]] {
            assert_eq!(by_manufacturers(&HashMap::from([(0x4C, content.clone())])), None);
            assert_eq!(by_services([(7, &content)].into_iter()), None);
        }
    }
}
