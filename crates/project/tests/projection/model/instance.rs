//! Instances of the small cloud.

use super::{INSTANCES, Model, Op};
use hadron_model::Instance;
use hadron_store::Tx;
use proptest::prelude::*;

pub fn id(instance: u8) -> String {
    format!("instance{instance}")
}

pub fn any_op() -> impl Strategy<Value = Op> {
    let put =
        (0..INSTANCES, 0u8..3).prop_map(|(instance, user_data)| Op::PutInstance { instance, user_data });
    prop_oneof![2 => put, 1 => (0..INSTANCES).prop_map(|instance| Op::DropInstance { instance })]
}

impl Model {
    pub(super) fn apply_instance(&mut self, op: &Op, tx: &mut Tx) -> bool {
        match *op {
            Op::PutInstance { instance, user_data } => {
                let record = Instance {
                    id: id(instance),
                    name: format!("name{instance}"),
                    user_data: vec![user_data],
                    ..Instance::default()
                };
                self.instances.insert(instance, record.clone());
                tx.put(record);
            }
            Op::DropInstance { instance } => match self.instances.remove(&instance) {
                Some(record) => tx.delete::<Instance>(&record.id),
                None => return false,
            },
            _ => unreachable!("only for instances"),
        }
        true
    }
}
