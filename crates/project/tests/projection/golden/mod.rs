//! Text goldens: calls in, what each host is told out. `HADRON_UPDATE_GOLDENS=1 cargo test -p hadron-project` rewrites
//! them; read the difference before committing it.
//!
//! A line of `goldens/*.txt` that begins with `>` is a call; several calls joined by `;` are one transaction. What follows
//! are the hosts' batches.

mod call;
mod text;

use call::Call;
use hadron_model::Host;
use hadron_project::{Limits, Projection, Settings, Subscription};
use hadron_store::{CommitInfo, Store, StoreError, Watch};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use text::text;

#[test]
fn calls_give_the_expected_rows() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/projection/goldens");
    let update = std::env::var_os("HADRON_UPDATE_GOLDENS").is_some();
    let mut files = 0;
    for file in std::fs::read_dir(directory).unwrap() {
        let path = file.unwrap().path();
        let expected = std::fs::read_to_string(&path).unwrap();
        let actual = run(&expected);
        if update {
            std::fs::write(&path, &actual).unwrap();
        } else {
            assert_eq!(actual, expected, "{} (HADRON_UPDATE_GOLDENS=1 rewrites it)", path.display());
        }
        files += 1;
    }
    assert!(files > 0, "no goldens found");
}

/// Runs the calls and comments of `script`; returns them with the rows that they give.
fn run(script: &str) -> String {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
    let mut golden = runtime.block_on(Golden::new());
    let mut out = String::new();
    for line in script.lines().filter(|line| line.starts_with(['>', '#']) || line.is_empty()) {
        writeln!(out, "{line}").unwrap();
        if let Some(calls) = line.strip_prefix('>') {
            out += &runtime.block_on(golden.calls(calls));
        }
    }
    out
}

struct Golden {
    store: Store,
    watch: Watch,
    projection: Projection,
    subscriptions: BTreeMap<String, Subscription>,
    /// Names are unique in a script, whatever they name; the number serves as UUID too.
    numbers: BTreeMap<String, u32>,
}

impl Golden {
    async fn new() -> Self {
        let store = Store::in_memory().await;
        let projection = Projection::new(&store.snapshot(), Settings::default());
        let (watch, subscriptions, numbers) = (store.watch(), BTreeMap::new(), BTreeMap::new());
        Self { store, watch, projection, subscriptions, numbers }
    }

    async fn calls(&mut self, calls: &str) -> String {
        let numbers = &mut self.numbers;
        let write = self.store.write(CommitInfo::system(), |tx| {
            calls.split(';').for_each(|text| Call::read(text, numbers).perform(tx));
            Ok::<_, StoreError>(())
        });
        write.await.unwrap();
        let mut out = String::new();
        while let Some(commit) = self.watch.next_known() {
            let delta = self.projection.apply(&commit);
            delta.notes(&self.projection, |number, note| {
                for subscription in self.subscriptions.values_mut().filter(|own| own.host() == number) {
                    subscription.note(note, &self.projection);
                }
            });
            for host in commit.after.iter::<Host>() {
                let fresh = || self.projection.subscribe(host.number.0, None).unwrap();
                self.subscriptions.entry(host.name.clone()).or_insert_with(fresh);
            }
            self.subscriptions.retain(|name, _| commit.after.has::<Host>(name));
        }
        for (name, subscription) in &mut self.subscriptions {
            while let Some(batch) = self.projection.next_batch(subscription, Limits::default()) {
                for (what, numbers) in [
                    ("net", &batch.forget),
                    ("policy", &batch.forget_policies),
                    ("rules of set", &batch.forget_rules),
                    ("members of set", &batch.forget_members),
                    ("router", &batch.forget_routers),
                ] {
                    for number in numbers {
                        writeln!(out, "  {name} - all of {what} {number}").unwrap();
                    }
                }
                batch
                    .changes
                    .into_iter()
                    .for_each(|change| writeln!(out, "  {name} {}", text(change)).unwrap());
            }
        }
        out
    }
}
