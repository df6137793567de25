-- How many rollouts had been made when a report came. What a device reported before a rollout was made does not count
-- against it; times could not say so: two things happen in one millisecond, and the clocks of two instances differ. Of
-- older reports no more is known than their times.
ALTER TABLE reports ADD COLUMN rollouts BIGINT NOT NULL DEFAULT 0;
UPDATE reports SET rollouts =
    (SELECT COALESCE(MAX(r.number), 0) FROM rollouts r WHERE r.created_at <= reports.received_at);
