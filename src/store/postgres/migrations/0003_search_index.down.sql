DROP FUNCTION taquilla.forget_texts, taquilla.leave_index;
ALTER INDEX taquilla.search_terms_terms RESET (gin_pending_list_limit);
ALTER TABLE taquilla.search_new RESET (autovacuum_vacuum_scale_factor, autovacuum_vacuum_threshold);
INSERT INTO taquilla.search_new SELECT * FROM taquilla.search_kept;
DROP TABLE taquilla.search_stale, taquilla.search_stretches, taquilla.search_index, taquilla.search_kept;
ALTER TABLE taquilla.search_new RENAME TO search_terms;
