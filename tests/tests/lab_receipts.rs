//! What is told of a change: on which hosts it is in force, who made it, and by which request a node has it.

use anyhow::{Context, Result, ensure};
use hadron_lab::{Underlay, until};
use hadron_tests::cloud::{CONTROLLER, Cloud, Options, PATIENCE};
use hadron_tests::guest::Guest;
use hyper::Method;
use serde_json::{Value, json};

const HOSTS: [&str; 2] = ["compute1", "compute2"];
const LOG: &str = "/var/lib/audit.log";

fn receipt(cloud: &Cloud, collection: &str, id: &str) -> Result<Value> {
    Ok(cloud.call(Method::GET, &format!("/v2.0/{collection}/{id}/receipt"), None)?["receipt"].clone())
}

fn becomes(cloud: &Cloud, port: &str, in_force: bool) -> Result<Value> {
    let is_so = || receipt(cloud, "ports", port).is_ok_and(|told| told["in_force"] == json!(in_force));
    until(PATIENCE, &format!("in force: {in_force}"), is_so)
        .with_context(|| format!("{:?}", receipt(cloud, "ports", port)))?;
    receipt(cloud, "ports", port)
}

#[test]
fn a_receipt_says_which_host_is_behind_and_when_it_has_caught_up() -> Result<()> {
    let cloud = Cloud::up("receipt", Underlay::V4, &HOSTS)?;
    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    let two = Guest::start(&cloud, &network, HOSTS[1], "two")?;
    one.reaches(&two)?;
    let told = becomes(&cloud, &one.port.id, true)?;
    ensure!(told["hosts"] == json!(2) && told["not_in_force_on"] == json!([]), "{told:#}");

    // Its agent stands still, and the packet path goes on by what it had.
    let agent = cloud.agent(HOSTS[1]).context("no agent")?;
    agent.pause();
    let third = cloud.port(&network, HOSTS[0])?;
    let told = becomes(&cloud, &third.id, false)?;
    ensure!(told["hosts_in_force"] == json!(1) && told["hosts_behind"] == json!(1), "{told:#}");
    let behind = &told["not_in_force_on"][0];
    ensure!(behind["host"] == json!(HOSTS[1]) && behind["status"] == json!("behind"), "{told:#}");
    // What was there before is still in force there.
    ensure!(receipt(&cloud, "ports", &one.port.id)?["in_force"] == json!(true));
    let said = cloud.admin(&["receipt", &third.id])?;
    ensure!(said.contains("on 1 of the 2 hosts") && said.contains("host compute2 has everything"), "{said}");

    agent.resume();
    let told = becomes(&cloud, &third.id, true)?;
    ensure!(told["hosts_in_force"] == json!(2), "{told:#}");
    let missing = cloud.admin_output(&["receipt", "5f1b0c9e-0000-4000-8000-000000000000"])?;
    ensure!(!missing.status.success(), "a receipt of nothing");
    Ok(())
}

#[test]
fn a_server_does_not_guess_what_hosts_of_another_one_have() -> Result<()> {
    let options = Options { is_on_etcd: true, ..Options::default() };
    let mut cloud = Cloud::up_with("receipts", Underlay::V4, &HOSTS, options)?;
    // The hosts are connected to the first server, which was there alone, and stay.
    cloud.start_second_server()?;
    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let one = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    let two = Guest::start(&cloud, &network, HOSTS[1], "two")?;
    one.reaches(&two)?;
    becomes(&cloud, &one.port.id, true)?;
    cloud.use_second_server();
    let told = receipt(&cloud, "ports", &one.port.id)?;
    ensure!(told["in_force"].is_null() && told["hosts_unknown"] == json!(2), "{told:#}");
    ensure!(told["not_in_force_on"][0]["status"] == json!("unknown"), "{told:#}");

    // The hosts come to the second one.
    cloud.kill_server();
    let told = becomes(&cloud, &one.port.id, true)?;
    ensure!(told["hosts_in_force"] == json!(2) && told["hosts_unknown"] == json!(0), "{told:#}");
    let third = cloud.port(&network, HOSTS[0])?;
    becomes(&cloud, &third.id, true)?;
    Ok(())
}

