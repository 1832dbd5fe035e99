//! HTTP requests: how many, how long, how many at once. Whatever clients send, the number of series is bounded: routes are
//! the templates that the router matched, methods the known ones, and beyond a number of series all is counted together.
//! A request whose series exists costs one look-up and no allocation.

use std::{collections::HashMap, time::Duration};

use parking_lot::RwLock;
use prometheus::{Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, Result};

use super::families::Families;

/// Upper bounds of times, in seconds.
const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 10.0];

/// The most series of `http_requests_total`, but for those that count together what comes beyond.
const MOST_COUNTERS: usize = 800;

/// The most histograms of times.
const MOST_HISTOGRAMS: usize = 64;

/// The route of what matched none, or not with this method.
pub const UNMATCHED: &str = "unmatched";

/// What stands for a method that is not known, and for what is beyond the bounds.
const OTHER: &str = "other";

/// The families of requests.
#[derive(Debug)]
pub struct Requests {
    total: IntCounterVec,
    seconds: HistogramVec,
    in_flight: IntGauge,
    known: RwLock<Known>,
}

/// The series that exist, by route and method.
#[derive(Debug, Default)]
struct Known {
    routes: HashMap<Box<str>, HashMap<&'static str, Series>>,
    counters: usize,
    histograms: usize,
}

/// The series of a route and method.
#[derive(Debug)]
struct Series {
    seconds: Histogram,
    /// By status.
    answers: HashMap<u16, IntCounter>,
}

/// The known spelling of a method.
fn method_name(method: &str) -> &'static str {
    const KNOWN: [&str; 9] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"];
    KNOWN.into_iter().find(|known| *known == method).unwrap_or(OTHER)
}

impl Requests {
    pub(super) fn new(families: &Families) -> Result<Self> {
        Ok(Self {
            total: families.counters("http_requests_total", "Answers to HTTP requests.", &["method", "route", "status"])?,
            seconds: families.histograms(
                "http_request_duration_seconds",
                "Time from the head of a request to the head of its answer.",
                &["method", "route"],
                SECONDS,
            )?,
            in_flight: families.gauge("http_requests_in_flight", "Requests that have no answer yet.")?,
            known: RwLock::default(),
        })
    }

    /// Counts a request as under way until the value is dropped.
    #[must_use]
    pub fn begin(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    /// Counts an answer. `route` is the template that was matched, [`UNMATCHED`] without one.
    pub fn answered(&self, method: &str, route: &str, status: u16, took: Duration) {
        let method = method_name(method);
        if let Some(series) = self.known.read().routes.get(route).and_then(|methods| methods.get(method))
            && let Some(answers) = series.answers.get(&status)
        {
            answers.inc();
            series.seconds.observe(took.as_secs_f64());
            return;
        }
        self.first_of_its_kind(method, route, status, took);
    }

    /// Makes the series of an answer that had none, unless there are too many.
    fn first_of_its_kind(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let mut known = self.known.write();
        let Known { routes, counters, histograms } = &mut *known;
        let methods = routes.entry(route.into()).or_default();
        let series = methods.entry(method).or_insert_with(|| {
            let within = *histograms < MOST_HISTOGRAMS;
            *histograms += usize::from(within);
            let labels = if within { [method, route] } else { [OTHER, OTHER] };
            Series { seconds: self.seconds.with_label_values(&labels), answers: HashMap::new() }
        });
        let answers = series.answers.entry(status).or_insert_with(|| {
            let within = *counters < MOST_COUNTERS;
            *counters += usize::from(within);
            let code = status.to_string();
            let labels = if within { [method, route, &code] } else { [OTHER, OTHER, &code] };
            self.total.with_label_values(&labels)
        });
        answers.inc();
        series.seconds.observe(took.as_secs_f64());
    }
}

/// A request that is under way.
#[derive(Debug)]
pub struct InFlight<'a>(&'a IntGauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(families: &Families) -> usize {
        families.gather().iter().map(|family| family.get_metric().len()).sum()
    }

    #[test]
    fn answers_are_counted_by_method_route_and_status() {
        let families = Families::default();
        let requests = Requests::new(&families).unwrap();
        for (method, status, times) in [("GET", 200, 3), ("GET", 404, 1), ("POST", 201, 2), ("BREW", 405, 1)] {
            for _ in 0..times {
                requests.answered(method, "/tickets/{id}", status, Duration::from_millis(3));
            }
            let name = if method == "BREW" { "other" } else { method };
            let counted = requests.total.with_label_values(&[name, "/tickets/{id}", &status.to_string()]).get();
            assert_eq!(counted, times, "{method} {status}");
        }
        assert_eq!(requests.seconds.with_label_values(&["GET", "/tickets/{id}"]).get_sample_count(), 4);
        assert_eq!(series(&families), 4 + 3 + 1);
    }

    #[test]
    fn a_request_is_under_way_until_it_is_answered_or_given_up() {
        let requests = Requests::new(&Families::default()).unwrap();
        let (one, other) = (requests.begin(), requests.begin());
        assert_eq!(requests.in_flight.get(), 2);
        drop(one);
        assert_eq!(requests.in_flight.get(), 1);
        drop(other);
        assert_eq!(requests.in_flight.get(), 0);
    }

    #[test]
    fn the_number_of_series_is_bounded_whatever_is_asked() {
        let families = Families::default();
        let requests = Requests::new(&families).unwrap();
        for route in 0..100 {
            for method in ["GET", "POST", "PUT", "NONSENSE"] {
                for status in 200..230 {
                    requests.answered(method, &format!("/{route}"), status, Duration::ZERO);
                }
            }
        }
        let beyond = 30 + 1;
        assert_eq!(series(&families), MOST_COUNTERS + MOST_HISTOGRAMS + beyond + 1);
        let counted: f64 = families.gather()[2].get_metric().iter().map(|metric| metric.get_counter().get_value()).sum();
        assert!((counted - f64::from(100 * 4 * 30)).abs() < 0.5, "none is lost: {counted}");
    }
}
