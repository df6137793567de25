-- How far a rollout reaches and what halts it; shares in hundredths of a percent. Defaults are for rollouts that
-- were made before.

ALTER TABLE rollouts ADD COLUMN share BIGINT NOT NULL DEFAULT 10000;
ALTER TABLE rollouts ADD COLUMN failures_max BIGINT NOT NULL DEFAULT 50;
ALTER TABLE rollouts ADD COLUMN failed_share_max BIGINT NOT NULL DEFAULT 500;
ALTER TABLE rollouts ADD COLUMN sample_min BIGINT NOT NULL DEFAULT 20;
ALTER TABLE rollouts ADD COLUMN silence_ms BIGINT NOT NULL DEFAULT 259200000;
-- The shares it reaches one after the other, and when the next one comes by itself; nothing for by hand.
ALTER TABLE rollouts ADD COLUMN stages TEXT NOT NULL DEFAULT '10000';
ALTER TABLE rollouts ADD COLUMN advance_confirmed BIGINT;
ALTER TABLE rollouts ADD COLUMN advance_soak_ms BIGINT;
ALTER TABLE rollouts ADD COLUMN reached_at BIGINT NOT NULL DEFAULT 0;
-- What happened before the rollout was last started again does not count against it any more.
ALTER TABLE rollouts ADD COLUMN judged_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollouts ADD COLUMN halted_because TEXT;

-- Each device that was offered the release, and what became of it.
CREATE TABLE rollout_offers (
    rollout    TEXT   NOT NULL REFERENCES rollouts (id),
    device     TEXT   NOT NULL REFERENCES devices (id),
    standing   TEXT   NOT NULL,
    since      BIGINT NOT NULL,
    -- What the device reported before an operator gave it another try does not count any more.
    retried_at BIGINT,
    PRIMARY KEY (rollout, device)
);
CREATE INDEX rollout_offers_by_standing ON rollout_offers (rollout, standing, since);
CREATE INDEX rollout_offers_by_device ON rollout_offers (device);
