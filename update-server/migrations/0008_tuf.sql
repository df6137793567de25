-- The TUF repository. A file is kept as it is served. Of the timestamp only the newest is kept, since it has one name.

CREATE TABLE tuf_files (
    role     TEXT   NOT NULL,
    version  BIGINT NOT NULL,
    document TEXT   NOT NULL,
    PRIMARY KEY (role, version)
);

-- What the newest targets list: which releases are served under which names.
CREATE TABLE tuf_targets (
    name        TEXT NOT NULL PRIMARY KEY,
    file_sha256 TEXT NOT NULL
);
CREATE INDEX releases_by_file ON releases (file_sha256);
