# The loop of a channel: one `sh` on a host that performs requests read from its standard input, one after the other,
# until that ends. $1 is the root of the host, $2 a PATH to use instead of the usual one.
#
#   NONCE                                               first line: what no output can contain by chance
#   load HASH BYTES                                     then that many bytes: a script, kept under its hash
#   run ID MODE HASH COUNTER EPOCH ARGUMENTS            then one line an argument; MODE is r (reads) or m (mutates)
#
# A script's output and errors go straight to the channel's own two streams; on each a frame line ends them:
#   NONCE ID EXIT-CODE STATUS
# STATUS is ok, or why the script was not run: unloaded, unclaimed (the host knows no such epoch yet) or
# refused:COUNTER:EPOCH (it obeys another master). Only built-ins stand between two scripts: a request costs one fork.

R=$1
PATH=${2:-/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin}
LC_ALL=C
export R PATH LC_ALL
umask 022
cd /

IFS= read -r nonce || exit 0
read -r stat </proc/self/stat
# shellcheck disable=SC2086 # fields are to be split
set -- ${stat##*) }
group=$3 start=${20}
registered=

# A channel is known to its host from its first mutating request on, so that a later master can end it. It is
# registered before the epoch is checked, and a claim writes the epoch before it looks for channels: one sees the other.
register() {
	[ -d "$R/run/vsjob/channels" ] || mkdir -p "$R/run/vsjob/channels"
	printf '%s %s %s %s %s\n' "$counter" "$epoch" "$$" "$start" "$group" >"$R/run/vsjob/channels/$$"
	registered="$counter $epoch"
	trap 'rm -f "$R/run/vsjob/channels/$$"' EXIT
}

admit() {
	[ "$registered" = "$counter $epoch" ] || register
	have='' have_epoch=''
	{ read -r have have_epoch <"$R/var/lib/vsjob/epoch"; } 2>/dev/null
	if [ "$have $have_epoch" = "$counter $epoch" ]; then
		status=ok
	elif [ -z "$have" ] || [ "$have" -lt "$counter" ]; then
		status=unclaimed
	else
		status="refused:$have:$have_epoch"
	fi
}

while read -r verb id mode hash counter epoch count; do
	if [ "$verb" = load ]; then
		eval "script_$id=\$(head -c $mode)"
		continue
	fi
	set --
	while [ "$count" -gt 0 ]; do
		IFS= read -r argument || exit 0
		set -- "$@" "$argument"
		count=$((count - 1))
	done
	eval "script=\${script_$hash-}"
	status=ok code=0
	if [ -z "$script" ]; then
		status=unloaded
	elif [ "$mode" = m ]; then
		admit
	fi
	if [ "$status" = ok ]; then
		(eval "$script") </dev/null
		code=$?
	fi
	printf '\n%s %s %s %s\n' "$nonce" "$id" "$code" "$status"
	printf '\n%s %s %s %s\n' "$nonce" "$id" "$code" "$status" >&2
done
