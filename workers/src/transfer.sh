# Copies of trees straight from host to host. Each job has a folder of its own on both hosts, jobs/JOB: on the source
# a key made there for that one job, on the target what that key may do: write one tree, and nothing else.

jobs=$R/var/lib/vsjob/jobs

transfer_folder() {
	mkdir -p "$jobs/$1"
	chmod 700 "$jobs/$1"
}

# transfer_key JOB: makes the job's key, and sets key to its public half.
transfer_key() {
	transfer_folder "$1"
	if [ ! -s "$jobs/$1/key.pub" ]; then
		rm -f "$jobs/$1/key" "$jobs/$1/key.pub"
		ssh-keygen -q -t ed25519 -N '' -C "vsjob-$1" -f "$jobs/$1/key" >&2
		durable "$jobs/$1/key" "$jobs/$1/key.pub" "$jobs/$1"
	fi
	key=$(cut -d ' ' -f 1,2 "$jobs/$1/key.pub")
}

# transfer_host_key: sets host_key to what this host's sshd shows.
transfer_host_key() {
	host_key=
	for transfer_file in ed25519 ecdsa rsa; do
		transfer_file=$R/etc/ssh/ssh_host_${transfer_file}_key.pub
		if [ -s "$transfer_file" ]; then
			host_key=$(cut -d ' ' -f 1,2 "$transfer_file")
			return 0
		fi
	done
	fail permanent VSJ0461 "this host has no host key in $R/etc/ssh"
}

# transfer_authorized JOB [LINE]: rewrites root's authorized keys without the job's key, then with LINE. Nobody would get
# into this host any more if they were lost: nothing takes their place that is not whole on the disk.
transfer_authorized() {
	transfer_file=$R/root/.ssh/authorized_keys
	mkdir -p "$jobs" "$R/root/.ssh"
	[ ! -L "$transfer_file" ] || transfer_file=$(readlink -f "$transfer_file")
	(
		flock -w 20 8 || fail transient VSJ0462 "another change of the authorized keys does not end"
		transfer_rewritten "$1" "${2:-}" || {
			rm -f "$transfer_file.vsjob"
			fail transient VSJ0468 "the authorized keys cannot be rewritten"
		}
		mv "$transfer_file.vsjob" "$transfer_file"
		durable "$transfer_file"
	) 8>"$jobs/authorized.lock"
}

# Writes what they are to be beside transfer_file.
transfer_rewritten() {
	: >"$transfer_file.vsjob" || return
	if [ -e "$transfer_file" ]; then
		# 1 says that no line is left.
		grep -v " vsjob-$1\$" "$transfer_file" >"$transfer_file.vsjob" || [ $? = 1 ] || return
	fi
	[ -z "$2" ] || printf '%s\n' "$2" >>"$transfer_file.vsjob" || return
	chmod 600 "$transfer_file.vsjob" && sync "$transfer_file.vsjob"
}

# transfer_receive JOB INTO SCRATCH COMMAND: what is received for the job goes into the tree INTO, with half files in SCRATCH,
# once COMMAND has seen to it that the tree is there. The master's own rsync calls it as `push`, with what it would ask of
# rsync.
transfer_receive() {
	transfer_folder "$1"
	mkdir -p "$3"
	chmod 700 "$3"
	printf '%s\n' "$2" >"$jobs/$1/into"
	printf '%s\n' "$3" >"$jobs/$1/scratch"
	printf '%s\n' "$4" >"$jobs/$1/open"
	transfer_receiver >"$jobs/$1/receive"
	printf 'SSH_ORIGINAL_COMMAND="rsync $*" exec sh "%s" "%s"\n' "$jobs/$1/receive" "$jobs/$1" >"$jobs/$1/push"
	durable "$jobs/$1/into" "$jobs/$1/scratch" "$jobs/$1/open" "$jobs/$1/receive" "$jobs/$1/push" "$jobs/$1"
}

