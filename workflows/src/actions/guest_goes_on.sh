# guest_goes_on GUEST FOLDER RUNNING POST: the guest goes on, whatever became of the copy: it is started again if it
# was stopped for it, and what was prepared in it is taken back.
guest_goes_on() {
	if [ -e "$2/stopped" ]; then
		[ "$3" != yes ] || guest_start "$1"
		rm "$2/stopped"
	fi
	if [ -e "$2/prepared" ]; then
		if [ -n "$4" ] && guest_running "$1" && ! guest_exec "$1" sh -c "$4" </dev/null >&2; then
			printf 'the command after the copy of %s failed\n' "$1" >&2
		fi
		rm "$2/prepared"
	fi
	durable "$2"
}

