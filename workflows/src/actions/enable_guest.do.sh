# GUEST ENABLED RUNNING ADDRESS DEVICE: it starts with its host, if it did; and it is started, open, if a reboot stopped it.

if [ "$2" = yes ]; then guest_enable "$1" "$4" "$5"; fi
if [ "$3" = yes ] && ! guest_running "$1"; then
	link_admit "$1"
	guest_start "$1"
fi