/// The lines of the audit log so far.
fn lines(cloud: &Cloud) -> Result<Vec<Value>> {
    let text = cloud.host(CONTROLLER)?.command("cat").arg(LOG).succeed(PATIENCE)?;
    text.lines().map(|line| serde_json::from_str(line).with_context(|| line.to_owned())).collect()
}

fn waits_for_line(cloud: &Cloud, what: &str, is_it: impl Fn(&Value) -> bool) -> Result<Value> {
    until(PATIENCE, what, || lines(cloud).is_ok_and(|lines| lines.iter().any(&is_it)))?;
    lines(cloud)?.into_iter().find(is_it).context("gone")
}

fn is_commit_of(line: &Value, object: &str) -> bool {
    let objects = line["objects"].as_array().into_iter().flatten();
    line["event"] == "commit" && objects.into_iter().any(|it| it["id"] == json!(object))
}

#[test]
fn every_write_is_in_the_audit_log_and_its_request_in_the_log_of_the_node() -> Result<()> {
    let options = Options { server: vec!["--audit-log".into(), LOG.into()], ..Options::default() };
    let cloud = Cloud::up_with("audit", Underlay::V4, &HOSTS[..1], options)?;
    let network = cloud.network("blue")?;
    cloud.subnet(&network, "10.0.0.0/24")?;
    let guest = Guest::start(&cloud, &network, HOSTS[0], "one")?;
    cloud.wait_for_status(&guest.port.id, "ACTIVE")?;

    let made = waits_for_line(&cloud, "the port's commit", |line| is_commit_of(line, &guest.port.id))?;
    let request = made["request_id"].as_str().context("no request id")?;
    let is_request = |line: &Value| line["event"] == "request" && line["request_id"] == json!(request);
    let asked = waits_for_line(&cloud, "the request", is_request)?;
    let client = json!(cloud.host(CONTROLLER)?.address());
    ensure!(
        asked["status"] == json!(201) && asked["method"] == "POST" && asked["client"] == client,
        "{asked}"
    );
    ensure!(asked["actor"] == made["actor"] && asked["roles"].to_string().contains("admin"), "{asked}");
    // The node says by whose request it has what it has.
    cloud.agent(HOSTS[0]).context("no agent")?.wait_for_log(request, PATIENCE)?;
    let wired = |line: &Value| line["actor"] == "node:compute1" && is_commit_of(line, &guest.port.id);
    let wired = waits_for_line(&cloud, "the node's report", wired)?;
    ensure!(wired["objects"][0]["attributes"].to_string().contains("status"), "{wired}");
    let refused = cloud.call(Method::DELETE, &format!("/v2.0/networks/{network}"), None);
    ensure!(refused.is_err(), "a network in use was deleted");
    waits_for_line(&cloud, "the refusal", |line| line["outcome"] == "refused" && line["status"] == 409)?;

    // A full disk: a small one takes the place of the file's, so that the file is begun anew there.
    let controller = cloud.host(CONTROLLER)?;
    let run =
        |program: &str, arguments: &[&str]| controller.command(program).args(arguments).succeed(PATIENCE);
    run("mount", &["-t", "tmpfs", "-o", "size=16k", "tmpfs", "/var/lib"])?;
    let filled = controller.command("dd").args(["if=/dev/zero", "of=/var/lib/fill", "bs=4k"]);
    ensure!(!filled.output(PATIENCE)?.status.success(), "the disk does not fill up");
    let green = cloud.network("green")?;
    let trouble = || -> Result<Value> {
        let status: Value = serde_json::from_str(&cloud.admin(&["status", "--json"])?)?;
        Ok(status["audit_log"]["trouble"].clone())
    };
    until(PATIENCE, "the trouble is told", || trouble().is_ok_and(|trouble| trouble.is_string()))?;
    ensure!(cloud.admin(&["status"])?.contains("can't be written"));
    cloud.network("red")?;
    run("rm", &["/var/lib/fill"])?;
    waits_for_line(&cloud, "what waited", |line| is_commit_of(line, &green))?;
    until(PATIENCE, "the trouble is over", || trouble().is_ok_and(|trouble| trouble.is_null()))?;
    let mode = run("stat", &["-c", "%a", LOG])?;
    ensure!(mode.trim() == "600", "{mode}");
    Ok(())
}
