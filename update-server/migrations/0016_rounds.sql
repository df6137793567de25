-- Which start and which widening of its rollout an outcome belongs to: numbers that only ever grow, since times that
-- are the same tell nothing. A tally says what it counts; an outcome counts where the numbers agree.
ALTER TABLE rollouts ADD COLUMN round BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollouts ADD COLUMN widening BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollout_tallies ADD COLUMN round BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollout_tallies ADD COLUMN widening BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollout_offers ADD COLUMN round BIGINT NOT NULL DEFAULT -1;
ALTER TABLE rollout_offers ADD COLUMN widening BIGINT NOT NULL DEFAULT -1;
UPDATE rollout_offers SET round = 0 WHERE standing IN ('confirmed', 'refused', 'reverted')
    AND since >= (SELECT r.judged_since FROM rollouts r WHERE r.id = rollout_offers.rollout);
UPDATE rollout_offers SET widening = 0 WHERE standing = 'confirmed'
    AND since >= (SELECT r.reached_at FROM rollouts r WHERE r.id = rollout_offers.rollout);
UPDATE rollout_tallies SET
    confirmed = (SELECT COUNT(*) FROM rollout_offers o
                 WHERE o.rollout = rollout_tallies.rollout AND o.standing = 'confirmed' AND o.round = 0),
    refused = (SELECT COUNT(*) FROM rollout_offers o
               WHERE o.rollout = rollout_tallies.rollout AND o.standing = 'refused' AND o.round = 0),
    reverted = (SELECT COUNT(*) FROM rollout_offers o
                WHERE o.rollout = rollout_tallies.rollout AND o.standing = 'reverted' AND o.round = 0),
    stage_confirmed = (SELECT COUNT(*) FROM rollout_offers o
                       WHERE o.rollout = rollout_tallies.rollout AND o.standing = 'confirmed' AND o.widening = 0);

-- What a device had done when an operator gave it another try, and which word of its bootloader was known then.
ALTER TABLE rollout_offers ADD COLUMN forgiven_reverts BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollout_offers ADD COLUMN forgiven_refusals BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollout_offers ADD COLUMN forgiven_boot BIGINT;
UPDATE rollout_offers SET
    forgiven_reverts = (SELECT COUNT(*) FROM reports p JOIN rollouts r ON r.release = p.image
                        WHERE r.id = rollout_offers.rollout AND p.device = rollout_offers.device
                        AND p.received_at >= r.created_at AND p.received_at < rollout_offers.retried_at
                        AND p.event = 'reverted'),
    forgiven_refusals = (SELECT COUNT(*) FROM reports p JOIN rollouts r ON r.release = p.image
                         WHERE r.id = rollout_offers.rollout AND p.device = rollout_offers.device
                         AND p.received_at >= r.created_at AND p.received_at < rollout_offers.retried_at
                         AND p.event IN ('refused-by-app', 'refused-by-bootloader')),
    forgiven_boot = (SELECT d.boot_since FROM devices d
                     WHERE d.id = rollout_offers.device AND d.boot_since < rollout_offers.retried_at)
    WHERE retried_at IS NOT NULL;
ALTER TABLE rollout_offers DROP COLUMN retried_at;
