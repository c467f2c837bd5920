# SNAPSHOT JOB SINCE: lists the files of which size and time do not tell whether the last generation has them as they
# are (see transfer_changed); the folders, by which renamed ones are noticed; and the files that have several names.

transfer_dir=$jobs/$2
transfer_tree=$(volume_path "$1")
transfer_folders
: >"$transfer_dir/changed"
if [ "$3" != none ]; then
	printf '%s\n' "$3" >"$transfer_dir/since"
	transfer_moment
	find "$transfer_tree" -type f -newerct "@$transfer_from" -printf '%P\0' >"$transfer_dir/changed"
fi
find "$transfer_tree" -type f -links +1 -printf '%i %P\0' >"$transfer_dir/linked"
mv "$transfer_dir/folders.now" "$transfer_dir/folders"
rm "$transfer_dir/folders.found"
: >"$transfer_dir/listed"
durable "$transfer_dir/changed" "$transfer_dir/folders" "$transfer_dir/linked" "$transfer_dir/listed"
