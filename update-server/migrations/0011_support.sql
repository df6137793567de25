-- Until when each model gets security updates: YYYY-MM-DD, that day included.
CREATE TABLE support (
    vendor  TEXT   NOT NULL,
    class   TEXT   NOT NULL,
    ends_on TEXT   NOT NULL,
    set_at  BIGINT NOT NULL,
    PRIMARY KEY (vendor, class)
);
