-- Priorities are found as tags are. In the terms of a ticket's own texts, and in the index, they begin with a sign that no word has.
CREATE OR REPLACE FUNCTION pg_temp.priority_term(priority smallint) RETURNS tsvector LANGUAGE sql AS
    $$ SELECT array_to_tsvector(ARRAY['!' || priority]) $$;
UPDATE taquilla.search_new s SET terms = s.terms || pg_temp.priority_term(t.priority)
    FROM taquilla.tickets t WHERE t.id = s.ticket_id AND s.comment_id = 0 AND s.part = 0;
UPDATE taquilla.search_kept s SET terms = s.terms || pg_temp.priority_term(t.priority)
    FROM taquilla.tickets t WHERE t.id = s.ticket_id AND s.comment_id = 0 AND s.part = 0;
INSERT INTO taquilla.search_new (ticket_id, comment_id, part, internal, terms)
    SELECT t.id, 0, 0, false, pg_temp.priority_term(t.priority) FROM taquilla.tickets t
    WHERE NOT EXISTS (SELECT FROM taquilla.search_new s WHERE s.ticket_id = t.id AND s.comment_id = 0)
    AND NOT EXISTS (SELECT FROM taquilla.search_kept s WHERE s.ticket_id = t.id AND s.comment_id = 0);

-- The tickets of a priority in a stretch, as the index keeps them.
CREATE OR REPLACE FUNCTION pg_temp.places_of(ids bigint[]) RETURNS bytea LANGUAGE plpgsql AS $$
DECLARE
    value bytea := '';
    place bigint;
BEGIN
    IF cardinality(ids) * 2 < 4096 THEN
        SELECT string_agg(set_byte(set_byte('\x0000', 0, (id & 255)::integer), 1, ((id & 32767) >> 8)::integer), '' ORDER BY id)
            INTO value FROM unnest(ids) AS id;
    ELSE
        value := decode(repeat('00', 4096), 'hex');
        FOREACH place IN ARRAY ids LOOP
            value := set_bit(value, place & 32767, 1);
        END LOOP;
    END IF;
    RETURN value;
END
$$;
INSERT INTO taquilla.search_index (kind, term, stretch, tickets)
    SELECT 0, '!' || priority, stretch, pg_temp.places_of(array_agg(id)) FROM (
        SELECT t.id, t.id >> 15 AS stretch, t.priority FROM taquilla.tickets t
        JOIN taquilla.search_kept s ON s.ticket_id = t.id AND s.comment_id = 0 AND s.part = 0
        WHERE t.deleted_at IS NULL) AS indexed
    GROUP BY priority, stretch;
UPDATE taquilla.search_stretches SET version = (SELECT max(version) + 1 FROM taquilla.search_stretches);
