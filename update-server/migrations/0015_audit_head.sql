-- Where the audit log ends, in the one row, written with each line: lines that are cut off its end are missed. The link
-- is absent as long as the last line has none.
CREATE TABLE audit_head (
    id     BIGINT NOT NULL PRIMARY KEY CHECK (id = 1),
    number BIGINT NOT NULL,
    link   TEXT
);
INSERT INTO audit_head (id, number, link)
SELECT 1, COALESCE(MAX(number), 0), (SELECT last.link FROM audit last ORDER BY last.number DESC LIMIT 1) FROM audit;
