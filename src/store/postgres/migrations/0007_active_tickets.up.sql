-- An agent's own queue, among all that they have ever solved.
CREATE INDEX tickets_active ON taquilla.tickets (assigned_agent_id, created_at, id) INCLUDE (status, priority)
    WHERE deleted_at IS NULL AND status IN ('open', 'in_progress', 'pending');
