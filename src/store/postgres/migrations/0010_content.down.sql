ALTER TABLE taquilla.probes DROP COLUMN xid;
ALTER TABLE taquilla.leases DROP COLUMN xid;
ALTER TABLE taquilla.commits DROP COLUMN content;