# transfer_allow JOB KEY INTO SCRATCH COMMAND DAYS: that key may write the tree INTO, with half files in SCRATCH, for so long.
transfer_allow() {
	transfer_receive "$1" "$3" "$4" "$5"
	transfer_until=$(date -d "+$6 days" +%Y%m%d%H%M)
	transfer_authorized "$1" \
		"restrict,expiry-time=\"$transfer_until\",command=\"sh '$jobs/$1/receive' '$jobs/$1'\" $2 vsjob-$1"
}

# transfer_allowed JOB KEY: whether it is.
transfer_allowed() {
	grep -qF "command=\"sh '$jobs/$1/receive' '$jobs/$1'\" $2 vsjob-$1" "$R/root/.ssh/authorized_keys" 2>/dev/null
}

# transfer_end JOB: ends what still sends or receives for the job, then removes its folder and its key.
transfer_end() {
	transfer_authorized "$1"
	if [ -d "$jobs/$1" ]; then
		if [ -s "$jobs/$1/receive" ]; then
			sh "$jobs/$1/receive" "$jobs/$1" end || fail transient VSJ0463 "a receiver of the job does not end"
		fi
		if [ -s "$jobs/$1/scratch" ]; then
			read -r transfer_scratch <"$jobs/$1/scratch"
			rm -rf "$transfer_scratch"
			# Before the folder is gone that names it.
			durable "$transfer_scratch"
		fi
		rm -rf "${jobs:?}/$1"
	fi
	durable "$jobs/$1"
}

# transfer_to JOB ADDRESS PORT USER HOST-KEY RELAY: how to reach the target: there, or, if RELAY is a port and not `no`, at
# that port of this host's loopback, which leads through the master to it.
transfer_to() {
	printf 'target %s\n' "$5" >"$jobs/$1/known_hosts"
	transfer_target=$2 transfer_port=$3
	case $2 in *:*) transfer_target="[$2]" ;; esac
	if [ "$6" != no ]; then
		transfer_secluded "$6"
		transfer_target=127.0.0.1 transfer_port=$6
	fi
	transfer_shell="ssh -F /dev/null -i $jobs/$1/key -p $transfer_port -l $4 -o IdentitiesOnly=yes -o BatchMode=yes \
-o HostKeyAlias=target -o StrictHostKeyChecking=yes -o UserKnownHostsFile=$jobs/$1/known_hosts \
-o GlobalKnownHostsFile=/dev/null -o ConnectTimeout=10 -o ServerAliveInterval=5 -o ServerAliveCountMax=6 \
-o Compression=no -o Ciphers=^aes128-gcm@openssh.com"
}

# transfer_secluded PORT: nobody but this host itself reaches that port of it.
transfer_secluded() {
	if cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
		grep -qiE "^ *[0-9]+: 0+:$(printf '%04X' "$1") [0-9A-F:]* 0A "; then
		fail permanent VSJ0469 "this host's sshd lets everybody reach what is forwarded to it"
	fi
}

# transfer_with BWLIMIT COMPRESS: how what follows is sent: at most so many KiB a second, 0 for no limit; and compressed, if
# COMPRESS is yes, in the way that the two rsyncs agree on: zstd, where both have it.
transfer_with() {
	transfer_options=--bwlimit=$1
	[ "$2" != yes ] || transfer_options="$transfer_options --compress"
}

# transfer_begins JOB: a pass of a guest that runs begins; its snapshot is made next. From then on, until a later pass
# is whole, size and time do not tell whether the copy of a file is right: the kernel's clock stands still for up to 10 ms,
# so a file written before and after the snapshot may have one time; and what is written through a mapping while the
# snapshot is made may be missing in it, although the file's time in it is the last that the file will ever have.
transfer_begins() {
	transfer_begin=$(($(date +%s%N) - 20000000))
	transfer_steady
	transfer_boot transfer_begin_boot
	transfer_begin_steady=$transfer_now
	[ -s "$jobs/$1/since" ] || transfer_since "$1"
}

