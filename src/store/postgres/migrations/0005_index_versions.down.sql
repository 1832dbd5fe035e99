ALTER TABLE taquilla.search_stretches DROP COLUMN version;
