//! The projection against a reference written for clarity, over random histories, lagging nodes and restarts.

mod golden;
mod histories;
mod model;
mod nodes;
mod receipts;
mod reference;
