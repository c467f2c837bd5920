# What on this host carries our names: a line object.N=KIND NAME for each.

listed=0
object() {
	listed=$((listed + 1))
	out "object.$listed" "$1 $2"
}

found=$(volume_list)
while IFS= read -r name; do
	case $name in
	*[!a-z0-9.-]*) ;;
	.vsjob-*-scratch) object scratch "$name" ;;
	.vsjob-*) object snapshot "$name" ;;
	*.partial-???????? | *.moved-???????? | *.removed-???????? | *.replaced-????????) object volume "$name" ;;
	esac
done <<-END
	$found
END
for path in "$R"/etc/systemd/nspawn/*.moved-????????.nspawn "$R"/etc/systemd/nspawn/*.removed-????????.nspawn \
	"$R"/etc/systemd/nspawn/*.replaced-????????.nspawn; do
	[ ! -f "$path" ] || { path=${path##*/}; object definition "${path%.nspawn}"; }
done
for path in "$jobs"/*/; do
	[ ! -d "$path" ] || { path=${path%/}; object folder "${path##*/}"; }
done
for path in "$R/var/lib/vsjob/templates"/*; do
	[ ! -f "$path" ] || object template "${path##*/}"
done
for path in "$R/var/lib/vsjob/run"/*; do
	run=${path##*/}
	# Its name is JOB-STEP-ATTEMPT, or JOB-STEP-stop.
	case ${run%-*-*} in
	*[!0-9a-f-]*) ;;
	*) [ ! -e "$path" ] || object run "$run" ;;
	esac
done
keys=$(sed -n 's/^restrict,.* vsjob-\([0-9a-f]*\)$/\1/p' "$R/root/.ssh/authorized_keys" 2>/dev/null) || keys=
for name in $keys; do
	object key "vsjob-$name"
done
for name in $(nft list tables bridge 2>/dev/null | sed -n 's/^table bridge \(vsjob_q_[a-z0-9_]*\)$/\1/p'); do
	object quarantine "$name"
done
out objects "$listed"
