-- As in the step before, the log's links are found by their key, and written all the time.
ALTER TABLE taquilla.chain SET (autovacuum_analyze_threshold = 2147483647);
-- The server looks seldom at how the values of tables are spread that are written often, and of which little depends on it.
ALTER TABLE taquilla.sessions SET (autovacuum_analyze_threshold = 5000);
ALTER TABLE taquilla.api_tokens SET (autovacuum_analyze_threshold = 5000);
ALTER TABLE taquilla.answers SET (autovacuum_analyze_threshold = 5000);
ALTER TABLE taquilla.commits SET (autovacuum_analyze_threshold = 5000);
ALTER TABLE taquilla.figures SET (autovacuum_analyze_threshold = 5000);
