# GUEST RUNNING

if [ "$2" != yes ] || { guest_running "$1" && link_quarantined "$1"; }; then
	out state "done"
else
	out state absent
fi
