-- An index of words for many tickets. New texts stay in search_new, whose own index finds them and is small; from time to time they
-- are moved to search_kept, and the index then tells in which tickets their words are. (A version before this step must not write
-- any more, so the table has another name.)
ALTER TABLE taquilla.search_terms RENAME TO search_new;
CREATE TABLE taquilla.search_kept (
    ticket_id  bigint NOT NULL,
    comment_id bigint NOT NULL,
    part       smallint NOT NULL,
    internal   boolean NOT NULL,
    terms      tsvector NOT NULL,
    PRIMARY KEY (ticket_id, comment_id, part)
);

-- Which of 32,768 tickets whose ids follow each other have a word: the ids' last 15 bits, as numbers of two bytes in their order,
-- or, where that is shorter, as a bit for each.
CREATE TABLE taquilla.search_index (
    -- 0 a word, 1 a word of a note; 2 and 3 their beginnings, of one to three letters.
    kind    smallint NOT NULL,
    term    text COLLATE "C" NOT NULL,
    -- The ids' other bits.
    stretch bigint NOT NULL,
    tickets bytea NOT NULL,
    PRIMARY KEY (kind, term, stretch)
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);
-- 4 KiB at most: neither compressed nor kept elsewhere.
ALTER TABLE taquilla.search_index ALTER COLUMN tickets SET STORAGE PLAIN;

-- When the newest of the tickets was opened of which the index has told something, or later.
CREATE TABLE taquilla.search_stretches (
    stretch bigint PRIMARY KEY,
    newest  timestamptz NOT NULL
);

-- Texts that were changed, deleted or taken out since the index was told of them: what it says of their tickets and terms does not
-- count, only whether a text in search_kept has them.
CREATE TABLE taquilla.search_stale (
    ticket_id  bigint NOT NULL,
    comment_id bigint NOT NULL,
    part       smallint NOT NULL,
    internal   boolean NOT NULL,
    terms      tsvector NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE INDEX search_stale_ticket ON taquilla.search_stale (ticket_id);
CREATE INDEX search_stale_terms ON taquilla.search_stale USING gin (terms) WITH (gin_pending_list_limit = 256);

-- What it has is moved away; and what comes is looked through one by one until it is so many KiB.
ALTER TABLE taquilla.search_new SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER INDEX taquilla.search_terms_terms SET (gin_pending_list_limit = 256);

-- Removes texts, by ticket and comment, that are changed or deleted. New ones first: one that is moved at this moment is waited for,
-- and then found where it was moved to, as each statement has a snapshot of its own.
CREATE FUNCTION taquilla.forget_texts(tickets bigint[], comments bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    DELETE FROM taquilla.search_new s USING unnest(tickets, comments) AS gone(ticket_id, comment_id)
    WHERE s.ticket_id = gone.ticket_id AND s.comment_id = gone.comment_id;
    WITH removed AS (
        DELETE FROM taquilla.search_kept k USING unnest(tickets, comments) AS gone(ticket_id, comment_id)
        WHERE k.ticket_id = gone.ticket_id AND k.comment_id = gone.comment_id RETURNING k.*
    )
    INSERT INTO taquilla.search_stale SELECT * FROM removed;
    -- Once more: what was taken out of the index meanwhile, with its ticket, is a new one again.
    DELETE FROM taquilla.search_new s USING unnest(tickets, comments) AS gone(ticket_id, comment_id)
    WHERE s.ticket_id = gone.ticket_id AND s.comment_id = gone.comment_id;
END
$$;

-- Takes all texts of tickets out of the index, which must not have any of a deleted one. The lock holds off who moves texts to it
-- until the transaction is over: they would move one of a ticket that they do not know to be deleted.
CREATE FUNCTION taquilla.leave_index(tickets bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(8391837, 3);
    WITH moved AS (
        DELETE FROM taquilla.search_kept k WHERE k.ticket_id = ANY(tickets) RETURNING *
    ), stale AS (
        INSERT INTO taquilla.search_stale SELECT * FROM moved
    )
    INSERT INTO taquilla.search_new SELECT * FROM moved;
END
$$;
