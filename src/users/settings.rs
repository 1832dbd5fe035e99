//! What admins set for the whole desk.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::model::{Locale, Settings, SettingsView};
use crate::{
    activity::model::{Action, FieldChanges, NewEntry},
    app::AppState,
    auth::model::Actor,
    error::AppError,
    input::{Faults, FieldError, FieldValue, text},
    store::Changes,
    tickets::sla::{LONGEST_TARGET_MINUTES, SlaTargets, Target},
    types::Expected,
};

crate::text_type! {
    /// The organisation's name: 1–100 characters after trimming.
    OrganisationName, 1, 100, true;
}

/// An IANA time zone, such as `Europe/Madrid`, in its own spelling.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, example = "Europe/Madrid")]
pub struct TimeZoneName(pub String);

impl FieldValue for TimeZoneName {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let name = text(value, 1, 100, true)?;
        // The zones of the binary itself, so that a setting does not depend on the machine that it was made on.
        let zone = jiff::tz::TimeZoneDatabase::bundled().get(&name).ok();
        zone.as_ref()
            .and_then(|zone| zone.iana_name())
            .filter(|name| *name != "Etc/Unknown")
            .map(|name| Self(name.to_owned()))
            .ok_or_else(|| vec![FieldError::here("unknown_value", "must be an IANA time zone such as Europe/Madrid")])
    }
}

/// Minutes of a target: 1 to 527,040 (366 days).
#[derive(Debug, Clone, Copy, PartialEq, Eq, ToSchema)]
#[schema(value_type = i64, minimum = 1, maximum = 527_040)]
pub struct Minutes(pub u32);

impl FieldValue for Minutes {
    fn from_json(value: Value) -> Result<Self, Faults> {
        match u32::try_from(i64::from_json(value)?) {
            Ok(minutes @ 1..=LONGEST_TARGET_MINUTES) => Ok(Self(minutes)),
            _ => Err(vec![FieldError::here("out_of_range", format!("must be between 1 and {LONGEST_TARGET_MINUTES}"))]),
        }
    }
}

crate::input! {
    /// A change of the targets of one priority: just the fields sent.
    #[derive(Default, ToSchema)]
    pub patch TargetChange {
        /// Minutes from opening to the first public answer.
        #[schema(nullable = false)]
        first_response_minutes: Option<Minutes>,
        /// Minutes from opening to the resolution.
        #[schema(nullable = false)]
        resolution_minutes: Option<Minutes>,
    }
}

crate::input! {
    /// A change of service-level targets: just the fields sent. They hold for later tickets.
    #[derive(Default, ToSchema)]
    pub patch SlaChange {
        /// Of priority critical.
        #[schema(nullable = false)]
        critical: Option<TargetChange>,
        /// Of priority high.
        #[schema(nullable = false)]
        high: Option<TargetChange>,
        /// Of priority medium.
        #[schema(nullable = false)]
        medium: Option<TargetChange>,
        /// Of priority low.
        #[schema(nullable = false)]
        low: Option<TargetChange>,
    }
}

crate::input! {
    /// A change of the settings: just the fields sent.
    #[derive(Default, ToSchema)]
    pub patch SettingsChange {
        /// The organisation's name.
        #[schema(nullable = false)]
        organisation_name: Option<OrganisationName>,
        /// The language of people who chose none.
        #[schema(nullable = false)]
        locale: Option<Locale>,
        /// The IANA time zone in which days are shown.
        #[schema(nullable = false)]
        time_zone: Option<TimeZoneName>,
        /// Whether strangers may register.
        #[schema(nullable = false)]
        registration_open: Option<bool>,
        /// Service-level targets of new tickets.
        #[schema(nullable = false)]
        sla: Option<SlaChange>,
    }
}

impl SlaChange {
    fn on(&self, before: SlaTargets) -> SlaTargets {
        let changed = |change: &Option<TargetChange>, before: Target| {
            let change = change.clone().unwrap_or_default();
            Target {
                first_response_minutes: change.first_response_minutes.map_or(before.first_response_minutes, |minutes| minutes.0),
                resolution_minutes: change.resolution_minutes.map_or(before.resolution_minutes, |minutes| minutes.0),
            }
        };
        SlaTargets {
            critical: changed(&self.critical, before.critical),
            high: changed(&self.high, before.high),
            medium: changed(&self.medium, before.medium),
            low: changed(&self.low, before.low),
        }
    }
}

