-- Lists with several filters go through an index in its order until they have a page and are counted. With what they filter by in the
-- index, what does not fit is passed over without a look at the ticket. (Not by tags: an entry of an index has 2,704 bytes at most.)
DROP INDEX taquilla.tickets_created, taquilla.tickets_of_assignee, taquilla.tickets_in_status;
CREATE INDEX tickets_created ON taquilla.tickets (created_at, id) INCLUDE (status, priority, assigned_agent_id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_of_assignee ON taquilla.tickets (assigned_agent_id, created_at, id) INCLUDE (status, priority)
    WHERE deleted_at IS NULL;
CREATE INDEX tickets_in_status ON taquilla.tickets (status, created_at, id) INCLUDE (priority, assigned_agent_id) WHERE deleted_at IS NULL;
