-- The chain over the log: links of entries that follow each other, many in one row, named by the last entry.
CREATE TABLE taquilla.chain (
    last_seq bigint PRIMARY KEY CHECK (last_seq > 0),
    links    bytea NOT NULL
);