impl Settings {
    /// The settings after a change, and what is different; what is set to the value in force stays as it is.
    #[must_use]
    pub fn changed(&self, change: &SettingsChange, defaults: &SettingsView) -> (Self, FieldChanges) {
        fn set<T: PartialEq + serde::Serialize>(
            fields: &mut FieldChanges,
            (name, stored): (&'static str, &mut Option<T>),
            before: &T,
            wanted: Option<T>,
        ) {
            if let Some(wanted) = wanted.filter(|wanted| wanted != before) {
                fields.insert(name.into(), [json!(before), json!(wanted)]);
                *stored = Some(wanted);
            }
        }
        let (mut after, mut fields, before) = (self.clone(), FieldChanges::new(), self.over(defaults));
        let name = change.organisation_name.as_ref().map(|name| name.0.clone());
        set(&mut fields, ("organisation_name", &mut after.organisation_name), &before.organisation_name, name);
        set(&mut fields, ("locale", &mut after.locale), &before.locale, change.locale);
        let zone = change.time_zone.as_ref().map(|zone| zone.0.clone());
        set(&mut fields, ("time_zone", &mut after.time_zone), &before.time_zone, zone);
        set(&mut fields, ("registration_open", &mut after.registration_open), &before.registration_open, change.registration_open);
        let sla = change.sla.as_ref().map(|sla| sla.on(before.sla));
        set(&mut fields, ("sla", &mut after.sla), &before.sla, sla);
        after.version += 1;
        (after, fields)
    }
}

/// The settings in force, and their version.
///
/// # Errors
/// The storage's.
pub async fn read(app: &AppState) -> Result<(SettingsView, i64), AppError> {
    let settings = app.store.settings().await?;
    Ok((settings.over(&app.config.settings()), settings.version))
}

/// What strangers may know of the desk, so that a page can greet them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeskView {
    /// The organisation's name.
    pub organisation_name: String,
    /// The language of people who chose none.
    pub locale: Locale,
    /// The IANA time zone in which days are shown.
    pub time_zone: String,
    /// Whether strangers may register.
    pub registration_open: bool,
}

/// What strangers may know of the desk.
///
/// # Errors
/// The storage's.
pub async fn about(app: &AppState) -> Result<DeskView, AppError> {
    let SettingsView { organisation_name, locale, time_zone, registration_open, .. } = app.settings().await?;
    Ok(DeskView { organisation_name, locale, time_zone, registration_open })
}

/// Changes the settings.
///
/// # Errors
/// 403 for others than admins, 412.
pub async fn change(app: &AppState, actor: &Actor, change: &SettingsChange, expected: &Expected) -> Result<(SettingsView, i64), AppError> {
    actor.require_admin()?;
    app.decide(|| async {
        let (before, defaults) = (app.store.settings().await?, app.config.settings());
        expected.check(before.version)?;
        let (after, fields) = before.changed(change, &defaults);
        if fields.is_empty() {
            return Ok((Changes::new(), (before.over(&defaults), before.version)));
        }
        let answer = (after.over(&defaults), after.version);
        let entry = NewEntry::new(Action::SettingsUpdated, actor, app.now()).with_changes(fields);
        Ok((Changes::new().update(after).log(entry), answer))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: Value) -> Result<SettingsChange, Faults> {
        SettingsChange::from_json(value)
    }

    #[test]
    fn only_what_differs_is_stored_and_told() {
        let defaults = SettingsView {
            organisation_name: "Desk".into(),
            locale: Locale::En,
            time_zone: "UTC".into(),
            registration_open: true,
            sla: SlaTargets::default(),
        };
        let wanted = json!({"organisation_name": " Desk ", "locale": "es", "time_zone": "europe/madrid", "sla": {"high": {"resolution_minutes": 5}}});
        let (after, fields) = Settings::default().changed(&change(wanted.clone()).unwrap(), &defaults);
        assert_eq!(fields.keys().collect::<Vec<_>>(), ["locale", "sla", "time_zone"]);
        assert_eq!((after.organisation_name.as_deref(), after.time_zone.as_deref()), (None, Some("Europe/Madrid")));
        let sla = after.sla.unwrap();
        assert_eq!((sla.high.resolution_minutes, sla.high.first_response_minutes, sla.low), (5, 240, SlaTargets::default().low));
        assert!(after.changed(&change(wanted).unwrap(), &defaults).1.is_empty());
    }

    #[test]
    fn values_that_do_not_fit_are_named_with_their_place() {
        let bad = json!({"time_zone": "Mars/Olympus", "locale": "de", "sla": {"low": {"resolution_minutes": 0}, "urgent": {}}, "organisation_name": " "});
        let fields: Vec<String> = change(bad).unwrap_err().into_iter().map(|fault| fault.field).collect();
        assert_eq!(fields, ["organisation_name", "locale", "time_zone", "sla.low.resolution_minutes", "sla.urgent"]);
        for zone in ["Etc/Unknown", "unknown", "", "../../etc/passwd"] {
            assert!(change(json!({"time_zone": zone})).is_err(), "{zone}");
        }
        assert!(change(json!({"time_zone": "utc"})).is_ok());
    }
}
