-- Whether a device that speaks hawkBit's interface is to be asked what it runs: an action has ended since it told.
ALTER TABLE devices ADD COLUMN facts_due BIGINT NOT NULL DEFAULT 0;
UPDATE devices SET facts_due = 1
    WHERE id IN (SELECT device FROM hawkbit_actions WHERE progress IN ('canceled', 'confirmed', 'refused'));
