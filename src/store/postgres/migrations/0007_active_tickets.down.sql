DROP INDEX taquilla.tickets_active;
