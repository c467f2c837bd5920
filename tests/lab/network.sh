# shellcheck shell=bash
# shellcheck disable=SC2154 # lab sets dir, id, host and the like
# The lab's network: one bridge in a namespace of its own, with a port for the master and one for each
# host. Hosts put their port into their own br0, so guests on br0 are on the same layer 2 as everybody.
# Sourced by lab.

host_number() { local number=${1#vsh-}; printf '%d\n' "$((10#$number))"; }
host_address() { printf '10.77.0.%d\n' "$(($(host_number "$1") + 10))"; }

network_up() {
  ip netns add "$switch"
  ip netns add "$master"
  ip -n "$switch" link add lan type bridge
  ip -n "$switch" link set lan up
  ip -n "$master" link set lo up
  ip -n "$master" link add eth0 type veth peer name master netns "$switch"
  ip -n "$master" address add 10.77.0.1/16 dev eth0
  ip -n "$master" link set eth0 up
  ip -n "$switch" link set dev master master lan up
  # A cable is cut at the switch: so it stays cut when its host reboots, and no rule of ours is ever
  # mixed with the rules that are under test in the host.
  ip netns exec "$switch" nft -f - <<'END'
table bridge cables {
  set cut { type ifname; }
  set apart { type ifname . ifname; }
  chain forward {
    type filter hook forward priority 0; policy accept;
    iifname @cut drop
    oifname @cut drop
    iifname . oifname @apart drop
  }
}
END
}

network_down() {
  local namespace
  for namespace in "$switch" "$master"; do
    [ ! -e "/run/netns/$namespace" ] || ip netns delete "$namespace"
  done
}

bridge_mac() { printf '02:56:53:00:00:%02x\n' "$(host_number "$1")"; }

# Run in the namespace of a host's new life: the cable to the switch.
# Made anew at each boot, so rules and links of the previous life are gone as on a real machine.
cable_of_host() {
  local host=$1
  ip -n "$switch" link delete "$host" 2>/dev/null || true
  ip link set lo up
  ip link add eth0 type veth peer name "$host" netns "$switch"
  ip -n "$switch" link set dev "$host" master lan up
}

# Then br0 with the host's address.
network_of_host() {
  local host=$1
  ip link add br0 address "$(bridge_mac "$host")" type bridge
  ip link set eth0 master br0 up
  ip address add "$(host_address "$host")/16" dev br0
  ip link set br0 up
}

link_cut() { ip netns exec "$switch" nft add element bridge cables cut "{ \"$1\" }"; }
link_heal() {
  link_is_cut "$1" || return 0
  ip netns exec "$switch" nft delete element bridge cables cut "{ \"$1\" }"
  # Whom the master asked for in vain meanwhile, it would hold unreachable for another three seconds.
  ip -n "$master" neighbour flush nud incomplete
  ip -n "$master" neighbour flush nud failed
}
link_is_cut() { ip netns exec "$switch" nft get element bridge cables cut "{ \"$1\" }" >/dev/null 2>&1; }
link_part() { ip netns exec "$switch" nft add element bridge cables apart "{ \"$1\" . \"$2\", \"$2\" . \"$1\" }"; }
link_join() {
  ip netns exec "$switch" nft delete element bridge cables apart "{ \"$1\" . \"$2\", \"$2\" . \"$1\" }"
  ip -n "$master" neighbour flush nud incomplete
  ip -n "$master" neighbour flush nud failed
}
link_state() { if link_is_cut "$1"; then echo cut; else echo linked; fi; }
