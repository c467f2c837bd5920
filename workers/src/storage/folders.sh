# Of storages whose volumes are folders side by side in one file system.

# volume_rename FROM TO: from any half-way point of itself.
volume_rename() {
	if [ -e "$volumes/$1" ]; then
		[ ! -e "$volumes/$2" ] || fail permanent VSJ0452 "there is a volume $2 already"
		mv -T "$volumes/$1" "$volumes/$2"
	fi
	volume_durable "$volumes/$1" "$volumes/$2"
}

# volume_scratch NAME JOB: where files stay half while they are received for the job: outside the tree, in its file system.
volume_scratch() { printf '%s' "$volumes/.vsjob-$2-scratch"; }

# volume_needs BYTES MEGABYTES: how much room a volume takes for so many bytes of files. A twentieth more: what tells about
# them, and what is written meanwhile.
volume_needs() { printf '%s' "$(($1 + $1 / 20))"; }

# volume_most NAME: the most that it can hold by its nature, in MB; 0 if that is no limit.
volume_most() { printf '0'; }

# volume_free: bytes that can still be written.
volume_free() {
	df --output=avail -B1 "$volumes" | tail -n 1 | tr -d ' '
}
