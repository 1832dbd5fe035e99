//! A set of metric families, and short ways to add one.

use prometheus::{
    Histogram, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, Opts, Registry, Result, core::Collector, proto::MetricFamily,
};

/// A set of families, read together.
#[derive(Debug, Default)]
pub struct Families(Registry);

impl Families {
    /// Adds a family.
    ///
    /// # Errors
    /// A name that is taken.
    pub fn add<C: Collector + Clone + 'static>(&self, family: Result<C>) -> Result<C> {
        let family = family?;
        self.0.register(Box::new(family.clone()))?;
        Ok(family)
    }

    /// Adds a family that nobody moves by hand.
    ///
    /// # Errors
    /// A name that is taken.
    pub fn collect(&self, collector: impl Collector + 'static) -> Result<()> {
        self.0.register(Box::new(collector))
    }

    /// A gauge of whole numbers.
    ///
    /// # Errors
    /// A name that is malformed or taken.
    pub fn gauge(&self, name: &str, help: &str) -> Result<IntGauge> {
        self.add(IntGauge::new(name, help))
    }

    /// Counters by labels.
    ///
    /// # Errors
    /// As of [`Self::gauge`].
    pub fn counters(&self, name: &str, help: &str, labels: &[&str]) -> Result<IntCounterVec> {
        self.add(IntCounterVec::new(Opts::new(name, help), labels))
    }

    /// A histogram with these upper bounds.
    ///
    /// # Errors
    /// As of [`Self::gauge`].
    pub fn histogram(&self, name: &str, help: &str, bounds: &[f64]) -> Result<Histogram> {
        self.add(Histogram::with_opts(HistogramOpts::new(name, help).buckets(bounds.to_vec())))
    }

    /// Histograms by labels.
    ///
    /// # Errors
    /// As of [`Self::gauge`].
    pub fn histograms(&self, name: &str, help: &str, labels: &[&str], bounds: &[f64]) -> Result<HistogramVec> {
        self.add(HistogramVec::new(HistogramOpts::new(name, help).buckets(bounds.to_vec()), labels))
    }

    /// Everything as it stands.
    #[must_use]
    pub fn gather(&self) -> Vec<MetricFamily> {
        self.0.gather()
    }
}
