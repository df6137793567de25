-- How often a device's sequence numbers were set back, by settling an alarm about it.
ALTER TABLE devices ADD COLUMN numbering BIGINT NOT NULL DEFAULT 0;

-- Revoking a key ends the alarm about it.
UPDATE devices SET alarm_at = NULL, alarm_sequence = NULL WHERE state = 'revoked';
