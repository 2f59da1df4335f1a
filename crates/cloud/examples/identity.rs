//! The embedded identity alone, on a loopback port and an empty store in memory, to be tried with the `openstack` client:
//! `cargo run -p hadron-cloud --example identity`, then paste what it prints into a shell.

use hadron_cloud::identity::{Identity, IdentityConfig, bootstrap, router};
use hadron_store::Store;
use std::net::SocketAddr;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await?;
    let url = format!("http://{}", listener.local_addr()?);
    let store = Store::in_memory().await;
    let password = bootstrap(&store).await?.ok_or("the store is not empty")?;
    let identity = Identity::new(store, IdentityConfig::new(&url, "http://127.0.0.1:9696"))?;
    println!("export OS_AUTH_URL={url}/v3 OS_USERNAME=admin OS_PASSWORD={password} OS_PROJECT_NAME=admin");
    println!("export OS_USER_DOMAIN_ID=default OS_PROJECT_DOMAIN_ID=default OS_IDENTITY_API_VERSION=3");
    axum::serve(listener, router(identity).into_make_service_with_connect_info::<SocketAddr>()).await?;
    Ok(())
}
