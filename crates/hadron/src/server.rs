//! `hadron server` and `hadron restore`.

use crate::agent::machine_name;
use crate::spans::Spans;
use crate::{cli, metrics, shutdown};
use anyhow::{Context, Result};
use hadron_control::publication::Zones;
use hadron_control::{Quotas, Underlay};
use hadron_server::{Config, KeystoneConfig, Limits, PublisherConfig, Server, UpdateKey};
use hadron_store::etcd::{EtcdOptions, EtcdTls};
use std::path::PathBuf;
use std::time::Duration;

/// Where the service user's password is looked for; a command line can be read by others.
const PASSWORD: &str = "HADRON_KEYSTONE_PASSWORD";

pub async fn run(options: cli::Server) -> Result<()> {
    let mut config = config(&options, Underlay::Ipv4)?;
    let spans = Spans::start(&options.spans, "hadron-server", machine_name()?)?;
    spans.hear_requests(&mut config);
    let mut server = Server::start(config).await?;
    let _metrics = metrics(&options, &server).await?;
    announce(&server);
    tokio::select! {
        signalled = shutdown::signalled() => signalled?,
        error = server.failed() => return Err(error.into()),
    }
    server.stop().await;
    spans.stop().await;
    Ok(())
}

/// The server's metrics, if they are asked for, until this is dropped.
pub async fn metrics(options: &cli::Server, server: &Server) -> Result<Option<metrics::Serving>> {
    let Some(address) = options.metrics else { return Ok(None) };
    let gauges = server.gauges();
    Ok(Some(metrics::serve(address, move || metrics::server_page(&gauges)).await?))
}

/// Says where the server is; at the first start also how to reach it, with the password that is shown only then.
pub fn announce(server: &Server) {
    let config = server.config();
    let identity = match &config.keystone {
        Some(keystone) => keystone.url.clone(),
        None => config.public_url(config.identity),
    };
    tracing::info!(api = %config.public_url(config.api), identity, "serving");
    if let Some(clouds_yaml) = server.first_start() {
        println!(
            "# First start. Put this into ~/.config/openstack/clouds.yaml; the password is shown only now.\n{clouds_yaml}"
        );
    }
}

pub async fn restore(options: cli::Restore) -> Result<()> {
    let history = hadron_server::restore(&options.file, &options.admin.state_dir).await?;
    println!("restored; its history is {history}");
    Ok(())
}

/// The server's configuration; `underlay` is the family unless the options name IPv6.
pub fn config(options: &cli::Server, underlay: Underlay) -> Result<Config> {
    let public_name = match &options.public_name {
        Some(name) => name.clone(),
        None => machine_name()?,
    };
    let control = hadron_control::Config {
        tenant_vnis: options.vnis.0..=options.vnis.1,
        vlan_ranges: options.network_vlan_ranges.clone(),
        underlay_mtu: options.underlay_mtu,
        underlay: if options.underlay_ipv6 { Underlay::Ipv6 } else { underlay },
        quotas: Quotas {
            network: limit(options.quota_network),
            subnet: limit(options.quota_subnet),
            port: limit(options.quota_port),
            security_group: limit(options.quota_security_group),
            security_group_rule: limit(options.quota_security_group_rule),
            address_group: limit(options.quota_address_group),
            rbac_policy: limit(options.quota_rbac_policy),
            subnetpool: limit(options.quota_subnetpool),
            router: limit(options.quota_router),
            router_route: limit(options.quota_router_route),
            floating_ip: limit(options.quota_floatingip),
        },
        ..hadron_control::Config::default()
    };
    Ok(Config {
        state_dir: options.state_dir.clone(),
        etcd: etcd(&options.store)?,
        api: options.api,
        identity: options.identity,
        nodes: options.nodes,
        public_name,
        node_servers: options.node_servers.clone(),
        region: options.region.clone(),
        token_lifetime: Duration::from_secs(options.token_lifetime),
        limits: Limits {
            connections: options.limits.max_connections as usize,
            head_timeout: Duration::from_secs(options.limits.head_timeout),
            body_timeout: Duration::from_secs(options.limits.body_timeout),
            max_body: options.limits.max_body as usize,
        },
        keystone: keystone(&options.keystone)?,
        policy: crate::policy::config(&options.policy),
        lease_seconds: u32::try_from(options.dhcp_lease_duration).unwrap_or(u32::MAX),
        audit_log: options.audit_log.clone(),
        observers: Vec::new(),
        publisher: publisher(&options.dns_update)?,
        control,
    })
}

/// The name server outside, if one is named.
fn publisher(options: &cli::DnsUpdate) -> Result<Option<PublisherConfig>> {
    let (Some(server), Some(key), Some(file)) =
        (options.dns_update_server, &options.dns_update_key, &options.dns_update_key_file)
    else {
        return Ok(None);
    };
    let key =
        UpdateKey::read(key, options.dns_update_key_algorithm, file).context("--dns-update-key-file")?;
    let zones = Zones::new(&options.dns_update_zones, &options.dns_update_reverse);
    Ok(Some(PublisherConfig { server, key, zones, ttl: options.dns_update_ttl }))
}

/// The Keystone, if one is named.
fn keystone(options: &cli::Keystone) -> Result<Option<KeystoneConfig>> {
    let Some(url) = &options.keystone_url else { return Ok(None) };
    let password = match &options.keystone_password_file {
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("--keystone-password-file {}", path.display()))?;
            text.trim_end_matches(['\r', '\n']).to_owned()
        }
        None => std::env::var(PASSWORD).with_context(|| {
            format!("the service user's password: set {PASSWORD} or --keystone-password-file")
        })?,
    };
    Ok(Some(KeystoneConfig {
        public_url: options.keystone_public_url.clone(),
        user: options.keystone_user.clone(),
        user_domain: options.keystone_user_domain.clone(),
        project: options.keystone_project.clone(),
        project_domain: options.keystone_project_domain.clone(),
        ca_file: options.keystone_ca.clone(),
        timeout: Duration::from_secs(options.keystone_timeout),
        cache_time: Duration::from_secs(options.keystone_cache_time),
        cache_tokens: options.keystone_cache_tokens as usize,
        ..KeystoneConfig::new(url, &password)
    }))
}

/// The etcd that has the model, if one is named.
fn etcd(options: &cli::Store) -> Result<Option<EtcdOptions>> {
    let Some(etcd) = &options.store else { return Ok(None) };
    let read = |path: &PathBuf| std::fs::read(path).with_context(|| format!("{}", path.display()));
    let mut etcd = etcd.clone();
    etcd.timeout = Duration::from_secs(options.etcd_timeout);
    if let Some(ca) = &options.etcd_ca {
        let identity = match (&options.etcd_cert, &options.etcd_key) {
            (Some(certificate), Some(key)) => Some((read(certificate)?, read(key)?)),
            _ => None,
        };
        etcd.tls = Some(EtcdTls { ca_pem: read(ca)?, identity });
    }
    if let (Some(user), Some(file)) = (&options.etcd_user, &options.etcd_password_file) {
        let text = String::from_utf8(read(file)?).with_context(|| format!("{}", file.display()))?;
        let password = text.lines().next().unwrap_or_default();
        etcd.credentials = Some((user.clone(), password.to_owned()));
    }
    Ok(Some(etcd))
}

fn limit(quota: i64) -> Option<usize> {
    usize::try_from(quota).ok()
}
