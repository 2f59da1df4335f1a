//! What may be told of instances, at its limits.

use crate::support::info;
use hadron_control::instance::{InstanceError, MAX_FACTS, forget, register};
use hadron_model::instance::{Instance, MAX_USER_DATA};
use hadron_store::Store;

async fn registered(store: &Store, instance: Instance) -> Result<(), InstanceError> {
    store.write(info(), |tx| register(tx, instance.clone())).await.map(|_| ())
}

fn of(id: &str) -> Instance {
    Instance { id: id.to_owned(), ..Instance::default() }
}

#[tokio::test]
async fn facts_are_taken_up_to_their_limits_and_no_further() {
    let store = Store::in_memory().await;
    assert!(matches!(registered(&store, of("")).await, Err(InstanceError::Id)));
    assert!(matches!(registered(&store, of(&"i".repeat(256))).await, Err(InstanceError::Id)));
    registered(&store, of(&"ü".repeat(255))).await.unwrap();

    let with = |octets| Instance { user_data: vec![0; octets], ..of("user data") };
    registered(&store, with(MAX_USER_DATA)).await.unwrap();
    let refused = registered(&store, with(MAX_USER_DATA + 1)).await;
    assert!(matches!(refused, Err(InstanceError::UserData(octets)) if octets == MAX_USER_DATA + 1));

    // User data don't count among the facts; names and values of pairs do.
    let told = |octets: usize| {
        let meta = [("name".to_owned(), "v".repeat(octets - 4))].into();
        Instance { meta, user_data: vec![0; MAX_USER_DATA], ..of("facts") }
    };
    registered(&store, told(MAX_FACTS)).await.unwrap();
    let refused = registered(&store, told(MAX_FACTS + 1)).await;
    assert!(matches!(refused, Err(InstanceError::Facts(octets)) if octets == MAX_FACTS + 1));
    let view = store.snapshot();
    let kept = view.get::<Instance>(&"facts".to_owned()).unwrap();
    assert_eq!(kept.meta["name"].len(), MAX_FACTS - 4, "what was refused took the place of what was there");
}

#[tokio::test]
async fn a_second_registration_takes_the_place_of_the_first_and_is_forgotten_once() {
    let store = Store::in_memory().await;
    for name in ["first", "second"] {
        registered(&store, Instance { name: name.to_owned(), ..of("one") }).await.unwrap();
    }
    assert_eq!(store.snapshot().get::<Instance>(&"one".to_owned()).unwrap().name, "second");
    for was_there in [true, false] {
        let forgotten = store.write(info(), |tx| Ok::<_, InstanceError>(forget(tx, "one"))).await;
        assert_eq!(forgotten.unwrap().value, was_there);
    }
}
