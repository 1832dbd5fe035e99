//! What a person keeps for the app: saved views and how it looks. Nobody else sees it, admins included.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use crate::{
    activity::model::{Action, FieldChanges, NewEntry},
    app::AppState,
    auth::model::Actor,
    error::AppError,
    input::{Faults, FieldError, FieldValue, choice},
    store::Changes,
    types::{Expected, UserId},
};

/// How many views a person can save.
const MOST_VIEWS: usize = 50;

/// Which colours the app has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Theme {
    /// As the device says.
    #[default]
    Auto,
    /// Dark on light.
    Light,
    /// Light on dark.
    Dark,
}

impl FieldValue for Theme {
    fn from_json(value: Value) -> Result<Self, Faults> {
        choice(&value, &[Self::Auto, Self::Light, Self::Dark], |theme| match theme {
            Self::Auto => "auto",
            Self::Light => "light",
            Self::Dark => "dark",
        })
    }
}

/// A list of tickets under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SavedView {
    /// Unique without case among the person's views: 1–100 characters after trimming.
    #[schema(min_length = 1, max_length = 100, example = "VPN, urgent")]
    pub name: String,
    /// What is typed into the search box: 0–1,000 characters.
    #[schema(max_length = 1_000, example = "status:open priority:high vpn")]
    pub query: String,
    /// The order, as in `sort` of the list of tickets: 0–50 characters; empty for the usual one.
    #[schema(max_length = 50, example = "-priority")]
    pub sort: String,
}

crate::text_type! {
    /// A view's name.
    ViewName, 1, 100, true;
    /// What is typed into the search box.
    ViewQuery, 0, 1_000, true;
    /// An order.
    ViewSort, 0, 50, true;
}

crate::input! {
    /// A view to be saved.
    #[derive(ToSchema)]
    pub struct ViewInput {
        /// Unique without case among the person's views.
        name: ViewName,
        /// What is typed into the search box.
        query: ViewQuery,
        /// The order; the usual one when left out.
        sort: Option<ViewSort>,
    }
}

/// The saved views, in the order in which they are shown; at most 50.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = Vec<ViewInput>, max_items = 50)]
pub struct SavedViews(pub Vec<SavedView>);

impl FieldValue for SavedViews {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let views = Vec::<ViewInput>::from_json(value)?;
        if views.len() > MOST_VIEWS {
            return Err(vec![FieldError::here("out_of_range", format!("must be a list of at most {MOST_VIEWS} views"))]);
        }
        let mut names = std::collections::HashSet::new();
        let repeated = views.iter().position(|view| !names.insert(view.name.0.to_lowercase()));
        if let Some(at) = repeated {
            return Err(vec![FieldError::here("repeated", "is the name of another view already").under("name").under(&format!("[{at}]"))]);
        }
        let saved =
            |view: ViewInput| SavedView { name: view.name.0, query: view.query.0, sort: view.sort.map_or_else(String::new, |s| s.0) };
        Ok(Self(views.into_iter().map(saved).collect()))
    }
}

crate::input! {
    /// A change of the preferences: just the fields sent.
    #[derive(Default, ToSchema)]
    pub patch PreferencesChange {
        /// Which colours the app has.
        #[schema(nullable = false)]
        theme: Option<Theme>,
        /// All saved views, in place of those before.
        #[schema(nullable = false)]
        saved_views: Option<SavedViews>,
    }
}

/// A person's preferences, as stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Preferences {
    /// Whose.
    pub user_id: UserId,
    /// Which colours the app has.
    pub theme: Theme,
    /// Saved views, in the order in which they are shown.
    pub saved_views: Vec<SavedView>,
    /// Counts the changes of this row; 0 while there is none.
    pub version: i64,
}

/// A person's preferences, as the API shows them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PreferencesView {
    /// Which colours the app has.
    pub theme: Theme,
    /// Saved views, in the order in which they are shown.
    pub saved_views: Vec<SavedView>,
}

impl Preferences {
    /// Those of somebody who has chosen nothing.
    #[must_use]
    pub fn none(user_id: UserId) -> Self {
        Self { user_id, theme: Theme::Auto, saved_views: Vec::new(), version: 0 }
    }

