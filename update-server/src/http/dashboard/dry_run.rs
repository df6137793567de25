//! A dry run in words: what each lock of a rollout would be told, were all to call now. Decides nothing: it counts what
//! [`Preview`] was told by the one decision.

use super::page::grouped;
use crate::domain::decision::Verdict;
use crate::domain::preview::{NOT_SEEN, Preview};

/// What each lock would be told, were all to call now.
pub(super) struct DryRun {
    pub(super) offered: String,
    pub(super) versions: Vec<(String, String)>,
    pub(super) others: Vec<(&'static str, String)>,
    pub(super) first: Vec<String>,
    pub(super) more: Option<String>,
}

impl DryRun {
    pub(super) fn new(preview: &Preview) -> Self {
        let offered = Verdict::Offered.word();
        let mut others: Vec<(&'static str, u64)> = Vec::new();
        let mut versions = Vec::new();
        for ((version, word), count) in preview.by_verdict.iter().rev() {
            if *word == offered {
                let version = version.map_or_else(String::new, |version| version.to_string());
                versions.push((version, count_of(*count)));
                continue;
            }
            match others.iter_mut().find(|(known, _)| known == word) {
                Some((_, sum)) => *sum = sum.saturating_add(*count),
                None => others.push((word, *count)),
            }
        }
        others.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        let named = u64::try_from(preview.first.len()).unwrap_or(u64::MAX);
        let more = preview.offered().saturating_sub(named);
        Self {
            offered: count_of(preview.offered()),
            versions,
            others: others
                .into_iter()
                .map(|(word, count)| (told(word), count_of(count)))
                .collect(),
            first: preview.first.iter().map(ToString::to_string).collect(),
            more: (more > 0).then(|| count_of(more)),
        }
    }
}

fn count_of(count: u64) -> String {
    grouped(i64::try_from(count).unwrap_or(i64::MAX))
}

/// Why a lock is not offered it, of many at once; one lock's own page says it in full.
fn told(word: &'static str) -> &'static str {
    match word {
        NOT_SEEN => "have to tell first what they run",
        "already-running" => "run it already",
        "battery-low" => "have too little battery charge now",
        "below-floor" => "do not boot it: its security counter is below theirs",
        "declined" => "are not to have such updates, as their owners wish",
        "needs-step" => "must go through another version first",
        "not-before" => "get it later: it does not begin yet",
        "not-newer" => "run something newer",
        "not-yet" => "are not reached yet",
        "on-trial" => "have another release on trial",
        "other-hardware" => "are of other hardware",
        "out-of-hours" => "get it later: it is the wrong hour where they are",
        "postponed" => "get it later, as their owners wish",
        "refused" => "refused it too often",
        "resting" => "refused it lately, and rest",
        "reverted" => "reverted it",
        "two-with-one-key" => "seem to share their key with another device",
        other => other,
    }
}

/// So many locks, in words.
pub(super) fn locks(count: u64) -> String {
    match count {
        1 => "1 lock".to_owned(),
        count => format!("{} locks", count_of(count)),
    }
}
