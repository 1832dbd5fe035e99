-- The desk: rows, their order and search, the log, and what numbers it.
-- The migrator has made the schema. Instants are exact to the microsecond; a ticket that waits for nothing is due at infinity.

CREATE SEQUENCE taquilla.ticket_ids;
CREATE SEQUENCE taquilla.comment_ids;
CREATE SEQUENCE taquilla.user_ids;
CREATE SEQUENCE taquilla.session_ids;
CREATE SEQUENCE taquilla.token_ids;

CREATE TABLE taquilla.users (
    id            bigint PRIMARY KEY CHECK (id > 0),
    -- Unique without case: its type is lower case.
    email         text NOT NULL,
    full_name     text NOT NULL,
    role          text NOT NULL CHECK (role IN ('user', 'agent', 'admin')),
    is_active     boolean NOT NULL,
    locale        text NOT NULL,
    password_hash text,
    created_at    timestamptz NOT NULL,
    updated_at    timestamptz NOT NULL,
    version       bigint NOT NULL CHECK (version > 0),
    -- The terms of name and address.
    terms         tsvector NOT NULL
);
CREATE UNIQUE INDEX users_email ON taquilla.users (email);
CREATE INDEX users_terms ON taquilla.users USING gin (terms);
CREATE INDEX users_role ON taquilla.users (role, id);

