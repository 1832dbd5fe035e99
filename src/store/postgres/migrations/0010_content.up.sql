-- Whether a commit changes what the desk is about: tickets, accounts, settings. What is only about sessions and tokens, what people keep for
-- the app, remembered answers or how far the log was read does not. (An instance that does not know of this yet says that all do.)
ALTER TABLE taquilla.commits ADD COLUMN content boolean NOT NULL DEFAULT true;

-- Which transaction of a desk wrote a lease or a probe last, and did nothing else.
ALTER TABLE taquilla.leases ADD COLUMN xid bigint;
ALTER TABLE taquilla.probes ADD COLUMN xid bigint;
