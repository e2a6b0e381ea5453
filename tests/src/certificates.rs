//! Certificates made for a test: authorities, and what they sign.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Result;
use openssl::asn1::{Asn1Integer, Asn1Time};
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkcs12::Pkcs12;
use openssl::pkey::{PKey, Private};
use openssl::symm::Cipher;
use openssl::x509::extension::{BasicConstraints, KeyUsage, SubjectAlternativeName};
use openssl::x509::{X509, X509Builder, X509Name};

const DAY: i64 = 86_400;

/// From when to when a certificate holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Validity {
    /// Since yesterday, for a month.
    Now,
    /// Until yesterday.
    Expired,
}

/// One who signs certificates.
#[derive(Debug)]
pub struct Authority {
    name: String,
    certificate: X509,
    key: PKey<Private>,
}

/// A certificate with its key.
#[derive(Debug)]
pub struct Signed {
    certificate: X509,
    key: PKey<Private>,
}

impl Authority {
    /// One that signs itself.
    ///
    /// # Errors
    ///
    /// When OpenSSL fails.
    pub fn new(name: &str) -> Result<Self> {
        let key = new_key()?;
        let mut builder = begin(name, &key, Validity::Now)?;
        builder.set_issuer_name(subject(name)?.as_ref())?;
        builder.append_extension(BasicConstraints::new().critical().ca().build()?)?;
        let usage = KeyUsage::new()
            .critical()
            .key_cert_sign()
            .crl_sign()
            .build()?;
        builder.append_extension(usage)?;
        builder.sign(&key, MessageDigest::sha256())?;
        Ok(Self {
            name: name.to_owned(),
            certificate: builder.build(),
            key,
        })
    }

    /// Signs a certificate of this common name, for these hosts: addresses or names.
    ///
    /// # Errors
    ///
    /// When OpenSSL fails.
    pub fn sign(&self, name: &str, hosts: &[&str], validity: Validity) -> Result<Signed> {
        let key = new_key()?;
        let mut builder = begin(name, &key, validity)?;
        builder.set_issuer_name(subject(&self.name)?.as_ref())?;
        builder.append_extension(BasicConstraints::new().build()?)?;
        if !hosts.is_empty() {
            let mut names = SubjectAlternativeName::new();
            for host in hosts {
                match host.parse::<std::net::IpAddr>() {
                    Ok(_) => names.ip(host),
                    Err(_) => names.dns(host),
                };
            }
            let names = names.build(&builder.x509v3_context(Some(&self.certificate), None))?;
            builder.append_extension(names)?;
        }
        builder.sign(&self.key, MessageDigest::sha256())?;
        Ok(Signed {
            certificate: builder.build(),
            key,
        })
    }

    /// Writes the certificate of the authority, as PEM.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write(&self, folder: &Path) -> Result<PathBuf> {
        write(
            folder,
            &format!("{}.ca.pem", self.name),
            &self.certificate.to_pem()?,
        )
    }
}

impl Signed {
    /// Writes the certificate, as PEM.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_certificate(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        write(
            folder,
            &format!("{name}.crt.pem"),
            &self.certificate.to_pem()?,
        )
    }

    /// Writes the key, as PEM, under a password where one is given.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_key(&self, folder: &Path, name: &str, password: Option<&str>) -> Result<PathBuf> {
        let pem = match password {
            None => self.key.private_key_to_pem_pkcs8()?,
            Some(password) => self
                .key
                .private_key_to_pem_pkcs8_passphrase(Cipher::aes_256_cbc(), password.as_bytes())?,
        };
        write(folder, &format!("{name}.key.pem"), &pem)
    }

    /// Writes key and certificate in one file, as brokers read them.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_pair(&self, folder: &Path, name: &str) -> Result<PathBuf> {
        let mut pem = self.key.private_key_to_pem_pkcs8()?;
        pem.extend(self.certificate.to_pem()?);
        write(folder, &format!("{name}.pem"), &pem)
    }

    /// Writes key and certificate as a PKCS#12 store under a password.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn write_store(&self, folder: &Path, name: &str, password: &str) -> Result<PathBuf> {
        let store = Pkcs12::builder()
            .name(name)
            .pkey(&self.key)
            .cert(&self.certificate)
            .build2(password)?;
        write(folder, &format!("{name}.p12"), &store.to_der()?)
    }
}

fn new_key() -> Result<PKey<Private>> {
    let group = EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?;
    Ok(PKey::from_ec_key(EcKey::generate(&group)?)?)
}

fn subject(name: &str) -> Result<X509Name> {
    let mut subject = X509Name::builder()?;
    subject.append_entry_by_nid(Nid::COMMONNAME, name)?;
    Ok(subject.build())
}

fn begin(name: &str, key: &PKey<Private>, validity: Validity) -> Result<X509Builder> {
    let now = jiff::Timestamp::now().as_second();
    let (from, to) = match validity {
        Validity::Now => (now - DAY, now + 30 * DAY),
        Validity::Expired => (now - 30 * DAY, now - DAY),
    };
    let mut serial = BigNum::new()?;
    serial.rand(127, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(Asn1Integer::from_bn(&serial)?.as_ref())?;
    builder.set_subject_name(subject(name)?.as_ref())?;
    builder.set_not_before(Asn1Time::from_unix(from)?.as_ref())?;
    builder.set_not_after(Asn1Time::from_unix(to)?.as_ref())?;
    builder.set_pubkey(key)?;
    Ok(builder)
}

/// Writes a file that only its owner may read; who reads it meanwhile has the old or the new one.
pub(crate) fn write(folder: &Path, name: &str, content: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    // A temporary file is its owner's alone.
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(content)?;
    file.persist(&path)?;
    Ok(path)
}
