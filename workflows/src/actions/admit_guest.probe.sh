# GUEST RUNNING ADDRESS JOB

if [ -e "$jobs/$4/admitted" ] && { [ "$2" != yes ] || { guest_running "$1" && ! link_quarantined "$1"; }; }; then
	out state "done"
	out admitted "$2"
else
	out state absent
fi
