//! CBOR forms of the identities that `latchkey-image` defines: `#[cbor(with = …)]` modules, nothing more.

use minicbor::decode::{Decoder, Error as DecodeError};
use minicbor::encode::{Encoder, Error as EncodeError, Write};

fn exactly<const N: usize>(d: &mut Decoder<'_>) -> Result<[u8; N], DecodeError> {
    let at = d.position();
    d.bytes()?
        .try_into()
        .map_err(|_| DecodeError::message("byte string of another length").at(at))
}

pub(crate) mod digest {
    use super::*;
    use latchkey_image::ImageDigest;

    pub(crate) fn encode<C, W: Write>(
        v: &ImageDigest,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&v.0)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<ImageDigest, DecodeError> {
        exactly(d).map(ImageDigest)
    }
}

pub(crate) mod uuid {
    use super::*;
    use latchkey_image::Uuid;

    pub(crate) fn encode<C, W: Write>(
        v: &Uuid,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.bytes(&v.0)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Uuid, DecodeError> {
        exactly(d).map(Uuid)
    }
}

pub(crate) mod counter {
    use super::*;
    use latchkey_image::SecurityCounter;

    pub(crate) fn encode<C, W: Write>(
        v: &SecurityCounter,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.u32(v.0)?.ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<SecurityCounter, DecodeError> {
        d.u32().map(SecurityCounter)
    }
}

pub(crate) mod version {
    use super::*;
    use latchkey_image::Version;

    pub(crate) fn encode<C, W: Write>(
        v: &Version,
        e: &mut Encoder<W>,
        _: &mut C,
    ) -> Result<(), EncodeError<W::Error>> {
        e.array(4)?
            .u8(v.major)?
            .u8(v.minor)?
            .u16(v.revision)?
            .u32(v.build)?
            .ok()
    }

    pub(crate) fn decode<C>(d: &mut Decoder<'_>, _: &mut C) -> Result<Version, DecodeError> {
        let at = d.position();
        if d.array()? != Some(4) {
            return Err(DecodeError::message("a version is an array of four").at(at));
        }
        Ok(Version {
            major: d.u8()?,
            minor: d.u8()?,
            revision: d.u16()?,
            build: d.u32()?,
        })
    }
}
