//! Two servers on one etcd: clients take either, one is killed, and etcd is taken away from them and their nodes.

use anyhow::{Context, Result, bail, ensure};
use futures_util::future::join_all;
use hadron_lab::{Etcd, Underlay, until};
use hadron_tests::client::{Client, token};
use hadron_tests::cloud::{Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hadron_tests::process::Server;
use hyper::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Two servers, and the etcd that they share.
struct Pair {
    servers: [Server; 2],
    token: String,
    etcd: Etcd,
}

impl Pair {
    async fn start(options: &[&str]) -> Result<Self> {
        let etcd = Etcd::start()?;
        let store = format!("etcd://{}", etcd.address());
        let options = [&["--store", &store], options].concat();
        let one = Server::start_with(&options).await?;
        let two = Server::start_beside(&one, &options).await?;
        let token = one.admin_token().await?;
        Ok(Self { servers: [one, two], token, etcd })
    }

    async fn api(&self, server: usize) -> Result<Client> {
        Ok(self.servers[server % 2].network_api().await?.with_token(&self.token))
    }

    async fn identity(&self, server: usize) -> Result<Client> {
        Ok(self.servers[server % 2].identity_api().await?.with_token(&self.token))
    }

    /// A network with a subnet that has room for 65,000 ports and no DHCP port.
    async fn network(&self) -> Result<String> {
        let mut api = self.api(0).await?;
        let network = api.post("/v2.0/networks", json!({"network": {"name": "net"}})).await?;
        let id = id_of(&network["network"])?;
        let subnet = json!({"network_id": id, "ip_version": 4, "cidr": "10.0.0.0/16", "enable_dhcp": false});
        let subnet = json!({"subnet": subnet});
        api.post("/v2.0/subnets", subnet).await?;
        Ok(id)
    }
}

fn id_of(object: &Value) -> Result<String> {
    Ok(object["id"].as_str().context("an object without id")?.to_owned())
}

async fn ids(api: &mut Client, path: &str, kind: &str) -> Result<BTreeSet<String>> {
    let answer = api.get(path).await?;
    answer[kind].as_array().context("no list")?.iter().map(id_of).collect()
}

/// What one server has answered the other knows, each time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_may_change_servers_with_every_request() -> Result<()> {
    let pair = Pair::start(&[]).await?;
    let network = pair.network().await?;
    let mut apis = [pair.api(0).await?, pair.api(1).await?];
    let [one, two] = &mut apis;
    for n in 0..40 {
        let (here, there) = if n % 2 == 0 { (&mut *one, &mut *two) } else { (&mut *two, &mut *one) };
        let port = json!({"port": {"network_id": network, "name": format!("port-{n}")}});
        let port = here.post("/v2.0/ports", port).await?["port"].clone();
        let path = format!("/v2.0/ports/{}", id_of(&port)?);
        ensure!(there.get(&path).await?["port"] == port, "port {n} is another one there");
        there.put(&path, json!({"port": {"name": "renamed"}})).await?;
        ensure!(here.get(&path).await?["port"]["name"] == "renamed", "port {n} is not renamed here");
        let listed = ids(there, "/v2.0/ports?name=renamed", "ports").await?;
        ensure!(listed.len() == 1 + n / 2, "{} ports listed there", listed.len());
        if n % 2 == 0 {
            here.delete(&path).await?;
            let gone = there.request(Method::GET, &path, None).await?;
            ensure!(gone.status == StatusCode::NOT_FOUND, "port {n} is still there: {}", gone.status);
        }
    }
    let mut identities = [pair.identity(0).await?, pair.identity(1).await?];
    let [one, two] = &mut identities;
    for n in 0..6 {
        let (here, there) = if n % 2 == 0 { (&mut *one, &mut *two) } else { (&mut *two, &mut *one) };
        let project = here.post("/v3/projects", json!({"project": {"name": format!("project-{n}")}})).await?;
        let project = id_of(&project["project"])?;
        let user = json!({"user": {"name": format!("user-{n}"), "password": "correct horse"}});
        let user = id_of(&there.post("/v3/users", user).await?["user"])?;
        let roles = here.get("/v3/roles?name=member").await?;
        let role = id_of(&roles["roles"][0])?;
        here.put(&format!("/v3/projects/{project}/users/{user}/roles/{role}"), Value::Null).await?;
        let mut login = pair.servers[(n + 1) % 2].identity_api().await?;
        let theirs =
            token(&mut login, &format!("user-{n}"), "correct horse", &format!("project-{n}")).await?;
        let path = "/v2.0/networks";
        let mut api = pair.servers[n % 2].network_api().await?.with_token(&theirs);
        api.get(path).await?;
        there.delete(&format!("/v3/users/{user}")).await?;
        let refused = api.request(Method::GET, path, None).await?;
        ensure!(refused.status == StatusCode::UNAUTHORIZED, "a removed user is served: {}", refused.status);
    }
    Ok(())
}

