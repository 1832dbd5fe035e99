//! People: accounts, roles, the first admin, and the settings of the desk.

pub mod http;
pub mod model;
pub mod ops;
pub mod preferences;
pub mod rules;
pub mod settings;
pub mod setup;
