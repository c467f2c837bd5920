# GUEST: what it takes: disk for its files, and as much memory as it may have, or, without a limit, as it has. One that
# neither runs nor starts with its host takes no memory.

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
guest_facts "$1"
guest_state "$1"
memory=0
if [ "$guest_state" != stopped ] || guest_enabled "$1"; then
	case $rss in
	0 | *[!0-9]*) memory=$(guest_memory "$1") ;;
	*) memory=$((rss * 1048576)) ;;
	esac
fi
out memory "$memory"
out disk "$(volume_used "$1")"
out device "$device"
