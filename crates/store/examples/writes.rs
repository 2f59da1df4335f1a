//! Durable port creates per second at several numbers of writers: `writes DIRECTORY [SECONDS]`.
//!
//! Each create is what the control plane does: number, address, MAC, port, four records in one transaction.

use hadron_model::*;
use hadron_store::*;
use std::net::IpAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

fn main() {
    let mut arguments = std::env::args().skip(1);
    let directory = arguments.next().expect("usage: writes DIRECTORY [SECONDS]");
    let seconds = arguments.next().map_or(3, |text| text.parse().expect("seconds"));
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_time().build().expect("runtime");
    for writers in [1, 8, 32, 128] {
        runtime.block_on(measure(Path::new(&directory), writers, Duration::from_secs(seconds)));
    }
}

async fn measure(directory: &Path, writers: usize, time: Duration) {
    let file = directory.join(format!("writes-{writers}"));
    let _ = std::fs::remove_file(&file);
    let store = Store::open(&file).await.expect("open");
    let subnets = Arc::new(prepare(&store).await);
    let stop = Arc::new(AtomicBool::new(false));
    let done = Arc::new(AtomicU64::new(0));
    let (cpu, start) = (cpu_time(), Instant::now());
    let tasks: Vec<_> = (0..writers)
        .map(|writer| {
            let (store, subnets, stop, done) = (store.clone(), subnets.clone(), stop.clone(), done.clone());
            tokio::spawn(async move {
                while !stop.load(Ordering::Relaxed) {
                    let subnet = subnets[writer % subnets.len()];
                    store.write(CommitInfo::system(), |tx| create_port(tx, subnet)).await.expect("create");
                    done.fetch_add(1, Ordering::Relaxed);
                }
            })
        })
        .collect();
    tokio::time::sleep(time).await;
    stop.store(true, Ordering::Relaxed);
    for task in tasks {
        task.await.expect("writer");
    }
    let (elapsed, cpu) = (start.elapsed(), cpu_time() - cpu);
    let creates = done.load(Ordering::Relaxed);
    let rate = creates as f64 / elapsed.as_secs_f64();
    let each = cpu.as_secs_f64() * 1e6 / creates as f64;
    println!(
        "{writers:4} writers: {rate:8.0} creates/s, {each:6.1} µs CPU each, {:.2} cores",
        cpu.as_secs_f64() / elapsed.as_secs_f64()
    );
    drop(store);
    let start = Instant::now();
    let store = Store::open(&file).await.expect("reopen");
    println!(
        "              {} ports, file {} MiB, opened in {:?}, resident {} MiB",
        store.snapshot().len::<Port>(),
        file.metadata().expect("file").len() >> 20,
        start.elapsed(),
        resident() >> 20
    );
    drop(store);
    let _ = std::fs::remove_file(&file);
}

async fn prepare(store: &Store) -> Vec<(NetworkId, SubnetId)> {
    let pairs: Vec<_> = (0..8).map(|_| (NetworkId::random(), SubnetId::random())).collect();
    let made = store.write(CommitInfo::system(), |tx| {
        for (network, subnet) in &pairs {
            let number = SubnetNumber(tx.next_number(Counter::Subnet)?);
            let first = IpAddr::from([10, 0, 0, 2]);
            tx.put(Subnet {
                id: *subnet,
                number,
                network_id: *network,
                project_id: "5e2f6b3cdd1d4c7e9f6a4f7bba6b3f01".into(),
                name: String::new(),
                description: String::new(),
                subnetpool_id: None,
                cidr: "10.0.0.0/8".parse().expect("prefix"),
                gateway_ip: None,
                allocation_pools: vec![
                    AddressRange::new(first, IpAddr::from([10, 255, 255, 254])).expect("range"),
                ],
                dns_nameservers: vec![],
                host_routes: vec![],
                enable_dhcp: true,
                ipv6_ra_mode: None,
                ipv6_address_mode: None,
                service_types: vec![],
                dns_publish_fixed_ip: false,
                segment_id: None,
                stamp: Stamp::default(),
            });
        }
        Ok::<_, StoreError>(())
    });
    made.await.expect("subnets");
    pairs
}

fn create_port(tx: &mut Tx, (network_id, subnet_id): (NetworkId, SubnetId)) -> Result<(), StoreError> {
    let id = PortId::random();
    let [a, b, c, ..] = *id.0.as_bytes();
    let mac = Mac([0xfa, 0x16, 0x3e, a, b, c]);
    let ip_address = tx.view().first_free_address(subnet_id).ok_or(StoreError::Conflict)?;
    let number = PortNumber(tx.next_number(Counter::Port)?);
    let _ = tx.insert(AddressClaim { subnet_id, address: ip_address, port_id: id });
    let _ = tx.insert(MacClaim { network_id, mac, port_id: id });
    tx.put(Port {
        id,
        number,
        network_id,
        project_id: "5e2f6b3cdd1d4c7e9f6a4f7bba6b3f01".into(),
        name: format!("port-{number}"),
        description: String::new(),
        mac_address: mac,
        fixed_ips: vec![FixedIp { subnet_id, ip_address }],
        admin_state_up: true,
        device_id: id.to_string(),
        device_owner: "compute:nova".into(),
        binding: Binding { host_id: format!("compute{}", number.0 % 100), ..Binding::default() },
        status: PortStatus::Down,
        port_security_enabled: false,
        security_groups: vec![],
        details: hadron_model::PortDetails::default(),
        inactive_bindings: vec![],
        allowed_address_pairs: vec![],
        policy: None,
        stamp: Stamp::default(),
    });
    Ok(())
}

fn cpu_time() -> Duration {
    let usage = nix::sys::resource::getrusage(nix::sys::resource::UsageWho::RUSAGE_SELF).expect("usage");
    [usage.user_time(), usage.system_time()]
        .iter()
        .map(|time| Duration::from_micros((time.tv_sec() * 1_000_000 + time.tv_usec()) as u64))
        .sum()
}

fn resident() -> usize {
    let text = std::fs::read_to_string("/proc/self/statm").expect("statm");
    text.split(' ').nth(1).and_then(|pages| pages.parse::<usize>().ok()).unwrap_or(0) * 4096
}
