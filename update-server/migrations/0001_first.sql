-- Portable between SQLite and PostgreSQL: TEXT and BIGINT only. Digests, keys and device names are lower-case
-- hex; times are milliseconds since 1970; who did what is in `audit`, written in the same transaction.

CREATE TABLE audit (
    number  BIGINT NOT NULL PRIMARY KEY,
    at      BIGINT NOT NULL,
    actor   TEXT   NOT NULL,
    action  TEXT   NOT NULL,
    subject TEXT   NOT NULL,
    detail  TEXT   NOT NULL
);

CREATE TABLE tokens (
    id         TEXT   NOT NULL PRIMARY KEY,
    name       TEXT   NOT NULL,
    role       TEXT   NOT NULL,
    hash       TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    revoked_at BIGINT
);

-- What counts as signed for one hardware class: the policy file as it was given.
CREATE TABLE policies (
    vendor   TEXT   NOT NULL,
    class    TEXT   NOT NULL,
    document TEXT   NOT NULL,
    set_at   BIGINT NOT NULL,
    PRIMARY KEY (vendor, class)
);

CREATE TABLE releases (
    digest       TEXT   NOT NULL PRIMARY KEY,
    vendor       TEXT   NOT NULL,
    class        TEXT   NOT NULL,
    version      TEXT   NOT NULL,
    counter      BIGINT NOT NULL,
    min_version  TEXT,
    size         BIGINT NOT NULL,
    file_sha256  TEXT   NOT NULL,
    published_at BIGINT NOT NULL,
    published_by TEXT   NOT NULL,
    UNIQUE (vendor, class, version)
);

CREATE TABLE devices (
    id                TEXT   NOT NULL PRIMARY KEY,
    public_key        TEXT,
    vendor            TEXT,
    class             TEXT,
    state             TEXT   NOT NULL,
    since             BIGINT NOT NULL,
    sequence          BIGINT NOT NULL,
    last_seen         BIGINT,
    battery           BIGINT,
    running_digest    TEXT,
    running_version   TEXT,
    running_counter   BIGINT,
    running_confirmed BIGINT,
    floor             BIGINT,
    boot_outcome      TEXT,
    boot_reason       BIGINT,
    boot_about        TEXT,
    boot_starts_left  BIGINT,
    boot_since        BIGINT,
    offered           TEXT,
    offered_at        BIGINT
);
CREATE INDEX devices_by_class ON devices (vendor, class, state);
CREATE INDEX devices_by_state ON devices (state);

CREATE TABLE rollouts (
    id         TEXT   NOT NULL PRIMARY KEY,
    number     BIGINT NOT NULL UNIQUE,
    release    TEXT   NOT NULL REFERENCES releases (digest),
    audience   TEXT   NOT NULL,
    state      TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    changed_at BIGINT NOT NULL
);

CREATE TABLE rollout_devices (
    rollout TEXT NOT NULL REFERENCES rollouts (id),
    device  TEXT NOT NULL,
    PRIMARY KEY (rollout, device)
);

CREATE TABLE reports (
    device      TEXT   NOT NULL REFERENCES devices (id),
    sequence    BIGINT NOT NULL,
    event       TEXT   NOT NULL,
    image       TEXT   NOT NULL,
    reason      BIGINT NOT NULL,
    received_at BIGINT NOT NULL,
    PRIMARY KEY (device, sequence)
);
CREATE INDEX reports_by_image ON reports (image, device);
CREATE INDEX reports_by_time ON reports (device, received_at);
