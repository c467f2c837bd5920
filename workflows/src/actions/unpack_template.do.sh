# VOLUME JOB BYTES MEGABYTES: unpacks the job's template into the volume, which is made anew for that.

archive=$(printf '%s' "$R/var/lib/vsjob/templates/$2".*)
[ -f "$archive" ] || fail permanent VSJ0491 "the template is not here"
volume_delete "$1"
volume_create "$1" "$3" "$4"
tar -C "$(volume_path "$1")" --numeric-owner --xattrs --xattrs-include='*' --acls -xpf "$archive" >&2 ||
	fail permanent VSJ0492 "the template cannot be unpacked"
durable_tree "$(volume_path "$1")"
