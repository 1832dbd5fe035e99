ALTER TABLE taquilla.commits DROP COLUMN content;
