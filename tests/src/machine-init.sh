#!/bin/busybox sh
# The first process of a guest: addresses, names, metadata, key and user data, as the image of a cloud has them, and a log of it.
/bin/busybox --install -s /bin
export PATH=/bin:/sbin:/usr/sbin HOME=/root
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t devtmpfs dev /dev
mkdir -p /dev/pts; mount -t devpts devpts /dev/pts
for module in /lib/modules/*; do insmod "$module"; done
ipv6=$(sed 's/.*hadron.ipv6=\([a-z]*\).*/\1/' /proc/cmdline)
say() { echo "guest: $*"; }
say "begins"

cat >/etc/udhcpc <<'END'
#!/bin/sh
[ "$1" = bound ] || exit 0
ip address add "$ip/$mask" dev eth0
ip link set eth0 mtu "$mtu"
set -- $staticroutes
while [ -n "$2" ]; do
    case "$2" in 0.0.0.0) ip route add "$1" dev eth0 ;; *) ip route add "$1" via "$2" dev eth0 ;; esac
    shift 2
done
for server in $dns; do echo "nameserver $server"; done >/etc/resolv.conf
echo "search $domain" >>/etc/resolv.conf
END
cat >/etc/dhclient6 <<'END'
#!/bin/sh
[ -n "$new_ip6_address" ] && ip address add "$new_ip6_address/128" dev eth0
[ -n "$new_dhcp6_name_servers" ] && echo "$new_dhcp6_name_servers" >/tmp/dns6
[ "$reason" = PREINIT6 ] && ip link set eth0 up
exit 0
END
chmod 755 /etc/udhcpc /etc/dhclient6
# The file system in memory has no other owner, and dhclient wants to read its configuration.
: >/etc/dhclient.conf

ip link set lo up
ip link set eth0 up || { say "has no interface"; poweroff -f; }
udhcpc -i eth0 -n -q -t 30 -T 1 -O staticroutes -O mtu -s /etc/udhcpc
until ip -6 address show dev eth0 | grep 'inet6 fe80' | grep -qv tentative; do sleep 0.1; done
client="dhclient -6 -1 -v -sf /etc/dhclient6 -cf /etc/dhclient.conf -lf /var/lib/dhcp/6 -pf /run/dhclient6"
case "$ipv6" in
    stateful) $client eth0 ;;
    stateless) $client -S eth0 ;;
esac
until ip -6 address show dev eth0 | grep -v tentative | grep -q 'scope global' && ip -6 route | grep -q '^default'; do sleep 0.1; done

say "mtu $(cat /sys/class/net/eth0/mtu)"
say "address $(ip -4 address show dev eth0 | sed -n 's/.*inet \([0-9.]*\).*/\1/p')"
say "address6 $(ip -6 address show dev eth0 | sed -n 's/.*inet6 \([0-9a-f:]*\).*scope global.*/\1/p')"
say "dns6 $(cat /tmp/dns6 2>/dev/null)"
say "neighbour $(nslookup -type=a home.openstacklocal | sed -n '/Name/,$s/Address[^:]*: //p' | head -n 1)"

fetch() { wget -q -O "$2" "http://169.254.169.254/$1"; }
fetch latest/meta-data/hostname /etc/hostname && hostname -F /etc/hostname
fetch latest/meta-data/public-keys/0/openssh-key /root/.ssh/authorized_keys
fetch openstack/latest/meta_data.json /tmp/meta_data.json
fetch openstack/latest/user_data /tmp/user_data
say "hostname $(hostname)"
say "uuid $(sed 's/.*"uuid":"\([^"]*\)".*/\1/' /tmp/meta_data.json)"
chmod -R go= /root
mkdir -p /etc/dropbear
dropbear -R -s -E
chmod 755 /tmp/user_data && /tmp/user_data
say "is up after $(cut -d ' ' -f 1 /proc/uptime) s"
while :; do sleep 1000; done
