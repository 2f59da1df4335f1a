//! Two servers at the same time: between what an operation reads on one and its commit, a rival commits on the other.

use super::{Cloud, consistency, new_subnet};
use hadron_control::port::{self, NewPort};
use hadron_control::{Error, Step, network, subnet};
use hadron_model::{NetworkId, SubnetId};
use hadron_store::backend::Backend;
use hadron_store::{Memory, Snapshot, Store, Tx};
use std::sync::Arc;

/// Two servers on one backend.
pub struct Servers {
    pub one: Cloud,
    pub two: Cloud,
    pub network: NetworkId,
    pub subnet: SubnetId,
}

pub async fn servers() -> Servers {
    let backend: Arc<dyn Backend> = Arc::new(Memory::new());
    let config = Cloud::new().await.config;
    let one = Cloud { store: Store::open_with(backend.clone()).await.unwrap(), config: config.clone() };
    let two = Cloud { store: Store::open_with(backend).await.unwrap(), config };
    let network = one.network().await.id;
    let subnet = one.subnet(&new_subnet(network, "10.0.0.0/24")).await.unwrap().id;
    two.store.wait_current().await.unwrap();
    Servers { one, two, network, subnet }
}

impl Servers {
    /// Runs `first` on one server; `rival` commits on the other when `first` has run for the first time. What each came to.
    pub async fn race<A, B>(
        &self,
        mut first: impl FnMut(&mut Tx) -> Result<A, Error>,
        mut rival: impl FnMut(&mut Tx) -> Result<B, Error>,
    ) -> (Result<A, &'static str>, Result<B, &'static str>) {
        let mut came = None;
        let handle = tokio::runtime::Handle::current();
        let went = self
            .one
            .write(|tx| {
                let answer = first(tx);
                if came.is_none() {
                    let write = self.two.write(&mut rival);
                    came = Some(tokio::task::block_in_place(|| handle.block_on(write)));
                }
                answer
            })
            .await;
        let name = |error: Error| error.type_name();
        (went.map_err(name), came.unwrap().map_err(name))
    }

    pub async fn check(&self) -> Arc<Snapshot> {
        let view = self.two.store.wait_current().await.unwrap();
        consistency::check(&view);
        view
    }

    pub fn create_port<'a>(
        &'a self,
        new: &'a NewPort,
    ) -> impl Fn(&mut Tx) -> Result<hadron_model::Port, Error> + 'a {
        |tx| port::create(tx, &self.one.config, new)
    }

    pub fn delete_subnet(&self) -> impl Fn(&mut Tx) -> Result<Step<()>, Error> + '_ {
        |tx| subnet::delete(tx, &self.one.config, self.subnet, None)
    }

    pub fn delete_network(&self) -> impl Fn(&mut Tx) -> Result<Step<()>, Error> + '_ {
        |tx| network::delete(tx, &self.one.config, self.network, None)
    }
}