/// 500 connections with two requests each, half of them on each server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_quota_is_held_exactly_by_two_servers() -> Result<()> {
    let pair = Pair::start(&["--quota-port=500"]).await?;
    let network = pair.network().await?;
    let mut clients = Vec::new();
    for n in 0..500 {
        clients.push(pair.api(n).await?);
    }
    let created = clients.into_iter().map(|mut client| {
        let body = json!({"port": {"network_id": network}});
        tokio::spawn(async move {
            let mut statuses = Vec::new();
            for _ in 0..2 {
                statuses.push(client.request(Method::POST, "/v2.0/ports", Some(&body)).await?.status);
            }
            Ok::<_, anyhow::Error>(statuses)
        })
    });
    let mut created_and_refused = (0, 0);
    for statuses in join_all(created).await {
        for status in statuses?? {
            match status {
                StatusCode::CREATED => created_and_refused.0 += 1,
                StatusCode::CONFLICT => created_and_refused.1 += 1,
                other => bail!("answered {other}"),
            }
        }
    }
    ensure!(created_and_refused == (500, 500), "{created_and_refused:?} were created and refused");
    for server in 0..2 {
        let ports = ids(&mut pair.api(server).await?, "/v2.0/ports?fields=id", "ports").await?;
        ensure!(ports.len() == 500, "server {server} lists {} ports", ports.len());
    }
    Ok(())
}

/// Single and bulk creates on both while one is killed; the other then has all that was acknowledged, of bulk creates all or nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_killed_under_load_loses_nothing_acknowledged() -> Result<()> {
    const BULK: usize = 200;
    let mut pair = Pair::start(&["--quota-port=-1"]).await?;
    let network = pair.network().await?;
    let is_over = Arc::new(AtomicBool::new(false));
    let mut writers = Vec::new();
    for n in 0..16 {
        let (mut client, is_over) = (pair.api(n).await?, is_over.clone());
        let port = json!({"network_id": network, "name": format!("writer-{n}")});
        // Two on each server create in bulk.
        let body = if n < 4 { json!({"ports": vec![port; BULK]}) } else { json!({"port": port}) };
        writers.push(tokio::spawn(async move {
            let mut acknowledged = BTreeSet::new();
            while !is_over.load(Ordering::Relaxed) {
                let Ok(answer) = client.request(Method::POST, "/v2.0/ports", Some(&body)).await else {
                    break;
                };
                if answer.status != StatusCode::CREATED {
                    ensure!(answer.status.is_server_error(), "answered {}: {}", answer.status, answer.body);
                    continue;
                }
                match answer.body["ports"].as_array() {
                    Some(ports) => acknowledged.extend(ports.iter().map(id_of).collect::<Result<Vec<_>>>()?),
                    None => drop(acknowledged.insert(id_of(&answer.body["port"])?)),
                }
            }
            Ok(acknowledged)
        }));
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    pair.servers[0].kill();
    tokio::time::sleep(Duration::from_secs(1)).await;
    is_over.store(true, Ordering::Relaxed);
    let mut acknowledged = BTreeSet::new();
    for writer in writers {
        acknowledged.extend(writer.await??);
    }
    let mut api = pair.api(1).await?;
    let mut left = Vec::new();
    for _ in 0..600 {
        let listed = api.get("/v2.0/ports?fields=id&fields=name").await?;
        let listed = listed["ports"].as_array().context("no ports")?.clone();
        let there: BTreeSet<String> = listed.iter().map(id_of).collect::<Result<_>>()?;
        ensure!(acknowledged.is_subset(&there), "{} lost", acknowledged.difference(&there).count());
        left = (0..4)
            .map(|writer| {
                let name = format!("writer-{writer}");
                listed.iter().filter(|port| port["name"] == name.as_str()).count() % BULK
            })
            .collect();
        if left == [0; 4] {
            break;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    let etcd = &pair.etcd;
    ensure!(left == [0; 4], "of the writers' bulk creates stay {left:?} ports; etcd says:\n{}", etcd.log());
    ensure!(acknowledged.len() > 100, "only {} ports were created", acknowledged.len());
    Ok(())
}

/// What happens to etcd and the servers is nothing to instances; and everything converges.
#[test]
fn nodes_forward_and_follow_whatever_happens_to_etcd_and_a_server() -> Result<()> {
    let options = Options { is_on_etcd: true, ..Options::default() };
    let mut cloud = Cloud::up_with("etcd", Underlay::V4, &["compute1", "compute2"], options)?;
    cloud.start_second_server()?;
    let network = cloud.network("net")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let near = Guest::start(&cloud, &network, "compute1", "near")?;
    let far = Guest::start(&cloud, &network, "compute2", "far")?;
    near.reaches(&far)?;
    let address = far.port.address(false)?;
    let echo = far.instance.tcp_echo(SocketAddr::new(address, 7777))?;
    let flow = near.instance.tcp_flow(echo.address(), Duration::from_millis(5))?;
    flow.wait_for_messages(50, PATIENCE)?;

    let etcd = cloud.etcd().context("no etcd")?;
    etcd.pause();
    let refused = cloud.port(&network, "compute1").map(drop).unwrap_err();
    let refused = format!("{refused:#}");
    ensure!(refused.contains("503") && refused.contains("does not answer"), "{refused}");
    ensure!(!cloud.port_status(&near.port.id)?.is_empty(), "reads do not go on");
    etcd.resume();
    until(PATIENCE, "writes go on", || cloud.network("after the pause").is_ok())?;

    cloud.restart_etcd()?;
    until(PATIENCE, "writes go on after etcd's end", || cloud.network("after the end").is_ok())?;
    let third = Guest::start(&cloud, &network, "compute2", "third")?;
    near.reaches(&third)?;

    cloud.kill_server();
    cloud.use_second_server();
    let fourth = Guest::start(&cloud, &network, "compute1", "fourth")?;
    cloud.wait_for_status(&fourth.port.id, "ACTIVE")?;
    fourth.reaches(&far)?;

    flow.wait_for_messages(flow.messages() + 50, PATIENCE)?;
    let flow = flow.stop()?;
    ensure!(flow.error.is_none() && flow.retransmits == 0, "{flow:?}");
    Ok(())
}
