-- When devices could last be heard, and from when on silence says something: one row.
CREATE TABLE hearing (
    one       BIGINT PRIMARY KEY CHECK (one = 1),
    heard_at  BIGINT,
    sure_from BIGINT NOT NULL
);
INSERT INTO hearing SELECT 1, MAX(last_seen), 0 FROM devices;
