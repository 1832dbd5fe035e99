ALTER TABLE taquilla.chain RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.sessions RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.api_tokens RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.answers RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.commits RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.figures RESET (autovacuum_analyze_threshold);
