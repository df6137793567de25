//! An invitation as people pass it on: the credentials that an administrator had the lock make, as one word.
//!
//! It is a secret and opens the door; whoever has it should be the one it was made for.

use base64ct::{Base64UrlUnpadded, Encoding as _};
use latchkey_phone::Credentials;
use zeroize::Zeroizing;

const START: &str = "latchkey:";

/// As one word.
pub(crate) fn write(credentials: &Credentials) -> String {
    credentials.expose(|bytes| format!("{START}{}", Base64UrlUnpadded::encode_string(bytes)))
}

/// Reads it back.
pub(crate) fn read(text: &str) -> Result<Credentials, String> {
    const NONE: &str = "this is no invitation; copy all of it, from `latchkey:` to its end";
    let coded = text.trim().strip_prefix(START).ok_or(NONE)?;
    let mut bytes = Zeroizing::new([0; Credentials::LENGTH]);
    let decoded = Base64UrlUnpadded::decode(coded, &mut *bytes).map_err(|_| NONE)?;
    if decoded.len() != Credentials::LENGTH {
        return Err(NONE.to_owned());
    }
    Credentials::from_bytes(&mut bytes).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use latchkey_protocol::key::SharedKey;
    use latchkey_protocol::pairing::Family;
    use latchkey_protocol::value::{AppId, AuthorizationId, LockUuid};

    use super::*;

    fn invitation() -> String {
        let key = SharedKey::from_bytes(&mut [7; 32]);
        let id = AuthorizationId(5);
        write(&Credentials::invited(
            Family::ToFourth,
            LockUuid([1; 16]),
            id,
            AppId(9),
            key,
        ))
    }

    #[test]
    fn it_reads_back() {
        let word = invitation();
        assert_eq!(write(&read(&format!(" {word}\n")).ok().unwrap()), word);
    }

    #[test]
    fn what_is_cut_lengthened_or_changed_in_form_is_none() {
        let word = invitation();
        for end in 0..word.len() {
            assert!(read(&word[..end]).is_err(), "{end}");
        }
        assert!(read(&format!("{word}A")).is_err());
        assert!(read(&word.replace("latchkey:AQ", "latchkey:AB")).is_err());
        assert!(read("https://example.org/").is_err());
    }
}
