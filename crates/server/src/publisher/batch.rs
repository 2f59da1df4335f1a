//! Names of one zone, changed together.

use hadron_cloud::name_server::{Change, NameServer, NameServerError, Outcome};
use hadron_control::publication::ledger::{self, Entry};
use hadron_control::publication::{Book, Wanted};
use hadron_model::PublishedName;
use hadron_store::{CommitInfo, Snapshot, Store};
use std::collections::BTreeSet;
use uuid::Uuid;

/// Why nothing more can be done now.
#[derive(Debug, thiserror::Error)]
pub(super) enum Trouble {
    #[error("another server publishes names")]
    NotOurs,
    #[error("the store: {0}")]
    Store(#[from] hadron_control::Error),
    #[error("{0}")]
    NameServer(#[from] NameServerError),
}

/// What came of it.
#[derive(Debug, Default)]
pub(super) struct Done {
    /// The name server has answered.
    pub(super) is_asked: bool,
    /// Names that are other than before.
    pub(super) changed: Vec<String>,
    /// Names that are to be looked at once more.
    pub(super) unfinished: Vec<String>,
    /// Names that can't be had, and why.
    pub(super) refused: Vec<(String, String)>,
}

/// What is to be done with a name.
struct Step {
    name: String,
    /// Written down before it is sent.
    before: Option<Entry>,
    change: Change,
    /// Written down once the name server has done it.
    after: Entry,
    /// Written down if it certainly has not.
    otherwise: Entry,
    /// An earlier attempt to claim the name may have been done.
    is_uncertain: bool,
}

pub(super) struct Batch<'a> {
    store: &'a Store,
    book: &'a Book,
    zone: &'a str,
    holder: Uuid,
    done: Done,
}

impl<'a> Batch<'a> {
    pub(super) fn new(store: &'a Store, book: &'a Book, zone: &'a str, holder: Uuid) -> Self {
        Self { store, book, zone, holder, done: Done::default() }
    }

    /// Brings `names` to what they should be; those of `again` even if they are.
    pub(super) async fn run(
        mut self,
        server: &mut NameServer,
        names: &[String],
        again: &BTreeSet<String>,
    ) -> Result<Done, Trouble> {
        let view = self.store.snapshot();
        let step = |name: &String| {
            step(name, published(&view, name), self.book.wanted(&view, name), again.contains(name))
        };
        let steps: Vec<Step> = names.iter().filter_map(step).collect();
        if steps.is_empty() {
            return Ok(self.done);
        }
        self.write(steps.iter().filter_map(|step| step.before.clone()).collect()).await?;
        let changes: Vec<(&str, Change)> =
            steps.iter().map(|step| (step.name.as_str(), step.change.clone())).collect();
        self.done.is_asked = true;
        match server.update(self.zone, &changes).await {
            Ok(Outcome::Done) => self.succeeded(&steps).await?,
            Ok(Outcome::Conflict) | Err(NameServerError::Name { .. }) => {
                for step in &steps {
                    self.alone(server, step).await?;
                }
            }
            Err(error) => return self.failed(&steps, error).await,
        }
        Ok(self.done)
    }

    async fn alone(&mut self, server: &mut NameServer, step: &Step) -> Result<(), Trouble> {
        let one = std::slice::from_ref(step);
        match server.update(self.zone, &[(&step.name, step.change.clone())]).await {
            Ok(Outcome::Done) => return self.succeeded(one).await,
            Ok(Outcome::Conflict) => {}
            Err(NameServerError::Name { reason, .. }) => return self.refused(step, reason).await,
            Err(error) => return self.failed(one, error).await.map(drop),
        }
        if !step.is_uncertain {
            return self.refused(step, "the zone has the name from elsewhere".to_owned()).await;
        }
        let Change::Claim(values) = &step.change else { return Ok(()) };
        match server.update(self.zone, &[(&step.name, Change::Confirm(values.clone()))]).await {
            Ok(Outcome::Done) => self.succeeded(one).await,
            Ok(Outcome::Conflict) => {
                self.done.unfinished.push(step.name.clone());
                self.write(vec![step.otherwise.clone()]).await
            }
            Err(error) => self.failed(one, error).await.map(drop),
        }
    }

    async fn succeeded(&mut self, steps: &[Step]) -> Result<(), Trouble> {
        self.write(steps.iter().map(|step| step.after.clone()).collect()).await?;
        for step in steps {
            self.done.changed.push(step.name.clone());
            if step.is_uncertain {
                self.done.unfinished.push(step.name.clone());
            }
            tracing::debug!(name = step.name, "published: {:?}", step.change);
        }
        Ok(())
    }

    async fn refused(&mut self, step: &Step, reason: String) -> Result<(), Trouble> {
        self.done.refused.push((step.name.clone(), reason));
        self.write(vec![step.otherwise.clone()]).await
    }

    /// After an answer it is known that nothing has changed; without one everything may have.
    async fn failed(&mut self, steps: &[Step], error: NameServerError) -> Result<Done, Trouble> {
        if !matches!(error, NameServerError::Away { .. } | NameServerError::Forged { .. }) {
            let certain = steps.iter().filter(|step| !step.is_uncertain);
            self.write(certain.map(|step| step.otherwise.clone()).collect()).await?;
        }
        Err(error.into())
    }

    async fn write(&self, entries: Vec<Entry>) -> Result<(), Trouble> {
        if entries.is_empty() {
            return Ok(());
        }
        let holder = self.holder;
        let written =
            self.store.write(CommitInfo::system(), move |tx| ledger::write(tx, holder, &entries)).await?;
        if written.value { Ok(()) } else { Err(Trouble::NotOurs) }
    }
}

fn published<'a>(view: &'a Snapshot, name: &str) -> Option<&'a PublishedName> {
    view.get::<PublishedName>(&name.to_owned()).map(|stored| &stored.value)
}

fn step(name: &str, there: Option<&PublishedName>, wanted: Option<Wanted>, is_again: bool) -> Option<Step> {
    match (there, wanted) {
        (None, None) => None,
        (None, Some(Wanted { project_id, values })) => {
            let new = PublishedName { name: name.to_owned(), project_id, values, is_ours: false };
            Some(claim(&new, Some(Entry::Put(new.clone()))))
        }
        (Some(there), _) if !there.is_ours => Some(Step { is_uncertain: true, ..claim(there, None) }),
        (Some(there), wanted) => {
            let project_id = wanted.as_ref().map_or(&there.project_id, |wanted| &wanted.project_id).clone();
            let values = wanted.map(|wanted| wanted.values).unwrap_or_default();
            let new = PublishedName { project_id, values, ..there.clone() };
            (is_again || new != *there).then(|| replace(there, new))
        }
    }
}

fn claim(new: &PublishedName, before: Option<Entry>) -> Step {
    Step {
        name: new.name.clone(),
        before,
        change: Change::Claim(new.values.clone()),
        after: Entry::Put(PublishedName { is_ours: true, ..new.clone() }),
        otherwise: Entry::Remove(new.name.clone()),
        is_uncertain: false,
    }
}

fn replace(there: &PublishedName, new: PublishedName) -> Step {
    let both: BTreeSet<_> = there.values.union(&new.values).cloned().collect();
    let is_more = both != there.values;
    Step {
        name: new.name.clone(),
        before: is_more.then(|| Entry::with(there, both)),
        change: Change::Replace {
            old: there.values.difference(&new.values).cloned().collect(),
            new: new.values.clone(),
        },
        after: Entry::with(&new, new.values.clone()),
        otherwise: Entry::Put(there.clone()),
        is_uncertain: false,
    }
}
