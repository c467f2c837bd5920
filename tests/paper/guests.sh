# Guests of a paper host, as machinectl and systemctl see them. A guest that runs is a process, recorded with its start
# time in $R/run/paper/guests/NAME, which a reboot forgets. If its root has an executable sbin/paper-init, that is
# what runs (its argument is the root): a test's service or writer.

guest_root=$R/var/lib/machines
guest_wants=$R/etc/systemd/system/machines.target.wants
guest_group=$R/sys/fs/cgroup/machine.slice

guest_running() {
	guest_pid=''
	{ read -r guest_pid guest_start <"$R/run/paper/guests/$1"; } 2>/dev/null || return 1
	start_of "$guest_pid"
	[ "$start" = "$guest_start" ]
}

# start_of PID: sets start to its start time, or to nothing if it is gone.
start_of() {
	start=
	{ read -r start_stat <"/proc/$1/stat"; } 2>/dev/null || return 0
	# shellcheck disable=SC2086 # fields are to be split
	set -- ${start_stat##*) }
	[ "$1" = Z ] || start=${20}
}

guest_enabled() { [ -L "$guest_wants/systemd-nspawn@$1.service" ]; }

guest_enable() {
	[ -d "$guest_wants" ] || mkdir -p "$guest_wants"
	ln -sf /lib/systemd/system/systemd-nspawn@.service "$guest_wants/systemd-nspawn@$1.service"
}

guest_disable() { rm -f "$guest_wants/systemd-nspawn@$1.service"; }

guest_start() {
	! guest_running "$1" || return 0
	guest_before=$(sed -n 's/^ExecStartPre=\/bin\/sh -c "\(.*\)"$/\1/p' \
		"$R/etc/systemd/system/systemd-nspawn@$1.service.d/vsjob-volume.conf" 2>/dev/null | sed "s/%i/$1/g") || true
	if [ -n "$guest_before" ] && ! sh -c "$guest_before"; then
		echo "Job for systemd-nspawn@$1.service failed because the control process exited with error code." >&2
		return 1
	fi
	if [ ! -d "$guest_root/$1" ]; then
		echo "Job for systemd-nspawn@$1.service failed: no image for machine '$1'" >&2
		return 1
	fi
	[ -d "$R/run/paper/guests" ] || mkdir -p "$R/run/paper/guests"
	init=$guest_root/$1/sbin/paper-init
	if [ -x "$init" ]; then
		/usr/bin/setsid "$init" "$guest_root/$1" </dev/null >/dev/null 2>&1 9>&- &
	else
		/usr/bin/setsid sleep 2147483647 </dev/null >/dev/null 2>&1 9>&- &
	fi
	start_of "$!"
	printf '%s %s\n' "$!" "$start" >"$R/run/paper/guests/$1"
	mkdir -p "$guest_group/systemd-nspawn@$1.service"
	printf '%s\n' "$!" >"$guest_group/systemd-nspawn@$1.service/cgroup.procs"
}

# guest_end NAME SIGNAL: returns when it is gone.
guest_end() {
	guest_running "$1" || return 0
	kill "-$2" "-$guest_pid" 2>/dev/null || kill "-$2" "$guest_pid" 2>/dev/null || true
	turns=250
	while guest_running "$1"; do
		turns=$((turns - 1))
		if [ "$turns" -eq 0 ]; then
			kill -KILL "-$guest_pid" 2>/dev/null || true
		fi
		sleep 0.02
	done
	rm -f "$R/run/paper/guests/$1"
}

# guest_addresses NAME: the addresses that its files give it, one a line.
guest_addresses() {
	sed -n 's/^Address=\([^/]*\).*/\1/p' "$guest_root/$1"/etc/systemd/network/*.network 2>/dev/null || true
	sed -n 's/^[[:space:]]*address \([^/ ]*\).*/\1/p' "$guest_root/$1/etc/network/interfaces" 2>/dev/null || true
}

# answers ADDRESS: whether a guest that runs, and is not in quarantine, has that address, on any host of the pool.
answers() {
	for answers_host in "${R%/*}"/*/; do
		answers_host=${answers_host%/}
		if [ -d "$answers_host/run/paper/guests" ] && [ ! -e "$answers_host/fault/cut" ] &&
			R=$answers_host sh "$paper/answers" "$1"; then
			return 0
		fi
	done
	return 1
}

# quarantined NAME: whether a table of nft holds its link.
quarantined() {
	for table in "$R"/run/paper/nft/*"vsjob_q_$1"; do
		[ ! -e "$table" ] || return 0
	done
	return 1
}
