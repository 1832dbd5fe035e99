DROP INDEX taquilla.tickets_of_priority;
