//! `attach`: takes back a signature that an offline machine or a token made.

use base64ct::{Base64, Encoding};
use latchkey_image::build::ImageFile;

use super::print;
use super::sign::facts;
use crate::arguments::{Attach, PassphraseSource};
use crate::failure::Failure;
use crate::files;
use crate::secret;

const SIGNATURE_LENGTH: usize = 64;

pub(super) fn run(arguments: &Attach, json: bool) -> Result<(), Failure> {
    let key = secret::load_public(
        &arguments.public,
        &PassphraseSource {
            passphrase_file: None,
        },
    )?;
    secret::refuse_example(&key, arguments.allow_example_keys, &arguments.public)?;
    let signature = decode(files::read(&arguments.signature)?);
    let mut image = ImageFile::open(files::read(&arguments.input)?)
        .map_err(|refusal| Failure::refused(&arguments.input, refusal))?;
    image
        .attach(&key, &signature)
        .map_err(|error| Failure::refused(&arguments.signature, error))?;
    files::replace_image(&arguments.output, image.as_bytes())?;
    print(&facts(&image, &arguments.output), json);
    Ok(())
}

/// Signers hand out 64 raw bytes, or base64 of them as imgtool's `--sig-out` does. Anything else stays what it is
/// and is refused for its length.
fn decode(file: Vec<u8>) -> Vec<u8> {
    if file.len() == SIGNATURE_LENGTH {
        return file;
    }
    std::str::from_utf8(&file)
        .ok()
        .and_then(|text| Base64::decode_vec(text.trim()).ok())
        .filter(|decoded| decoded.len() == SIGNATURE_LENGTH)
        .unwrap_or(file)
}
