//! What the cases of a file run against: a door with its upstreams and issuers.

use std::{collections::BTreeMap, fs, time::Duration};

use serde::Deserialize;

use super::{
    super::{
        door::{Door, Setup},
        rpc::Client,
        tokens::Issuer,
        upstream::{Era, Recorded, Scripted},
    },
    tail::Footprint,
};

/// The resource URI, and so the audience, of every case's first route.
pub(crate) const RESOURCE: &str = "https://mcp.example.com/mcp";
/// That of the second.
pub(crate) const OTHER_RESOURCE: &str = "https://mcp.example.com/other";

/// What a door of a file runs with when the file does not say: everybody of the issuer may do everything.
const PERMIT_ALL: &str = "permit(principal, action, resource);";

/// A door that the cases of a file use.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct DoorFixture {
    /// Cedar policies. The upstream is called `test`.
    pub(crate) policies: String,
    /// YAML of more configuration, appended to what every door has.
    pub(crate) config: String,
    /// YAML of more members of `authentication`, on one line.
    pub(crate) authentication: String,
    /// YAML of more members of the issuers, on one line.
    pub(crate) issuer: String,
    /// A second issuer, `second`. Principals are then called `one:…` and `two:…`.
    pub(crate) second_issuer: bool,
    /// A second route, `/other`, to an upstream of its own, `other`.
    pub(crate) second_route: bool,
    /// Results that the scripted upstreams give instead of their own: method → JSON text.
    pub(crate) results: BTreeMap<String, String>,
    /// YAML of more members of the upstreams, on one line.
    pub(crate) upstream: String,
    /// File → text, in the door's folder.
    pub(crate) files: BTreeMap<String, String>,
    /// No tokens; the caller is anonymous.
    pub(crate) no_authentication: bool,
}

impl DoorFixture {
    fn yaml(&self, upstreams: &[Scripted], issuers: &[Issuer]) -> String {
        let member = |text: &str| if text.is_empty() { String::new() } else { format!(", {text}") };
        let issuers: String = issuers
            .iter()
            .zip(["one:", "two:"])
            .map(|(issuer, prefix)| {
                let other = if self.second_route { format!(", '{OTHER_RESOURCE}'") } else { String::new() };
                let audiences = format!("[ '{RESOURCE}'{other} ]");
                let prefix = if self.second_issuer { format!(", prefix: '{prefix}'") } else { String::new() };
                format!(
                    "  - {{ issuer: '{}', audiences: {audiences}{prefix}{} }}\n",
                    issuer.url(),
                    member(&self.issuer)
                )
            })
            .collect();
        let authentication = if self.no_authentication {
            String::new()
        } else {
            let more =
                if self.authentication.is_empty() { String::new() } else { format!("  {}\n", self.authentication) };
            format!("authentication:\n{more}  issuers:\n{issuers}")
        };
        let names = ["test", "other"].into_iter().zip(["mcp", "other"]).zip([RESOURCE, OTHER_RESOURCE]);
        let (mut servers, mut routes) = (String::new(), String::new());
        for (((name, path), resource), upstream) in names.zip(upstreams) {
            servers.push_str(&format!("  {name}: {{ url: '{}'{} }}\n", upstream.url, member(&self.upstream)));
            routes.push_str(&format!("  /{path}: {{ upstream: {name}, resource: '{resource}' }}\n"));
        }
        format!(
            "listen: {{ address: 127.0.0.1:0 }}\n{authentication}\
             authorization: {{ policies: {{{{folder}}}}/policies }}\n\
             upstreams:\n{servers}routes:\n{routes}\
             observe: {{ audit: {{ file: {{{{folder}}}}/audit.jsonl }} }}\n{}\n",
            self.config
        )
    }
}

/// A door with everything around it.
pub(super) struct Running {
    pub(super) door: Door,
    /// One for each route.
    pub(super) upstreams: Vec<Scripted>,
    /// The first one's tokens are the valid ones.
    pub(super) issuers: Vec<Issuer>,
    /// The legacy session of the common tail, also `{{session}}`.
    pub(super) session: Option<String>,
    pub(super) anonymous: bool,
    /// What the door took of the machine before the first case.
    pub(super) footprint: Footprint,
}

