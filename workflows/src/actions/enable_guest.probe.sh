# GUEST ENABLED RUNNING

if { [ "$2" != yes ] || guest_enabled "$1"; } && { [ "$3" != yes ] || guest_running "$1"; }; then
	out state "done"
else
	out state absent
fi
