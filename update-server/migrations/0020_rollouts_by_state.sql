-- A check-in looks at the running rollouts, not at all there ever were.
CREATE INDEX rollouts_by_state ON rollouts (state);
