# Removes the run directories of a job that is over, unless one of its commands still runs; no power cut brings them back,
# since nobody would look for them then. JOB

runs=$R/var/lib/vsjob/run
for dir in "$runs/$1"-*; do
	if [ -d "$dir" ]; then
		run_state "$dir"
		case $state in
		starting | running) fail transient VSJ0313 "${dir##*/} still runs" ;;
		esac
	fi
done
rm -rf "$runs/$1"-*
durable "$runs/$1"
