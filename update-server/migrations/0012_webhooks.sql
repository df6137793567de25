-- Who is told of lines of the audit log, and up to which line. What has yet to be told is the log itself: no queue.
CREATE TABLE webhooks (
    id         TEXT   NOT NULL PRIMARY KEY,
    url        TEXT   NOT NULL,
    events     TEXT   NOT NULL,
    created_at BIGINT NOT NULL,
    created_by TEXT   NOT NULL,
    told       BIGINT NOT NULL,
    failures   BIGINT NOT NULL,
    next_at    BIGINT NOT NULL,
    trouble    TEXT
);
