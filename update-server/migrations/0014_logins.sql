-- A session rests on a token, or on what an OpenID provider said of a person: under which name it knows them, what they
-- are called, and the group that lets them in. What a session is worth is looked up anew at each request.
ALTER TABLE sessions RENAME TO sessions_before;
CREATE TABLE sessions (
    hash       TEXT   NOT NULL PRIMARY KEY,
    login      TEXT   NOT NULL,
    token      TEXT   REFERENCES tokens (id),
    issuer     TEXT,
    subject    TEXT,
    person     TEXT,
    admitted   TEXT,
    created_at BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
INSERT INTO sessions (hash, login, token, created_at, expires_at)
SELECT hash, 'token:' || token, token, created_at, expires_at FROM sessions_before;
DROP TABLE sessions_before;
CREATE INDEX sessions_by_login ON sessions (login, created_at);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);

-- Sign-ins by a provider that were finished: none counts twice.
CREATE TABLE used_attempts (
    attempt    TEXT   NOT NULL PRIMARY KEY,
    expires_at BIGINT NOT NULL
);
