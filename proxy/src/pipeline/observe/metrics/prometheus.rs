//! The Prometheus page: text exposition format 0.0.4.
//!
//! Names follow OpenTelemetry's mapping (`UnderscoreEscapingWithSuffixes`): dots become underscores, seconds and ratios
//! become suffixes, monotonic counters end with `_total`. This format has no exemplars, so none are written.

use std::{fmt::Write as _, time::Duration};

use super::{Metric, Points, Unit};

/// `Content-Type` of the page.
pub const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// The page.
pub fn page(metrics: &[Metric]) -> String {
    let mut out = String::with_capacity(16 * 1024);
    for metric in metrics {
        write_metric(&mut out, metric);
    }
    out
}

/// The Prometheus name of a metric.
pub fn name(metric: &Metric) -> String {
    let mut name = underscored(metric.name);
    let counter = matches!(metric.points, Points::Counter(_));
    match metric.unit {
        Unit::Seconds => name.push_str("_seconds"),
        Unit::Ratio if !counter => name.push_str("_ratio"),
        Unit::Ratio | Unit::Count(_) => {}
    }
    if counter {
        name.push_str("_total");
    }
    name
}

fn underscored(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect()
}

fn write_metric(out: &mut String, metric: &Metric) {
    let name = name(metric);
    let kind = match metric.points {
        Points::Counter(_) => "counter",
        Points::Gauge(_) => "gauge",
        Points::Histogram(_) => "histogram",
    };
    // Writing to a string does not fail, here and below.
    let _ = writeln!(out, "# HELP {name} {}\n# TYPE {name} {kind}", escaped(metric.help, false));
    match &metric.points {
        Points::Counter(points) => {
            for (labels, value) in points {
                write_sample(out, &name, "", labels, None, value);
            }
        }
        Points::Gauge(points) => {
            for (labels, value) in points {
                write_sample(out, &name, "", labels, None, value);
            }
        }
        Points::Histogram(points) => {
            for (labels, value) in points {
                let mut cumulative = 0;
                for (index, count) in value.buckets.iter().enumerate() {
                    cumulative += count;
                    let bound = value.bounds.get(index).map_or_else(|| "+Inf".to_owned(), |ns| seconds(*ns));
                    write_sample(out, &name, "_bucket", labels, Some(&bound), cumulative);
                }
                write_sample(out, &name, "_sum", labels, None, seconds(value.sum_ns));
                write_sample(out, &name, "_count", labels, None, value.count);
            }
        }
    }
}

fn seconds(ns: u64) -> String {
    Duration::from_nanos(ns).as_secs_f64().to_string()
}

fn write_sample(
    out: &mut String,
    name: &str,
    suffix: &str,
    labels: &[(&'static str, String)],
    le: Option<&str>,
    value: impl std::fmt::Display,
) {
    let _ = write!(out, "{name}{suffix}");
    let mut separator = '{';
    for (key, text) in labels {
        let _ = write!(out, "{separator}{}=\"{}\"", underscored(key), escaped(text, true));
        separator = ',';
    }
    if let Some(le) = le {
        let _ = write!(out, "{separator}le=\"{le}\"");
        separator = ',';
    }
    if separator == ',' {
        out.push('}');
    }
    let _ = writeln!(out, " {value}");
}

fn escaped(text: &str, quotes: bool) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '"' if quotes => out.push_str("\\\""),
            _ => out.push(c),
        }
    }
    out
}
