//! `sign`: from a program to a signed image, or from a signed image to one signed by one key more.
//!
//! Looks before it signs: the key is no example, the program has a vector table for its slot, the counter is not
//! below the release's before.

use std::path::Path;

use latchkey_image::build::{Description, ImageFile};
use latchkey_image::{Bytes, Image, Refusal, SecurityCounter, Uuid};
use serde_json::{Value, json};

use super::print;
use crate::arguments::{Identity, Place, Sign};
use crate::failure::Failure;
use crate::files::{self, Access};
use crate::place;
use crate::secret::{self, PrivateKey};

/// What the boards' programs are linked for.
const DEFAULT_HEADER_SIZE: u32 = 0x200;

pub(super) fn run(arguments: &Sign, json: bool) -> Result<(), Failure> {
    let input = files::read(&arguments.input)?;
    let mut image = if files::is_image(&input) {
        refuse_identity(&arguments.identity)?;
        ImageFile::open(input).map_err(|refusal| Failure::refused(&arguments.input, refusal))?
    } else {
        describe(&arguments.identity)?
            .build(&input)
            .map_err(|error| Failure::refused(&arguments.input, error))?
    };
    check(&image, arguments)?;
    match (&arguments.key, &arguments.digest_out) {
        (Some(path), _) => add_signature(&mut image, path, arguments)?,
        (None, Some(path)) => files::create(path, &image.digest().0, Access::Usual)?,
        (None, None) => return Err(Failure::Usage("give --key or --digest-out".into())),
    }
    files::replace_image(&arguments.output, image.as_bytes())?;
    print(&facts(&image, &arguments.output), json);
    if let (Some(path), false) = (&arguments.digest_out, json) {
        println!(
            "next: sign the 32 bytes in {} with plain Ed25519, then `latchkey-sign attach --signature FILE --public PUB {1} {1}`",
            path.display(),
            arguments.output.display()
        );
    }
    Ok(())
}

/// What `sign` and `attach` say of what they wrote.
pub(super) fn facts(image: &ImageFile, path: &Path) -> Value {
    json!({
        "file": path,
        "image_digest": image.digest().to_string(),
        "size": image.as_bytes().len(),
        "signers": image.signers().iter().map(hex::encode).collect::<Vec<_>>(),
    })
}

fn add_signature(image: &mut ImageFile, path: &Path, arguments: &Sign) -> Result<(), Failure> {
    let key = PrivateKey::load(path, &arguments.passphrase)?;
    secret::refuse_example(&key.public(), arguments.allow_example_keys, path)?;
    image
        .sign(key.expose())
        .map_err(|error| Failure::refused(&arguments.input, error))
}

/// All that an image says of itself must be said once, by whoever makes it.
fn describe(identity: &Identity) -> Result<Description, Failure> {
    let missing = |option: &str| Failure::Usage(format!("a new image needs {option}"));
    let name = |option: &'static str| move |error| Failure::Refused(format!("{option}: {error}"));
    let vid = identity.vid.as_deref().ok_or_else(|| missing("--vid"))?;
    let cid = identity.cid.as_deref().ok_or_else(|| missing("--cid"))?;
    let vendor = Uuid::vendor(vid).map_err(name("--vid"))?;
    Ok(Description {
        version: identity.version.ok_or_else(|| missing("--version"))?,
        counter: SecurityCounter(
            identity
                .security_counter
                .ok_or_else(|| missing("--security-counter"))?,
        ),
        vendor,
        class: Uuid::class(vendor, cid).map_err(name("--cid"))?,
        min_version: identity.min_version,
        header_size: u16::try_from(identity.header_size.unwrap_or(DEFAULT_HEADER_SIZE))
            .map_err(|_| Failure::Refused(Refusal::HeaderSize { size: u16::MAX }.to_string()))?,
    })
}

/// What an image says of itself is signed; a second signer cannot say otherwise.
fn refuse_identity(identity: &Identity) -> Result<(), Failure> {
    let given = [
        (identity.version.is_some(), "--version"),
        (identity.security_counter.is_some(), "--security-counter"),
        (identity.vid.is_some(), "--vid"),
        (identity.cid.is_some(), "--cid"),
        (identity.min_version.is_some(), "--min-version"),
        (identity.header_size.is_some(), "--header-size"),
    ];
    match given.iter().find(|(given, _)| *given) {
        Some((_, option)) => Err(Failure::Usage(format!(
            "the input is an image already and its fields are fixed; leave {option} away to add a signature"
        ))),
        None => Ok(()),
    }
}

/// What must hold before a signature is put to it.
fn check(file: &ImageFile, arguments: &Sign) -> Result<(), Failure> {
    let refused = |refusal: Refusal| Failure::refused(&arguments.input, refusal);
    let mut flash = Bytes::new(file.as_bytes());
    let image = Image::parse(&mut flash).map_err(refused)?;
    check_program(file, &image, &arguments.place).map_err(|failure| match failure {
        Failure::Refused(why) => Failure::refused(&arguments.input, why),
        other @ (Failure::Usage(_) | Failure::File(_) | Failure::Key(_)) => other,
    })?;
    let Some(path) = &arguments.previous else {
        return Ok(());
    };
    let previous = ImageFile::open(files::read(path)?).map_err(|refusal| Failure::refused(path, refusal))?;
    let mut flash = Bytes::new(previous.as_bytes());
    let previous = Image::parse(&mut flash).map_err(|refusal| Failure::refused(path, refusal))?;
    if (previous.vendor(), previous.class()) != (image.vendor(), image.class()) {
        return Err(Failure::refused(
            path,
            "is for other hardware; give the release before of the same class",
        ));
    }
    let (offered, floor) = (image.security_counter(), previous.security_counter());
    if offered < floor {
        return Err(refused(Refusal::BelowFloor { offered, floor }));
    }
    Ok(())
}

fn check_program(file: &ImageFile, image: &Image<'_, Bytes<'_>>, place: &Place) -> Result<(), Failure> {
    let Some(slot) = place::slot(place, image.vendor(), image.class())? else {
        return Ok(());
    };
    let offset = usize::try_from(image.payload_offset()).unwrap_or(usize::MAX);
    let vectors = file
        .as_bytes()
        .get(offset..)
        .and_then(|payload| payload.first_chunk());
    let vectors = vectors.ok_or_else(|| Failure::Refused(Refusal::NoPayload.to_string()))?;
    slot.check_size(image.total_size())
        .and_then(|()| slot.check_vectors(image.payload_offset(), image.header().payload_size, *vectors))
        .map_err(|refusal| Failure::Refused(refusal.to_string()))
}
