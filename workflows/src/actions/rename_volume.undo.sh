# FROM TO: gives it its first name back.

if volume_exists "$2"; then
	guest_stop "$2" 10
	volume_rename "$2" "$1"
fi
