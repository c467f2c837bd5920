# The network bridge: a guest has a veth pair, one end in a bridge of its host. Quarantine is a table of the bridge
# family that drops what the bridge would forward from or to the guest's end: its own host still reaches it, nobody
# else does. Rules and links do not survive a boot; whoever relies on them makes them again.

link_table() { printf 'vsjob_q_%s' "$1" | tr '.-' '__'; }

# link_of NAME LEADER: the host's end of the guest's link.
link_of() {
	link_number=$(nsenter -t "$2" -n ip -o link show host0 2>/dev/null | sed -n 's/.*host0@if\([0-9]*\):.*/\1/p')
	[ -n "$link_number" ] || return 1
	ip -o link | sed -n "s/^$link_number: \([^:@]*\).*/\1/p"
}

# link_quarantine NAME: before it starts, so its link's name is what the runtime will call it. The kernel has room
# for 15 characters; of a longer name systemd keeps the first 11 and adds a hash, so all that begin like it and are
# not there yet are meant.
link_quarantine() {
	link_name=vb-$1
	link_others=
	if [ "${#link_name}" -gt 15 ]; then
		link_name=$(printf '%.11s' "$link_name")
		link_others=$(ip -o link | sed -n "s/^[0-9]*: \(${link_name}[^:@]*\).*/\"\1\",/p" | tr -d '\n')
		link_name="$link_name*"
	fi
	[ -z "$link_others" ] || link_others="{ ${link_others%,} }"
	nft -f - <<-END
		table bridge $(link_table "$1")
		delete table bridge $(link_table "$1")
		table bridge $(link_table "$1") {
			chain forward {
				type filter hook forward priority -10; policy accept;
				iifname "$link_name" ${link_others:+iifname != $link_others} drop
				oifname "$link_name" ${link_others:+oifname != $link_others} drop
			}
		}
	END
}

link_quarantined() {
	nft list table bridge "$(link_table "$1")" >/dev/null 2>&1
}

# link_admit NAME: its link passes everything.
link_admit() {
	if link_quarantined "$1"; then
		nft delete table bridge "$(link_table "$1")"
	fi
}

# link_announce LEADER ADDRESS: tells the neighbours where the guest's address is now. Returns when it has been told
# once; it is told twice more, for those that were not listening.
link_announce() {
	nsenter -t "$1" -n arping -U -q -c 3 -w 3 -I host0 "$2" >/dev/null 2>&1 </dev/null &
}

# link_address LEADER: the first address that the guest has on its link; empty if it has none yet.
link_address() {
	nsenter -t "$1" -n ip -o -4 address show dev host0 scope global 2>/dev/null |
		sed -n 's/.* inet \([0-9.]*\/[0-9]*\) .*/\1/p' | head -n 1
}

# link_is_free DEVICE ADDRESS: nobody on the link of DEVICE answers at it.
link_is_free() {
	arping -D -q -c 2 -w 3 -I "$1" "$2" >/dev/null 2>&1
}

# link_answers DEVICE ADDRESS: somebody does.
link_answers() {
	arping -q -c 3 -w 3 -f -I "$1" "$2" >/dev/null 2>&1
}

link_device_exists() {
	ip link show dev "$1" >/dev/null 2>&1
}

# link_await LEADER ADDRESS SECONDS: until the guest has that address, or any if ADDRESS is empty.
link_await() {
	link_until=$(($(date +%s) + $3))
	while :; do
		link_has=$(link_address "$1")
		if [ -n "$link_has" ] && { [ -z "$2" ] || [ "${link_has%/*}" = "${2%/*}" ]; }; then return 0; fi
		[ "$(date +%s)" -lt "$link_until" ] || return 1
		sleep 0.05
	done
}
