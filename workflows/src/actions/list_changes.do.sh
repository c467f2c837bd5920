# SNAPSHOT JOB SINCE: lists the files of which size and time do not tell whether the last generation has them as they
# are (see transfer_changed); the folders, by which renamed ones are noticed; and the files that have several names.

transfer_dir=$jobs/$2
transfer_tree=$(volume_path "$1")
if [ "$3" = none ]; then
	set -- -false
else
	printf '%s\n' "$3" >"$transfer_dir/since"
	transfer_moment
	set -- -newerct "@$transfer_from"
fi
# All in one walk: of a night in which nothing has changed, walks are what takes its time.
find "$transfer_tree" -mindepth 1 \
	-type d -fprintf "$transfer_dir/folders" '%i %P\0' -o \
	-type f \( "$@" -fprintf "$transfer_dir/changed" '%P\0' , -links +1 -fprintf "$transfer_dir/linked" '%i %P\0' \)
: >"$transfer_dir/listed"
durable "$transfer_dir/changed" "$transfer_dir/folders" "$transfer_dir/linked" "$transfer_dir/listed"
