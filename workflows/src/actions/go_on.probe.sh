# GUEST JOB START POST

if [ -e "$jobs/$2/prepared" ] || { [ "$3" = yes ] && ! guest_running "$1"; }; then
	out state absent
else
	out state "done"
	out started "$3"
fi
