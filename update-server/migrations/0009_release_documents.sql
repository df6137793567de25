-- What belongs to a release beside its image: bills of materials and advisories, each version kept for good.

CREATE TABLE release_documents (
    release     TEXT   NOT NULL REFERENCES releases (digest),
    kind        TEXT   NOT NULL,
    version     BIGINT NOT NULL,
    format      TEXT   NOT NULL,
    file_sha256 TEXT   NOT NULL,
    size        BIGINT NOT NULL,
    added_at    BIGINT NOT NULL,
    added_by    TEXT   NOT NULL,
    PRIMARY KEY (release, kind, version)
);
