//! A bar on a terminal for work that takes long; nothing elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::Context;
use crate::store::transfer::Step;

/// The bar.
pub(super) struct Bar(ProgressBar);

impl Bar {
    /// A bar that counts such things.
    pub(super) fn new(context: &Context, what: &str) -> Self {
        let hidden = context.out.json || context.out.quiet;
        let target = if hidden { ProgressDrawTarget::hidden() } else { ProgressDrawTarget::stderr() };
        let bar = ProgressBar::with_draw_target(None, target);
        let template = format!("{{bar:30}} {{human_pos}} of about {{human_len}} {what}, {{msg}}, {{elapsed}}");
        bar.set_style(ProgressStyle::with_template(&template).unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(Duration::from_millis(200));
        Self(bar)
    }

    /// Shows how far it has come.
    pub(super) fn step(&self, step: Step) {
        self.0.set_length(step.about.max(step.done));
        self.0.set_position(step.done);
        self.0.set_message(step.name);
    }

    /// Takes it away.
    pub(super) fn finish(&self) {
        self.0.finish_and_clear();
    }
}
