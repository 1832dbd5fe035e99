-- What a desk has read of the index it remembers, and reads again what has changed since. Each change of the index has a version of its
-- own, above those of all changes before it.
ALTER TABLE taquilla.search_stretches ADD COLUMN version bigint NOT NULL DEFAULT 0;
-- A program that knows nothing of versions must not change it.
ALTER TABLE taquilla.search_stretches ALTER COLUMN version DROP DEFAULT;
