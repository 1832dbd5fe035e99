-- An index of words for many tickets. New texts stay in search_terms, whose own index finds them and is small; from time to time
-- they are moved to search_kept, and the index then tells in which tickets their words are.
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

-- Tickets of which the index says what is not true any more: all their texts are in search_terms, or they are deleted. With every
-- term by which the index has them.
CREATE TABLE taquilla.search_stale (
    ticket_id bigint PRIMARY KEY,
    terms     text[] NOT NULL
);

-- What it has is moved away; and what comes is looked through one by one until it is so many KiB.
ALTER TABLE taquilla.search_terms SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
ALTER INDEX taquilla.search_terms_terms SET (gin_pending_list_limit = 256);

-- Removes texts, by ticket and comment, that are changed or deleted. What the index says of those tickets is not true any more then,
-- so all their texts leave it. The lock holds off who moves texts to the index until the transaction is over: they must not move
-- one of a ticket that leaves it. Each statement has a snapshot of its own, so the last one sees what others have moved meanwhile.
CREATE FUNCTION taquilla.forget_texts(tickets bigint[], comments bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(8391837, 3);
    PERFORM taquilla.leave_index(ARRAY(
        SELECT DISTINCT k.ticket_id FROM unnest(tickets, comments) AS gone(ticket_id, comment_id)
        JOIN taquilla.search_kept k USING (ticket_id, comment_id)
    ));
    DELETE FROM taquilla.search_terms s USING unnest(tickets, comments) AS gone(ticket_id, comment_id)
    WHERE s.ticket_id = gone.ticket_id AND s.comment_id = gone.comment_id;
END
$$;

-- Takes all texts of tickets out of the index.
CREATE FUNCTION taquilla.leave_index(tickets bigint[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(8391837, 3);
    WITH moved AS (
        DELETE FROM taquilla.search_kept k WHERE k.ticket_id = ANY(tickets) RETURNING *
    ), stale AS (
        INSERT INTO taquilla.search_stale AS s (ticket_id, terms)
        SELECT m.ticket_id, array_agg(DISTINCT term) FROM moved m, unnest(tsvector_to_array(m.terms)) AS term GROUP BY m.ticket_id
        ON CONFLICT (ticket_id) DO UPDATE SET terms = s.terms || excluded.terms
    )
    INSERT INTO taquilla.search_terms SELECT * FROM moved;
END
$$;
