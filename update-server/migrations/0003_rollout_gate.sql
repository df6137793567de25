-- How far a rollout reaches and what halts it; shares in hundredths of a percent. Defaults are for rollouts that
-- were made before.

ALTER TABLE rollouts ADD COLUMN share BIGINT NOT NULL DEFAULT 10000;
ALTER TABLE rollouts ADD COLUMN failures_max BIGINT NOT NULL DEFAULT 50;
ALTER TABLE rollouts ADD COLUMN failed_share_max BIGINT NOT NULL DEFAULT 500;
ALTER TABLE rollouts ADD COLUMN sample_min BIGINT NOT NULL DEFAULT 20;
ALTER TABLE rollouts ADD COLUMN silence_ms BIGINT NOT NULL DEFAULT 259200000;
-- What happened before the rollout was last started again does not count against it any more.
ALTER TABLE rollouts ADD COLUMN judged_since BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollouts ADD COLUMN halted_because TEXT;

-- Each device that was offered the release, and what became of it.
CREATE TABLE rollout_offers (
    rollout  TEXT   NOT NULL REFERENCES rollouts (id),
    device   TEXT   NOT NULL REFERENCES devices (id),
    standing TEXT   NOT NULL,
    since    BIGINT NOT NULL,
    PRIMARY KEY (rollout, device)
);
CREATE INDEX rollout_offers_by_standing ON rollout_offers (rollout, standing, since);
CREATE INDEX rollout_offers_by_device ON rollout_offers (device);
