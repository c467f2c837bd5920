# GUEST BYTES ARCH DEVICE DISK: the guest can come here: its name is free, and there is room, and what it needs.

[ "$3" = "$(uname -m)" ] || fail permanent VSJ0474 "the guest is of $3, this host of $(uname -m)"
if [ -n "$4" ] && ! link_device_exists "$4"; then
	fail permanent VSJ0475 "there is no bridge $4 here"
fi
if volume_exists "$1" || guest_defined "$1"; then
	fail permanent VSJ0476 "there is something called $1 here already"
fi
command -v rsync >/dev/null || fail permanent VSJ0477 "there is no rsync here"
free=$(volume_free)
needed=$(volume_needs "$2" "${5:-0}")
[ "$needed" -lt "$free" ] || fail permanent VSJ0478 "$needed bytes are needed, $free are free"
out free "$free"
