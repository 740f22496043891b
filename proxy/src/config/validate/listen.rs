//! Listeners and their certificates.

use rustls::{
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject},
    sign::CertifiedKey,
};

use super::Check;
use crate::{
    config::units::{ByteSize, Span},
    server::settings::{AdminSettings, ListenAddress, ListenSettings},
};

const DEFAULT: ([u8; 4], u16) = ([127, 0, 0, 1], 8080);

pub(super) fn listeners(check: &mut Check<'_>, mut listen: Vec<ListenSettings>) -> Vec<ListenSettings> {
    if listen.is_empty() {
        listen.push(ListenSettings::at(ListenAddress::Tcp(DEFAULT.into())));
    }
    let mut seen: Vec<ListenAddress> = Vec::new();
    for (index, one) in listen.iter_mut().enumerate() {
        let key = format!("listen[{index}]");
        if seen.contains(&one.address) && !any_port(&one.address) {
            check.problem(
                &format!("{key}.address"),
                format!("{} is listed twice", one.address),
                "remove one of the two",
            );
        }
        seen.push(one.address.clone());
        if one.connections_max == 0 {
            check.problem(
                &format!("{key}.connections_max"),
                "is 0, so that nobody could connect",
                "leave the key out for the default",
            );
        }
        bounds(check, &key, one);
        tls(check, &key, one);
    }
    listen
}

fn bounds(check: &mut Check<'_>, key: &str, listen: &ListenSettings) {
    let (second, hour) = (Span::seconds(1), Span::seconds(3_600));
    check.within(&format!("{key}.keepalive_timeout"), &listen.keepalive_timeout, &second, &hour);
    check.within(&format!("{key}.write_timeout"), &listen.write_timeout, &second, &hour);
    let limits = &listen.http2_limits;
    let key = format!("{key}.http2_limits");
    check.within(&format!("{key}.streams_max"), &limits.streams_max, &1, &10_000);
    let (least, most) = (ByteSize(1 << 10), ByteSize(16 << 20));
    check.within(&format!("{key}.stream_window"), &limits.stream_window, &least, &most);
    // A connection's window begins at 64 KiB - 1 and can only grow (RFC 9113 §6.9.2); the codec announces no small growth.
    let (least, most) = (ByteSize(128 << 10), ByteSize(1 << 30));
    check.within(&format!("{key}.connection_window"), &limits.connection_window, &least, &most);
    check.within(&format!("{key}.pending_resets_max"), &limits.pending_resets_max, &1, &10_000);
    check.within(&format!("{key}.error_resets_max"), &limits.error_resets_max, &1, &100_000);
}

fn any_port(address: &ListenAddress) -> bool {
    matches!(address, ListenAddress::Tcp(address) if address.port() == 0)
}

fn tls(check: &mut Check<'_>, key: &str, listen: &mut ListenSettings) {
    let Some(tls) = &mut listen.tls else { return };
    for path in [&mut tls.certificate, &mut tls.key].into_iter().flatten() {
        *path = check.base.join(&*path);
    }
    let (Some(certificate), Some(private)) = (&tls.certificate, &tls.key) else {
        let missing = if tls.certificate.is_none() { "certificate" } else { "key" };
        check.problem(
            &format!("{key}.tls"),
            format!("`{missing}` is missing"),
            "TLS needs `certificate` and `key`; leave `tls` out for plain HTTP",
        );
        return;
    };
    let (certificate, private) = (certificate.clone(), private.clone());
    key_pair(check, &format!("{key}.tls"), &certificate, &private);
}

/// Both files are PEM, and the key is the certificate's.
pub(super) fn key_pair(check: &mut Check<'_>, section: &str, certificate: &std::path::Path, key: &std::path::Path) {
    let hint = "name a PEM file that this process may read";
    let chain = CertificateDer::pem_file_iter(certificate).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let private = PrivateKeyDer::from_pem_file(key);
    let chain = match chain {
        Ok(chain) if !chain.is_empty() => Some(chain),
        Ok(_) => {
            check.problem(
                &format!("{section}.certificate"),
                format!("{} holds no certificate", certificate.display()),
                hint,
            );
            None
        }
        Err(error) => {
            check.problem(&format!("{section}.certificate"), format!("{}: {error}", certificate.display()), hint);
            None
        }
    };
    // The error of a key file is not shown in full: it may hold a part of the file.
    let private = private
        .inspect_err(|_| {
            let problem = format!("{} cannot be read as a private key", key.display());
            check.problem(&format!("{section}.key"), problem, hint);
        })
        .ok();
    if let (Some(chain), Some(private)) = (chain, private)
        && let Err(error) = CertifiedKey::from_der(chain, private, &default_provider())
    {
        check.problem(
            section,
            format!("certificate and key do not go together: {error}"),
            "name the key that the certificate was issued for",
        );
    }
}

pub(super) fn admin(check: &mut Check<'_>, admin: Option<&AdminSettings>, listen: &[ListenSettings]) {
    let Some(admin) = admin else { return };
    let address = ListenAddress::Tcp(admin.address);
    if !any_port(&address) && listen.iter().any(|one| one.address == address) {
        check.problem(
            "admin.address",
            format!("{address} is a listener for clients"),
            "choose another port; operators and clients never share a listener",
        );
    }
}
