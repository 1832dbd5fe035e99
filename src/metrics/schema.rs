//! What is written to InfluxDB, as a table: the points, the documentation and the boards are all checked against it.

/// What a field holds; a field never changes it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole number, i64.
    Integer,
    /// Seconds or another finite number, f64.
    Float,
}

/// A measurement. Every point of it has every tag and every field.
#[derive(Debug, PartialEq, Eq)]
pub struct Measurement {
    /// Its name.
    pub name: &'static str,
    /// The keys of its tags, ascending. Their values are bounded and known in advance: never an id, an address or a title.
    pub tags: &'static [&'static str],
    /// Its fields.
    pub fields: &'static [(&'static str, Kind)],
    /// When a point is written.
    pub when: &'static str,
}

macro_rules! measurements {
    ($($constant:ident = $name:literal [$($tag:literal),*] {$($field:literal: $kind:ident),*} $when:literal;)*) => {
        $(
            #[doc = concat!("`", $name, "`: ", $when, ".")]
            pub static $constant: Measurement = Measurement {
                name: $name,
                tags: &[$($tag),*],
                fields: &[$(($field, Kind::$kind)),*],
                when: $when,
            };
        )*

        /// All of them.
        pub static SCHEMA: &[&Measurement] = &[$(&$constant),*];
    };
}

measurements! {
    TICKET_CREATED = "ticket_created" ["channel", "priority"] {"count": Integer, "ticket_id": Integer}
        "a ticket is opened";
    TICKET_STATUS_CHANGE = "ticket_status_change" ["from", "priority", "to"]
        {"count": Integer, "ticket_id": Integer, "seconds_in_from": Float}
        "its status changes, also by an assignment or a comment";
    TICKET_ASSIGNED = "ticket_assigned" ["agent", "reason"] {"count": Integer, "ticket_id": Integer, "assigned_by_id": Integer}
        "its agent changes; `reason` is `claim`, `manual` or `unassign`";
    TICKET_FIRST_RESPONSE = "ticket_first_response" ["agent", "met", "priority"]
        {"count": Integer, "seconds": Float, "ticket_id": Integer}
        "the first public answer; `agent` is whose ticket it is";
    TICKET_RESOLVED = "ticket_resolved" ["agent", "met", "priority"]
        {"count": Integer, "seconds": Float, "reopens": Integer, "ticket_id": Integer}
        "it enters `resolved`; `met` is `none` when the verdict was given before";
    TICKET_SLA = "ticket_sla" ["clock", "met", "priority"] {"count": Integer, "ticket_id": Integer}
        "a service-level clock is decided, once for each ticket and clock; `clock` is `first_response` or `resolution`";
    COMMENT_CREATED = "comment_created" ["role", "visibility"] {"count": Integer, "ticket_id": Integer}
        "a comment or an internal note is written";
    TICKET_BACKLOG = "ticket_backlog" ["priority", "status"] {"count": Integer}
        "at whole minutes: all 20 combinations, zeros too";
    TICKET_BACKLOG_AGENT = "ticket_backlog_agent" ["agent"] {"count": Integer, "overdue": Integer}
        "at whole minutes: active tickets of each agent, and of `none`";
    TICKET_BACKLOG_AGE = "ticket_backlog_age" ["bucket"] {"count": Integer, "oldest_seconds": Float}
        "at whole minutes: active tickets by their age";
}

/// The buckets of ages: the name and the age in seconds at which the next one begins.
pub const AGES: [(&str, i64); 6] = [
    ("00_lt4h", 4 * 3_600),
    ("01_lt1d", 86_400),
    ("02_lt3d", 3 * 86_400),
    ("03_lt7d", 7 * 86_400),
    ("04_lt30d", 30 * 86_400),
    ("05_ge30d", i64::MAX),
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn names_are_unique_ordered_and_never_of_a_person_or_a_ticket() {
        let names: BTreeSet<_> = SCHEMA.iter().map(|measurement| measurement.name).collect();
        assert_eq!(names.len(), SCHEMA.len());
        for measurement in SCHEMA {
            assert!(measurement.tags.is_sorted() && !measurement.fields.is_empty(), "{}", measurement.name);
            assert!(measurement.tags.iter().all(|tag| !tag.contains("id") && !tag.contains("email")), "{}", measurement.name);
            assert_eq!(measurement.fields[0], ("count", Kind::Integer), "{}", measurement.name);
        }
    }
}
