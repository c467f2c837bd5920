# FROM TO: gives it its first name back, unless what has that name now is of a later job.

if volume_exists "$2" && guest_is_of_this_job "$2"; then
	guest_stop "$2" 10
	volume_rename "$2" "$1"
fi
