//! The twelve people of the demo desk. Their addresses are of a domain that belongs to nobody.

use crate::{auth::model::Role, users::model::Locale};

/// Somebody at the demo desk.
#[derive(Debug, Clone, Copy)]
pub struct Person {
    /// The e-mail address.
    pub email: &'static str,
    /// The name that others see.
    pub full_name: &'static str,
    /// What they may do.
    pub role: Role,
    /// In which language they write.
    pub locale: Locale,
}

const fn person(email: &'static str, full_name: &'static str, role: Role, locale: Locale) -> Person {
    Person { email, full_name, role, locale }
}

/// All of them: one admin, four agents, seven requesters.
pub const PEOPLE: [Person; 12] = [
    person("irene.vidal@demo.example", "Irene Vidal", Role::Admin, Locale::Es),
    person("eva.okafor@demo.example", "Eva Okafor", Role::Agent, Locale::En),
    person("marco.bianchi@demo.example", "Marco Bianchi", Role::Agent, Locale::En),
    person("lucia.ortega@demo.example", "Lucía Ortega", Role::Agent, Locale::Es),
    person("sam.whitfield@demo.example", "Sam Whitfield", Role::Agent, Locale::En),
    person("ana.ruiz@demo.example", "Ana Ruiz", Role::User, Locale::Es),
    person("tom.okoye@demo.example", "Tom Okoye", Role::User, Locale::En),
    person("li.wei@demo.example", "Li Wei", Role::User, Locale::En),
    person("nora.lindqvist@demo.example", "Nora Lindqvist", Role::User, Locale::En),
    person("javier.molina@demo.example", "Javier Molina", Role::User, Locale::Es),
    person("grace.mbeki@demo.example", "Grace Mbeki", Role::User, Locale::En),
    person("peter.hale@demo.example", "Peter Hale", Role::User, Locale::En),
];
