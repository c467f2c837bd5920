# SNAPSHOT JOB SINCE: lists the files of which size and time do not tell whether the last generation has them as they
# are (see transfer_changed), and the folders, by which renamed ones are noticed.

transfer_dir=$jobs/$2
transfer_tree=$(volume_path "$1")
transfer_folders
: >"$transfer_dir/changed"
if [ "$3" != none ]; then
	find "$transfer_tree" -type f -newerct "@$3" -printf '%P\0' >"$transfer_dir/changed"
fi
mv "$transfer_dir/folders.now" "$transfer_dir/folders"
rm "$transfer_dir/folders.found"
: >"$transfer_dir/listed"
durable "$transfer_dir/changed" "$transfer_dir/folders" "$transfer_dir/listed"
