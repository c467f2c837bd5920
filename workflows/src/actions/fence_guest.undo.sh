# GUEST MOVED: gives it its name back. Who has that name already was not fenced.

if ! volume_exists "$1"; then volume_rename "$2" "$1"; fi
if ! guest_defined "$1"; then guest_rename_definition "$2" "$1"; fi
systemctl daemon-reload