# transfer_lives JOB GUEST TREE: the pass that began reads no picture, but the TREE of a guest that may run. What it writes
# through a mapping that it had before changes no time: the inodes of such files are noted, and from then on they are
# compared by content. A process that was forked while its parent was asked has the parent's mappings: so it is asked as
# well, until nobody is new. And what was written before goes to the disk: a power cut would take back what the copy has.
transfer_lives() {
	transfer_dir=$jobs/$1 transfer_live=yes
	: >"$transfer_dir/processes"
	while :; do
		guest_processes "$2" >"$transfer_dir/processes.now"
		sort -u -o "$transfer_dir/processes.now" "$transfer_dir/processes.now"
		comm -13 "$transfer_dir/processes" "$transfer_dir/processes.now" >"$transfer_dir/processes.new"
		mv "$transfer_dir/processes.now" "$transfer_dir/processes"
		[ -s "$transfer_dir/processes.new" ] || break
		sed 's|.*|/proc/&/maps|' "$transfer_dir/processes.new" | { xargs cat 2>/dev/null || true; } |
			awk '$2 ~ /^.w.s/ && $5 != 0 { print $5 }' >>"$transfer_dir/mapped"
	done
	: >>"$transfer_dir/mapped"
	sort -u -o "$transfer_dir/mapped" "$transfer_dir/mapped"
	durable "$transfer_dir/mapped"
	durable_tree "$3"
}

# What runs a command where no link of a tree leads anywhere.
# shellcheck disable=SC2016 # it is for another shell
transfer_seclusion='mount --bind "$1" "$1"
mount -o remount,bind,ro,nodev,nosymfollow "$1"
shift
exec "$@"'

# transfer_reader JOB TREE: makes the script `read` in the job's folder, which the master's rsync calls in the place of its other
# half, and which sees of a guest that may run what transfer_sees does.
transfer_reader() {
	printf "exec unshare --mount sh -euc '%s' read '%s' rsync \"\$@\"\n" "$transfer_seclusion" "$2" >"$jobs/$1/read"
	durable "$jobs/$1/read"
}

# transfer_shows JOB COMMAND: makes that script for what stands still: COMMAND sees to it that it is there.
transfer_shows() {
	printf '%s && exec rsync "$@"\n' "$2" >"$jobs/$1/read"
	durable "$jobs/$1/read"
}

# transfer_sees COMMAND…: runs it where no link of the tree leads anywhere, if the tree is that of a guest that may run:
# the guest could put a link where a folder was a moment ago, and what the link names is the host's.
transfer_sees() {
	if [ ! -e "$transfer_dir/mapped" ]; then
		"$@"
		return
	fi
	unshare --mount sh -euc "$transfer_seclusion" sees "$transfer_tree" "$@"
}

# transfer_finds COMMAND…: searches the tree. What a guest that runs has moved or removed by then is no failure: that has
# changed, or the folder that it is in, so the next search finds it.
transfer_finds() {
	! transfer_sees "$@" 2>"$transfer_dir/errors" || return 0
	cat "$transfer_dir/errors" >&2
	[ "${transfer_live:-no}" = yes ] && [ -s "$transfer_dir/errors" ] &&
		! grep -qv ': No such file or directory$' "$transfer_dir/errors"
}

