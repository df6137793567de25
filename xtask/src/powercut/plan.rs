//! Where the power goes: a plan for each run, from one seed.
//!
//! The seed decides which stages are aimed at and after which part of a stage the power goes. Where exactly
//! the lock is by then depends on this machine; what was hit is therefore read from the chip afterwards.

use fastrand::Rng;
use latchkey_lab::Stage;

/// The stages that must be hit.
pub(crate) const AIMS: [Stage; 4] = [Stage::Download, Stage::Swap, Stage::Trial, Stage::Confirm];
/// Most cuts in one run.
const CUTS_MAX: usize = 5;

/// One cut to make.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Cut {
    /// Wait until the update is at least here; after an earlier cut it may be at once.
    pub(crate) stage: Stage,
    /// Then for this part of the time that the stage usually takes, 0 to 1.
    pub(crate) into: f64,
}

/// The cuts of one run, in the order in which an update comes by them. A stage may be there more than once:
/// then the recovery from the first cut is cut as well.
pub(crate) fn plan(seed: u64, run: u32) -> Vec<Cut> {
    let mut rng = Rng::with_seed(seed ^ u64::from(run).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    // Runs take turns in which stage they certainly aim at, so that none is left to luck.
    let certain = AIMS.iter().cycle().nth(run as usize);
    let more = rng.usize(1..CUTS_MAX);
    let mut stages: Vec<Stage> = certain.copied().into_iter().collect();
    stages.extend((0..more).filter_map(|_| rng.choice(AIMS)));
    stages.sort_unstable();
    let cut = |stage| Cut {
        stage,
        into: rng.f64(),
    };
    stages.into_iter().map(cut).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_seed_gives_the_same_cuts_and_another_gives_others() {
        let all = |seed| (0..20).map(|run| plan(seed, run)).collect::<Vec<_>>();
        assert_eq!(all(1), all(1));
        assert_ne!(all(1), all(2));
    }

    #[test]
    fn twenty_runs_aim_at_every_stage_and_cut_recoveries_too() {
        for seed in 0..100 {
            let plans: Vec<_> = (0..20).map(|run| plan(seed, run)).collect();
            for stage in AIMS {
                let aimed = plans.iter().flatten().filter(|cut| cut.stage == stage).count();
                assert!(aimed >= 5, "seed {seed}: {stage} is aimed at {aimed} times");
            }
            let again = |cuts: &&Vec<Cut>| cuts.windows(2).any(|pair| pair[0].stage == pair[1].stage);
            assert!(
                plans.iter().filter(again).count() >= 3,
                "seed {seed}: few recoveries are cut"
            );
            assert!(
                plans
                    .iter()
                    .all(|cuts| cuts.is_sorted_by_key(|cut| cut.stage) && cuts.len() >= 2)
            );
        }
    }
}
