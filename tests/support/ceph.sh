#!/bin/sh
# Runs a Ceph of one machine on loopback, of a monitor, an OSD and the RADOS gateway, until the process WATCHED ends; then
# throws it away. The gateway speaks S3 at port RGW_PORT, with the user that ACCESS and SECRET are the keys of.
# Programs: Debian's radosgw, ceph-mon, ceph-osd and ceph-common. FOLDER is an empty folder.
# Also from the environment: MON_PORT, the first of two; OSD_PORT, the first of a hundred.
set -eu

d=$FOLDER
mkdir -p "$d/mon" "$d/osd" "$d/rgw" "$d/run" "$d/log"
uuid() { cat /proc/sys/kernel/random/uuid; }
monitor="[v2:127.0.0.1:$((MON_PORT + 1)),v1:127.0.0.1:$MON_PORT]"

# No replicas and no manager. Authentication is on: the gateway refuses to start without it. "public addr" must stay out
# of [global], where it moves the monitor back to its default ports.
cat >"$d/ceph.conf" <<CONF
[global]
fsid = $(uuid)
mon host = $monitor
auth cluster required = cephx
auth service required = cephx
auth client required = cephx
mon warn on insecure global id reclaim allowed = false
keyring = $d/keyring
run dir = $d/run
admin socket = $d/run/\$name.\$pid.asok
pid file = $d/run/\$name.pid
log file = $d/log/\$name.log
mon cluster log file = $d/log/cluster.log
crash dir = $d/log
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 8
osd pool default pgp num = 8
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
mon allow pool size one = true
mon max pg per osd = 1000
osd objectstore = bluestore
[mon]
mon data = $d/mon
mon data avail warn = 1
mon data avail crit = 1
[osd]
osd data = $d/osd
public addr = 127.0.0.1
cluster addr = 127.0.0.1
ms bind port min = $OSD_PORT
ms bind port max = $((OSD_PORT + 100))
bluestore block size = 34359738368
bluestore cache autotune = false
bluestore cache size = 268435456
[client]
rgw frontends = beast endpoint=127.0.0.1:$RGW_PORT
rgw data = $d/rgw
CONF

finish() {
    for pid in "$d"/run/client.rgw.x.pid "$d"/run/osd.0.pid "$d"/run/mon.a.pid; do
        [ ! -s "$pid" ] || kill -s KILL "$(cat "$pid")" || :
    done
    cd / && rm -rf -- "$d"
}
trap finish EXIT

key() { ceph-authtool "$d/keyring" --gen-key -n "$@"; }
: >"$d/keyring"
chmod 600 "$d/keyring"
key client.admin --cap mon 'allow *' --cap osd 'allow *' --cap mgr 'allow *'
key mon. --cap mon 'allow *'
key osd.0 --cap mon 'allow profile osd' --cap osd 'allow *' --cap mgr 'allow profile osd'
key client.rgw.x --cap mon 'allow rw' --cap osd 'allow rwx'

c="-c $d/ceph.conf"
id=$(sed -n 's/^fsid = //p' "$d/ceph.conf")
monmaptool --create --fsid "$id" --addv a "$monitor" "$d/monmap"
# shellcheck disable=SC2086 # two words
{
    ceph-mon $c --mkfs -i a --monmap "$d/monmap" --keyring "$d/keyring"
    ceph-mon $c -i a
    timeout 60 ceph $c osd create "$(uuid)"
    ceph-osd $c -i 0 --mkfs --osd-uuid "$(ceph $c osd dump | sed -n 's/^osd\.0 .* //p')"
    ceph-osd $c -i 0
    # It makes its pools at its first start, which is most of the wait.
    radosgw $c -n client.rgw.x
    timeout 120 radosgw-admin $c -n client.rgw.x user create --uid=test --display-name=test \
        --access-key="$ACCESS" --secret-key="$SECRET"
}
tail --pid="$WATCHED" -f /dev/null