# transfer_steady: sets transfer_now to the ms since the host was booted, to hundredths of a second: nobody sets that clock.
transfer_steady() {
	read -r transfer_up transfer_idle </proc/uptime
	transfer_now=$((${transfer_up%.*} * 1000 + (1${transfer_up#*.} - 100) * 10))
}

# transfer_boot NAME: sets NAME to the id of this life of the host.
transfer_boot() {
	read -r "$1" <"$R/proc/sys/kernel/random/boot_id"
}

# transfer_since JOB: the pass that began last is whole: what has not changed since it began is right in the copy.
transfer_since() {
	printf '%s %s %s\n' "$transfer_begin" "$transfer_begin_steady" "$transfer_begin_boot" >"$jobs/$1/since.part"
	transfer_keep "$jobs/$1/since"
	[ -e "$jobs/$1/folders.now" ] || return 0
	cp "$jobs/$1/folders.now" "$jobs/$1/folders.part"
	transfer_keep "$jobs/$1/folders"
}

# transfer_send JOB TREE TOTAL NOTE: makes the target's tree equal to TREE, after transfer_to and transfer_with. Sets
# transfer_exit to rsync's exit code, and files, size, sent, created and deleted to its counts. What size and time do not
# tell about is compared by content, unless it was sent just now: seldom anything. In place, so that no hard link is broken.
transfer_send() {
	transfer_dir=$jobs/$1 transfer_tree=$2 transfer_total=$3 transfer_note=$4
	rm -f "$transfer_dir/log"
	if [ ! -e "$transfer_dir/folders" ] && [ ! -e "$transfer_dir/mapped" ]; then
		transfer_folders
		cp "$transfer_dir/folders.now" "$transfer_dir/folders.part"
		transfer_keep "$transfer_dir/folders"
	fi
	transfer_changed &
	transfer_run --delete --partial-dir=/scratch --log-file="$transfer_dir/log" --log-file-format='%i %n'
	wait "$!" || fail transient VSJ0467 "what has changed in the guest cannot be found"
	files=$(transfer_count 'Number of files')
	size=$(transfer_count 'Total file size')
	sent=$(transfer_count 'Total bytes sent')
	created=$(transfer_count 'Number of created files')
	deleted=$(transfer_count 'Number of deleted files')
	case $transfer_exit-${transfer_live:-no} in
	0-* | 24-yes) ;;
	*) return 0 ;;
	esac
	sed -n 's/^[^]]*\] <f[^ ]* //p' "$transfer_dir/log" | tr '\n' '\0' | sort -z >"$transfer_dir/sent"
	comm -z -23 "$transfer_dir/changed" "$transfer_dir/sent" >"$transfer_dir/doubtful"
	if [ -s "$transfer_dir/doubtful" ]; then
		if [ -e "$transfer_dir/folders" ]; then
			# Broken off, this leaves some of them as they are called now: a name that goes back to what it was is a change.
			comm -z -12 "$transfer_dir/folders" "$transfer_dir/folders.now" >"$transfer_dir/folders.part"
			transfer_keep "$transfer_dir/folders"
		fi
		transfer_run --ignore-times --inplace --from0 --files-from="$transfer_dir/doubtful" \
			${transfer_live:+--ignore-missing-args}
		sent=$((sent + $(transfer_count 'Total bytes sent')))
	fi
}

# Sets transfer_from to when the last whole pass began, by the clock that files get their time from now: if that was set back
# since, what has changed is older than that pass by its time. After a reboot it may have been, and all that has changed since
# the host was booted counts.
transfer_moment() {
	read -r transfer_from transfer_then transfer_life <"$transfer_dir/since"
	transfer_boot transfer_this
	[ "$transfer_life" = "$transfer_this" ] || transfer_then=0
	transfer_steady
	transfer_by_now=$(($(date +%s%N) - 20000000 - (transfer_now - transfer_then + 20) * 1000000))
	[ "$transfer_by_now" -ge "$transfer_from" ] || transfer_from=$transfer_by_now
	transfer_from=${transfer_from%?????????}.${transfer_from#"${transfer_from%?????????}"}
}

# The files of which size and time do not tell. Their status has changed then at the earliest, and nobody can set that
# time for a file; or they were mapped. And those beneath a folder that was renamed: that changes nothing of theirs, and under their
# new name the copy may have another file of the same size and time, as what comes out of archives often has.
transfer_changed() {
	: >"$transfer_dir/changed"
	[ -s "$transfer_dir/since" ] || return 0
	transfer_moment
	set -- -newerct "@$transfer_from"
	if [ -e "$transfer_dir/mapped" ]; then
		while read -r transfer_inode; do
			set -- "$@" -o -inum "$transfer_inode"
		done <"$transfer_dir/mapped"
	fi
	transfer_finds find "$transfer_tree" -type f \( "$@" \) -printf '%p\0' >"$transfer_dir/found"
	transfer_renamed
	# shellcheck disable=SC2016 # it is for the inner shell
	transfer_finds xargs -0 -r sh -c 'find "$@" -type f -print0' find <"$transfer_dir/renamed" >>"$transfer_dir/found"
	sed -z "s|^$transfer_tree/||" "$transfer_dir/found" >"$transfer_dir/found.beneath"
	sort -z -u "$transfer_dir/found.beneath" >"$transfer_dir/changed"
}

# Lists the folders that may have another name than they had. Lists that were made while a guest renamed folders prove
# nothing: then it is those whose status has changed, and that of the folder that they are in. Both do at a rename.
transfer_renamed() {
	if [ ! -e "$transfer_dir/mapped" ]; then
		transfer_folders
		comm -z -13 "$transfer_dir/folders" "$transfer_dir/folders.now" | cut -z -d ' ' -f 2- |
			sed -z "s|^|$transfer_tree/|" >"$transfer_dir/renamed"
		return
	fi
	transfer_finds find "$transfer_tree" -type d -newerct "@$transfer_from" -print0 >"$transfer_dir/touched"
	# shellcheck disable=SC2016 # it is for the inner shell
	transfer_finds xargs -0 -r sh -c 'find "$@" -mindepth 1 -maxdepth 1 -type d -newerct "$0" -print0' "@$transfer_from" \
		<"$transfer_dir/touched" >"$transfer_dir/renamed"
}

# Lists the folders there are now, each by what it is and its name.
transfer_folders() {
	find "$transfer_tree" -mindepth 1 -type d -printf '%i %P\0' >"$transfer_dir/folders.found"
	sort -z "$transfer_dir/folders.found" >"$transfer_dir/folders.now"
}

# transfer_keep FILE: what was prepared as FILE.part is FILE from now on.
transfer_keep() {
	mv "$1.part" "$1"
	durable "$1"
}

# transfer_run OPTION…: one run of rsync. Sets transfer_exit.
transfer_run() {
	progress 0 "$transfer_total" "$transfer_note"
	{
		set +e
		# shellcheck disable=SC2086 # options are to be split
		transfer_sees rsync $transfer_options -aHAXS --numeric-ids --modify-window=-1 --no-human-readable --stats \
			--info=progress2 "--filter=- /.vsjob-*-scratch" "$@" \
			-e "$transfer_shell" "$transfer_tree/" "$transfer_target:/tree"
		printf '%s\n' "$?" >"$transfer_dir/exit"
	} | stdbuf -o0 tr '\r' '\n' | {
		: >"$transfer_dir/stats"
		while IFS= read -r transfer_line; do
			case $transfer_line in
			*%*/s*)
				# shellcheck disable=SC2086 # fields are to be split
				set -- $transfer_line
				progress "$1" "$transfer_total" "$transfer_note"
				;;
			*:*) printf '%s\n' "$transfer_line" >>"$transfer_dir/stats" ;;
			esac
		done
	}
	read -r transfer_exit <"$transfer_dir/exit"
}

transfer_count() {
	transfer_number=$(sed -n "s/^$1: \([0-9]*\).*/\1/p" "$transfer_dir/stats")
	printf '%s' "${transfer_number:-0}"
}

# transfer_judge WHAT: fails in the class that rsync's exit code is of. 24 is left to the caller.
transfer_judge() {
	case $transfer_exit in
	0 | 24) return 0 ;;
	10 | 12 | 20 | 30 | 35 | 255) fail transient VSJ0464 "$1: the line was lost (rsync $transfer_exit)" ;;
	23) fail partial VSJ0465 "$1: some files could not be sent (rsync 23)" ;;
	*) fail permanent VSJ0466 "$1: rsync ended with $transfer_exit" ;;
	esac
}

