-- Whether a commit changes what the desk is about: tickets, accounts, settings. What only notes that a session was used, or how far the
-- log was read, does not. (An instance that does not know of this yet says that all do.)
ALTER TABLE taquilla.commits ADD COLUMN content boolean NOT NULL DEFAULT true;
