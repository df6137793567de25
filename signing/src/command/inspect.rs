//! `inspect`: what is in an image, as far as it can be made out, and whether its form would be accepted.
//!
//! For people who ask why. It decides nothing, so it reads on where the parser of `latchkey-image` has long
//! refused; the verdict it prints is that parser's.

use std::path::Path;

use latchkey_image::build::ImageFile;
use latchkey_image::{Bytes, EXAMPLE_KEY_HASHES, Hardware, Image, Uuid, tlv};
use serde_json::{Value, json};

use super::print;
use crate::failure::Failure;
use crate::files;

pub(super) fn run(path: &Path, json: bool) -> Result<(), Failure> {
    let bytes = files::read(path)?;
    let header = Header::read(&bytes).ok_or_else(|| {
        Failure::refused(
            path,
            "too short for an image header; is it an image? `latchkey-sign sign` makes one",
        )
    })?;
    let facts = header.facts(&bytes);
    let areas = header.areas(&bytes);
    let verdict = verdict(&bytes);
    if json {
        let areas: Vec<Value> = areas.iter().map(Area::facts).collect();
        print(
            &json!({ "header": facts, "areas": areas, "verdict": verdict }),
            true,
        );
        return Ok(());
    }
    print(&facts, false);
    for area in &areas {
        println!("\n{} area at {:#x}, {} bytes", area.name, area.at, area.length);
        for entry in &area.entries {
            println!(
                "  {:#06x}  {:16} {:4}  {}",
                entry.kind,
                entry.name(),
                entry.value.len(),
                entry.meaning()
            );
        }
        if !area.whole {
            println!("  (the rest is cut short)");
        }
    }
    println!();
    print(&verdict, false);
    Ok(())
}

/// Whether the container's form and digest would be accepted. Signatures need a policy: that is `verify`.
fn verdict(bytes: &[u8]) -> Value {
    let mut flash = Bytes::new(bytes);
    match Image::parse(&mut flash)
        .map(drop)
        .and_then(|()| ImageFile::open(bytes.to_vec()))
    {
        Ok(file) => json!({
            "form": "acceptable; whose signatures these are, `latchkey-sign verify` tells",
            "image_digest": file.digest().to_string(),
        }),
        Err(refusal) => json!({ "form": format!("refused: {refusal}"), "code": refusal.code() }),
    }
}

/// The header's fields, whatever they hold.
struct Header {
    magic: u32,
    load_address: u32,
    header_size: u16,
    protected_size: u16,
    payload_size: u32,
    flags: u32,
    version: String,
}

impl Header {
    fn read(bytes: &[u8]) -> Option<Self> {
        let raw: &[u8; 32] = bytes.first_chunk()?;
        let u32_at = |at: usize| Some(u32::from_le_bytes(*raw.get(at..)?.first_chunk()?));
        let u16_at = |at: usize| Some(u16::from_le_bytes(*raw.get(at..)?.first_chunk()?));
        let (major, minor) = (raw.get(20)?, raw.get(21)?);
        Some(Self {
            magic: u32_at(0)?,
            load_address: u32_at(4)?,
            header_size: u16_at(8)?,
            protected_size: u16_at(10)?,
            payload_size: u32_at(12)?,
            flags: u32_at(16)?,
            version: format!("{major}.{minor}.{}+{}", u16_at(22)?, u32_at(24)?),
        })
    }

    fn facts(&self, bytes: &[u8]) -> Value {
        json!({
            "version": self.version,
            "magic": format!("{:#010x}", self.magic),
            "header_size": self.header_size,
            "payload_size": self.payload_size,
            "protected_size": self.protected_size,
            "flags": flag_names(self.flags),
            "load_address": format!("{:#010x}", self.load_address),
            "file_size": bytes.len(),
        })
    }

    /// The areas behind the payload: a protected one and another, one of them, or none.
    fn areas(&self, bytes: &[u8]) -> Vec<Area> {
        let mut areas = Vec::new();
        let mut at = u64::from(self.header_size).saturating_add(self.payload_size.into());
        for magic in [tlv::PROTECTED_MAGIC, tlv::MAGIC] {
            let area = usize::try_from(at)
                .ok()
                .and_then(|at| Area::read(bytes, at, magic));
            at = at.saturating_add(area.as_ref().map_or(0, |area| area.length.into()));
            areas.extend(area);
        }
        areas
    }
}

fn flag_names(flags: u32) -> Vec<String> {
    const NAMES: [(u32, &str); 9] = [
        (0x1, "position independent"),
        (0x4, "encrypted (AES-128)"),
        (0x8, "encrypted (AES-256)"),
        (0x10, "not bootable"),
        (0x20, "runs from RAM"),
        (0x100, "fixed ROM address"),
        (0x200, "compressed (LZMA1)"),
        (0x400, "compressed (LZMA2)"),
        (0x800, "compressed (ARM Thumb filter)"),
    ];
    let known = NAMES.iter().fold(0, |known, (flag, _)| known | flag);
    let names = NAMES
        .iter()
        .filter(|(flag, _)| flags & flag != 0)
        .map(|(_, name)| (*name).to_owned());
    let unknown = Some(flags & !known).filter(|unknown| *unknown != 0);
    names
        .chain(unknown.map(|unknown| format!("unknown {unknown:#x}")))
        .collect()
}

