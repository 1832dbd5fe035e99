-- How much of the desk a commit may have changed, from 0, anything, to 4, nothing that the desk is about (`Reach` in the program). Who has
-- read something knows by it whether that is still so. Whether a commit changes any content is the last of these.
ALTER TABLE taquilla.commits ADD COLUMN reach smallint NOT NULL DEFAULT 0, DROP COLUMN content;

-- Most of what a dashboard takes the server is to read thousands of counters that follow each other, which the index alone now tells.
ALTER TABLE taquilla.figures DROP CONSTRAINT figures_pkey, ADD PRIMARY KEY (kind, at, of) INCLUDE (tickets, micros);

-- As before, and leaves the number of the transaction, as a probe does: summed-up moves are the same counters.
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
