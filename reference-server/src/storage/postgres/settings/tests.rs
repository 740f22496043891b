#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

const SECRET: &str = "hunter2";

fn parse(url: &str) -> Result<PostgresSettings, UrlError> {
    PostgresSettings::parse(url, None)
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
    let settings = PostgresSettings::parse("postgres://ann:from-url@localhost/x", Some(file.path())).unwrap();
    // sqlx shows a password to nothing but a URL.
    assert!(settings.options.to_url_lossy().as_str().contains("from%20file"));
    let missing = PostgresSettings::parse("postgres://localhost/x", Some(Path::new("/missing")));
    assert!(matches!(missing, Err(UrlError::PasswordFile(_))));
}