# tree_count TREE: sets files and size as rsync counts them, by looking at every file.
tree_count() {
	tree_counted=$(find "$1" -printf '%y %s\n' |
		awk '{ files++; if ($1 == "f" || $1 == "l") size += $2 } END { printf "%d %.0f\n", files, size }')
	files=${tree_counted% *}
	size=${tree_counted#* }
}

# What the job's key runs on the target, whatever it asks for: rsync's receiver, for the one tree. Options are let
# through by name; paths are never the sender's. A receiver that is still there from a line that broke is ended first;
# only that is done with `end` as a second argument, which no key can give.
transfer_receiver() {
	cat <<'RECEIVER'
set -efu
LC_ALL=C
dir=$1
refuse() {
	printf 'refused: %s\n' "$1" >&2
	exit 4
}
# process PID: sets start and group to its start time and process group.
process() {
	start='' group=''
	{ read -r stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	# shellcheck disable=SC2086 # words are to be split
	set -- ${stat##*) }
	start=${20} group=$3
}
# Takes the lock. Who has it is ended, if it has said who it is and its number is not another process's by now.
take() {
	exec 9>>"$dir/lock"
	turns=20
	until flock -n 9; do
		[ "$turns" -gt 0 ] || refuse 'another receiver does not end'
		turns=$((turns - 1))
		pid='' since=''
		{ read -r pid since <"$dir/holder"; } 2>/dev/null || true
		process "$pid"
		if [ -n "$since" ] && [ "$start" = "$since" ]; then kill -TERM "-$group" 2>/dev/null || true; fi
		flock -w 1 9 && return
	done
}
if [ "${2:-}" = end ]; then
	take
	exit 0
fi
case ${SSH_ORIGINAL_COMMAND:-} in
*[!A-Za-z0-9\ ./=@,_-]*) refuse 'a character' ;;
'rsync --server '*) ;;
*) refuse 'not a receiver' ;;
esac
read -r into <"$dir/into"
read -r scratch <"$dir/scratch"
# shellcheck disable=SC2086 # words are to be split
set -- $SSH_ORIGINAL_COMMAND
shift 2
flags='' long='' half=--partial-dir=$scratch
for word; do
	case $word in
	--delete | --delete-during | --numeric-ids | --stats | --modify-window=-1 | -@-1) long="$long $word" ;;
	--partial-dir | /scratch | . | /tree) ;;
	--inplace) half=--inplace ;;
	--bwlimit=*[!0-9]*) refuse 'an option' ;;
	# The sender keeps to it.
	--bwlimit=*) ;;
	--*) refuse 'an option' ;;
	-*)
		# Those of -aHAXS, --compress, --checksum, --ignore-times and --files-from. Others take a path, as -T does, or follow a link of the tree, as -K does.
		case ${word%%e.*} in - | -*[!lHogDtpAXrRSIcz]*) refuse 'a flag' ;; esac
		flags="$flags $word"
		;;
	*) refuse 'a word' ;;
	esac
done
take
[ ! -e "$dir/open" ] || sh "$dir/open" >&2 || refuse 'its volume is not there'
mkdir -p -m 700 "$scratch"
process "$$"
printf '%s %s\n' "$$" "$start" >"$dir/holder"
code=0
# shellcheck disable=SC2086 # words are to be split
rsync --server $flags $long "$half" . "$into/" || code=$?
if [ "$code" = 0 ]; then
	case $scratch in "$into"/*) rm -rf "$scratch" ;; esac
	sync -f "$into"
fi
exit "$code"
RECEIVER
}
