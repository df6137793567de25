-- Whose directives the locks of this fleet take: the director key's public half, in the one row. Every instance must
-- hold that key.
CREATE TABLE director (
    id         BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    public_key TEXT   NOT NULL,
    since      BIGINT NOT NULL
);
