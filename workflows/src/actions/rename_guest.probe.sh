# FROM TO

if volume_exists "$2" && ! volume_exists "$1" && ! guest_defined "$1"; then
	out state "done"
else
	out state absent
fi
