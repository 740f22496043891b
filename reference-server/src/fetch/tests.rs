#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;

fn public(address: &str) -> bool {
    address::is_public(address.parse().unwrap())
}

#[test]
fn special_networks_are_not_public_at_both_ends() {
    for address in [
        "0.0.0.0",
        "0.255.255.255",
        "10.0.0.0",
        "10.255.255.255",
        "100.64.0.0",
        "100.127.255.255",
        "127.0.0.1",
        "127.255.255.255",
        "169.254.169.254",
        "168.63.129.16",
        "100.100.100.200",
        "fd00:ec2::254",
        "fd20:ce::254",
        "172.16.0.0",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.0.0",
        "192.168.255.255",
        "198.18.0.0",
        "198.19.255.255",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "fe80::1",
        "fc00::1",
        "fdff::1",
        "fec0::1",
        "ff02::1",
        "2001::1",
        "2001:1ff::1",
        "2001:db8::1",
        "2002:7f00:1::",
        "3fff:fff::1",
        "::127.0.0.1",
    ] {
        assert!(!public(address), "{address}");
    }
}

#[test]
fn what_lies_between_special_networks_is_public() {
    for address in [
        "1.1.1.1",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.1",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.0.1.1",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "::ffff:1.1.1.1",
        "2001:200::1",
        "2606:4700::1",
        "2a00::1",
        "3fff:1000::1",
    ] {
        assert!(public(address), "{address}");
    }
}

#[test]
fn addresses_that_mean_another_are_seen_through() {
    let guard = Guard { allowed: vec![], is_own: |_| false };
    for url in [
        "http://127.0.0.1/",
        "http://2130706433/",
        "http://0x7f.1/",
        "http://017700000001/",
        "http://127.1/",
        "http://[::1]/",
        "http://[::ffff:7f00:1]/",
        "http://169.254.169.254/latest/meta-data",
        "http://0/",
    ] {
        assert!(matches!(guard.check(&Url::parse(url).unwrap()), Err(FetchError::Forbidden)), "{url}");
    }
    for url in [
        "file:///etc/passwd",
        "ftp://example.com/",
        "gopher://example.com/",
        "http://user@example.com/",
        "http://a:b@c/",
    ] {
        assert!(matches!(guard.check(&Url::parse(url).unwrap()), Err(FetchError::Address(_))), "{url}");
    }
    let guard = Guard { allowed: vec!["127.0.0.0/8".parse().unwrap()], is_own: |_| false };
    assert!(guard.check(&Url::parse("http://127.1/").unwrap()).is_ok());
    assert!(guard.check(&Url::parse("http://[::ffff:127.0.0.1]/").unwrap()).is_ok());
    assert!(guard.check(&Url::parse("http://10.0.0.1/").unwrap()).is_err());
}

#[tokio::test]
async fn a_name_that_leads_inside_is_refused() {
    let fetcher = Fetcher::new(vec![]).unwrap();
    let refused = fetcher.fetch("http://localhost:1/", 10).await.unwrap_err();
    assert_eq!(refused.code(), "address_forbidden", "{refused:?}");
}

#[test]
fn this_machine_is_not_reached_by_an_address_of_the_internet() {
    assert!(address::is_own("127.0.0.1".parse().unwrap()));
    assert!(!address::is_own("1.1.1.1".parse().unwrap()));
    let guard = |allowed: &[&str]| Guard {
        allowed: allowed.iter().map(|network| network.parse().unwrap()).collect(),
        is_own: |address| address == IpAddr::from([9, 9, 9, 9]),
    };
    for (url, permitted) in [("http://9.9.9.9/", false), ("http://[::ffff:9.9.9.9]/", false), ("http://1.1.1.1/", true)]
    {
        assert_eq!(guard(&[]).check(&Url::parse(url).unwrap()).is_ok(), permitted, "{url}");
    }
    assert!(guard(&["9.9.9.9"]).check(&Url::parse("http://9.9.9.9/").unwrap()).is_ok());
    assert!(guard(&["168.63.129.16"]).permits("168.63.129.16".parse().unwrap()));
}

#[tokio::test]
async fn fetches_beyond_the_limit_are_refused_and_not_queued() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let fetcher = Fetcher::new(vec!["127.0.0.1".parse().unwrap()]).unwrap().with_fetches_max(1);
    let slow = tokio::spawn({
        let (fetcher, url) = (fetcher.clone(), url.clone());
        async move { fetcher.fetch(&url, 1).await }
    });
    let (_silent, _) = listener.accept().await.unwrap();
    assert!(matches!(fetcher.fetch(&url, 1).await, Err(FetchError::Busy(1))));
    slow.abort();
    assert!(slow.await.unwrap_err().is_cancelled());
    let again = tokio::time::timeout(std::time::Duration::from_millis(50), fetcher.fetch(&url, 1)).await;
    assert!(again.is_err(), "the place is free again");
}
