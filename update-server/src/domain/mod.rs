//! What the update server decides. No module here knows HTTP, and each change to the fleet goes through
//! [`crate::store::Store::change`], which writes the audit record first.

pub mod access;
pub mod admission;
#[cfg(test)]
mod again;
#[cfg(test)]
mod answered;
pub mod attempt;
pub mod audit;
pub mod bound;
pub mod check_in;
pub mod clone;
pub mod cohort;
pub mod decision;
pub mod device;
pub mod document;
pub mod fleet;
pub mod gate;
pub mod hawkbit;
pub(crate) mod hearing;
pub mod hours;
pub mod import;
pub mod incident;
pub mod instance;
pub mod lifetime;
pub mod moves;
pub mod owner;
pub mod policy;
pub mod presence;
pub mod preview;
pub mod reach;
pub mod release;
pub mod report;
pub mod rollout;
pub mod second;
pub mod session;
pub mod share;
pub mod signed_in;
pub mod signers;
pub mod stage;
pub mod step;
pub mod story;
mod swu;
pub mod throttle;
pub mod tuf;
pub mod watch;
pub mod webhook;
pub mod wishes;

/// An enum whose values have one spelling each, in the database, in JSON and on the command line.
macro_rules! spelled {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $text:tt,)+ }) => {
        #[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        $(#[$doc])*
        pub enum $name { $($(#[$variant_doc])* #[serde(rename = $text)] $variant,)+ }

        impl $name {
            /// Every value.
            pub const ALL: &[Self] = &[$(Self::$variant),+];

            /// The one spelling of this value.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text,)+ }
            }

            /// The value of this spelling.
            #[must_use]
            pub fn parse(text: &str) -> Option<Self> {
                Self::ALL.iter().copied().find(|value| value.as_str() == text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(self.as_str())
            }
        }

        impl std::str::FromStr for $name {
            type Err = String;
            fn from_str(text: &str) -> Result<Self, String> {
                let all: Vec<_> = Self::ALL.iter().map(|value| value.as_str()).collect();
                Self::parse(text).ok_or_else(|| format!("{text:?} is none of {}", all.join(", ")))
            }
        }
    };
}
pub(crate) use spelled;
