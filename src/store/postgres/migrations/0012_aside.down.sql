ALTER TABLE taquilla.probes RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.leases RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.cursors RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.figure_moves RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.search_new RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.search_stale RESET (autovacuum_analyze_threshold);
ALTER TABLE taquilla.search_stretches RESET (autovacuum_analyze_threshold);
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
        INSERT INTO taquilla.probes (name, at, xid) VALUES ('summed', now(), pg_current_xact_id()::text::bigint)
        ON CONFLICT (name) DO UPDATE SET at = excluded.at, xid = excluded.xid;
    END IF;
END
$$;
DELETE FROM taquilla.probes;
DROP FUNCTION taquilla.note_aside();
