-- On what terms a rollout is offered, and whether it takes two persons to begin or widen it.
ALTER TABLE rollouts ADD COLUMN battery_min BIGINT NOT NULL DEFAULT 30;
ALTER TABLE rollouts ADD COLUMN not_before BIGINT;
ALTER TABLE rollouts ADD COLUMN hours TEXT;
ALTER TABLE rollouts ADD COLUMN two_persons BIGINT NOT NULL DEFAULT 0;
-- What one person has asked for and another has yet to ask for too: a share, or 0 for the start.
ALTER TABLE rollouts ADD COLUMN asked_share BIGINT;
ALTER TABLE rollouts ADD COLUMN asked_by TEXT;
ALTER TABLE rollouts ADD COLUMN asked_person TEXT;
ALTER TABLE rollouts ADD COLUMN asked_at BIGINT;

-- Security updates are told apart from feature updates. Of those published before, nobody has said.
ALTER TABLE releases ADD COLUMN kind TEXT NOT NULL DEFAULT 'feature';

-- What a device's owner wants of updates, where it is, and what it said last against an install.
ALTER TABLE devices ADD COLUMN updates TEXT NOT NULL DEFAULT 'all';
ALTER TABLE devices ADD COLUMN postponed_until BIGINT;
ALTER TABLE devices ADD COLUMN zone TEXT;
ALTER TABLE devices ADD COLUMN hold BIGINT;
-- Since when two devices seem to have its key, and the sequence number that showed it.
ALTER TABLE devices ADD COLUMN alarm_at BIGINT;
ALTER TABLE devices ADD COLUMN alarm_sequence BIGINT;
CREATE INDEX devices_alarmed ON devices (id) WHERE alarm_at IS NOT NULL;

-- What became of a rollout's offers, counted as it happens: since it was last started, and since it reaches as far as
-- it does.
CREATE TABLE rollout_tallies (
    rollout         TEXT   NOT NULL PRIMARY KEY REFERENCES rollouts (id),
    confirmed       BIGINT NOT NULL,
    refused         BIGINT NOT NULL,
    reverted        BIGINT NOT NULL,
    stage_confirmed BIGINT NOT NULL
);
INSERT INTO rollout_tallies (rollout, confirmed, refused, reverted, stage_confirmed)
SELECT r.id,
    (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.standing = 'confirmed' AND o.since >= r.judged_since),
    (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.standing = 'refused' AND o.since >= r.judged_since),
    (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.standing = 'reverted' AND o.since >= r.judged_since),
    (SELECT COUNT(*) FROM rollout_offers o WHERE o.rollout = r.id AND o.standing = 'confirmed' AND o.since >= r.reached_at)
FROM rollouts r;
