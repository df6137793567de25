//! Updates that are broken off: the link lost at any piece, the lock without power, the phone killed.

use std::cell::Cell;
use std::rc::Rc;

use latchkey_phone::smp::Error;
use latchkey_phone::update::{Ended, GARBLED_MOST, News};
use proptest::prelude::*;

use crate::house::*;
use crate::images::*;

const LENGTH: usize = 24_000;

fn is_good(ended: Option<Ended>) -> bool {
    ended.is_some_and(|ended| ended.is_good())
}

/// Offsets that were told.
fn received(shell: &Shell) -> Vec<u32> {
    let told = shell.news.iter().filter_map(|news| match news {
        News::Uploading { received, .. } => Some(*received),
        _ => None,
    });
    told.collect()
}

#[test]
fn a_lost_link_costs_no_more_than_the_frame_it_was_lost_in() {
    let (mut whole, held) = House::new(247);
    assert!(is_good(Shell::new(release(LENGTH), held).run(&mut whole)));
    for at in 1..whole.pieces {
        let (mut house, held) = House::new(247);
        house.lose_at.push_back(at);
        let mut shell = Shell::new(release(LENGTH), held);
        assert!(
            is_good(shell.run(&mut house)),
            "lost at piece {at}: {:?}",
            shell.news
        );
        let again = house.pieces - whole.pieces;
        // Parameters, list, the first frame, whose bytes are passed over, and the frame that was lost.
        assert!(again <= 24, "lost at piece {at}, {again} more");
        let received = received(&shell);
        assert!(received.is_sorted(), "{received:?}");
    }
}

#[test]
fn a_phone_killed_anywhere_goes_on_by_what_the_lock_has() {
    let (mut whole, held) = House::new(247);
    assert!(is_good(Shell::new(release(LENGTH), held).run(&mut whole)));
    for at in 1..=whole.pieces {
        let (mut house, held) = House::new(247);
        let mut shell = Shell::new(release(LENGTH), held);
        shell.killed_at = Some(at);
        assert_eq!(shell.run(&mut house), None);
        let had = received(&shell).pop().unwrap_or(0);
        let held = shell.update.into_credentials().unwrap();
        let mut again = Shell::new(release(LENGTH), held);
        assert!(
            is_good(again.run(&mut house)),
            "killed at piece {at}: {:?}",
            again.news
        );
        if let Some(News::Plan(plan)) = again.news.first() {
            assert!(
                plan.received >= had,
                "killed at piece {at}: the owner is told what is there"
            );
        }
        if at + 1 == whole.pieces {
            assert!(
                !again.news.contains(&News::Requested),
                "the lock is not asked for it twice"
            );
        }
        if let Some(first) = received(&again).first() {
            assert!(*first >= had, "killed at piece {at}: {first} after {had}");
        }
    }
}

#[test]
fn a_lock_that_holds_few_pieces_gets_few_at_a_time() {
    for holds in [1, 3, 9] {
        let (mut house, held) = House::new(247);
        house.holds = holds;
        let mut shell = Shell::new(release(LENGTH), held);
        assert!(is_good(shell.run(&mut house)), "{holds} pieces: {:?}", shell.news);
        let lost = shell
            .news
            .iter()
            .filter(|news| matches!(news, News::LinkLost { .. }));
        assert!(lost.count() <= 4, "it learns: {:?}", shell.news);
    }
}

/// Makes every so manieth answer another request's, and counts them.
fn garble(house: &mut House, every: u32) -> Rc<Cell<u32>> {
    const SEQUENCE: usize = 6;
    let garbled = Rc::new(Cell::new(0));
    let (count, mut passed) = (Rc::clone(&garbled), 0_u32);
    house.tamper = Box::new(move |mut bytes| {
        passed += 1;
        if passed.is_multiple_of(every) {
            bytes[SEQUENCE] ^= 1;
            count.set(count.get() + 1);
        }
        bytes
    });
    garbled
}

#[test]
fn connections_over_which_comes_what_is_no_answer_are_begun_anew_while_that_gets_on() {
    let (mut house, held) = House::new(247);
    // Parameters, images and two pieces of the image: then one that is no answer, again and again.
    let garbled = garble(&mut house, 5);
    let mut shell = Shell::new(release(LENGTH), held);
    assert!(is_good(shell.run(&mut house)), "{:?}", shell.news);
    assert!(garbled.get() > GARBLED_MOST.into());
    assert!(received(&shell).is_sorted(), "nothing is sent twice");

    let (mut house, held) = House::new(247);
    let garbled = garble(&mut house, 1);
    let ended = Shell::new(release(LENGTH), held).run(&mut house);
    assert_eq!(ended, Some(Ended::Smp(Error::OtherAnswer)));
    assert_eq!(garbled.get(), u32::from(GARBLED_MOST) + 1);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn links_lost_power_cut_and_phones_killed_in_any_order_end_in_a_whole_image(
        lost in proptest::collection::btree_set(1_usize..400, 0..8),
        cut in proptest::collection::btree_set(1_usize..400, 0..3),
        mut killed in proptest::collection::vec(1_usize..400, 0..3),
        mtu in prop_oneof![Just(23_u16), Just(247)],
    ) {
        let (mut house, mut held) = House::new(mtu);
        house.lose_at = lost.into_iter().collect();
        house.cut_at = cut.into_iter().collect();
        killed.sort_unstable();
        killed.reverse();
        let image = file(&description(), LENGTH);
        let ended = loop {
            let mut shell = Shell::new(release(LENGTH), held);
            shell.killed_at = killed.pop();
            if let Some(ended) = shell.run(&mut house) {
                break ended;
            }
            held = shell.update.into_credentials().unwrap();
        };
        prop_assert!(ended.is_good(), "{:?}", ended);
        prop_assert!(house.slot_holds(&image));
        prop_assert_eq!(house.flash.misused(), None);
    }
}
