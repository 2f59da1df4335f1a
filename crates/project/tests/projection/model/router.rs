//! Routers of the small cloud. Their interfaces are ports.

use super::{Model, Op, ROUTERS, id, subnet_address};
use hadron_model::{ExtraRoute, Router, RouterId, RouterNumber, Stamp};
use hadron_store::Tx;
use proptest::prelude::*;

pub fn any_op() -> impl Strategy<Value = Op> {
    prop_oneof![
        3 => (0..ROUTERS, prop::bool::weighted(0.8), 0u8..16)
            .prop_map(|(router, up, routes)| Op::PutRouter { router, up, routes }),
        1 => (0..ROUTERS).prop_map(|router| Op::DropRouter { router }),
    ]
}

pub fn router_id(router: u8) -> RouterId {
    RouterId(id(7, router))
}

impl Model {
    pub(super) fn apply_router(&mut self, op: &Op, tx: &mut Tx) -> bool {
        match *op {
            Op::PutRouter { router, up, routes } => {
                let record = a_router(router, up, routes);
                self.routers.insert(router, record.clone());
                tx.put(record);
            }
            Op::DropRouter { router } => {
                if self.routers.remove(&router).is_none() {
                    return false;
                }
                tx.delete::<Router>(&router_id(router));
            }
            _ => unreachable!("only for routers"),
        }
        true
    }
}

fn a_router(router: u8, up: bool, routes: u8) -> Router {
    let all = [
        ("0.0.0.0/0", subnet_address(0, 5)),
        ("0.0.0.0/0", subnet_address(2, 5)),
        ("10.99.0.0/16", subnet_address(4, 5)),
        ("::/0", subnet_address(1, 5)),
    ];
    let chosen = all.into_iter().enumerate().filter(|(bit, _)| routes & (1 << bit) != 0);
    let mut routes: Vec<ExtraRoute> = chosen
        .map(|(_, (destination, next_hop))| ExtraRoute {
            destination: destination.parse().unwrap(),
            next_hop,
        })
        .collect();
    routes.sort();
    Router {
        id: router_id(router),
        number: RouterNumber(70 + u32::from(router)),
        project_id: String::new(),
        name: String::new(),
        description: String::new(),
        admin_state_up: up,
        gateways: vec![],
        routes,
        distributed: None,
        ha: None,
        default_route_ecmp: None,
        default_route_bfd: None,
        availability_zone_hints: vec![],
        flavor_id: None,
        stamp: Stamp::default(),
    }
}
