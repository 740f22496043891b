#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const SECRET: &str = "hunter2";

fn parse(url: &str) -> Result<PostgresSettings, UrlError> {
    PostgresSettings::parse(url, &Access::default())
}

#[test]
fn url_and_password_are_shown_nowhere() {
    let settings = parse(&format!("postgres://ann:{SECRET}@localhost/documents?password={SECRET}")).unwrap();
    assert!(!format!("{settings:?}").contains(SECRET));
    let broken = [
        format!("postgres://ann:{SECRET}@localhost:port/x"),
        format!("postgres://ann:{SECRET}@localhost/x?sslmode={SECRET}"),
        format!("postgres://ann:{SECRET}@localhost/x?passwd={SECRET}"),
        format!("postgres://ann:a?{SECRET}@localhost/x"),
        format!("postgres://ann:{SECRET}@localhost/x?statement-cache-capacity={SECRET}"),
    ];
    for url in broken {
        let error = parse(&url).unwrap_err();
        assert!(!format!("{error} {error:?}").contains(SECRET), "{error}");
    }
}

#[test]
fn server_elsewhere_is_held_to_its_certificate() {
    let mode = |url: &str| parse(url).unwrap().options.get_ssl_mode();
    assert!(matches!(mode("postgres://ann@db.example/x"), PgSslMode::VerifyFull));
    assert!(matches!(mode("postgresql://ann@192.0.2.1/x"), PgSslMode::VerifyFull));
    assert!(matches!(mode("postgres://ann@db.example/x?sslmode=require"), PgSslMode::Require));
    for here in ["localhost", "127.0.0.1", "[::1]", "%2Frun%2Fpostgresql"] {
        assert!(matches!(mode(&format!("postgres://ann@{here}/x")), PgSslMode::Prefer), "{here}");
    }
}

#[test]
fn named_statements_are_switched_off_by_a_parameter() {
    assert!(parse("postgres://localhost/x").unwrap().named_statements());
    assert!(parse("postgres://localhost/x?statement-cache-capacity=10").unwrap().named_statements());
    assert!(!parse("postgres://localhost/x?statement-cache-capacity=0").unwrap().named_statements());
}

#[test]
fn password_of_the_file_goes_before_the_url() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "from file\n").unwrap();
    let access = |file| Access { password_file: Some(file), events: None };
    let settings = PostgresSettings::parse("postgres://ann:from-url@localhost/x", &access(file.path())).unwrap();
    // sqlx shows a password to nothing but a URL.
    assert!(settings.options.to_url_lossy().as_str().contains("from%20file"));
    let missing = PostgresSettings::parse("postgres://localhost/x", &access(Path::new("/missing")));
    assert!(matches!(missing, Err(UrlError::PasswordFile(_))));
}

#[test]
fn notifications_come_from_the_database_another_url_or_nowhere() {
    let events = |named: Option<&str>| {
        let named = named.map(|named| Named::from(std::ffi::OsStr::new(named)));
        let access = Access { password_file: None, events: named.as_ref() };
        PostgresSettings::parse("postgres://pool.example:6432/x", &access).map(|settings| settings.events)
    };
    let host = |events: Result<Events, UrlError>| match events.unwrap() {
        Events::From(options) => options.get_host().to_owned(),
        Events::Poll => "nowhere".to_owned(),
    };
    assert_eq!(host(events(None)), "pool.example");
    assert_eq!(host(events(Some("postgres://db.example/x"))), "db.example");
    assert_eq!(host(events(Some("poll"))), "nowhere");
    assert!(matches!(events(Some("never")), Err(UrlError::Url)));
}