impl Running {
    pub(super) async fn start(fixture: &DoorFixture, era: Era) -> Self {
        let mut upstreams = vec![Scripted::start(era).await];
        if fixture.second_route {
            upstreams.push(Scripted::start(era).await);
        }
        for (method, result) in &fixture.results {
            for upstream in &upstreams {
                upstream.set_result(method, serde_json::from_str(result).expect("results are JSON"));
            }
        }
        let mut issuers = vec![Issuer::start(RESOURCE).await];
        if fixture.second_issuer {
            issuers.push(Issuer::start(RESOURCE).await);
        }
        let policies = if fixture.policies.is_empty() { PERMIT_ALL } else { &fixture.policies };
        let mut setup = Setup::config(&fixture.yaml(&upstreams, &issuers)).file("policies/case.cedar", policies);
        for (file, text) in &fixture.files {
            setup = setup.file(file, text);
        }
        if fixture.no_authentication {
            setup = setup.no_authentication();
        }
        let door = setup.admin().start().await;
        let (anonymous, footprint) = (fixture.no_authentication, Footprint::default());
        let mut running = Self { door, upstreams, issuers, session: None, anonymous, footprint };
        running.warm(era, fixture).await;
        running.footprint = Footprint::of(&running);
        running
    }

    pub(super) fn valid_token(&self) -> Option<String> {
        (!self.anonymous).then(|| self.issuers[0].token("alice"))
    }

    /// Waits until the door knows its upstreams' catalogues, and opens the session of the legacy era.
    async fn warm(&mut self, era: Era, fixture: &DoorFixture) {
        let token = self.valid_token();
        let paths = ["/mcp", "/other"].into_iter().take(self.upstreams.len());
        for path in paths {
            let url = format!("http://{}{path}", self.door.address());
            let client = match era {
                Era::Modern => Client::modern(&url, token.as_deref()),
                Era::Legacy => Client::legacy(&url, token.as_deref()).await,
            };
            if path == "/mcp" {
                self.session.clone_from(&client.session);
            }
            self.known(&client, fixture).await;
        }
    }

    async fn known(&self, client: &Client, fixture: &DoorFixture) {
        for _ in 0..100 {
            let answer = client.call("echo", serde_json::json!({ "message": "warm" })).await;
            if answer.code() == "upstream.catalogue_unknown" {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            }
            let log = self.door.process.stderr.text();
            // A door whose policies refuse everything is ready when it refuses.
            let refuses = answer.code().starts_with("authz.") && !fixture.policies.is_empty();
            assert!(answer.status == 200 || refuses, "the first valid call: {}\n{log}", answer.body);
            return;
        }
        panic!("the catalogue stays unknown\n{}", self.door.process.stderr.text());
    }

    /// How many messages of upstreams were dropped so far, by reason.
    pub(super) async fn dropped(&self) -> BTreeMap<String, u64> {
        let page = reqwest::get(format!("{}/metrics", self.door.admin())).await.unwrap().text().await.unwrap();
        let lines = page.lines().filter_map(|line| line.strip_prefix("doorward_upstream_dropped"));
        let read = |line: &str| {
            let (_, rest) = line.split_once("reason=\"")?;
            let (reason, rest) = rest.split_once('"')?;
            Some((reason.to_owned(), rest.rsplit_once(' ')?.1.parse::<f64>().ok()? as u64))
        };
        lines.filter_map(read).collect()
    }

    /// Every complete request that any upstream got, by upstream.
    pub(super) fn requests(&self) -> Vec<Vec<Recorded>> {
        self.upstreams.iter().map(Scripted::requests).collect()
    }

    /// Replaces the policies and waits until they have been taken or refused.
    pub(super) async fn set_policies(&self, policies: &str) {
        let from = self.door.audit_text().len();
        fs::write(self.door.folder().join("policies/case.cedar"), policies).unwrap();
        for _ in 0..400 {
            let text = self.door.audit_text();
            let new = text.get(from..).unwrap_or_default();
            if new.contains(r#""kind":"snapshot""#) || new.contains(r#""kind":"reload_refused""#) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(25)).await;
        }
        panic!("new policies were neither taken nor refused: {}", self.door.process.stderr.text());
    }
}
