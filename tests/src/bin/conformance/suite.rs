//! The public suites and their own runner: its configuration, its start, and what it says.

use crate::cloud::Cloud;
use crate::outcome::TestResult;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use tempfile::TempDir;

/// Processes that run tests at a time.
const CONCURRENCY: &str = "2";

/// Finds the tests of the two packages, and no others of the two suites.
const DISCOVERY: &str = r#"
import os, tempest, neutron_tempest_plugin

def load_tests(loader, tests, pattern):
    suite = loader.suiteClass()
    for package, part in ((tempest, "api/network"), (neutron_tempest_plugin, "api")):
        top = os.path.dirname(package.__path__[0])
        suite.addTests(loader.discover(os.path.join(package.__path__[0], part), top_level_dir=top))
    return suite
"#;

/// Which tests run.
pub enum Selection {
    /// All of the two suites.
    All,
    /// Those whose name has a match of this regular expression.
    Matching(String),
    /// These.
    Listed(Vec<String>),
}

/// A directory in which the runner works.
pub struct Suite {
    environment: PathBuf,
    directory: TempDir,
}

impl Suite {
    /// Prepares a run against `cloud` by the suites that are installed in the virtual `environment`.
    pub fn prepare(environment: &Path, cloud: &Cloud) -> Result<Self> {
        let environment = std::path::absolute(environment)?;
        let directory = tempfile::tempdir()?;
        let suite = Self { environment, directory };
        fs::create_dir_all(suite.path("tests/suites"))?;
        fs::create_dir_all(suite.path("locks"))?;
        fs::write(suite.path("tests/suites/__init__.py"), DISCOVERY)?;
        fs::write(suite.path("results.py"), include_str!("results.py"))?;
        fs::write(
            suite.path(".stestr.conf"),
            "[DEFAULT]\ntest_path=./tests/suites\ntop_dir=./tests\ngroup_regex=([^\\.]*\\.)*\n",
        )?;
        fs::write(suite.path("tempest.conf"), suite.configuration(cloud))?;
        Ok(suite)
    }

    /// Runs the tests and hands on each result as it comes.
    pub fn run(&self, selection: &Selection, mut each: impl FnMut(TestResult)) -> Result<()> {
        let mut runner = self.command("stestr");
        runner.args(["run", "--subunit", "--concurrency", CONCURRENCY]);
        match selection {
            Selection::All => {}
            Selection::Matching(regex) => drop(runner.arg(regex)),
            Selection::Listed(tests) => {
                fs::write(self.path("selected"), tests.join("\n"))?;
                runner.args(["--load-list", "selected"]);
            }
        }
        let mut runner = runner.stdout(Stdio::piped()).spawn().context("stestr")?;
        let stream = runner.stdout.take().context("no output of stestr")?;
        let mut reader =
            self.command("python").arg("results.py").stdin(stream).stdout(Stdio::piped()).spawn()?;
        let output = reader.stdout.take().context("no output of results.py")?;
        for line in BufReader::new(output).lines() {
            each(TestResult::read(&line?)?);
        }
        let read = reader.wait()?;
        // The runner's own status only repeats that a test failed.
        runner.wait()?;
        if !read.success() {
            bail!("the results could not be read: {read}");
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let bin = self.environment.join("bin");
        let mut command = Command::new(bin.join(program));
        let path = std::env::var("PATH").unwrap_or_default();
        command
            .current_dir(self.directory.path())
            .env("PATH", format!("{}:{path}", bin.display()))
            .env("TEMPEST_CONFIG_DIR", self.directory.path())
            .env("TEMPEST_CONFIG", "tempest.conf")
            .env("OS_TEST_TIMEOUT", "300");
        command
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn configuration(&self, cloud: &Cloud) -> String {
        let here = self.directory.path().display();
        format!(
            "[DEFAULT]\nlog_dir = {here}\nlog_file = tempest.log\n\
             [oslo_concurrency]\nlock_path = {here}/locks\n\
             [auth]\nuse_dynamic_credentials = true\nadmin_username = admin\nadmin_password = {password}\n\
             admin_project_name = admin\nadmin_domain_name = Default\n\
             [identity]\nuri_v3 = {identity}\nauth_version = v3\nca_certificates_file = {ca}\nregion = RegionOne\n\
             [service_available]\nneutron = true\nnova = false\nglance = false\ncinder = false\nswift = false\n\
             [network]\npublic_network_id = {public}\nbuild_interval = 1\nbuild_timeout = 30\n\
             [network-feature-enabled]\nipv6 = true\nipv6_subnet_attributes = true\napi_extensions = {extensions}\n\
             [neutron_plugin_options]\nprovider_vlans = physnet1\nagent_availability_zone = nova\navailable_type_drivers = flat,geneve,vlan,gre,local,vxlan\n",
            password = cloud.server.password,
            identity = cloud.server.identity_url(),
            ca = cloud.server.ca_path().display(),
            public = cloud.public_network.as_deref().unwrap_or_default(),
            extensions = cloud.extensions.join(","),
        )
    }
}
