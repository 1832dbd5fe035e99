CREATE OR REPLACE FUNCTION pg_temp.words(terms tsvector) RETURNS tsvector LANGUAGE sql AS
    $$ SELECT ts_delete(terms, array_agg(term)) FROM unnest(tsvector_to_array(terms)) AS term WHERE term LIKE '!%' $$;
UPDATE taquilla.search_new SET terms = pg_temp.words(terms) WHERE pg_temp.words(terms) IS NOT NULL;
UPDATE taquilla.search_kept SET terms = pg_temp.words(terms) WHERE pg_temp.words(terms) IS NOT NULL;
UPDATE taquilla.search_stale SET terms = pg_temp.words(terms) WHERE pg_temp.words(terms) IS NOT NULL;
DELETE FROM taquilla.search_new WHERE terms = '';
DELETE FROM taquilla.search_kept WHERE terms = '';
DELETE FROM taquilla.search_stale WHERE terms = '';
DELETE FROM taquilla.search_index WHERE term LIKE '!%';
