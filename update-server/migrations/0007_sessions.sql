-- Who has signed in at the dashboard. The secret is in the browser; this is its hash. A session is worth what its token is.
CREATE TABLE sessions (
    hash       TEXT   NOT NULL PRIMARY KEY,
    token      TEXT   NOT NULL REFERENCES tokens (id),
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX sessions_by_token ON sessions (token, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- What the dashboard asks: which versions the fleet runs, and what happened to one device or rollout.
CREATE INDEX devices_by_version ON devices (state, vendor, class, running_version, running_confirmed);
CREATE INDEX audit_by_subject ON audit (subject, number);
