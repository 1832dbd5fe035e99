-- The newest tickets of a priority, among them those with a tag or a word, which are looked for in this order.
CREATE INDEX tickets_of_priority ON taquilla.tickets (priority, created_at, id) INCLUDE (status, assigned_agent_id) WHERE deleted_at IS NULL;
