# GUEST RUNNING ADDRESS BEGAN JOB

if [ -s "$jobs/$5/downtime" ] && { [ "$2" != yes ] || { guest_running "$1" && ! link_quarantined "$1"; }; }; then
	out state "done"
	out downtime "$(cat "$jobs/$5/downtime")"
else
	out state absent
fi
