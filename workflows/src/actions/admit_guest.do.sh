# GUEST RUNNING ADDRESS JOB: opens its link and tells the neighbours. It is made sure that it runs first: this host may have
# been booted anew since it was started.

# Whoever takes over from this master has to see that it may be open, also after a power cut.
[ -z "${RUN:-}" ] || durable "$RUN"
if ! volume_exists "$1" || ! guest_defined "$1"; then
	fail permanent VSJ0470 "the guest $1 is not here"
fi
if [ "$2" = yes ]; then
	if ! guest_running "$1"; then
		link_quarantine "$1"
		guest_start "$1"
		guest_healthy "$1" 30 '' || fail transient VSJ0484 "the guest $1 is not healthy here"
		link_await "$(guest_leader "$1")" "$3" 30 || true
	fi
	link_admit "$1"
	link_announce "$(guest_leader "$1")" "${3%/*}"
fi
mkdir -p "$jobs/$4"
: >"$jobs/$4/admitted"
durable "$jobs/$4/admitted"
out admitted "$2"
