//! The default security group, which a project has as soon as somebody looks for its groups.

use crate::filter::Filters;
use crate::policy::Target;
use crate::request::Call;
use crate::state::ApiState;
use hadron_control::security_group;
use std::borrow::Cow;

/// Makes the default group of the project that a list is about, the caller's own unless another is named, if it has none
/// and the caller may (`create_default_security_group`). A store that takes no writes keeps no list from being made.
pub(super) async fn ensure(state: &ApiState, call: &Call, filters: &Filters) {
    let named = |name| filters.texts(name).and_then(|texts| texts.first().copied());
    let project = named("project_id").or(named("tenant_id")).unwrap_or(call.caller.project());
    let view = state.view().await;
    if project.is_empty() || view.default_group_of_project(project).is_some() {
        return;
    }
    let rule = state.policy.deciding("create_default_security_group");
    if !state.policy.check(rule, &call.caller, &OfProject(project)) {
        return;
    }
    let config = &state.config.control;
    let ensured =
        state.store.write(call.commit_info(), |tx| security_group::ensure_default(tx, config, project));
    if let Err(error) = ensured.await {
        tracing::warn!(project, %error, "the default security group can't be made");
    }
}

/// Something of a project.
struct OfProject<'a>(&'a str);

impl Target for OfProject<'_> {
    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        matches!(name, "project_id" | "tenant_id").then_some(Cow::Borrowed(self.0))
    }
}
