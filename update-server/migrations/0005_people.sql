-- Roles by the names that people have for them.
UPDATE tokens SET role = 'administrator' WHERE role = 'admin';
UPDATE tokens SET role = 'release-engineer' WHERE role = 'publisher';
-- Whose a token is; tokens that were made before are persons of their own.
ALTER TABLE tokens ADD COLUMN person TEXT NOT NULL DEFAULT '';
UPDATE tokens SET person = name;
