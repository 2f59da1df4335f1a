#!/bin/sh
# Applies a lease to the instance's interface (dhclient-script(8)). Touches nothing outside its network namespace but files in
# $LAB_DIR; the instance sees $LAB_DIR/resolv.conf as /etc/resolv.conf.

prefix_length() {
    bits=0
    IFS=.
    for octet in $1; do
        while [ "$octet" -gt 0 ]; do
            bits=$((bits + octet % 2))
            octet=$((octet / 2))
        done
    done
    unset IFS
    echo "$bits"
}

# RFC 3442: the octets of option 121 as decimal numbers.
add_classless_routes() {
    while [ $# -ge 5 ]; do
        length=$1
        shift
        significant=$(((length + 7) / 8))
        destination=
        for position in 1 2 3 4; do
            if [ "$position" -le "$significant" ]; then
                destination="$destination.$1"
                shift
            else
                destination="$destination.0"
            fi
        done
        if [ "$1.$2.$3.$4" = 0.0.0.0 ]; then
            ip -4 route replace "${destination#.}/$length" dev "$interface"
        else
            ip -4 route replace "${destination#.}/$length" via "$1.$2.$3.$4" dev "$interface" onlink
        fi
        shift 4
    done
}

add_routes() {
    if [ -n "$new_rfc3442_classless_static_routes" ]; then
        # shellcheck disable=SC2086
        add_classless_routes $new_rfc3442_classless_static_routes
    else
        for router in $new_routers; do
            ip -4 route replace default via "$router" dev "$interface"
            break
        done
    fi
}

write_resolv_conf() {
    {
        [ -z "$new_domain_name" ] || echo "search $new_domain_name"
        for server in $new_domain_name_servers; do
            echo "nameserver $server"
        done
    } >"$LAB_DIR/resolv.conf"
}

case "$reason" in
PREINIT)
    ip link set dev "$interface" up
    ;;
BOUND | RENEW | REBIND | REBOOT)
    if [ -n "$old_ip_address" ] && [ "$old_ip_address" != "$new_ip_address" ]; then
        ip -4 address flush dev "$interface"
    fi
    [ -z "$new_interface_mtu" ] || ip link set dev "$interface" mtu "$new_interface_mtu"
    ip -4 address replace "$new_ip_address/$(prefix_length "$new_subnet_mask")" \
        broadcast "${new_broadcast_address:-+}" dev "$interface"
    add_routes
    write_resolv_conf
    echo "$new_ip_address" >"$LAB_DIR/dhclient.address"
    ;;
EXPIRE | FAIL | RELEASE | STOP)
    ip -4 address flush dev "$interface"
    rm -f "$LAB_DIR/dhclient.address"
    ;;
TIMEOUT)
    exit 1
    ;;
esac
exit 0
