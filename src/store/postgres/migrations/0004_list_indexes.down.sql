DROP INDEX taquilla.tickets_created, taquilla.tickets_of_assignee, taquilla.tickets_in_status;
CREATE INDEX tickets_created ON taquilla.tickets (created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_of_assignee ON taquilla.tickets (assigned_agent_id, created_at, id) WHERE deleted_at IS NULL;
CREATE INDEX tickets_in_status ON taquilla.tickets (status, created_at, id) WHERE deleted_at IS NULL;
