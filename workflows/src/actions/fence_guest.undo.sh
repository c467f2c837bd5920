# GUEST MOVED: gives it its name back.

volume_rename "$2" "$1"
guest_rename_definition "$2" "$1"
systemctl daemon-reload