    /// The preferences after a change, and what is different. Of views the log has the names.
    #[must_use]
    pub fn changed(&self, change: &PreferencesChange) -> (Self, FieldChanges) {
        let (mut after, mut fields) = (self.clone(), FieldChanges::new());
        if let Some(theme) = change.theme.filter(|theme| *theme != self.theme) {
            fields.insert("theme".into(), [json!(self.theme), json!(theme)]);
            after.theme = theme;
        }
        if let Some(SavedViews(views)) = change.saved_views.as_ref().filter(|views| views.0 != self.saved_views) {
            let names = |views: &[SavedView]| json!(views.iter().map(|view| &view.name).collect::<Vec<_>>());
            fields.insert("saved_views".into(), [names(&self.saved_views), names(views)]);
            after.saved_views.clone_from(views);
        }
        after.version += 1;
        (after, fields)
    }

    fn view(&self) -> PreferencesView {
        PreferencesView { theme: self.theme, saved_views: self.saved_views.clone() }
    }
}

/// The caller's preferences, and their version.
///
/// # Errors
/// Forbidden for callers without an account.
pub async fn read(app: &AppState, actor: &Actor) -> Result<(PreferencesView, i64), AppError> {
    let id = actor.require_id()?;
    let found = app.store.preferences(id).await?.unwrap_or_else(|| Preferences::none(id));
    Ok((found.view(), found.version))
}

/// Changes the caller's preferences.
///
/// # Errors
/// Forbidden for callers without an account, 412.
pub async fn change(
    app: &AppState,
    actor: &Actor,
    change: &PreferencesChange,
    expected: &Expected,
) -> Result<(PreferencesView, i64), AppError> {
    let id = actor.require_id()?;
    app.decide(|| async {
        let before = app.store.preferences(id).await?.unwrap_or_else(|| Preferences::none(id));
        expected.check(before.version)?;
        let (after, fields) = before.changed(change);
        if fields.is_empty() {
            return Ok((Changes::new(), (before.view(), before.version)));
        }
        let answer = (after.view(), after.version);
        let entry = NewEntry::new(Action::UserUpdated, actor, app.now()).about_user(id).with_changes(fields);
        Ok((Changes::new().update(after).log(entry), answer))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(value: Value) -> Result<PreferencesChange, Faults> {
        PreferencesChange::from_json(value)
    }

    #[test]
    fn only_what_differs_is_told_and_views_by_their_names() {
        let before = Preferences::none(UserId(1));
        let wanted = change(json!({"theme": "dark", "saved_views": [{"name": " VPN ", "query": "vpn"}]})).unwrap();
        let (after, fields) = before.changed(&wanted);
        assert_eq!(fields["theme"], [json!("auto"), json!("dark")]);
        assert_eq!(fields["saved_views"], [json!([]), json!(["VPN"])]);
        assert_eq!(after.saved_views, [SavedView { name: "VPN".into(), query: "vpn".into(), sort: String::new() }]);
        assert!(after.changed(&wanted).1.is_empty());
    }

    #[test]
    fn faults_are_named_with_their_place() {
        let fields = |value| change(value).unwrap_err().into_iter().map(|fault| (fault.field, fault.code)).collect::<Vec<_>>();
        let twice = json!({"saved_views": [{"name": "a", "query": ""}, {"name": "A", "query": ""}]});
        assert_eq!(fields(twice), [("saved_views[1].name".into(), "repeated".into())]);
        let bad = json!({"theme": "blue", "saved_views": [{"name": "", "query": "x".repeat(1_001)}], "colour": 1});
        assert_eq!(
            fields(bad),
            [
                ("theme", "unknown_value"),
                ("saved_views[0].name", "too_short"),
                ("saved_views[0].query", "too_long"),
                ("colour", "unknown_field")
            ]
            .map(|(field, code)| (field.to_owned(), code.to_owned()))
        );
        let many: Vec<Value> = (0..51).map(|n| json!({"name": n.to_string(), "query": ""})).collect();
        assert_eq!(fields(json!({"saved_views": many})), [("saved_views".into(), "out_of_range".into())]);
    }
}
