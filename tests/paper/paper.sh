# What the stand-ins of paper hosts share. A stand-in is found first in PATH by the scripts of vsjob, keeps its state in
# the folder $R of the host, and obeys the faults that a test has put into $R/fault.

set -eu
[ -n "${R:-}" ] || {
	echo "a stand-in of a paper host was called without a host" >&2
	exit 125
}
# The folder of the stand-ins is a link in a pool, so this path leads to where it really is, without a fork.
paper=${0%/*}/..
tool=${0##*/}

# real TOOL ARG…: the machine's own tool instead of the stand-in.
real() {
	real_tool=$1
	shift
	for real_dir in /usr/local/sbin /usr/local/bin /usr/sbin /usr/bin /sbin /bin; do
		if [ -x "$real_dir/$real_tool" ]; then
			exec "$real_dir/$real_tool" "$@"
		fi
	done
	echo "$real_tool: not found" >&2
	exit 127
}

. "$paper/launch_fault.sh"

# obey_before, obey_after: what a fault of this tool does before and after its effect.
obey_before() {
	case $fault in
	fail)
		echo "$tool: a fault was ordered" >&2
		exit 1
		;;
	hang) real sleep 1000000 ;;
	reboot) "$paper/reboot" "$R" && real sleep 1000000 ;;
	esac
}

obey_after() {
	case $fault in
	lost) kill -KILL 0 ;;
	reboot-after) "$paper/reboot" "$R" && real sleep 1000000 ;;
	esac
}

if fault_of "$tool"; then
	obey_before
	trap obey_after EXIT
fi
