#!/bin/sh
# The embedded identity under the official client. Needs the administrator's OS_* variables and `openstack` in PATH
# (or its path in OPENSTACK). Leaves nothing behind. Exits with the number of the first step that failed, or 0.
#
#   cargo run -p hadron-cloud --example identity      # prints the variables
#   OPENSTACK=/path/to/venv/bin/openstack crates/cloud/tests/client/openstack.sh
set -u
openstack=${OPENSTACK:-openstack}
id=$$
project=check-project-$id user=check-user-$id role=check-role-$id
step=0

fail() {
    echo "step $step failed: $*" >&2
    clean
    exit "$step"
}
clean() {
    for object in "user $user" "project $project" "role $role"; do
        # shellcheck disable=SC2086
        set -- $object
        "$openstack" "$1" delete "$2" >/dev/null 2>&1
    done
}
# run ARGUMENTS…: must succeed; the output is in $out
run() {
    step=$((step + 1))
    out=$("$openstack" "$@" 2>&1) || fail "openstack $*: $out"
    echo "ok $step - openstack $*"
}
# refused TEXT ARGUMENTS…: must fail, and say TEXT
refused() {
    text=$1
    shift
    step=$((step + 1))
    out=$("$openstack" "$@" 2>&1) && fail "openstack $* should have been refused: $out"
    case $out in *"$text"*) ;; *) fail "openstack $*: no \"$text\" in: $out" ;; esac
    echo "ok $step - refused ($text): openstack $*"
}
# has TEXT: the last output contains it
has() {
    case $out in *"$1"*) ;; *) fail "no \"$1\" in: $out" ;; esac
}
# as_user PASSWORD PROJECT COMMAND…: runs the function with the user's credentials
as_user() {
    saved_user=$OS_USERNAME saved_password=$OS_PASSWORD saved_project=$OS_PROJECT_NAME
    export OS_USERNAME="$user" OS_PASSWORD="$1" OS_PROJECT_NAME="$2"
    shift 2
    "$@"
    export OS_USERNAME="$saved_user" OS_PASSWORD="$saved_password" OS_PROJECT_NAME="$saved_project"
}

run versions show --service identity
run token issue -f value -c id
token=$out
run catalog list
has identity && has network
run project create --description "a check" "$project"
refused 409 project create "$project"
run project set --description "changed" "$project"
run project show "$project" -f value -c description
has changed
run project list -f value -c Name
has "$project"
run user create --project "$project" --password first --email check@example.test "$user"
run user show "$user"
has check@example.test
run user list -f value -c Name
has "$user"
as_user first "$project" refused 401 token issue
run role add --user "$user" --project "$project" member
run role assignment list --user "$user" --project "$project" --names -f value
has "member $user@Default"
run role assignment list --user "$user" --effective --names -f value -c Role
has reader
as_user first "$project" run token issue
as_user first "$project" run project list -f value -c Name
as_user first "$project" run catalog list
as_user first "$project" refused 403 user list
as_user first "$project" refused 403 project create other-"$id"
as_user first "$project" run user password set --original-password first --password second
as_user first "$project" refused 401 token issue
as_user second "$project" run token issue
run role create "$role"
run role add --user "$user" --system all "$role"
run role remove --user "$user" --system all "$role"
run role list -f value -c Name
has "$role"
refused 403 role delete member
run implied role list
has manager
run user set --disable "$user"
as_user second "$project" refused 401 token issue
run user set --enable --password third "$user"
as_user third "$project" run token issue
run project set --disable "$project"
as_user third "$project" refused 401 token issue
run domain list -f value -c ID
has default
run domain show default
run service list
run endpoint list --service network --interface public -f value -c URL
has http
run region list
run role remove --user "$user" --project "$project" member
run role delete "$role"
run user delete "$user"
run project delete "$project"
refused "found for" project show "$project"
refused 403 user delete "$OS_USERNAME"
run token revoke "$token"
echo "all $step steps as expected"