-- Who opened or holds a ticket is guarded when it is decided, and accounts are never removed: a foreign key would only
-- lock the account's row with every write.
CREATE TABLE taquilla.tickets (
    id                    bigint PRIMARY KEY CHECK (id > 0),
    title                 text NOT NULL,
    description           text NOT NULL,
    status                text NOT NULL CHECK (status IN ('open', 'in_progress', 'pending', 'resolved', 'closed')),
    -- 0 low, 1 medium, 2 high, 3 critical: a number, because it is sorted by.
    priority              smallint NOT NULL CHECK (priority BETWEEN 0 AND 3),
    tags                  text[] NOT NULL,
    channel               text NOT NULL,
    creator_id            bigint NOT NULL,
    opened_by_id          bigint NOT NULL,
    assigned_agent_id     bigint,
    created_at            timestamptz NOT NULL,
    updated_at            timestamptz NOT NULL,
    first_response_at     timestamptz,
    first_response_due_at timestamptz,
    resolved_at           timestamptz,
    resolution_due_at     timestamptz,
    first_resolved_at     timestamptz,
    closed_at             timestamptz,
    status_since          timestamptz NOT NULL,
    reopen_count          bigint NOT NULL,
    first_response        text NOT NULL CHECK (first_response IN ('running', 'met', 'breached', 'none')),
    resolution            text NOT NULL CHECK (resolution IN ('running', 'met', 'breached', 'none')),
    first_response_decided_at timestamptz,
    resolution_decided_at timestamptz,
    -- Minutes to first response and resolution: critical, high, medium, low.
    targets               jsonb NOT NULL,
    public_comments       bigint NOT NULL DEFAULT 0,
    internal_notes        bigint NOT NULL DEFAULT 0,
    deleted_at            timestamptz,
    version               bigint NOT NULL CHECK (version > 0),
    -- The next thing due, or infinity.
    due_at                timestamptz NOT NULL
) WITH (fillfactor = 90);
CREATE INDEX tickets_created ON taquilla.tickets (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_updated ON taquilla.tickets (updated_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_priority ON taquilla.tickets (priority, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_due ON taquilla.tickets (due_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_of_creator ON taquilla.tickets (creator_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_of_assignee ON taquilla.tickets (assigned_agent_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_in_status ON taquilla.tickets (status, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_tags ON taquilla.tickets USING gin (tags);
CREATE INDEX tickets_deleted ON taquilla.tickets (created_at, id) WHERE deleted_at IS NOT NULL;

CREATE TABLE taquilla.comments (
    id          bigint PRIMARY KEY CHECK (id > 0),
    ticket_id   bigint NOT NULL REFERENCES taquilla.tickets (id) DEFERRABLE INITIALLY DEFERRED,
    author_id   bigint NOT NULL,
    content     text NOT NULL,
    is_internal boolean NOT NULL,
    created_at  timestamptz NOT NULL,
    updated_at  timestamptz NOT NULL,
    deleted_at  timestamptz,
    version     bigint NOT NULL CHECK (version > 0)
);
CREATE INDEX comments_of_ticket ON taquilla.comments (ticket_id, id);

-- The search terms of each text: of the ticket itself (comment_id 0) and of its comments that are not deleted. A row of
-- its own for each, since one tsvector holds 1 MiB at most and a ticket has any number of texts.
CREATE TABLE taquilla.search_terms (
    ticket_id  bigint NOT NULL,
    comment_id bigint NOT NULL,
    part       smallint NOT NULL,
    internal   boolean NOT NULL,
    terms      tsvector NOT NULL,
    PRIMARY KEY (ticket_id, comment_id, part)
);
CREATE INDEX search_terms_terms ON taquilla.search_terms USING gin (terms);

CREATE TABLE taquilla.sessions (
    id           bigint PRIMARY KEY CHECK (id > 0),
    user_id      bigint NOT NULL,
    family       bytea NOT NULL,
    live         jsonb NOT NULL,
    spent        jsonb NOT NULL,
    cookie       boolean NOT NULL,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    expires_at   timestamptz NOT NULL,
    address      text NOT NULL,
    user_agent   text NOT NULL,
    version      bigint NOT NULL CHECK (version > 0)
) WITH (fillfactor = 80);
CREATE INDEX sessions_of_user ON taquilla.sessions (user_id, id);
CREATE INDEX sessions_expiry ON taquilla.sessions (expires_at);

CREATE TABLE taquilla.api_tokens (
    id           bigint PRIMARY KEY CHECK (id > 0),
    user_id      bigint NOT NULL,
    name         text NOT NULL,
    hash         bytea NOT NULL,
    expires_at   timestamptz,
    created_at   timestamptz NOT NULL,
    last_used_at timestamptz,
    version      bigint NOT NULL CHECK (version > 0)
) WITH (fillfactor = 80);
CREATE INDEX api_tokens_hash ON taquilla.api_tokens (hash);
CREATE INDEX api_tokens_of_user ON taquilla.api_tokens (user_id, id);

-- Rows of which there is one each: roster, settings, setup_token, signing_secret.
CREATE TABLE taquilla.singles (
    name    text PRIMARY KEY,
    body    jsonb NOT NULL,
    version bigint NOT NULL CHECK (version > 0)
);

-- What people keep for the app.
CREATE TABLE taquilla.preferences (
    user_id bigint PRIMARY KEY,
    body    jsonb NOT NULL,
    version bigint NOT NULL CHECK (version > 0)
);

CREATE TABLE taquilla.cursors (
    name    text PRIMARY KEY,
    seq     bigint NOT NULL,
    version bigint NOT NULL CHECK (version > 0)
) WITH (fillfactor = 50);

CREATE TABLE taquilla.answers (
    user_id  bigint NOT NULL,
    key      bytea NOT NULL,
    request  bytea NOT NULL,
    status   integer NOT NULL,
    location text,
    etag     text,
    body     bytea NOT NULL,
    at       timestamptz NOT NULL,
    PRIMARY KEY (user_id, key)
);
CREATE INDEX answers_at ON taquilla.answers (at);

-- One row for each commit. `nr` is drawn when everything that the commit waits for is locked, so of two commits that
-- touch the same row the later one has the higher number. `last_seq`, the place of its last entry in the log, is given
-- after the commit, by number_log(). `token` tells a client that has lost its connection whether its commit happened.
CREATE TABLE taquilla.commits (
    nr       bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    token    bigint NOT NULL,
    xid      bigint NOT NULL DEFAULT pg_current_xact_id()::text::bigint,
    made_at  timestamptz NOT NULL DEFAULT now(),
    entries  integer NOT NULL,
    last_seq bigint
);
CREATE INDEX commits_waiting ON taquilla.commits (xid) WHERE last_seq IS NULL;
CREATE UNIQUE INDEX commits_log ON taquilla.commits (last_seq) WHERE entries > 0;
CREATE INDEX commits_without_entries ON taquilla.commits (made_at) WHERE entries = 0;

-- The log. The place of an entry is its commit's last_seq less the entries of the commit that follow it.
CREATE TABLE taquilla.entries (
    commit_nr  bigint NOT NULL,
    -- Entries of the same commit that follow.
    follow     integer NOT NULL,
    action     text NOT NULL,
    ticket_id  bigint,
    comment_id bigint,
    user_id    bigint,
    internal   boolean NOT NULL,
    body       jsonb NOT NULL,
    PRIMARY KEY (commit_nr, follow)
);
CREATE INDEX entries_of_ticket ON taquilla.entries (ticket_id, commit_nr) WHERE ticket_id IS NOT NULL;

-- Gives the commits that have none yet their places in the log, in the order of their numbers; and the log's end.
-- One at a time (the lock), and one statement of its own transaction, so that nobody holds it while the client is away.
-- What is numbered is committed, so nothing can come in before it. Transactions below `below` are known to have been
-- numbered; the caller passes what the call before gave, so that dead rows which somebody's old snapshot keeps are not
-- looked at again and again.
CREATE FUNCTION taquilla.number_log(INOUT below bigint, OUT log_end bigint, OUT numbers bigint[], OUT places bigint[])
LANGUAGE plpgsql AS $$
DECLARE
    from_xid bigint := below;
    base bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(8391837, 1);
    -- Each statement has a snapshot of its own: this one comes after the lock, and the next one after this.
    below := pg_snapshot_xmin(pg_current_snapshot())::text::bigint;
    SELECT coalesce(max(c.last_seq), 0) INTO base FROM taquilla.commits c WHERE c.entries > 0;
    WITH waiting AS (
        SELECT c.nr, sum(c.entries) OVER (ORDER BY c.nr) AS upto
        FROM taquilla.commits c
        WHERE c.last_seq IS NULL AND c.xid >= from_xid
    ), numbered AS (
        UPDATE taquilla.commits c SET last_seq = base + w.upto FROM waiting w WHERE c.nr = w.nr
        RETURNING c.nr, c.last_seq
    )
    SELECT greatest(base, coalesce(max(n.last_seq), 0)), coalesce(array_agg(n.nr), '{}'), coalesce(array_agg(n.last_seq), '{}')
    INTO log_end, numbers, places
    FROM numbered n;
END
$$;

-- The counters of analytics, and what has moved since they were summed up. Moves are only added, so that no two writers
-- wait for each other; a counter is the sum of both.
CREATE TABLE taquilla.figures (
    kind    smallint NOT NULL,
    at      integer NOT NULL,
    of      bigint NOT NULL,
    tickets bigint NOT NULL,
    micros  bigint NOT NULL,
    PRIMARY KEY (kind, at, of)
) WITH (fillfactor = 80);
CREATE TABLE taquilla.figure_moves (
    kind    smallint NOT NULL,
    at      integer NOT NULL,
    of      bigint NOT NULL,
    tickets bigint NOT NULL,
    micros  bigint NOT NULL
) WITH (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 5000);
CREATE VIEW taquilla.counters AS
    SELECT kind, at, of, tickets, micros FROM taquilla.figures
    UNION ALL
    SELECT kind, at, of, tickets, micros FROM taquilla.figure_moves;

-- Sums the moves up, unless somebody else is doing it.
CREATE FUNCTION taquilla.sum_figures() RETURNS void LANGUAGE plpgsql AS $$
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
END
$$;

-- Who does what only one instance shall do, and until when.
CREATE TABLE taquilla.leases (
    name       text PRIMARY KEY,
    holder     bigint NOT NULL,
    expires_at timestamptz NOT NULL
);

-- What the readiness probe writes.
CREATE TABLE taquilla.probes (
    name text PRIMARY KEY,
    at   timestamptz NOT NULL
);
