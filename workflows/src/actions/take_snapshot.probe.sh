# GUEST SNAPSHOT JOB: taken, and the guest goes on.

folder=$jobs/$3 snapshot=$2
if [ -e "$folder/taken" ] && volume_exists "$snapshot"; then
	out state "done"
	snapshot_answer
else
	out state absent
fi
