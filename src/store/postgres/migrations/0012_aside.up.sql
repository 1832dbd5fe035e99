-- Notes of the transaction under way that it changes nothing that the desk is about. Its number stays for as long as 63 others begin, so that who
-- looks whether something has changed finds it, however many like it have ended since it was looked last.
CREATE FUNCTION taquilla.note_aside() RETURNS void LANGUAGE sql AS $$
    INSERT INTO taquilla.probes (name, at, xid)
    SELECT 'aside ' || (xid & 63), now(), xid FROM (SELECT pg_current_xact_id()::text::bigint AS xid) AS own
    ON CONFLICT (name) DO UPDATE SET at = excluded.at, xid = excluded.xid
$$;

-- As before, with that.
CREATE OR REPLACE FUNCTION taquilla.sum_figures() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_try_advisory_xact_lock(8391837, 2) THEN
        RETURN;
    END IF;
    WITH gone AS (
        DELETE FROM taquilla.figure_moves RETURNING *
    ), sums AS (
        SELECT g.kind, g.at, g.of, sum(g.tickets) AS tickets, sum(g.micros) AS micros FROM gone g GROUP BY 1, 2, 3
    )
    INSERT INTO taquilla.figures AS f SELECT * FROM sums
    ON CONFLICT (kind, at, of) DO UPDATE SET tickets = f.tickets + excluded.tickets, micros = f.micros + excluded.micros;
    IF FOUND THEN
        PERFORM taquilla.note_aside();
    END IF;
END
$$;
DELETE FROM taquilla.probes;

-- The server's own look at how values are spread counts as a transaction that may have changed anything. Of what is written all the time, and
-- found by its key or read whole, nothing depends on it.
ALTER TABLE taquilla.probes SET (autovacuum_analyze_threshold = 2147483647);
ALTER TABLE taquilla.leases SET (autovacuum_analyze_threshold = 2147483647);
ALTER TABLE taquilla.cursors SET (autovacuum_analyze_threshold = 2147483647);
ALTER TABLE taquilla.figure_moves SET (autovacuum_analyze_threshold = 2147483647);
ALTER TABLE taquilla.search_new SET (autovacuum_analyze_threshold = 2147483647);
ALTER TABLE taquilla.search_stale SET (autovacuum_analyze_threshold = 2147483647);
ALTER TABLE taquilla.search_stretches SET (autovacuum_analyze_threshold = 2147483647);
