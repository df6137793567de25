-- Devices that speak hawkBit's device interface, and what each was told to do there. An action's number counts up from 1
-- for each device: such clients know nothing else of what they do.
ALTER TABLE devices ADD COLUMN token_hash TEXT;

CREATE TABLE hawkbit_actions (
    device    TEXT   NOT NULL REFERENCES devices (id),
    number    BIGINT NOT NULL,
    rollout   TEXT   NOT NULL REFERENCES rollouts (id),
    progress  TEXT   NOT NULL,
    opened_at BIGINT NOT NULL,
    PRIMARY KEY (device, number)
);
