# FROM TO: the other way round. As long as FROM has its volume nothing was renamed, and TO is somebody else's.

if ! volume_exists "$1" && volume_exists "$2"; then
	guest_stop "$2" 10
	link_admit "$2"
	guest_rename_definition "$2" "$1"
	volume_rename "$2" "$1"
	systemctl daemon-reload
fi
