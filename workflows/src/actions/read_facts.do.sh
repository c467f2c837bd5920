# GUEST: what an undo, and the other host, will need to know of it.

guest_settle "$1" 400 || fail transient VSJ0442 "the guest $1 does not settle"
# A host that shuts down has stopped its guests, and starts them again.
if [ "$guest_state" = stopped ] && [ "$(systemctl is-system-running 2>/dev/null)" = stopping ]; then
	fail transient VSJ0442 "the host shuts down, and has stopped the guest $1"
fi
guest_facts "$1"
running=no enabled=no
if [ "$guest_state" = running ]; then
	running=yes
	leader=$(guest_leader "$1")
	if [ -z "$address" ] && [ -n "$leader" ]; then
		address=$(link_address "$leader")
	fi
fi
if guest_enabled "$1"; then enabled=yes; fi
# The size of a volume that has one counts, not what it was once to be.
most=$(volume_most "$1")
[ "$most" = 0 ] || disk=$most
out running "$running"
out enabled "$enabled"
out address "$address"
out device "$device"
out rss "$rss"
out tmpfs "$tmpfs"
out proc "$proc"
out cpu "$cpu"
out disk "$disk"