/// One area of entries.
struct Area {
    name: &'static str,
    at: usize,
    length: u16,
    entries: Vec<Entry>,
    /// Whether all entries lie inside.
    whole: bool,
}

struct Entry {
    kind: u16,
    value: Vec<u8>,
}

impl Area {
    fn read(bytes: &[u8], at: usize, magic: u16) -> Option<Self> {
        let rest = bytes.get(at..)?;
        let (_, length) = head(rest).filter(|(found, _)| *found == magic)?;
        let name = if magic == tlv::MAGIC {
            "unprotected"
        } else {
            "protected"
        };
        let mut inside = rest
            .get(4..usize::from(length).min(rest.len()))
            .unwrap_or_default();
        let mut entries = Vec::new();
        while let Some((kind, length)) = head(inside) {
            let Some(value) = inside.get(4..).and_then(|rest| rest.get(..usize::from(length))) else {
                break;
            };
            entries.push(Entry {
                kind,
                value: value.to_vec(),
            });
            inside = inside.get(value.len().saturating_add(4)..).unwrap_or_default();
        }
        let whole = inside.is_empty() && usize::from(length) <= rest.len();
        Some(Self {
            name,
            at,
            length,
            entries,
            whole,
        })
    }

    fn facts(&self) -> Value {
        let entries = self.entries.iter().map(|entry| {
            json!({ "kind": entry.kind, "name": entry.name(), "length": entry.value.len(), "value": hex::encode(&entry.value) })
        });
        json!({
            "name": self.name,
            "offset": self.at,
            "length": self.length,
            "whole": self.whole,
            "entries": entries.collect::<Vec<_>>(),
        })
    }
}

fn head(bytes: &[u8]) -> Option<(u16, u16)> {
    let [a, b, c, d] = *bytes.first_chunk()?;
    Some((u16::from_le_bytes([a, b]), u16::from_le_bytes([c, d])))
}

impl Entry {
    fn name(&self) -> &'static str {
        match self.kind {
            tlv::KEYHASH => "KEYHASH",
            tlv::PUBKEY => "PUBKEY",
            tlv::SHA256 => "SHA256",
            tlv::SHA384 => "SHA384",
            tlv::SHA512 => "SHA512",
            tlv::RSA2048 => "RSA2048",
            tlv::ECDSA224 | tlv::ECDSA => "ECDSA",
            tlv::RSA3072 => "RSA3072",
            tlv::ED25519 => "ED25519",
            tlv::SIG_PURE => "SIG_PURE",
            tlv::ENCRYPTION_FIRST..=tlv::ENCRYPTION_LAST => "ENCRYPTION",
            tlv::DEPENDENCY => "DEPENDENCY",
            tlv::SEC_CNT => "SEC_CNT",
            tlv::BOOT_RECORD => "BOOT_RECORD",
            tlv::COMPRESSION_FIRST..=tlv::COMPRESSION_LAST => "COMPRESSION",
            tlv::UUID_VID => "UUID_VID",
            tlv::UUID_CID => "UUID_CID",
            tlv::MIN_VERSION => "MIN_VERSION",
            kind if (tlv::VENDOR_FIRST..=tlv::VENDOR_LAST).contains(&kind) => "vendor",
            _ => "unknown",
        }
    }

    /// The value for people.
    fn meaning(&self) -> String {
        let value = self.value.as_slice();
        match (self.kind, value) {
            (tlv::SEC_CNT, [a, b, c, d]) => u32::from_le_bytes([*a, *b, *c, *d]).to_string(),
            (tlv::UUID_VID | tlv::UUID_CID, _) => uuid_meaning(value),
            (tlv::MIN_VERSION, [major, minor, r0, r1, b0, b1, b2, b3]) => {
                let build = u32::from_le_bytes([*b0, *b1, *b2, *b3]);
                format!("{major}.{minor}.{}+{build}", u16::from_le_bytes([*r0, *r1]))
            }
            (tlv::KEYHASH, _) if EXAMPLE_KEY_HASHES.iter().any(|hash| hash == value) => {
                format!("{} (an example key)", hex::encode(value))
            }
            _ => hex::encode(value),
        }
    }
}

fn uuid_meaning(value: &[u8]) -> String {
    let Ok(bytes) = value.try_into() else {
        return hex::encode(value);
    };
    let uuid = Uuid(bytes);
    let known = Hardware::ALL.into_iter().find_map(|hardware| match uuid {
        _ if uuid == hardware.vendor => Some(hardware.vendor_name),
        _ if uuid == hardware.class => Some(hardware.class_name),
        _ => None,
    });
    known.map_or(uuid.to_string(), |name| format!("{uuid} ({name})"))
}
