//! Service-level targets: how long a first response and a resolution may take, by priority, in wall-clock time.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::model::Priority;

/// The targets of one priority, in minutes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Target {
    /// Minutes from opening to the first public answer; 1 to 527,040 (366 days).
    #[schema(minimum = 1, maximum = 527_040)]
    pub first_response_minutes: u32,
    /// Minutes from opening to the resolution; 1 to 527,040.
    #[schema(minimum = 1, maximum = 527_040)]
    pub resolution_minutes: u32,
}

/// The longest target: 366 days.
pub const LONGEST_TARGET_MINUTES: u32 = 366 * 24 * 60;

/// The targets of every priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SlaTargets {
    /// Priority critical.
    pub critical: Target,
    /// Priority high.
    pub high: Target,
    /// Priority medium.
    pub medium: Target,
    /// Priority low.
    pub low: Target,
}

impl Default for SlaTargets {
    /// 1 h / 4 h, 4 h / 24 h, 8 h / 72 h, 24 h / 120 h.
    fn default() -> Self {
        const fn hours(first_response: u32, resolution: u32) -> Target {
            Target { first_response_minutes: first_response * 60, resolution_minutes: resolution * 60 }
        }
        Self { critical: hours(1, 4), high: hours(4, 24), medium: hours(8, 72), low: hours(24, 120) }
    }
}

impl SlaTargets {
    /// The targets of `priority`.
    #[must_use]
    pub const fn of(&self, priority: Priority) -> Target {
        match priority {
            Priority::Critical => self.critical,
            Priority::High => self.high,
            Priority::Medium => self.medium,
            Priority::Low => self.low,
        }
    }

    /// The name of the first target that is out of bounds, e.g. `high.resolution_minutes`.
    #[must_use]
    pub fn out_of_bounds(&self) -> Option<String> {
        let bad = |minutes: u32| minutes == 0 || minutes > LONGEST_TARGET_MINUTES;
        Priority::ALL.into_iter().find_map(|priority| {
            let target = self.of(priority);
            let field = match (bad(target.first_response_minutes), bad(target.resolution_minutes)) {
                (true, _) => "first_response_minutes",
                (_, true) => "resolution_minutes",
                _ => return None,
            };
            Some(format!("{}.{field}", priority.name()))
        })
    }
}

/// Targets as eight numbers, the form in which each ticket keeps the ones that it was opened under.
pub mod compact {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{SlaTargets, Target};

    /// Writes eight numbers of minutes.
    ///
    /// # Errors
    /// Whatever the serializer reports.
    pub fn serialize<S: Serializer>(targets: &SlaTargets, serializer: S) -> Result<S::Ok, S::Error> {
        let of = |t: Target| [t.first_response_minutes, t.resolution_minutes];
        [of(targets.critical), of(targets.high), of(targets.medium), of(targets.low)].serialize(serializer)
    }

    /// Reads eight numbers of minutes.
    ///
    /// # Errors
    /// Whatever the deserializer reports.
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SlaTargets, D::Error> {
        let target = |[first_response_minutes, resolution_minutes]: [u32; 2]| Target { first_response_minutes, resolution_minutes };
        let [critical, high, medium, low] = <[[u32; 2]; 4]>::deserialize(deserializer)?.map(target);
        Ok(SlaTargets { critical, high, medium, low })
    }
}
