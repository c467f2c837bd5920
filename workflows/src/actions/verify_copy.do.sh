# VOLUME COUNTED FILES SIZE GROWN: what is here is what was there. COUNTED files were here before the last pass; that
# and what the pass added make FILES, or else the tree is counted anew. (A file that became a directory is one that the
# receiver adds and none that it takes away.)

volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
if [ "$5" != unknown ] && [ "$(($2 + $5))" = "$3" ]; then
	out counted "$3"
	exit 0
fi
tree_count "$(volume_path "$1")"
if [ "$files" != "$3" ] || [ "$size" != "$4" ]; then
	fail permanent VSJ0481 "$3 files of $4 bytes were sent, $files of $size are here"
fi
out counted "$files"
