# GUEST RUNNING ADDRESS COMMAND: it runs, has its address, and COMMAND, if there is one, succeeds in it. What a reboot
# undid is made again first.

[ "$2" = yes ] || exit 0
if ! guest_running "$1"; then
	link_quarantine "$1"
	guest_start "$1"
fi
guest_healthy "$1" 30 "$4" || fail permanent VSJ0484 "the guest $1 is not healthy here"
link_await "$(guest_leader "$1")" "$3" 30 || fail permanent VSJ0485 "the guest $1 does not take the address $3"
