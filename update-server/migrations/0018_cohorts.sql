-- Named sets of devices. They only ever grow.
CREATE TABLE cohorts (
    name       TEXT   NOT NULL PRIMARY KEY,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL
);
CREATE TABLE cohort_devices (
    cohort   TEXT   NOT NULL REFERENCES cohorts (name),
    device   TEXT   NOT NULL,
    added_at BIGINT NOT NULL,
    PRIMARY KEY (cohort, device)
);

-- The cohorts that a rollout begins with, one stage each, and how many of them it has reached. Who is in them for this
-- rollout is written down when it is made: joining a cohort later brings nobody an update.
ALTER TABLE rollouts ADD COLUMN cohorts TEXT NOT NULL DEFAULT '';
ALTER TABLE rollouts ADD COLUMN cohorts_reached BIGINT NOT NULL DEFAULT 0;
ALTER TABLE rollouts ADD COLUMN asked_cohorts BIGINT;
CREATE TABLE rollout_cohort_devices (
    rollout TEXT   NOT NULL REFERENCES rollouts (id),
    device  TEXT   NOT NULL,
    stage   BIGINT NOT NULL,
    PRIMARY KEY (rollout, device)
);
