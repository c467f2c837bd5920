# VOLUME FILES SIZE STILL: counts what arrived, and that it is what was sent, if that stood STILL. While the guest still
# runs: it takes no downtime.

tree_count "$(volume_path "$1")"
if [ "$4" = yes ] && { [ "$files" != "$2" ] || [ "$size" != "$3" ]; }; then
	fail permanent VSJ0481 "$2 files of $3 bytes were sent, $files of $size are here"
fi
out files "$files"
