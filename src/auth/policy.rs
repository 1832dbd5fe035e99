//! What a password has to be: long enough, and none that everybody tries first.

use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    input::{FieldError, FieldValue, Faults, text},
    types::{Email, Secret},
};

/// Well-known passwords, one a line, in lower case; at most 1,000.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password that somebody wants to have: 8–128 characters.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
pub struct NewPassword(Secret);

impl FieldValue for NewPassword {
    fn from_json(value: Value) -> Result<Self, Faults> {
        text(value, 8, 128, false).map(|password| Self(Secret::new(password)))
    }
}

impl FieldValue for Secret {
    fn from_json(value: Value) -> Result<Self, Faults> {
        String::from_json(value).map(Self::new)
    }
}

impl NewPassword {
    /// The password itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose()
    }

    /// What is wrong with it for the account with this address and name, as a fault of the field `field`: it must not
    /// be, whatever the case, a common password, the address, its local part or the full name. Nothing else is asked of it.
    #[must_use]
    pub fn fault_for(&self, field: &str, email: &Email, full_name: &str) -> Option<FieldError> {
        let password = self.expose().to_lowercase();
        let message = if COMMON.lines().any(|common| common == password) {
            "is one of the most common passwords"
        } else if [email.as_str(), email.local_part(), &full_name.to_lowercase()].contains(&password.as_str()) {
            "must not be the e-mail address, its first part or the full name"
        } else {
            return None;
        };
        Some(FieldError::new(field, "invalid", message))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fault(password: &str) -> Option<FieldError> {
        let email = "Ana.Ruiz-Lopez@example.com".parse().unwrap();
        NewPassword::from_json(json!(password)).unwrap().fault_for("password", &email, "Ana Ruiz López")
    }

    #[test]
    fn the_list_holds_at_most_a_thousand_passwords_that_would_pass_otherwise() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!((300..=1_000).contains(&lines.len()));
        for line in lines {
            assert_eq!(line, line.to_lowercase().trim());
            assert!(NewPassword::from_json(json!(line)).is_ok(), "{line}");
        }
    }

    #[test]
    fn only_common_passwords_and_the_accounts_own_names_are_refused() {
        for bad in ["password", "PassWord123", "ana.ruiz-lopez", "ANA.RUIZ-LOPEZ@EXAMPLE.COM", "ana ruiz lópez"] {
            assert!(fault(bad).is_some(), "{bad}");
        }
        for good in ["password is long", "aaaaaaab", "ana ruiz", "        ", "Ana Ruiz López!", "ñandú-ñandú"] {
            assert!(fault(good).is_none(), "{good}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let password = NewPassword::from_json(json!("correct horse")).unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }
}
