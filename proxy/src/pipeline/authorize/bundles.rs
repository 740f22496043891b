//! The policy bundles that are compiled in: `bundle:NAME`.
//!
//! To add one: a directory under `policies/bundles/` and a row here; a test compares both.

/// A ready policy set.
#[derive(Clone, Copy, Debug)]
pub struct Bundle {
    /// Its name.
    pub name: &'static str,
    /// File name and text of its policies, in name order.
    pub policies: &'static [(&'static str, &'static str)],
    /// File name and text of its entities.
    pub entities: Option<(&'static str, &'static str)>,
    /// File name and text of its decision table.
    pub decisions: (&'static str, &'static str),
}

macro_rules! file {
    ($bundle:literal, $file:literal) => {
        ($file, include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../policies/bundles/", $bundle, "/", $file)))
    };
}

macro_rules! bundle {
    ($name:literal, [$($file:literal),+]) => {
        bundle!($name, [$($file),+], None)
    };
    ($name:literal, [$($file:literal),+], $entities:expr) => {
        Bundle {
            name: $name,
            policies: &[$(file!($name, $file)),+],
            entities: $entities,
            decisions: file!($name, "decisions.yaml"),
        }
    };
}

/// All bundles, in name order.
pub const BUNDLES: &[Bundle] = &[
    bundle!("business-hours", ["business-hours.cedar"]),
    bundle!("data-clearance", ["data-clearance.cedar"]),
    bundle!("demo", ["demo.cedar"]),
    bundle!("egress-control", ["egress-control.cedar"]),
    bundle!("least-privilege", ["least-privilege.cedar"]),
    bundle!("path-rules", ["path-rules.cedar"]),
    bundle!("permit-all", ["permit-all.cedar"]),
    bundle!("rbac", ["rbac.cedar"], Some(file!("rbac", "entities.json"))),
    bundle!("read-only", ["read-only.cedar"]),
];

/// The bundle of this name.
pub fn find(name: &str) -> Option<&'static Bundle> {
    BUNDLES.iter().find(|bundle| bundle.name == name)
}

/// The names of all bundles.
pub fn names() -> Vec<&'static str> {
    BUNDLES.iter().map(|bundle| bundle.name).collect()
}
