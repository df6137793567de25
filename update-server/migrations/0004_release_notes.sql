-- What a release changes, in its publisher's words; for owners.
ALTER TABLE releases ADD COLUMN notes TEXT;
