# GUEST JOB TO: in the guest's tree, its host name is TO where it was GUEST: etc/hostname, and the words of etc/hosts. What
# was there is kept in the job's folder. The guest stands still, so nobody puts a link in the way meanwhile.

root=$(volume_path "$1")
volume_exists "$1" || fail permanent VSJ0470 "there is no volume $1 here"
[ ! -L "$root/etc" ] || exit 0
transfer_folder "$2"
for file in hostname hosts; do
	kept=$jobs/$2/$file
	if [ ! -e "$kept" ]; then
		hostname_is_plain "$root/etc/$file" || continue
		cp -a "$root/etc/$file" "$kept.part"
		mv "$kept.part" "$kept"
		durable "$kept"
	fi
	case $file in
	hostname) edit="1s/^$1\$/$3/; 1s/^$1\\./$3./" ;;
	# Twice, as a blank between two words is part of the first one's match.
	hosts) edit="s/\\([[:space:]]\\)$1\\([.[:space:]]\\)/\\1$3\\2/g; s/\\([[:space:]]\\)$1\\([.[:space:]]\\)/\\1$3\\2/g; s/\\([[:space:]]\\)$1\$/\\1$3/" ;;
	esac
	sed "$edit" "$kept" | cmp -s - "$kept" || hostname_put "$kept" "$edit" "$root/etc/$file"
done
durable_tree "$root"
