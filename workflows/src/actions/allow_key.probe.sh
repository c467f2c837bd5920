# JOB KEY VOLUME

if transfer_allowed "$1" "$2"; then
	out state "done"
	transfer_host_key
	out host_key "$host_key"
else
	out state absent
fi
