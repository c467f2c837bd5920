# The storage lvm-thin: volumes and their snapshots take of one pool what is written into them. The pool is the one with the tag
# vsjob, or the only one of the group.

# volume_pool: sets pool.
volume_pool() {
	volume_look
	pool=$(printf '%s\n' "$volume_known" | awk '
		$3 == "thin-pool" { pools++; if ($4 ~ /,vsjob,/) { tagged++; pool = $1 } else if (!tagged) pool = $1 }
		END { print ((tagged > 1 || (pools > 1 && !tagged)) ? "-" : pool) }')
	case $pool in
	'') fail permanent VSJ0565 "there is no thin pool in the group $group" ;;
	-) fail permanent VSJ0566 "there are several thin pools in the group $group, and not one with the tag vsjob" ;;
	esac
}

# volume_size BYTES MEGABYTES: of a volume for so many bytes of files: the MEGABYTES, if they are given. What is not used costs
# nothing.
volume_size() {
	if [ "$2" != 0 ]; then printf '%s' "$(($2 * 1048576))"; else printf '%s' "$(($1 * 4 + 17179869184))"; fi
}

# volume_needs BYTES MEGABYTES: what is written, and a twentieth more.
volume_needs() { printf '%s' "$(($1 + $1 / 20))"; }

volume_allocate() {
	volume_pool
	volume_change lvcreate -qq -y -Wy -n "$1" --addtag "$volume_tag" --addtag vsjob.raw \
		-V "$(volume_megabytes "$2")m" --thinpool "$pool" "$group"
}

# volume_free: bytes that the pool has left; none, if it can note no more.
volume_free() {
	volume_pool
	volume_report lvs -o lv_size,data_percent,metadata_percent "$group/$pool" |
		awk '{ printf "%.0f", ($3 < 90 ? $1 * (100 - $2) / 100 : 0) }'
}

# volume_picture ORIGIN SNAPSHOT GUEST
volume_picture() {
	volume_look
	volume_change lvcreate -qq -y -s -kn --addtag "$volume_tag" --addtag "vsjob.of=$3" -n "$2" "$group/$1"
}

# volume_sound NAME: whether it is what it was made as. What a full pool could not note was an error for whoever wrote it.
volume_sound() { volume_exists "$1"; }

volume_check() { printf ':'; }
