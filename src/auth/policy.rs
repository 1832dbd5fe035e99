//! What a password has to be: long enough, and none that everybody tries first.

use serde_json::Value;
use utoipa::ToSchema;

use crate::{
    input::{Faults, FieldError, FieldValue, text},
    types::{Email, Secret},
};

/// Well-known passwords, one a line, in lower case; at most 1,000.
const COMMON: &str = include_str!("common_passwords.txt");

/// A password that somebody wants to have: 8–128 characters, and whatever the case none of the most common ones.
#[derive(Debug, Clone, PartialEq, Eq, ToSchema)]
#[schema(value_type = String, format = Password, min_length = 8, max_length = 128)]
pub struct NewPassword(Secret);

impl FieldValue for NewPassword {
    fn from_json(value: Value) -> Result<Self, Faults> {
        let password = text(value, 8, 128, false)?;
        let lower = password.to_lowercase();
        if COMMON.lines().any(|common| common == lower) {
            return Err(vec![FieldError::here("invalid", "is one of the most common passwords")]);
        }
        Ok(Self(Secret::new(password)))
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
    /// be, whatever the case, the address, its local part or the full name, as far as they are known. Nothing else is asked
    /// of it.
    #[must_use]
    pub fn fault_for(&self, field: &str, email: Option<&Email>, full_name: Option<&str>) -> Option<FieldError> {
        let password = self.expose().to_lowercase();
        let is_address = email.is_some_and(|email| [email.as_str(), email.local_part()].contains(&password.as_str()));
        let is_name = full_name.is_some_and(|name| name.to_lowercase() == password);
        let message = "must not be the e-mail address, its first part or the full name";
        (is_address || is_name).then(|| FieldError::new(field, "invalid", message))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn good(password: &str) -> bool {
        let email = "Ana.Ruiz-Lopez@example.com".parse().unwrap();
        NewPassword::from_json(json!(password)).is_ok_and(|p| p.fault_for("password", Some(&email), Some("Ana Ruiz López")).is_none())
    }

    #[test]
    fn the_list_holds_at_most_a_thousand_passwords_that_would_pass_otherwise() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!((300..=1_000).contains(&lines.len()));
        for line in lines {
            assert_eq!(line, line.to_lowercase().trim());
            assert!((8..=128).contains(&line.chars().count()), "{line}");
            assert!(!good(&line.to_uppercase()), "{line}");
        }
    }

    #[test]
    fn only_common_passwords_and_the_accounts_own_names_are_refused() {
        for bad in ["password", "PassWord123", "ana.ruiz-lopez", "ANA.RUIZ-LOPEZ@EXAMPLE.COM", "ana ruiz lópez", "1234567"] {
            assert!(!good(bad), "{bad}");
        }
        for fine in ["password is long", "aaaaaaab", "ana ruiz", "        ", "Ana Ruiz López!", "ñandú-ñandú", &"x".repeat(128)] {
            assert!(good(fine), "{fine}");
        }
    }

    #[test]
    fn a_password_is_never_shown() {
        let password = NewPassword::from_json(json!("correct horse")).unwrap();
        assert!(!format!("{password:?}").contains("horse"));
    }
}
