# The loop of a channel: one `sh` on a host that performs requests read from its standard input, one after the other,
# until that ends. $1 is the root of the host, $2 a PATH to use instead of the usual one.
#
#   NONCE                                            first line: what no output can contain by chance
#   run MODE HASH COUNTER EPOCH ARGUMENTS            then one line an argument; MODE is r (reads) or m (mutates)
#   load                                             then a line HASH BYTES, then that many bytes: a script, kept
#
# A script's output goes straight to standard output, and frame lines follow it:
#   NONCE status WHY                                 why it was not run, if so: unloaded, unclaimed (the host knows no
#                                                    such epoch yet) or refused:COUNTER:EPOCH (it obeys another master)
#   NONCE errors                                     then what it wrote to standard error, if anything
#   NONCE end NUMBER EXIT-CODE                       the end; NUMBER counts the requests to run, from 1
# Each request is read, performed and answered by a subshell that was forked while nothing was to be done: it waits for
# no fork, and only built-ins stand between it and its script.

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
registration=$R/run/vsjob/channels/$$ errors=$R/run/vsjob/errors.$$
[ -d "${registration%/*}" ] || mkdir -p "${registration%/*}"
trap 'rm -f "$registration" "$errors"' EXIT

# A channel is known to its host from its first mutating request on, so that a later master can end it. It is
# registered before the epoch is checked, and a claim writes the epoch before it looks for channels: one sees the other.
register() {
	registered=
	{ read -r registered <"$registration"; } 2>/dev/null
	[ "$registered" = "$counter $epoch $$ $start $group" ] ||
		printf '%s %s %s %s %s\n' "$counter" "$epoch" "$$" "$start" "$group" >"$registration"
}

admit() {
	register
	have='' have_epoch=''
	{ read -r have have_epoch <"$R/var/lib/vsjob/epoch"; } 2>/dev/null
	if [ "$have $have_epoch" = "$counter $epoch" ]; then
		return 0
	elif [ -z "$have" ] || [ "$have" -lt "$counter" ]; then
		refuse unclaimed
	else
		refuse "refused:$have:$have_epoch"
	fi
}

refuse() {
	printf '\n%s status %s\n' "$nonce" "$1"
	exit
}

# The answer's end. 199 tells the loop that it has been given.
finish() {
	trap - EXIT
	if [ -s "$errors" ]; then
		printf '\n%s errors\n' "$nonce"
		cat "$errors"
	fi
	printf '\n%s end %s %s\n' "$nonce" "$number" "$1"
	exit 199
}

# Performs one request, in a subshell. What is not for it, it leaves to the loop, whose $next says so.
perform() {
	read -r verb mode hash counter epoch count || verb=
	if [ "$verb" != run ]; then
		if [ "$verb" = load ]; then kill -USR1 $$; else kill -TERM $$; fi
		exit
	fi
	# shellcheck disable=SC2154 # it is the exit code when the trap is run
	trap 'finish $?' EXIT
	exec 2>"$errors"
	set --
	while [ "$count" -gt 0 ]; do
		IFS= read -r argument || exit
		set -- "$@" "$argument"
		count=$((count - 1))
	done
	eval "script=\${script_$hash-}"
	[ -n "$script" ] || refuse unloaded
	[ "$mode" = r ] || admit
	exec </dev/null
	"perform_$hash" "$@"
}

load() {
	read -r hash bytes
	script=$(head -c "$bytes")
	eval "script_$hash=\$script
perform_$hash() {
$script
}"
}

number=1
trap 'next=load' USR1
trap 'next=stop' TERM
while :; do
	next=
	(perform)
	code=$?
	case $next in
	load) load ;;
	stop) exit 0 ;;
	*)
		# A script that was killed could not answer.
		[ "$code" -eq 199 ] || (finish "$code")
		number=$((number + 1))
		;;
	esac
done
